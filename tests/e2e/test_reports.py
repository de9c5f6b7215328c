"""One analysis writes every report, an SBOM too; with a server and without."""
import json
import os
import subprocess
import unittest

import program
from program import DEMO, call, environment

MOMENT = {"SOURCE_DATE_EPOCH": "1790000000"}


class Sboms(program.Case):
    """The SBOM of a gate is the one that `stella sbom` writes, and CycloneDX says what was found in it."""

    def setUp(self):
        super().setUp()
        self.advisories = self.path("advisories")
        program.prepare(program.STELLA, "feeds", "import", program.ADVISORIES, "--advisories", self.advisories)

    def stella(self, *arguments, codes=(0, 1)):
        done = call(program.STELLA, *arguments, env={**environment(self.work), **MOMENT})
        self.assertIn(done.returncode, codes, done.stderr)
        return done

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as text:
            return text.read()

    def gate(self, *arguments, forms=("spdx", "cyclonedx", "cyclonedx-1.5")):
        """The SBOMs of a gate of the demo image, by form, and its findings."""
        outputs = [word for form in forms for word in ("-o", f"{form}={self.path(form)}")]
        self.stella("gate", f"oci:{DEMO}", *arguments, *outputs, "-o", f"json={self.path('json')}")
        findings = json.loads(self.read("json"))["results"][0]["findings"]
        return {form: self.read(form) for form in forms}, findings

    def test_as_stella_sbom_writes_it(self):
        written, findings = self.gate("--advisories", self.advisories)
        for form, text in written.items():
            self.stella("sbom", f"oci:{DEMO}", "-o", f"{form}={self.path('alone')}")
            alone = self.read("alone")
            if form == "spdx":
                self.assertEqual(text, alone)
                continue
            document, alone = json.loads(text), json.loads(alone)
            vulnerabilities = document.pop("vulnerabilities")
            self.assertNotIn("vulnerabilities", alone)
            self.assertNotEqual(document.pop("serialNumber"), alone.pop("serialNumber"))
            self.assertEqual(document, alone)
            # Each finding is there, of the very package that it hits.
            components = {component["bom-ref"]: component["purl"] for component in document["components"]
                          if "purl" in component}
            found = {(each["id"], components[hit["ref"]]) for each in vulnerabilities for hit in each["affects"]}
            self.assertEqual(found, {(each["id"], each["package"]["purl"]) for each in findings})
            self.assertEqual({each["ratings"][0]["severity"] for each in vulnerabilities},
                             {each["severity"].replace("negligible", "info") for each in findings})
            self.assertIn({"name": "stella:rule", "value": "severe-with-fix"}, vulnerabilities[0]["properties"])

    def test_the_server_says_the_same(self):
        local, _ = self.gate("--advisories", self.advisories)
        with program.server(self.work, "--advisories", self.advisories) as address:
            # Once all layers are sent, once all are known.
            for _ in range(2):
                self.assertEqual(self.gate("--server", address)[0], local)

    def test_an_sbom_is_of_one_platform(self):
        layout = program.write_layout(self.path("layout"), [], index=two_platforms)
        done = self.stella("gate", f"oci:{layout}", "--advisories", self.advisories, "-o", "spdx", codes=(2,))
        self.assertIn("name one with --platform: linux/amd64, linux/arm64", done.stderr)
        self.assertEqual(done.stdout, "")


def two_platforms(put, top):
    """An index of one image for two platforms, and nothing else."""
    def config(document, architecture):
        return {**document, "architecture": architecture}
    top["manifests"] = [
        {**program.image(put, [], config=lambda document, name=name: config(document, name)),
         "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")]
    return top


class Summary(program.Case):
    def test_what_a_step_wrote_into_its_summary_stays(self):
        summary = self.path("summary.md")
        outputs = ("-o", f"markdown={summary}", "--advisories", "demo")
        for variables, kept in (({}, False), ({"GITHUB_STEP_SUMMARY": summary}, True)):
            with open(summary, "w", encoding="utf-8") as out:
                out.write("# Built\n")
            program.gate(self.work, f"oci:{DEMO}", *outputs, variables=variables)
            with open(summary, encoding="utf-8") as text:
                text = text.read()
            self.assertEqual(text.startswith("# Built\n"), kept)
            self.assertIn("FAIL", text)


class Stdout(program.Case):
    def test_a_path_of_the_system_stays_what_it_is(self):
        # A link of our own in the place of the system's: a test that fails must not break the machine.
        for code, advisories in ((1, "demo"), (3, self.path("none"))):
            with open(self.path("out"), "w+", encoding="utf-8") as out:
                out.write("before\n")
                out.flush()
                done = subprocess.run([program.STELLA, "gate", f"oci:{DEMO}", "--advisories", advisories, "-o", f"metrics=/proc/self/fd/{out.fileno()}"],
                                      pass_fds=[out.fileno()], env=environment(self.work), capture_output=True, check=False, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                out.seek(0)
                lines = out.read().splitlines()
            self.assertEqual((lines[0], lines[-1]), ("before", "# EOF"))


class Unfinished(program.Case):
    """A gate that came to no verdict: what an earlier one left is not taken for its reports."""

    FORMS = ("json", "sarif", "junit", "gitlab", "codequality", "markdown", "github", "metrics", "table", "spdx")

    def gate(self, image, *arguments):
        outputs = [word for form in self.FORMS for word in ("-o", f"{form}={self.path(form)}")]
        return call(program.STELLA, "gate", image, *arguments, *outputs, env={**environment(self.work), **MOMENT})

    def read(self, form):
        with open(self.path(form), encoding="utf-8") as text:
            return text.read()

    def test_every_report_says_that_nothing_was_looked_at(self):
        missing = f"oci:{self.path('missing')}"
        for code, image, arguments in ((3, missing, ()), (2, f"oci:{DEMO}", ("--fail-on", "much"))):
            with self.subTest(code):
                self.assertEqual(self.gate(f"oci:{DEMO}", "--advisories", "demo").returncode, 1)
                kept = {form: self.read(form) for form in self.FORMS}
                done = self.gate(image, "--advisories", "demo", "--name", "team/app:1.2", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                why = "missing" if code == 3 else "much"
                for form in self.FORMS[:-1]:
                    self.assertNotEqual(self.read(form), kept[form], form)
                stopped = json.loads(self.read("json"))["stopped"]
                self.assertIn(why, stopped["why"])
                self.assertEqual((stopped["image"], stopped["now"]), ("team/app:1.2", "2026-09-21T14:13:20Z"))
                for form in self.FORMS:
                    if form not in ("metrics", "spdx"):
                        self.assertIn(why, self.read(form), form)
                self.assertIn('image="team/app"', self.read("metrics"))
                for form in ("junit", "gitlab"):
                    self.assertIn("2026-09-21T14:13:20", self.read(form), form)
                sarif = json.loads(self.read("sarif"))["runs"][0]
                self.assertFalse(sarif["invocations"][0]["executionSuccessful"])
                # An upload without results would close all alerts of the image's own category.
                self.assertEqual((sarif["results"], sarif["automationDetails"]["id"]), ([], "stella/unfinished/team/app/"))
                self.assertIn("<error ", self.read("junit"))
                self.assertEqual(json.loads(self.read("gitlab"))["scan"]["status"], "failure")
                self.assertEqual(json.loads(self.read("codequality"))[0]["severity"], "blocker")
                self.assertIn("UNFINISHED", self.read("markdown"))
                self.assertFalse(os.path.exists(self.path("spdx")), "no SBOM of another image")

    def test_stdout(self):
        for code, image, arguments in ((3, f"oci:{self.path('missing')}", ()), (2, f"oci:{DEMO}", ("--fail-on", "much"))):
            done = call(program.STELLA, "gate", image, "--advisories", "demo", "-o", "json", *arguments,
                        env=environment(self.work))
            self.assertEqual((done.returncode, bool(done.stdout)), (code, code == 3), done.stderr)

    def test_annotations_stand_beside_the_table(self):
        done = call(program.STELLA, "gate", f"oci:{DEMO}", "--advisories", "demo", "-o", "github", "-o", "table",
                    env=environment(self.work))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stdout.startswith("::error "))
        self.assertIn("\nverdict: FAIL", done.stdout)
        done = call(program.STELLA, "gate", f"oci:{DEMO}", "-o", "github", "-o", "json", env=environment(self.work))
        self.assertEqual(done.returncode, 2)
        self.assertIn("two reports go to stdout", done.stderr)


if __name__ == "__main__":
    unittest.main()
