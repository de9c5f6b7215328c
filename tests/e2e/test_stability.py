"""Alerts that stay: an image is built again with another version, and again with lines put into its Dockerfile, and what code
scanning knows an alert by moves only where GitHub's own rule moves it."""
import gzip
import json
import os
import shutil
import unittest

import line_hash
import program

BASE, NAME = "stella-e2e/stable-base:1", "stella-e2e/stable"
DOCKERFILE = """\
# The application and what it stands on.
FROM stella-e2e/stable-base:1
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
ADD python.tar.gz /
ADD node.tar.gz /
LABEL org.opencontainers.image.title="greeting" org.opencontainers.image.vendor="an example of some length to be sure"
LABEL org.opencontainers.image.version="1.0.0"
COPY app /app
ADD modules.tar.gz /
USER 1000
CMD ["python3", "/app/main.py"]
"""
FROM, PYTHON, NODE, MODULES = "FROM stella-e2e/stable-base:1", "ADD python.tar.gz /", "ADD node.tar.gz /", "ADD modules.tar.gz /"
TEN = "".join(f"# Line {number} of ten.\n" for number in range(1, 11))
# The version right below what has alerts.
CLOSE = "".join(line for line in DOCKERFILE.splitlines(keepends=True) if "image.title" not in line)
TARS = {"python": 3, "node": 4, "modules": 6}


def key(result):
    """What an alert is known by, whatever line it stands on: rule, file, own fingerprint."""
    file = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    return result["ruleId"], file, result["partialFingerprints"]["stellaFindingV1"]


def line_of(result):
    return result["locations"][0]["physicalLocation"]["region"]["startLine"]


def bumped(text):
    return text.replace('version="1.0.0"', 'version="1.0.1"')


# What one release of an application is called, and the next one.
RELEASES = [
    ("1.0.3", "1.0.4"), ("9", "10"), ("v1", "v2"), ("2026-01-15", "2026-11-02"), ("20260115T120000Z", "20261102T080000Z"),
    ("1.0-beta-2", "1.0"), ("1.0.0-rc.1", "1.0.0"), ("1.0-SNAPSHOT", "1.0-20260101.120000-3"), ("1.1.1w", "1.1.1x"),
    ("1.2.3", "1.2.3-14-g2414721"), ("3f2a9bc", "2414721"), ("build.17", "build.18"), ("1.0+git3", "1.0+git4"),
    ("1.0.0-canary-abc123", "1.0.0-canary-def456"), ("1.0.0-edge", "1.1.0-stable"), ("1.0+abc", "1.0+abd"),
]


class WithoutDockerfile(program.Case):
    """Where no line is known, what a place and an alert are called has no version of the application or of a package."""

    def alerts(self, version, package):
        modules = f"opt/greeting-{version}/node_modules"
        tar = program.tar([
            (f"{modules}/lodash/package.json", '{"name": "lodash", "version": "4.17.4"}'),
            (f"opt/greeting-{version}.dist/site-packages/urllib3-{package}.dist-info/METADATA",
             f"Metadata-Version: 2.1\nName: urllib3\nVersion: {package}\n")])
        layout = program.write_layout(self.path(f"greeting-{version}"), [(gzip.compress(tar, mtime=0), tar)])
        outputs = [word for form in ("sarif", "codequality", "gitlab") for word in ("-o", f"{form}={self.path(form)}")]
        code, report, said = program.gate(self.work, f"oci:{layout}", "--advisories", "demo", *outputs, cwd=self.work)
        self.assertEqual(code, 1, said)
        # A name that is guessed from a path with a version is said to be.
        [note] = [note for note in report["run"]["notes"] if "after its path" in note]
        self.assertRegex(note, r"called greeting-(build\.)?VERSION after")
        self.assertIn(note, said)
        documents = []
        for form in ("sarif", "codequality", "gitlab"):
            with open(self.path(form), encoding="utf-8") as text:
                documents.append(json.load(text))
        [run] = documents[0]["runs"]
        quality = [(one["check_name"], one["fingerprint"], one["location"]["path"]) for one in documents[1]]
        self.assertEqual(len(quality), len({fingerprint for _, fingerprint, _ in quality}))
        ids = {one["id"] for one in documents[2]["vulnerabilities"]}
        return run["automationDetails"]["id"], {key(result) for result in run["results"]}, sorted(quality), ids

    def test_alerts_stay(self):
        for old, new in RELEASES:
            with self.subTest(old=old, new=new):
                first, second = self.alerts(old, "1.23"), self.alerts(new, "1.24")
                self.assertTrue({"lodash", "urllib3"} <= {rule.rsplit("-", 1)[1] for rule, _, _ in first[1]})
                self.assertEqual(first, second)

    def test_a_name_that_is_given_or_that_the_image_says_is_sure(self):
        layout = shutil.copytree(program.DEMO, self.path("out-7"))
        for arguments, name in ((["--name", "team/app:7"], "team/app"), ([], "out-VERSION")):
            for image in (f"oci:{layout}", f"oci:{layout}:demo"):
                sarif = self.path("sarif")
                code, report, said = program.gate(self.work, image, "--advisories", "demo", "-o", f"sarif={sarif}", *arguments,
                                                  cwd=self.work)
                self.assertEqual(code, 1, said)
                with open(sarif, encoding="utf-8") as text:
                    self.assertEqual(json.load(text)["runs"][0]["automationDetails"]["id"], f"stella/{name}/")
                is_doubted = any("after its path" in note for note in report["run"]["notes"])
                self.assertEqual(is_doubted, not arguments)
        for name in ("", "sha256:" + "0" * 64, "0" * 64, "a\nb"):
            code, _, said = program.gate(self.work, f"oci:{layout}", "--advisories", "demo", "--name", name)
            self.assertEqual(code, 2, said)
            self.assertIn("--name", said)


@unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
class Stability(program.Case):
    def setUp(self):
        super().setUp()
        self.checkout = self.path("checkout")
        os.mkdir(self.checkout)
        layers = program.manifest(program.DEMO)["layers"]
        base = self.path("base")
        os.mkdir(base)
        for index in (0, 1):
            shutil.copy(program.blob(program.DEMO, layers[index]["digest"]), os.path.join(base, f"{index}.tar.gz"))
        for name, index in TARS.items():
            shutil.copy(program.blob(program.DEMO, layers[index]["digest"]), os.path.join(self.checkout, f"{name}.tar.gz"))
        os.mkdir(self.file("app"))
        self.addCleanup(program.call, "docker", "rmi", "--force", f"{NAME}:1.0.0", f"{NAME}:1.0.1", BASE)
        with open(os.path.join(base, "Dockerfile"), "w", encoding="utf-8") as out:
            out.write("FROM scratch\nADD 0.tar.gz /\nADD 1.tar.gz /\n")
        self.build(BASE, base)

    def file(self, *name):
        return os.path.join(self.checkout, *name)

    @staticmethod
    def build(name, directory):
        program.prepare("docker", "build", "--quiet", "--tag", name, directory, env={**os.environ, "DOCKER_BUILDKIT": "0"})

    def alerts(self, version, dockerfile):
        """Builds and gates this version: the Dockerfile, and alerts by what they are known by."""
        with open(self.file("Dockerfile"), "w", encoding="utf-8") as out:
            out.write(dockerfile)
        with open(self.file("app", "package.json"), "w", encoding="utf-8") as out:
            json.dump({"name": "greeting", "version": version}, out)
        self.build(f"{NAME}:{version}", self.checkout)
        sarif = self.path("stella.sarif")
        code, _, said = program.gate(self.work, f"docker:{NAME}:{version}", "--advisories", "demo", "-o", f"sarif={sarif}",
                                     cwd=self.checkout)
        self.assertEqual(code, 1, said)
        with open(sarif, encoding="utf-8") as text:
            [run] = json.load(text)["runs"]
        for result in run["results"]:
            # GitHub's uploader works a hash out too, and warns of each that is not its own.
            place = result["locations"][0]["physicalLocation"]
            with open(self.file(place["artifactLocation"]["uri"]), encoding="utf-8", newline="") as text:
                hashes = line_hash.line_hashes(text.read())
            found = result["partialFingerprints"]["primaryLocationLineHash"]
            self.assertEqual(found, hashes[place["region"]["startLine"] - 1])
        # Neither tag nor digest.
        self.assertEqual(run["automationDetails"]["id"], f"stella/{NAME}/")
        alerts = {key(result): result for result in run["results"]}
        self.assertEqual(len(alerts), len(run["results"]), "two alerts that nothing but a line tells apart")
        return dockerfile, alerts

    def moved(self, old, new):
        """Which instructions GitHub knows by another hash. By all else the alerts are the same, and each stays with its
        instruction; the hash moves where the window of what follows did, and nowhere else."""
        (old_text, old), (new_text, new) = old, new
        self.assertEqual(set(old), set(new))
        moved = set()
        for name, result in old.items():
            instruction, same = (text.splitlines()[line_of(one) - 1] for text, one in ((old_text, result), (new_text, new[name])))
            self.assertEqual(instruction, same)
            before, after = (line_hash.windows(text)[line_of(one) - 1] for text, one in ((old_text, result), (new_text, new[name])))
            hashes = {one["partialFingerprints"]["primaryLocationLineHash"] for one in (result, new[name])}
            self.assertEqual(before != after, len(hashes) == 2, instruction)
            if before != after:
                moved.add(instruction)
        return moved

    def test_alerts_stay(self):
        first = self.alerts("1.0.0", DOCKERFILE)
        self.assertEqual({DOCKERFILE.splitlines()[line_of(one) - 1] for one in first[1].values()}, {FROM, PYTHON, NODE, MODULES})
        # The version stands a hundred letters below what has alerts, or above it.
        second = self.alerts("1.0.1", bumped(DOCKERFILE))
        self.assertEqual(self.moved(first, second), set())
        # Ten lines above an instruction are in the window of the one above them.
        third = self.alerts("1.0.1", bumped(DOCKERFILE).replace(NODE, TEN + NODE))
        self.assertEqual({line_of(third[1][name]) - line_of(one) for name, one in second[1].items()}, {0, 10})
        self.assertEqual(self.moved(second, third), {PYTHON})
        # A version right below is in the window of those above it.
        close = self.alerts("1.0.0", CLOSE), self.alerts("1.0.1", bumped(CLOSE))
        self.assertEqual(self.moved(*close), {PYTHON, NODE})


if __name__ == "__main__":
    unittest.main()
