"""GitLab's own reports: container scanning (the schema's rules, by hand) and Code Quality."""
import os
import re

import gfm
import reports
from reports import GITLAB, each, read, read_json

SEVERITIES = ["Info", "Unknown", "Low", "Medium", "High", "Critical"]
MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"
URL = re.compile(r"https?://[!-~]+")
# GitLab's limit on an artifact where nobody set another.
MOST_BYTES = 100_000_000


class ContainerScanning(reports.Case):
    @each(*GITLAB)
    def test_the_scan(self, kind, form):
        self.assertLess(os.path.getsize(reports.path(kind, form)), MOST_BYTES)
        document = read_json(kind, form)
        self.assertRegex(document["version"], rf"^{re.escape(GITLAB[form])}\d+$")
        self.assertRegex(document.get("schema", "https://x"), r"^https?://.+")
        scan = document["scan"]
        for tool in (scan["analyzer"], scan["scanner"]):
            for text in (tool["id"], tool["name"], tool["version"], tool["vendor"]["name"]):
                self.assert_text(text, 255)
            self.assertRegex(tool.get("url", "https://x"), r"^https?://.+")
        self.assertEqual(scan["type"], "container_scanning")
        self.assertRegex(scan["start_time"], MOMENT)
        self.assertRegex(scan["end_time"], MOMENT)
        self.assertEqual(scan["status"], "success" if reports.is_whole(kind) else "failure", "what did not look is no success")
        for message in scan.get("messages", []):
            self.assertIn(message["level"], ["info", "warn", "fatal"])
            self.assert_text(message["value"], 10_000)
        for option in scan.get("options", []):
            self.assert_text(option["name"], 255)
            self.assertIsInstance(option["value"], (bool, int, str, type(None)))

    @each(*GITLAB)
    def test_vulnerabilities(self, kind, form):
        found = read_json(kind, form)["vulnerabilities"]
        self.assertEqual(bool(found), kind in ("demo", "hostile", "noise"))
        ids = [one["id"] for one in found]
        self.assertEqual(len(ids), len(set(ids)))
        for one in found:
            self.assertFalse({"category", "cve", "message", "confidence"} & set(one), "removed in 15")
            self.assert_text(one["id"], 255)
            self.assert_text(one["name"], 255)
            self.assertIn(one["severity"], SEVERITIES)
            self.assert_identifiers(one["identifiers"])
            self.assert_location(one["location"])
            self.assertLessEqual(len(one.get("description", "")), 1_048_576)
            self.assertLessEqual(len(one.get("solution", "")), 7_000)
            for link in one.get("links", []):
                self.assertTrue(URL.fullmatch(link["url"]), link)
            for vector in one.get("cvss_vectors", []):
                self.assertRegex(vector["vector"], r"^(CVSS:3[.][01]/|AV:)")

    def assert_identifiers(self, identifiers):
        self.assertTrue(1 <= len(identifiers) <= 20)
        for identifier in identifiers:
            self.assert_text(identifier["type"], 255)
            self.assert_text(identifier["name"], 255)
            self.assert_text(identifier["value"], 255)
            if "url" in identifier:
                self.assert_text(identifier["url"], 2_048)
                self.assertTrue(URL.fullmatch(identifier["url"]), identifier)

    def assert_location(self, location):
        self.assert_text(location["image"], 1_024)
        self.assert_text(location["operating_system"], 255)
        self.assert_text(location["dependency"]["package"]["name"], 1_024, least=0)
        self.assert_text(location["dependency"]["version"], 1_024, least=0)
        self.assertLessEqual(len(location.get("default_branch_image", "")), 255)

    def test_what_gitlab_renders_holds_nothing_foreign(self):
        texts = set()
        for kind in reports.KINDS:
            for one in read_json(kind, "gitlab")["vulnerabilities"]:
                texts |= {one.get("description", ""), one.get("solution", "")}
        # All at once: each in a document of its own would take minutes.
        for text in texts:
            self.assertEqual(reports.acting(text, "\n"), [])
        # Nobody is told of a mention in a finding.
        gfm.check(self, "\n\n-----\n\n".join(sorted(texts)), mentions=False)


class CodeQuality(reports.Case):
    @each("codequality")
    def test_entries(self, kind, form):
        self.assertLess(os.path.getsize(reports.path(kind, form)), MOST_BYTES)
        entries = read_json(kind, form)
        self.assertIsInstance(entries, list)
        # An empty list says that all is well.
        self.assertEqual(bool(entries), kind != "clean")
        prints = [entry["fingerprint"] for entry in entries]
        self.assertEqual(len(prints), len(set(prints)), "of two entries with one fingerprint, one is shown")
        for entry in entries:
            self.assert_text(entry["fingerprint"], 255)
            self.assert_text(entry["description"], 10_000)
            self.assert_text(entry["check_name"], 1_024)
            self.assertIn(entry["severity"], ["info", "minor", "major", "critical", "blocker"])
            path, line = entry["location"]["path"], entry["location"]["lines"]["begin"]
            self.assert_text(path, 4_096)
            self.assertFalse({"", ".", ".."} & set(path.split("/")), path)
            self.assertIsInstance(line, int)
            self.assertGreaterEqual(line, 1)

    @each("codequality")
    def test_no_mark_of_byte_order(self, kind, form):
        self.assertTrue(read(kind, form).startswith("["))
