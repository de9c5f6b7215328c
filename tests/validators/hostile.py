"""Reports that hold what hostile images, feeds, checkouts and CI variables may hold; the same bytes for the same seed.

    python3 tests/validators/hostile.py >report.json     what `stella convert` is tried with
"""
import hashlib
import json
import random
import sys

FINDINGS = 30_000
# Characters of the longest texts; so many findings have one.
LONG, LONG_FINDINGS = 100_000, 160

# What somebody might act on: a terminal, a runner's log, Markdown, HTML, XML, JSON, OpenMetrics, a path's reader.
TEXTS = [
    # Terminals.
    "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "\x9b31m",
    "".join(map(chr, range(32))) + "\x7f\x80\x85\x9f", "a\rb", "a\x08\x08b", "\x00",
    # Writing direction, what is not seen, what is no character.
    "\u202egnp.exe\u202c", "\u2066\u2067\u2069", "\u061c\u200e\u200fשלום עולם", "a\u200bb\u00ad\ufeffc",
    "\u2028line\u2029paragraph", "\ufffe\uffff\ufdd0\U0001ffff", "\U000e0041\U000e007f",
    # What is nothing but text.
    "日本語 한국어 हिन्दी", "😀👩‍👩‍👧‍👦🏳️‍🌈e\u0301\u0301", "Ünïcödé",
    "{0} %s %n %25 %0A ${x}", "a  b\t\tc", "",
    # Runners.
    "::error::injected", "\n::error file=x,line=1::injected", "  \r\n::add-mask::x", "::set-output name=a::b", "::stop-commands::x",
    "##[error]injected", "a ##[section]b", "###[group]", "##vso[task.complete result=Succeeded]", "##teamcity[buildStop]",
    "%0A::error::injected", "a::b,c=d", "${{ github.token }}", "[[ATTACHMENT|/etc/passwd]]",
    # Markdown, as GitHub and GitLab have it.
    "|", "a | b | c", "\\| \\\\", "`a` ``b`` ```", "```\ncode\n```", "~~~", "**bold** _it_ ~~gone~~", "\n# heading\n",
    "\n- [ ] task", "\n> quote", "\n---\n", "\n    code", "[click](https://evil.example)", "![see](https://evil.example/i.png)",
    "[a][1]\n\n[1]: https://evil.example", "https://evil.example/auto", "www.evil.example", "<https://evil.example>",
    "mail@evil.example", "@everyone @octocat", "#1 octo/repo#2 GH-3 !4 %5 ~bug &6 $7", "\n/close\n/approve", ":tada:", "$x^2$ $$y$$",
    "[^1]\n\n[^1]: note", "[[_TOC_]]", "[ref]: javascript:alert(1)",
    # HTML and XML.
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href=\"javascript:alert(1)\">x</a>", "</details></table><h1>",
    "<!--", "-->", "&lt;script&gt;&#60;&#x3c;&amp;", "]]>", "]]><evil a=\"'&\"/><![CDATA[", "<?xml version=\"1.0\"?>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>&b;",
    # JSON, OpenMetrics, and what opens with a word.
    "\"}],\"version\":\"9\"", "\\u0022\\", "a\"b\\c\nd", "\n# EOF\n", "# HELP x y", "'; --", "=cmd|' /C calc'!A0",
]
# Where a text is a path.
PATHS = ["../../../etc/passwd", "/abs/olute", "//evil.example/x", "https://evil.example/x", "file:///etc/passwd",
         "C:\\Windows\\x", "a/./b/../c", "%2e%2e/x", "a//b/", ".", "..", "javascript:alert(1)", "-rf", "~root", "a:b", "a?b#c"]
# Long ones: plain, of one thing again and again, of what gets longer when it is made harmless.
UNITS = ["A", "word ", "\x1b", "::error::", "##[x]", "|", "`", "<script>", "[a](https://evil.example)", "😀",
         "\u202e", "]]>", "&", "*", "@a ", "\n"]


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def long(unit, end=""):
    return (unit * (LONG // len(unit) + 1))[:LONG - len(end)] + end


class Writer:
    """Draws every text of a report."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, ordinary=""):
        """Ordinary words with something in or around them."""
        draw = self.random.random()
        hostile = self.random.choice(TEXTS)
        return ordinary if draw < 0.2 else hostile if draw < 0.4 else ordinary + hostile if draw < 0.7 else hostile + ordinary

    def path(self, ordinary):
        draw = self.random.random()
        if draw < 0.5:
            return ordinary
        return self.random.choice(PATHS) if draw < 0.6 else f"{ordinary}/{self.random.choice(TEXTS)}/x"

    def written(self):
        """Lines of the checkout."""
        line = self.random.randint(1, 500)
        return {"file": self.random.choice(["Dockerfile", "service/Dockerfile", self.path("Dockerfile")]), "line": line,
                "last_line": line + self.random.randint(0, 9), "line_hash": f"{self.random.getrandbits(64):x}:1"}

    def layer(self, index):
        instruction = long(UNITS[index]) if index < len(UNITS) else f"RUN step {index} {self.text()}"
        return {"diff_id": digest(f"layer {index}"), "instruction": instruction,
                **({"written": self.written()} if index % 2 else {})}

    def finding(self, number, layers):
        choose = self.random.choice
        name = self.text(f"package-{number % 9_000}")
        version = self.text(f"1.{number}")
        rule = choose([f"rule-{self.random.randint(1, 9)}", *TEXTS[:20]])
        action = choose(["fail", "warn", "ignore", None])
        index = self.random.randrange(len(UNITS), len(layers))
        fixed_in = choose([None, self.text("2.0")])
        ecosystem = choose(["deb", "apk", "rpm", "pypi", "npm", "maven", "golang", "cargo", "gem", "generic"])
        pin = {"pin": f"{name}={version}"} if number % 10 == 0 else {}
        return {
            "id": self.text(f"CVE-2024-{number // 2}") if number % 50 == 0 else f"CVE-2024-{number // 2}",
            "aliases": [self.text(f"GHSA-{number}") for _ in range(number % 3)],
            "severity": choose(["critical", "high", "medium", "low", "negligible", "unknown"]),
            "summary": " ".join(self.text("words") for _ in range(3)),
            "package": {"name": name, "version": version, "ecosystem": ecosystem, "purl": f"pkg:{ecosystem}/{name}@{version}"},
            "fixed_in": fixed_in, "status": "affected" if fixed_in is None else "fixed",
            "layer": {"index": index, "diff_id": layers[index]["diff_id"], "instruction": layers[index]["instruction"],
                      "base": choose([True, False, None])},
            "paths": [self.path(f"usr/lib/{number}") for _ in range(number % 4)],
            "rule": rule if action else None, "action": action,
            **({"asked": {**self.written(), **pin}} if number % 5 == 0 else {}),
        }

    def lengthen(self, number, finding, layers):
        """Makes one text of a finding as long as a text gets; two that differ at their very end, too."""
        text = long(UNITS[number % len(UNITS)], end=str(number % 2))
        at = number % 8
        if at == 0:
            finding["package"]["name"] = long("A", end=str(number))
        elif at == 1:
            finding["package"]["version"] = text
        elif at == 2:
            finding["paths"] = [text, "x"]
        elif at == 3:
            index = number % len(UNITS)
            finding["layer"] = {**finding["layer"], "index": index, "instruction": layers[index]["instruction"]}
        elif at == 4:
            finding["aliases"] = [f"CVE-2023-{other}" for other in range(LONG // 14)]
        elif at == 5:
            finding["paths"] = [f"a/{other}" for other in range(LONG // 8)]
        elif at == 6:
            finding["fixed_in"], finding["status"] = text, "fixed"
        else:
            finding["summary"] = text

    def result(self, findings, platform):
        layers = [self.layer(index) for index in range(60)]
        judged = [self.finding(number, layers) for number in range(findings)]
        for number in range(0, min(LONG_FINDINGS, findings)):
            self.lengthen(number, judged[number * (findings // LONG_FINDINGS or 1)], layers)
        # A finding twice, and twice but for its layer.
        if findings > 10:
            judged[1] = dict(judged[2])
            judged[3] = {**judged[4], "layer": {**judged[4]["layer"], "index": 59}}
        severities = ["critical", "high", "medium", "low", "negligible", "unknown"]
        judged.sort(key=lambda one: severities.index(one["severity"]))
        skipped = [{"name": self.text(f"skip-{number}"), "what": self.path(f"what-{number}"), "why": self.text("why")}
                   for number in range(300)]
        skipped += [{"name": "", "what": "", "why": ""}, {"name": "long", "what": long("::error::"), "why": long("|")}]
        count = {action: sum(one["action"] == action for one in judged) for action in ("fail", "warn", "ignore")}
        return {
            "engine": "0.1.0", "now": "2026-06-15T12:00:00Z",
            "image": {"reference": f"registry.example:5000/team|<b>/{self.text('app')}:1.2", "digest": digest("manifest"),
                      "config_digest": digest("config"), "platform": platform, "layers": layers,
                      "base": {"layers": 3, "by": "dockerfile", "name": self.text("debian:12.5")}},
            "snapshot": {"id": digest("snapshot"),
                         "feeds": [{"name": self.text("Debian:12"), "records": 2**63, "as_of": self.text("2026-06-14T00:00:00Z")}
                                   for _ in range(40)]},
            "looked_at": {"layers": len(layers), "files": 2**63, "bytes": 2**63,
                          "os": {"id": self.text("debian"), "version": self.text("12"), "end_of_life": True},
                          "packages": {"deb": 2**52, **{self.text(f"kind-{number}"): number for number in range(40)}},
                          "lock_files": [{"path": self.path("app/package-lock.json"), "layer": 1, "packages": 9}
                                         for _ in range(300)],
                          "inventory": None, "skipped": skipped},
            "findings": judged,
            "verdict": {"outcome": "fail" if findings else "unfinished", "class": "trusted",
                        "policies": [{"origin": self.path("policy.yaml"), "digest": digest("policy")} for _ in range(5)],
                        "allowed": sorted(one["name"] for one in skipped[:9]),
                        "reasons": [{"rule": self.text(action), "action": action, "findings": count[action],
                                     "message": self.text("because")}
                                    for action in ("fail", "warn", "ignore") for _ in range(5)]},
        }


def run(writer, notes=0):
    zero = dict.fromkeys(["missing", "analyse", "upload", "match", "policy", "report", "total"], 0.125)
    return {"layers": {"hits": 30, "misses": 30}, "uploaded": 3, "round_trips": 4, "retries": 1,
            "bytes_read": 2**63, "degraded": notes > 0, "notes": [writer.text("note") for _ in range(notes)],
            "ledger": [{"diff_id": digest(f"layer {index}"), "proof": "verified-now" if index % 2 else "pair-verified-earlier"}
                       for index in range(60)],
            "timings_ms": zero}


def report(findings=FINDINGS, seed=5):
    """Two platforms, of which the second has no moment, and a name of nothing that is seen."""
    writer = Writer(seed)
    second = writer.result(findings // 30, "linux/\x1b[31m|arm64")
    second["now"], second["image"]["reference"] = "😀", " \u202e\x00 "
    return {"schema": 1, "results": [writer.result(findings - findings // 30, "linux/amd64"), second], "run": run(writer, notes=50)}


def noise(findings=5_200, seed=6):
    """Texts that no compression makes small, each longer than any report takes: what files weigh at most."""
    writer = Writer(seed)

    def characters(count):
        return "".join(map(chr, writer.random.choices(range(0x4e00, 0x9fa0), k=count)))
    result = writer.result(findings, "linux/amd64")
    for judged in result["findings"]:
        judged.update(severity="critical", action="fail", rule="severe", summary=characters(1_100), paths=[characters(1_100)],
                      fixed_in=characters(300), status="fixed")
        judged["package"].update(name=characters(300), version=characters(300))
    return {"schema": 1, "results": [result], "run": run(writer)}


def nothing():
    """No image at all."""
    return {"schema": 1, "results": [], "run": run(Writer(0))}


def write(value, path):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False)


if __name__ == "__main__":
    json.dump(report(), sys.stdout)
