"""`stella convert`: a kept report in its other forms, as the gate itself would have written them."""
import json
import os
import subprocess

import program
from program import DEMO, STELLA, call

FORMS = ["sarif", "junit", "gitlab", "codequality", "markdown", "github", "table"]


class Convert(program.Case):
    def setUp(self):
        super().setUp()
        self.kept = self.path("kept.json")

    def outputs(self, folder):
        return [word for form in FORMS for word in ("-o", f"{form}={self.path(f'{folder}/{form}')}")]

    def keep(self, *arguments):
        """Gates the demo, which fails."""
        done = call(STELLA, "gate", f"oci:{DEMO}", "--advisories", "demo", "-o", f"json={self.kept}", *arguments,
                    env=program.environment(self.work))
        self.assertEqual(done.returncode, 1, done.stderr)

    def convert(self, *arguments, code=0, **more):
        done = call(STELLA, "convert", *arguments, env=program.environment(self.work), cwd=self.work, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def bytes_of(self, *names):
        with open(self.path(os.path.join(*names)), "rb") as report:
            return report.read()

    def write(self, text):
        with open(self.kept, "w", encoding="utf-8") as out:
            out.write(text)
        return self.kept

    def test_the_same_reports_as_the_gate_writes(self):
        self.keep(*self.outputs("gate"))
        self.assertEqual(self.convert(self.kept, *self.outputs("converted")).stdout, "")
        for form in FORMS:
            with self.subTest(form):
                self.assertEqual(self.bytes_of("converted", form), self.bytes_of("gate", form))
        again = json.loads(self.convert(self.kept, "-o", "json").stdout)
        self.assertEqual(again, json.loads(self.bytes_of("kept.json")))

    def test_stdin_and_a_table_by_default(self):
        self.keep("-o", f"table={self.path('table')}")
        with open(self.kept, encoding="utf-8") as kept:
            done = self.convert("-", stdin=kept)
        self.assertEqual(done.stdout.encode(), self.bytes_of("table"))

    def test_what_is_no_report_is_said_with_its_place(self):
        self.keep()
        report = json.loads(self.bytes_of("kept.json"))
        wrong = json.loads(self.bytes_of("kept.json"))
        place = {"file": "a", "line": 0, "last_line": 1, "line_hash": "0:1"}
        wrong["results"][0]["image"]["layers"][0]["written"] = place
        at_zero = json.dumps(wrong)
        place["line"] = 2**64 - 1
        at_end = json.dumps(wrong)
        hashes = []
        for line_hash in ("", ":", "0", "0:", ":1", "G:1", "A:1", "0:-1", "0:1:1", "0:1\n", "0" * 17 + ":1", "0:" + "1" * 11, "0:" + "1" * 100_000):
            place.update(line=1, line_hash=line_hash)
            hashes.append((json.dumps(wrong), "a line's hash is no HEXADECIMAL:NUMBER"))
        for text, *words in [
            ("", "1:0: no JSON report of Stella"),
            ("{\n  \"schema\": 1,\n  \"results\": {}\n}", "3:13: no JSON report of Stella", "expected a sequence"),
            (json.dumps({**report, "schema": 2}), "schema 2", "reads schema 1", "the program that wrote it"),
            (json.dumps({"schema": 7}), "schema 7"),
            (json.dumps({**report, "run": {}}), "missing field"),
            (at_zero, "`0`, expected a line from 1"),
            (at_end, "`18446744073709551615`, expected a line from 1"),
            *hashes,
            (json.dumps(report)[:-9], "EOF while parsing"),
            (json.dumps(report) + "x", "trailing characters"),
            ('{"results": [{"findings": [{"x": ' + "[" * 100_000, "recursion limit"),
            ('{"schema": 1, "schema": 1}', "duplicate field"),
            ('{"schema": "\\ud800"}', "no JSON report of Stella"),
            (json.dumps({"schema": "\x1b[31m\n::error::x" * 10_000}), "no JSON report of Stella"),
        ]:
            with self.subTest(text[:60]):
                said = self.convert(self.write(text), "-o", f"sarif={self.path('sarif')}", code=2).stderr
                for word in words:
                    self.assertIn(word, said)
                self.assertLess(len(said), 2_000)
                self.assertFalse(any(line.startswith("::") for line in said.splitlines()) or "\x1b" in said)
                self.assertFalse(os.path.exists(self.path("sarif")))
        self.assertIn("no format", self.convert(self.kept, "-o", "pdf", code=2).stderr)

    def test_what_cannot_be_read_or_written_is_unfinished(self):
        self.keep()
        for missing in (self.path("none.json"), self.work):
            self.assertIn("cannot be read", self.convert(missing, code=3).stderr)
        with open(self.path("large.json"), "wb") as large:
            large.truncate((256 << 20) + 1)
        self.assertIn("limit `report size`", self.convert(self.path("large.json"), code=3).stderr)
        done = self.convert(self.kept, "-o", f"sarif={self.kept}/x", "-o", f"junit={self.path('junit')}", code=3)
        self.assertIn("cannot be written", done.stderr)
        self.assertTrue(self.bytes_of("junit"))
        with subprocess.Popen([STELLA, "convert", self.kept], stdout=subprocess.PIPE,
                              env=program.environment(self.work)) as process:
            process.stdout.read(1)
            process.stdout.close()
            self.assertEqual(process.wait(), 0, "a reader that has seen enough is no error")

    def test_what_the_policy_ignores(self):
        policy = self.path("policy.yaml")
        with open(policy, "w", encoding="utf-8") as out:
            out.write("version: 1\nrules:\n  - {name: waived, when: {package: lodash}, action: ignore, reason: unused}\n"
                      "  - {name: all, when: {severity_at_least: unknown}, action: fail}\n")

        def waived(path):
            results = json.loads(self.bytes_of(path))["runs"][0]["results"]
            return [result["suppressions"][0]["justification"] for result in results if "suppressions" in result]
        self.keep("--policy", policy, "-o", f"sarif={self.path('gate')}")
        self.convert(self.kept, "--show-ignored", "-o", f"sarif={self.path('shown')}")
        self.convert(self.kept, "-o", f"sarif={self.path('not')}")
        self.assertEqual((waived("gate"), waived("not")), ([], []))
        self.assertTrue(waived("shown"))
        self.assertIn("waived", waived("shown")[0])
        shown = self.bytes_of("shown")
        self.keep("--policy", policy, "--show-ignored", "-o", f"sarif={self.path('gate')}")
        self.assertEqual(self.bytes_of("gate"), shown)
