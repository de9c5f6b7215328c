"""JUnit, in the dialect that GitLab, Jenkins, CircleCI, Azure and Buildkite take."""
import json
import os
import subprocess
import xml.etree.ElementTree

import fetched
import reports
from reports import each

COUNTS = """
import json, sys
from junitparser import JUnitXml
suites = list(JUnitXml.fromfile(sys.argv[1]))
print(json.dumps([[suite.tests, suite.failures, suite.errors, suite.skipped, len(list(suite))] for suite in suites]))
"""


class JUnit(reports.Case):
    def tree(self, kind):
        return xml.etree.ElementTree.parse(reports.path(kind, "junit")).getroot()

    def cases(self, kind):
        return list(self.tree(kind).iter("testcase"))

    @each("junit")
    def test_junitparser(self, kind, form):
        python = fetched.python()
        path = reports.path(kind, form)
        done = subprocess.run([python, "-c", COUNTS, path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        suites = self.tree(kind).findall("testsuite")
        want = []
        for suite in suites:
            count = {tag: len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped")}
            cases = len(suite.findall("testcase"))
            self.assertEqual(int(suite.get("skipped")), count["skipped"])
            want.append([cases, count["failure"], count["error"], count["skipped"], cases])
        self.assertEqual(json.loads(done.stdout), want)
        verify = subprocess.run([fetched.python("junitparser"), "verify", path], capture_output=True, check=False)
        self.assertEqual(verify.returncode, 0 if kind == "clean" else 1)

    @each("junit")
    def test_the_shape(self, kind, _form):
        root = self.tree(kind)
        self.assertEqual(root.tag, "testsuites")
        self.assertEqual({suite.tag for suite in root}, {"testsuite"})
        self.assertFalse(root.findall("testsuite/testsuite"))
        for suite in root:
            self.assert_text(suite.get("name"), 2_000)
            self.assertRegex(suite.get("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            said = suite.findall("properties/property")
            for one in said:
                self.assert_text(one.get("name"), 255)
                self.assert_text(one.get("value"), 1_024)
            want = {"image", "digest", "snapshot", "layers", "files", "packages"} if kind != "nothing" else set()
            self.assertLessEqual(want, {one.get("name") for one in said})
        for case in root.iter("testcase"):
            self.assert_text(case.get("name"), 2_000)
            self.assert_text(case.get("classname"), 2_000)
            self.assertEqual("file" in case.attrib, "line" in case.attrib)
            self.assertGreaterEqual(int(case.get("line", 1)), 1)
            outcomes = [child for child in case if child.tag in ("failure", "error", "skipped")]
            self.assertLessEqual(len(outcomes), 1)
            for outcome in outcomes:
                # Jenkins reads the attribute, GitLab the element.
                self.assert_text(outcome.get("message"), 2_000)
                self.assertIn(outcome.get("message"), outcome.text)
            for out in case.findall("system-out") + case.findall("system-err"):
                self.assertNotIn("[[ATTACHMENT|", out.text, "GitLab and Jenkins would attach a file")

    @each("junit")
    def test_limits(self, kind, form):
        self.assertLess(os.path.getsize(reports.path(kind, form)), 20_000_000)
        cases = self.cases(kind)
        self.assertTrue(1 <= len(cases) <= 5_000)
        names = [(case.get("classname"), case.get("name")) for case in cases]
        self.assertEqual(len(names), len(set(names)), "of two cases with one name, one is shown")
        # GitLab's "objects": elements, attributes, texts.
        objects = sum(2 + len(element.attrib) for element in self.tree(kind).iter())
        self.assertLess(objects, 250_000)

    def test_the_outcome_is_told(self):
        def some(kind, tag):
            return bool(list(self.tree(kind).iter(tag)))
        self.assertTrue(some("demo", "failure"))
        self.assertTrue(some("unfinished", "error"))
        self.assertTrue(some("nothing", "error"))
        self.assertTrue(some("hostile", "failure") and some("hostile", "error"))
        self.assertFalse(some("clean", "failure") or some("clean", "error") or some("clean", "skipped"))
        names = "\n".join(case.get("name") for case in self.cases("clean"))
        for rule in ("severe-with-fix", "severe-without-fix", "unrated"):
            self.assertIn(rule, names, "a clean run has a passing case for each rule")
