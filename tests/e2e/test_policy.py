"""What a policy says beside its rules: whose severities count, and matching by CPE."""
import json
import unittest

import program
from program import STELLA, call, gate

RULES = ("rules: [{name: guess, when: {confidence: low}, action: warn},"
         " {name: severe, when: {severity: critical}, action: fail}]\n")
LEFT_PAD = {"id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2024-0001"], "modified": "2024-01-01T00:00:00Z",
            "database_specific": {"severity": "MODERATE"},
            "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
                          "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.1"}]}]}]}
METRICS = {"cvssMetricV31": [{"source": "nvd@nist.gov", "type": "Primary", "cvssData": {
    "version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "baseScore": 9.8, "baseSeverity": "CRITICAL"}}]}


def of_nvd(name, more):
    return {"cve": {"id": name, "published": "2024-01-01T00:00:00.000", "lastModified": "2024-01-02T00:00:00.000",
                    "vulnStatus": "Analyzed", "metrics": METRICS, **more}}


NODE = {"configurations": [{"nodes": [{"operator": "OR", "negate": False, "cpeMatch": [
    {"vulnerable": True, "criteria": "cpe:2.3:a:nodejs:node.js:*:*:*:*:*:*:*:*", "versionEndExcluding": "20.1.0"}]}]}]}
NVD = {"resultsPerPage": 2, "startIndex": 0, "totalResults": 2, "format": "NVD_CVE", "version": "2.0",
       "vulnerabilities": [of_nvd("CVE-2024-0001", {}), of_nvd("CVE-2024-0002", NODE)]}
SBOM = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
    {"type": "library", "name": "left-pad", "version": "1.0.0", "purl": "pkg:npm/left-pad@1.0.0"},
    {"type": "application", "name": "node", "version": "20.0.1", "purl": "pkg:generic/node@20.0.1"}]}


class Policy(program.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("advisories.db")
        records = [self.put("npm.json", LEFT_PAD), self.put("nvdcve-2.0-2024.json", NVD)]
        done = call(STELLA, "feeds", "import", *records, "--advisories", self.database,
                    env=program.environment(self.work))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.sbom = "sbom:" + self.put("bom.json", SBOM)

    def put(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text if isinstance(text, str) else json.dumps(text))
        return self.path(name)

    def gated(self, keys, *arguments, code):
        policy = self.put("policy.yaml", "version: 1\n" + keys + RULES)
        found, report, said = gate(self.work, self.sbom, "--policy", policy, *arguments)
        self.assertEqual(found, code, said)
        return report["results"][0]

    def test_whose_severities_count(self):
        for keys, severity, source, code in [("", "medium", "github", 0),
                                             ("severity_from: [debian, own, nvd]\n", "medium", "github", 0),
                                             ("severity_from: nvd\n", "critical", "nvd", 1)]:
            with self.subTest(keys):
                finding, = self.gated(keys, "--advisories", self.database, code=code)["findings"]
                self.assertEqual((finding["severity"], finding["severity_source"]), (severity, source))
                self.assertEqual(finding["claims"][0]["severity"], "medium")
                self.assertEqual([rating["severity"] for rating in finding["ratings"]], ["critical"])

    def test_matching_by_cpe_is_asked_for_and_a_guess(self):
        without = self.gated("", "--advisories", self.database, code=0)
        self.assertEqual([one["id"] for one in without["findings"]], ["CVE-2024-0001"])
        outputs = {form: self.path(form) for form in ("table", "markdown", "junit", "sarif", "gitlab", "codequality",
                                                      "github", "cyclonedx", "metrics")}
        words = [word for form, path in outputs.items() for word in ("-o", f"{form}={path}")]
        result = self.gated("cpe: true\n", "--advisories", self.database, *words, code=0)
        guess, sure = result["findings"]
        self.assertEqual((guess["id"], guess["confidence"], guess["rule"], guess["fixed_in"]),
                         ("CVE-2024-0002", "low", "guess", "20.1.0"))
        self.assertEqual(guess["claims"][0]["cpe"], "cpe:2.3:a:nodejs:node.js:*:*:*:*:*:*:*:*")
        self.assertNotIn("confidence", sure)
        self.assertEqual(result["looked_at"]["skipped"], without["looked_at"]["skipped"])
        for form, path in outputs.items():
            with self.subTest(form), open(path, encoding="utf-8") as text:
                label = {"sarif": '"precision": "low"', "cyclonedx": '"stella:confidence"',
                         "metrics": "stella_findings_low_confidence{"}.get(form, "low confidence")
                self.assertIn(label.replace(" ", ""), text.read().replace(" ", ""))
        with program.server(self.work, "--advisories", self.database) as address:
            answer = self.gated("cpe: true\n", "--server", address, code=0)
        self.assertEqual(answer["findings"], result["findings"])


if __name__ == "__main__":
    unittest.main()
