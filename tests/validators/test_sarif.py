"""SARIF: the standard's schema, Microsoft's multitool with GitHub's rules on, and what both let pass.

Limits and rules are those of GitHub code scanning and of GitLab's SARIF report, whichever is tighter."""
import collections
import json
import os
import re
import subprocess
import urllib.parse
import xml.etree.ElementTree

import fetched
import gfm
import reports
from reports import STELLA, each, read, read_json, run

CONFIGURATION = os.path.join(fetched.HERE, "multitool.xml")
RANK = {"error": 0, "warning": 1, "note": 2}
URI = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=@/%]+")


class Sarif(reports.Case):
    @each("sarif")
    def test_the_standards_schema(self, kind, form):
        checker, schema = fetched.python("check-jsonschema"), fetched.npm(*fetched.MULTITOOL[:-1], "sarif-2.1.0.json")
        done = subprocess.run([checker, "--schemafile", schema, reports.path(kind, form)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-2000:])

    # ---- Microsoft's multitool --------------------------------------------------------------------------------------

    def multitool(self, *arguments):
        """Its libraries are beside it, and it needs no language files of the system."""
        done = subprocess.run([fetched.npm(*fetched.MULTITOOL), *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"})
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])

    def found(self, path):
        """What it has against a file: texts. It ends with 0 whatever it finds, so its own report is read."""
        out = os.path.join(reports.work(), "multitool.sarif")
        self.multitool("validate", path, "--rule-kind", "Sarif;Ghas", "--config", CONFIGURATION, "--output", out,
                       "--log", "ForceOverwrite", "--max-file-size-in-kb", "1000000", "--quiet")
        with open(out, encoding="utf-8-sig") as text:
            log = json.load(text)["runs"][0]
        self.assertTrue(log["invocations"][0]["executionSuccessful"])
        said = [one for kind in ("toolExecutionNotifications", "toolConfigurationNotifications")
                for one in log["invocations"][0].get(kind, [])]
        # It says of each rule that is off that it is.
        said = [one for one in said if one["descriptor"]["id"] != "WRN999.RuleExplicitlyDisabled"]
        return [json.dumps(one)[:500] for one in log.get("results", []) + said]

    @each("sarif")
    def test_no_finding_of_the_multitool(self, kind, form):
        found = self.found(reports.path(kind, form))
        self.assertEqual(found[:3], [], f"{len(found)} findings")

    def test_the_multitool_would_find_something(self):
        log = read_json("clean", "sarif")
        log["runs"][0]["results"] = [{"ruleId": "x", "message": {"text": "x"}, "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": "docker://x"}, "region": {"startLine": 1}}}]}]
        path = os.path.join(reports.work(), "wrong.sarif")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(log, out)
        self.assertTrue(any("GH1005" in found for found in self.found(path)))

    def test_every_rule_is_on_or_has_a_reason_to_be_off(self):
        exported = os.path.join(reports.work(), "exported.xml")
        self.multitool("export-validation-config", exported)

        def rules(path):
            tree = xml.etree.ElementTree.parse(path, xml.etree.ElementTree.XMLParser(
                target=xml.etree.ElementTree.TreeBuilder(insert_comments=True)))
            comment = ""
            for element in tree.getroot():
                if element.tag is xml.etree.ElementTree.Comment:
                    comment = element.text.strip()
                elif re.match(r"(SARIF|GH)\d", element.get("Key")):
                    yield element.get("Key"), (element.find("Property").get("Value"), comment)
                    comment = ""
        ours = dict(rules(CONFIGURATION))
        self.assertEqual(list(ours), [key for key, _ in rules(exported)])
        for key, (value, reason) in ours.items():
            self.assertIn(value, ["Error", "Disabled"], key)
            self.assertEqual(value == "Disabled", bool(reason), key)
            self.assertFalse(key.startswith("GH") and value == "Disabled", key)

    # ---- what they let pass -----------------------------------------------------------------------------------------

    @each("sarif")
    def test_limits(self, kind, form):
        text = read(kind, form)
        # GitHub weighs it in gzip, GitLab as it is.
        self.assertLess(len(text.encode()), 10_000_000)
        one, = json.loads(text)["runs"]
        self.assertLessEqual(len(one["results"]), 5_000)
        self.assertLessEqual(len(one["tool"]["driver"]["rules"]), 25_000)
        self.assertEqual(bool(one["results"]), kind not in ("clean", "unfinished", "nothing"))

    @each("sarif")
    def test_rules(self, kind, form):
        driver = read_json(kind, form)["runs"][0]["tool"]["driver"]
        self.assertRegex(driver["semanticVersion"], r"^\d+\.\d+\.\d+$")
        ids = [rule["id"] for rule in driver["rules"]]
        self.assertEqual(len(ids), len(set(ids)))
        for rule in driver["rules"]:
            self.assert_text(rule["id"], 255)
            self.assert_text(rule["name"], 255)
            for key in ("shortDescription", "fullDescription"):
                self.assert_message(rule[key])
            self.assert_message({"text": rule["help"]["text"]})
            self.assertIn(rule["defaultConfiguration"]["level"], RANK)
            properties = rule["properties"]
            self.assertLessEqual(len(properties["tags"]), 10)
            self.assertIn(properties["precision"], ["very-high", "high", "medium", "low"])
            severity = properties.get("security-severity", "0.1")
            self.assertRegex(severity, r"^(10|\d)\.\d$")
            self.assertTrue(0.1 <= float(severity) <= 10.0, severity)
            if "helpUri" in rule:
                self.assert_text(rule["helpUri"], 2_048)
                self.assertEqual(urllib.parse.urlsplit(rule["helpUri"]).scheme, "https")

    def test_what_github_renders_holds_nothing_foreign(self):
        texts = {rule["help"]["markdown"] for kind in reports.KINDS
                 for rule in read_json(kind, "sarif")["runs"][0]["tool"]["driver"]["rules"]}
        for text in texts:
            self.assertEqual(reports.acting(text, "\n"), [])
        # All at once: each in a document of its own would take minutes.
        self.assertIn("a", gfm.check(self, "\n\n-----\n\n".join(sorted(texts))))

    def assert_message(self, message):
        self.assert_text(message["text"], 1_024)
        self.assertNotIn("](", message["text"])
        self.assertNotIn("markdown", message)

    @each("sarif")
    def test_results(self, kind, form):
        one = read_json(kind, form)["runs"][0]
        rules, alerts, levels = one["tool"]["driver"]["rules"], collections.Counter(), []
        for result in one["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            self.assert_message(result["message"])
            fingerprints = result["partialFingerprints"]
            self.assertTrue(fingerprints and all(value and isinstance(value, str) for value in fingerprints.values()))
            self.assertRegex(fingerprints.get("primaryLocationLineHash", "0:1"), r"^[0-9a-f]{1,16}:[1-9]\d*$")
            self.assertNotIn("suppressions", result)
            self.assertTrue(1 <= len(result["locations"]) <= 100)
            for location in result["locations"]:
                place = location["physicalLocation"]
                self.assert_path(place["artifactLocation"]["uri"])
                region = place["region"]
                self.assertTrue(1 <= region["startLine"] <= region["endLine"], region)
                self.assertTrue(1 <= region["startColumn"] and 1 <= region["endColumn"], region)
            place = result["locations"][0]["physicalLocation"]
            alerts[result["ruleId"], place["artifactLocation"]["uri"], place["region"]["startLine"]] += 1
            levels.append(RANK[result["level"]])
        self.assertEqual([alert for alert, times in alerts.items() if times > 1], [], "platforms take them for one alert")
        self.assertEqual(levels, sorted(levels), "what a platform cuts is the mildest")

    def assert_path(self, uri):
        """A reference to a file below the root of the repository, and to nothing else."""
        self.assertTrue(URI.fullmatch(uri), uri)
        self.assertLessEqual(len(urllib.parse.unquote(uri)), 1_024)
        parts = urllib.parse.urlsplit(uri)
        self.assertEqual((parts.scheme, parts.netloc, parts.query, parts.fragment), ("", "", "", ""), uri)
        self.assertFalse(uri.startswith("/"), uri)
        self.assertFalse({"", ".", ".."} & set(uri.split("/")), uri)

    @each("sarif")
    def test_the_category_is_the_image_without_tag_and_digest(self, kind, form):
        name = read_json(kind, form)["runs"][0]["automationDetails"]["id"]
        self.assertRegex(name, r"^stella/.+/$")
        self.assert_path(name[:-1])
        self.assertFalse(re.search("sha256|1[.]2/$", name), name)

    @each("sarif")
    def test_whether_the_look_was_complete(self, kind, form):
        invocation, = read_json(kind, form)["runs"][0]["invocations"]
        self.assertEqual(invocation["executionSuccessful"], reports.is_whole(kind))
        said = invocation["toolExecutionNotifications"]
        for one in said:
            self.assert_message(one["message"])
            self.assert_text(one["descriptor"]["id"], 255)
        listed = len(read_json(kind, form)["runs"][0]["results"])
        cut = [one for one in said if f" {listed} most severe" in one["message"]["text"].replace(",", "")]
        self.assertEqual(bool(cut), kind in ("hostile", "noise"), "what was left out is said")

    def test_what_the_policy_ignores_is_there_where_it_is_asked_for(self):
        done = run(STELLA, "convert", reports.path("hostile", "json"), "--show-ignored", "-o", "sarif")
        results = json.loads(done.stdout)["runs"][0]["results"]
        self.assertLessEqual(len(results), 5_000)
        suppressed = [bool(result.get("suppressions")) for result in results]
        self.assertEqual(suppressed, sorted(suppressed), "the limit cuts what is ignored first")
