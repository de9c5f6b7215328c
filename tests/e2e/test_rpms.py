"""Distributions of rpm, from what they publish to the finding and the policy: Red Hat's VEX, SUSE's records in OSV, Amazon's
extras. The documents have the publishers' form and few values."""
import json
import unittest

import test_feeds
from program import gate

VEX = {
    "document": {
        "category": "csaf_vex", "csaf_version": "2.0", "publisher": {"category": "vendor", "namespace": "https://www.redhat.com"},
        "tracking": {"current_release_date": "2024-08-04T10:17:22+00:00", "id": "CVE-2024-1", "status": "final", "version": "1"}},
    "product_tree": {"branches": [], "relationships": []},
    "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {}, "remediations": [], "threats": [
        {"category": "impact", "details": "Important"}]}],
}
RELEASES = {"rhel-8": "cpe:/a:redhat:enterprise_linux:8::appstream", "rhel-9": "cpe:/o:redhat:enterprise_linux:9",
            "eus-9.2": "cpe:/o:redhat:rhel_eus:9.2::baseos"}

# Release, purl, product status, category and words of the remediation.
SAID = [
    ("rhel-9", "rpm/redhat/vim-minimal@8.2-12.el9?arch=x86_64&epoch=2", "fixed", "vendor_fix", "Fixed"),
    ("eus-9.2", "rpm/redhat/less@9-9.el9?arch=x86_64", "fixed", "vendor_fix", "Fixed"),
    ("rhel-9", "rpm/redhat/gcc?arch=src", "known_affected", "none_available", "Affected"),
    ("rhel-9", "rpm/redhat/zip?arch=src", "known_affected", "none_available", "Fix deferred"),
    ("rhel-9", "rpm/redhat/zlib?arch=src", "known_affected", "no_fix_planned", "Will not fix"),
    ("rhel-9", "rpm/redhat/tar?arch=src", "known_affected", "no_fix_planned", "Out of support scope"),
    ("rhel-9", "rpm/redhat/sed?arch=src", "under_investigation", None, None),
    ("rhel-9", "rpm/redhat/bash?arch=src", "known_not_affected", None, None),
    ("rhel-8", "rpm/redhat/npm@9-2.module%2Bel8?arch=x86_64&rpmmod=nodejs:18:8090:rhel8", "fixed", "vendor_fix", "Fixed"),
]


def vex():
    document = json.loads(json.dumps(VEX))
    tree, (vulnerability,) = document["product_tree"], document["vulnerabilities"]

    def product(name, **helper):
        tree["branches"].append({"category": "product_version", "name": name, "product": {
            "name": name, "product_id": name, "product_identification_helper": helper}})

    for name, cpe in RELEASES.items():
        product(name, cpe=cpe)
    for release, purl, status, category, details in SAID:
        whole = f"{release}:{purl}"
        product(purl, purl=f"pkg:{purl}")
        tree["relationships"].append({
            "category": "default_component_of", "full_product_name": {"name": whole, "product_id": whole},
            "product_reference": purl, "relates_to_product_reference": release})
        vulnerability["product_status"].setdefault(status, []).append(whole)
        if category:
            vulnerability["remediations"].append({"category": category, "details": details, "product_ids": [whole]})
    return document


class Rpms(test_feeds.Feeds):
    def found(self, feed, system, *purls, policy=None):
        """Name and version of each package: status and fix. And the verdict."""
        self.into(feed)
        bom = self.path("bom.json")
        with open(bom, "w", encoding="utf-8") as out:
            name, version = system
            json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
                {"type": "operating-system", "name": name, "version": version},
                *({"type": "library", "name": purl.split("/")[2].split("@")[0], "purl": f"pkg:{purl}"} for purl in purls)]}, out)
        _, report, stderr = gate(self.work, f"sbom:{bom}", "--advisories", self.database, "--no-cache",
                                 *(["--policy", policy] if policy else []))
        self.assertIsNotNone(report, stderr)
        (result,) = report["results"]
        self.assertEqual(result["looked_at"]["packages"], {"rpm": len(purls)}, stderr)
        return {f"{finding['package']['name']} {finding['package']['version']}": (finding["status"], finding.get("fixed_in"))
                for finding in result["findings"]}, result

    def test_where_red_hat_stands_is_the_findings_status_and_a_policy_may_ask_for_it(self):
        feed, policy = self.path("cve-2024-1.json"), self.path("policy.yaml")
        with open(feed, "w", encoding="utf-8") as out:
            json.dump(vex(), out)
        with open(policy, "w", encoding="utf-8") as out:
            out.write("version: 1\nfeeds: {when_older: ignore}\nrules:\n")
            for status in ("postponed", "ignored", "end_of_life", "undetermined", "affected", "fixed"):
                out.write(f"  - {{name: {status}, when: {{status: {status}}}, action: warn}}\n")
        rpms = [f"rpm/redhat/{name}@{version}?distro=redhat-9.4{more}" for name, version, more in (
            ("vim-minimal", "8.2-9.el9", "&epoch=2"), ("vim-minimal", "8.2-12.el9", "&epoch=2"), ("less", "9-1.el9", ""),
            ("libgcc", "11-1.el9", "&upstream=gcc-11-1.el9.src.rpm"), ("zip", "3-1.el9", ""), ("zlib", "1-1.el9", ""),
            ("tar", "1-1.el9", ""), ("sed", "4-1.el9", ""), ("bash", "5-1.el9", ""))]
        findings, result = self.found(feed, ("redhat", "9.4"), *rpms, policy=policy)
        self.assertEqual(findings, {
            "vim-minimal 2:8.2-9.el9": ("fixed", "2:8.2-12.el9"),
            "libgcc 11-1.el9": ("affected", None),
            "zip 3-1.el9": ("postponed", None),
            "zlib 1-1.el9": ("ignored", None),
            "tar 1-1.el9": ("end_of_life", None),
            "sed 4-1.el9": ("undetermined", None),
        })
        for status in ("postponed", "ignored", "end_of_life", "undetermined", "affected", "fixed"):
            self.assertIn((status, 1), [(reason["rule"], reason["findings"]) for reason in result["verdict"]["reasons"]])

    def test_a_package_of_a_module_is_another_than_the_plain_one(self):
        feed = self.path("cve-2024-1.json")
        with open(feed, "w", encoding="utf-8") as out:
            json.dump(vex(), out)
        plain = "rpm/redhat/npm@9-1.module%2Bel8?distro=redhat-8.9"
        label = "&rpmmod=nodejs:{}:8090020240101:rhel8"
        self.assertEqual(self.found(feed, ("redhat", "8.9"), plain)[0], {})
        self.assertEqual(self.found(feed, ("redhat", "8.9"), plain + label.format(20))[0], {})
        self.assertEqual(self.found(feed, ("redhat", "8.9"), plain + label.format(18))[0],
                         {"npm 9-1.module+el8": ("fixed", "9-2.module+el8")})

    def test_suses_update_is_of_the_release(self):
        products = ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "openSUSE:Tumbleweed", "SUSE:Linux Enterprise Micro 5.5")
        feed = self.put("suse.json", {
            "id": "SUSE-SU-2024:305-1", "modified": "2024-02-01T08:00:00Z", "related": ["CVE-2023-7207"], "affected": [{
                "package": {"ecosystem": product, "name": "cpio"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.13-150400.3.6.1"}]}],
                "ecosystem_specific": {"binaries": [{"cpio": "2.13-150400.3.6.1", "cpio-lang": "2.13-150400.3.6.1"}]}}
                for product in products]})
        for system, distro, want in (
                (("sles", "15.5"), "sles-15.5", {"cpio-lang 2.13-150400.3.3.1": ("fixed", "2.13-150400.3.6.1")}),
                (("sles", "15.6"), "sles-15.6", {}),
                (("opensuse-tumbleweed", "20240801"), "opensuse-tumbleweed-20240801",
                 {"cpio-lang 2.13-150400.3.3.1": ("fixed", "2.13-150400.3.6.1")})):
            with self.subTest(system=system):
                rpm = f"rpm/suse/cpio-lang@2.13-150400.3.3.1?distro={distro}&upstream=cpio-2.13-150400.3.3.1.src.rpm"
                findings, result = self.found(feed, system, rpm)
                self.assertEqual(findings, want)
                named = [skipped["name"] for skipped in result["looked_at"]["skipped"]]
                self.assertEqual(named, [] if want else ["advisories:SUSE:15.6"], "what nobody speaks of is said")

    def test_amazons_extras_have_a_line_of_versions_each(self):
        feed = self.path("updateinfo.xml")
        with open(feed, "w", encoding="utf-8") as out:
            out.write("<updates>")
            for extra, release in (("php8.1", "8.1.29"), ("php8.2", "8.2.20")):
                out.write(f'''<update author="linux-security@amazon.com" status="final" type="security" version="1.4">
                    <id>ALAS2{extra.upper()}-2024-001</id><title>php</title><updated date="2024-06-20 19:00" /><severity>Important</severity>
                    <references><reference href="" id="CVE-2024-5458" title="" type="cve" /></references>
                    <pkglist><collection short="amazon-linux-2---{extra}"><name>Amazon Linux 2</name><package arch="x86_64"
                    epoch="0" name="php-cli" release="1.amzn2" version="{release}"><filename>a.rpm</filename></package>
                    </collection></pkglist></update>''')
            out.write("</updates>")
        for version, fix in (("5.4.16-46.amzn2", None), ("8.1.28-1.amzn2", "8.1.29-1.amzn2"), ("8.1.29-1.amzn2", None),
                             ("8.2.3-1.amzn2", "8.2.20-1.amzn2")):
            with self.subTest(version=version):
                findings, _ = self.found(feed, ("amzn", "2"), f"rpm/amzn/php-cli@{version}?distro=amzn-2")
                self.assertEqual(findings, {f"php-cli {version}": ("fixed", fix)} if fix else {})


if __name__ == "__main__":
    unittest.main()
