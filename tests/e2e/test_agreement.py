"""Two sources on the same packages: where they agree, and case by case where not, and why. GitHub's advisories and the CVE list,
and GitHub's and NVD's form of it (tests/ranges.rs), are written by different people. OSV's records of Alpine are made of
Alpine's own list, so there it is two forms and two readers that agree.

Each database is compiled of one source alone. A difference that is not in the tables fails, and so does one of theirs that
is gone. The data is that of `../shared/data`; where it is not, these tests are skipped."""
import glob
import json
import os
import re
import unittest

import packs
import test_feeds
from program import gate


class Agreement(test_feeds.Feeds):
    def imported(self, *paths):
        """A database of `paths` alone."""
        database = self.path(f"{os.path.basename(paths[0])}.db")
        self.into(*paths, database=database)
        return database

    def found(self, image, database):
        """Every finding: names, package, version, first version that has the fix, or None."""
        _, report, stderr = gate(self.work, image, "--advisories", database, "--no-cache")
        self.assertIsNotNone(report, stderr)
        for result in report["results"]:
            for finding in result["findings"]:
                package = finding["package"]
                yield [finding["id"], *finding["aliases"]], package["name"], package["version"], finding.get("fixed_in")


# What an Alpine image has that nobody has updated for years.
PACKAGES = """
    apache2=2.4.54-r0 bind=9.18.8-r0 binutils=2.38-r0 busybox=1.35.0-r5 curl=7.87.0-r0 dbus=1.14.0-r0 elfutils=0.182-r0
    expat=2.4.8-r0 freetype=2.10.4-r1 git=2.38.1-r0 gnutls=3.7.6-r0 krb5=1.20-r0 libarchive=3.6.0-r0 libjpeg-turbo=2.1.0-r0
    libtasn1=4.18.0-r0 libxml2=2.9.13-r0 musl=1.2.3-r4 ncurses=6.3_p20220416-r0 nghttp2=1.46.0-r0 nginx=1.22.0-r0
    nodejs=18.12.0-r0 openssh=9.1_p1-r0 openssl=3.0.8-r0 patch=2.7.6-r0 python3=3.10.8-r0 redis=7.0.4-r0 rsync=3.2.3-r4
    ruby=3.1.2-r0 sqlite=3.34.1-r0 tiff=4.4.0-r0 vim=9.0.0636-r0 zlib=1.2.11-r3""".split()
RELEASES = ("3.18", "3.20", "3.21")

# Of ALPINE: who alone has it, in which releases, of which package, and why. Each why is asked of the records themselves.
LATER = "OSV's record is of after 2025-01-04, the day of secdb's copy, which does not have the fix yet"
DEBIAN = "the pack has what OSV says of CVEs that Debian's export has too, and this one it has not"
COMMUNITY = "in this release the package is in the repository community, and OSV reads Alpine's main alone"
BEFORE = "OSV's record was last written before the release, 2024-12-05, and names the same fix in those before"
ALPINE = [
    ("secdb", "3.18 3.20 3.21", "apache2", "CVE-2024-40898", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "bind", "CVE-2023-5680", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "binutils", "CVE-2022-38126", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "libjpeg-turbo", "CVE-2023-2804", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "patch", "CVE-2019-20633", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "python3", "CVE-2015-2104", DEBIAN),
    ("secdb", "3.18 3.20 3.21", "vim", "CVE-2023-4736", DEBIAN),
    ("secdb", "3.21", "apache2", "CVE-2024-38472", BEFORE),
    ("secdb", "3.21", "busybox", "CVE-2022-28391", BEFORE),
    ("secdb", "3.20 3.21", "redis",
     "CVE-2022-24834 CVE-2022-35951 CVE-2022-35977 CVE-2022-3647 CVE-2023-22458 CVE-2023-36824 CVE-2023-41053 CVE-2023-41056 "
     "CVE-2023-45145 CVE-2024-31227 CVE-2024-31228 CVE-2024-31449", COMMUNITY),
    ("osv", "3.18 3.20 3.21", "bind", "CVE-2024-11187 CVE-2024-12705", LATER),
    ("osv", "3.18", "curl", "CVE-2024-11053 CVE-2024-7264 CVE-2024-8096 CVE-2024-9681", LATER),
    ("osv", "3.18 3.20 3.21", "git", "CVE-2024-50349 CVE-2024-52006", LATER),
    ("osv", "3.18 3.20 3.21", "libtasn1", "CVE-2024-12133", LATER),
    ("osv", "3.21", "nodejs", "CVE-2025-22150 CVE-2025-23083 CVE-2025-23085", LATER),
    ("osv", "3.18 3.20 3.21", "openssl", "CVE-2024-13176", LATER),
    ("osv", "3.20 3.21", "openssl", "CVE-2024-12797", LATER),
    ("osv", "3.20 3.21", "python3", "CVE-2025-0938", LATER),
    ("osv", "3.18", "redis", "CVE-2024-46981 CVE-2024-51741", LATER),
    ("osv", "3.18 3.20 3.21", "rsync",
     "CVE-2024-12084 CVE-2024-12085 CVE-2024-12086 CVE-2024-12087 CVE-2024-12088 CVE-2024-12747", LATER),
    ("osv", "3.21", "vim", "CVE-2024-47814 CVE-2025-22134", LATER),
]


class Alpine(Agreement):
    """Alpine's secdb, and what OSV says of Alpine."""

    def findings(self, release, database):
        root = self.path(f"alpine-{release}")
        for name, text in (
                ("etc/os-release", f"ID=alpine\nVERSION_ID={release}.0\n"),
                ("lib/apk/db/installed", "".join(
                    "P:{0}\nV:{1}\nA:x86_64\no:{0}\n\n".format(*package.split("=")) for package in PACKAGES))):
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as out:
                out.write(text)
        return {(names[0], package, fix) for names, package, _, fix in self.found(f"dir:{root}", database)}

    def test_secdb_and_osv(self):
        folders = [packs.unpacked(name, self.work) for name in ("alpine-secdb", "alpine-osv")]
        databases = [self.imported(folder) for folder in folders]
        records, fixes = self.records(*folders)
        agreed = 0
        for release in RELEASES:
            secdb, osv = (self.findings(release, database) for database in databases)
            agreed += len(secdb & osv)
            want = {(side, name, package): why for side, releases, package, names, why in ALPINE
                    for name in names.split() if release in releases.split()}
            alone = [("secdb", *finding) for finding in secdb - osv] + [("osv", *finding) for finding in osv - secdb]
            for side, name, package, fix in sorted(alone):
                with self.subTest(release=release, name=name, package=package, fix=fix):
                    self.assertTrue(self.holds(want.pop((side, name, package), None), release, name, package, records, fixes))
            self.assertEqual(want, {}, f"differences of {release} that are gone")
        self.assertEqual(agreed, 756, "findings with the same fix")

    def records(self, secdb, osv):
        """OSV's records by id; what secdb calls fixed: release, repository, package, id."""
        records, fixes = {record["id"]: record for record in documents(osv)}, set()
        for document in documents(secdb):
            for package in (entry["pkg"] for entry in document["packages"]):
                for names in package["secfixes"].values():
                    fixes.update((document["distroversion"], document["reponame"], package["name"], name)
                                 for text in names or [] for name in re.split(r"[\s,;]+", text))
        return records, fixes

    def holds(self, why, release, name, package, records, fixes):
        """Whether `why` is what the records say."""
        record, release = records.get(name), f"v{release}"
        in_main, in_community = ((release, repository, package, name) in fixes for repository in ("main", "community"))
        return {
            LATER: lambda: not in_main and not in_community and record["modified"] > "2025-01-04",
            DEBIAN: lambda: in_main and record is None,
            COMMUNITY: lambda: in_community and not in_main,
            BEFORE: lambda: in_main and record["modified"] < "2024-12-05" and package in {
                affected["package"]["name"] for affected in record["affected"]
                if affected["package"]["ecosystem"] == "Alpine:v3.20"},
        }.get(why, lambda: False)()


# All that the CVE list of 2023 and 2024 says of packages of Maven and npm, held against GitHub's advisory of the same CVE: CVE,
# package, the versions that either names as a bound (0.1 and 0.1.0 stand for "from the beginning"). Where they differ: who alone
# has the finding (`ghsa`, `cve`), or that both have it and GitHub alone a fix (`fix`), at which of the versions, and why.
# Not here are CVE-2023-49566 and CVE-2023-50740, of which neither has a finding: of the package that the CNA names it says the
# version `*`, which is not understood, and GitHub names another.
ELSEWHERE = "GitHub names "
LAST = "the CNA names the last affected version and no fix, GitHub the first with the fix"

CASES = [
    ("CVE-2023-35701", "org.apache.hive:hive-jdbc", "4.0.0 4.0.0-alpha-1"),
    ("CVE-2023-3635", "com.squareup.okio:okio", "0.1 0.5.0 1.0.0 1.17.6 2.0.0 2.0.0-RC1 3.0.0 3.4.0",
     "ghsa", "0.1 2.0.0-RC1", "the CNA begins at 0.5.0 and at 2.0.0, GitHub at the first version and at the pre-release 2.0.0-RC1"),
    ("CVE-2023-39913", "org.apache.uima:uimaj-core", "0.1 3.5.0", "cve", "0.1", "GitHub names org.apache.uima:uimaj"),
    ("CVE-2023-39913", "org.apache.uima:uimaj-cpe", "0.1 3.5.0", "cve", "0.1", "GitHub names org.apache.uima:uimaj"),
    ("CVE-2023-39913", "org.apache.uima:uimaj-adapter-vinci", "0.1 3.5.0", "cve", "0.1", "GitHub names org.apache.uima:uimaj"),
    ("CVE-2023-39913", "org.apache.uima:uimaj-tools", "0.1 3.5.0", "cve", "0.1", "GitHub names org.apache.uima:uimaj"),
    ("CVE-2023-41916", "org.apache.linkis:linkis-metadata-query-service-jdbc", "1.4.0 1.5.0",
     "cve", "1.4.0", "GitHub names org.apache.linkis:linkis-datasource"),
    ("CVE-2023-46801", "org.apache.linkis:linkis-metadata-query-service-jdbc", "1.4.0 1.6.0",
     "cve", "1.4.0", "GitHub names org.apache.linkis:linkis-datasource"),
    ("CVE-2023-48362", "org.apache.drill.contrib:drill-format-xml", "1.19.0 1.21.2",
     "cve", "1.19.0", "GitHub names org.apache.drill.exec:drill-java-exec"),
    ("CVE-2023-49250", "org.apache.dolphinscheduler:dolphinscheduler-common", "0.1 3.2.0",
     "cve", "0.1 3.2.0", "GitHub names org.apache.dolphinscheduler:dolphinscheduler"),
    ("CVE-2023-50270", "org.apache.dolphinscheduler:dolphinscheduler-api", "1.3.8 3.2.0",
     "cve", "1.3.8 3.2.0", "GitHub names org.apache.dolphinscheduler:dolphinscheduler"),
    ("CVE-2023-51770", "org.apache.dolphinscheduler:dolphinscheduler-datasource-mysql", "1.2.0 3.2.1",
     "cve", "1.2.0", "GitHub names org.apache.dolphinscheduler:dolphinscheduler"),
    ("CVE-2024-21742", "org.apache.james:apache-mime4j-dom", "0.1 0.8.9",
     "cve", "0.1 0.8.9", "GitHub names org.apache.james:apache-mime4j-core"),
    ("CVE-2024-22369", "org.apache.camel:camel-sql", "3.0.0 3.21.4 3.22.0 3.22.1 4.0.0 4.0.4 4.1.0 4.4.0"),
    ("CVE-2024-23320", "org.apache.dolphinscheduler:dolphinscheduler-master", "0.1 3.2.1"),
    ("CVE-2024-23321", "org.apache.rocketmq:rocketmq-broker", "4.5.2 5.2.0",
     "cve", "4.5.2 5.2.0", "GitHub names org.apache.rocketmq:rocketmq-all"),
    ("CVE-2024-23680", "com.amazonaws:aws-encryption-sdk-java", "0.1 1.9.0 2.0.0 2.2.0"),
    ("CVE-2024-23944", "org.apache.zookeeper:zookeeper", "3.6.0 3.7.2 3.8.0 3.8.3 3.8.4 3.9.0 3.9.1 3.9.2",
     "fix", "3.6.0 3.7.2 3.8.0 3.8.3 3.9.0 3.9.1", LAST),
    ("CVE-2024-24683", "org.apache.hop:hop-engine", "0.1 2.8.0", "cve", "0.1", "GitHub names org.apache.hop:hop"),
    ("CVE-2024-25710", "org.apache.commons:commons-compress", "1.3 1.25.0 1.26.0", "fix", "1.3 1.25.0", LAST),
    ("CVE-2024-26308", "org.apache.commons:commons-compress", "1.21 1.26.0"),
    ("CVE-2024-27181", "org.apache.linkis:linkis-pes-publicservice", "1.3.2 1.6.0",
     "cve", "1.3.2", "GitHub names org.apache.linkis:linkis"),
    ("CVE-2024-27182", "org.apache.linkis:linkis-pes-publicservice", "1.3.2 1.6.0",
     "cve", "1.3.2", "GitHub names org.apache.linkis:linkis"),
    ("CVE-2024-27347", "org.apache.hugegraph:hubble-be", "1.0.0 1.3.0",
     "cve", "1.0.0", "GitHub names org.apache.hugegraph:hugegraph-hubble"),
    ("CVE-2024-29131", "org.apache.commons:commons-configuration2", "2.0 2.10.1"),
    ("CVE-2024-29133", "org.apache.commons:commons-configuration2", "2.0 2.10.1"),
    ("CVE-2024-31860", "org.apache.zeppelin:zeppelin-server", "0.9.0 0.11.0"),
    ("CVE-2024-31862", "org.apache.zeppelin:zeppelin-server", "0.10.1 0.11.0"),
    ("CVE-2024-31863", "org.apache.zeppelin:zeppelin-server", "0.10.1 0.11.0"),
    ("CVE-2024-31865", "org.apache.zeppelin:zeppelin-server", "0.8.2 0.11.1"),
    ("CVE-2024-31866", "org.apache.zeppelin:zeppelin-interpreter", "0.8.2 0.11.1"),
    ("CVE-2024-31867", "org.apache.zeppelin:zeppelin-server", "0.8.2 0.11.1"),
    ("CVE-2024-31868", "org.apache.zeppelin:zeppelin-interpreter", "0.8.2 0.11.1"),
    ("CVE-2024-34365", "org.apache.karaf:cave", "0.1 4.1.2"),
    ("CVE-2024-34391", "libxmljs", "0.1.0 1.0.11"),
    ("CVE-2024-34392", "libxmljs", "0.1.0 1.0.11"),
    ("CVE-2024-34393", "libxmljs2", "0.1.0 0.33.0"),
    ("CVE-2024-34394", "libxmljs2", "0.1.0 0.33.0 0.35.0",
     "ghsa", "0.35.0", "the last affected is 0.35.0 to GitHub, 0.33.0 to the CNA"),
    ("CVE-2024-36263", "org.apache.submarine:submarine-server-core", "0.1 0.8.0"),
    ("CVE-2024-36264", "org.apache.submarine:submarine-commons-utils", "0.1 0.8.0",
     "ghsa", "0.1", "the CNA begins at 0.8.0, GitHub with the first version"),
    ("CVE-2024-36265", "org.apache.submarine:submarine-server-core", "0.1 0.8.0"),
    ("CVE-2024-36268", "org.apache.inlong:tubemq-client", "1.10.0 1.12.0",
     "cve", "1.10.0 1.12.0", "GitHub names org.apache.inlong:tubemq-core"),
    ("CVE-2024-36522", "org.apache.wicket:wicket-util", "8.0.0 8.15.0 8.16.0 9.0.0 9.17.0 9.18.0 10.0.0 10.0.0-M1 10.1.0",
     "fix", "8.0.0 8.15.0 9.0.0 9.17.0 10.0.0 10.0.0-M1", LAST),
    ("CVE-2024-39928", "org.apache.linkis:linkis-engineplugin-spark", "0.1 1.3.0 1.6.0",
     "ghsa", "0.1", "the CNA begins at 1.3.0, GitHub with the first version"),
    ("CVE-2024-4067", "micromatch", "0.1.0 4.0.8", "ghsa", "0.1.0", "the CNA's versions are of the type `cpe`: not understood"),
    ("CVE-2024-4068", "braces", "0.1.0 3.0.2 3.0.3",
     "ghsa", "0.1.0 3.0.2", "the CNA's versions are git commits by their type: no version of a package"),
    ("CVE-2024-45384", "org.apache.druid.extensions:druid-pac4j", "0.18.0 30.0.0 30.0.1", "fix", "0.18.0 30.0.0", LAST),
    ("CVE-2024-45537", "org.apache.druid.extensions:druid-lookups-cached-global", "0.1 30.0.0",
     "cve", "0.1 30.0.0", "GitHub names org.apache.druid:druid"),
    ("CVE-2024-45772", "org.apache.lucene:lucene-replicator", "4.4.0 9.12.0"),
    ("CVE-2024-47197", "org.apache.maven.plugins:maven-archetype-plugin", "3.2.1 3.3.0"),
    ("CVE-2024-47554", "commons-io:commons-io", "2.0 2.14.0"),
    ("CVE-2024-47561", "org.apache.avro:avro", "0.1 1.11.4"),
    ("CVE-2024-6762", "org.eclipse.jetty:jetty-servlets", "10.0.0 10.0.17 10.0.18 11.0.0 11.0.17 11.0.18 12.0.0 12.0.3 12.0.4",
     "fix", "10.0.0 10.0.17 11.0.0 11.0.17 12.0.0 12.0.3", LAST),
    ("CVE-2024-6763", "org.eclipse.jetty:jetty-http", "7.0.0 12.0.11 12.0.12", "fix", "7.0.0 12.0.11", LAST),
    ("CVE-2024-6960", "ai.h2o:h2o-core", "0.1 3.46.0.4",
     "ghsa", "0.1 3.46.0.4", "the CNA says version 0 alone: not understood"),
    ("CVE-2024-8184", "org.eclipse.jetty:jetty-server",
     "9.3.12 9.4.55 9.4.56 10.0.0 10.0.23 10.0.24 11.0.0 11.0.23 11.0.24 12.0.0 12.0.8 12.0.9",
     "fix", "9.3.12 9.4.55 10.0.0 10.0.23 11.0.0 11.0.23 12.0.0 12.0.8", LAST),
    ("CVE-2024-8391", "io.vertx:vertx-grpc-server", "4.3.0 4.5.10"),
    ("CVE-2024-8642", "org.eclipse.edc:transfer-data-plane", "0.5.0 0.9.0"),
    ("CVE-2024-8646", "org.glassfish.main.distributions:glassfish", "5.1.0 7.0.10",
     "cve", "5.1.0", "GitHub names org.glassfish.main.web:web-core"),
    ("CVE-2024-9148", "flowise-embed", "0.1.0 2.0.0"),
    ("CVE-2024-9440", "slim-select", "2.0 2.0.0 2.9.0 2.9.2", "fix", "2.0 2.0.0 2.9.0", LAST),
    ("CVE-2024-9823", "org.eclipse.jetty:jetty-servlets", "9.0.0 9.4.54 10.0.0 10.0.18 11.0.0 11.0.18",
     "ghsa", "9.0.0 10.0.0 11.0.0", "the CNA's versions are of the type `semvar`: not understood"),
    ("CVE-2024-9823", "org.eclipse.jetty.ee8:jetty-ee8-servlets", "12.0.0 12.0.3",
     "ghsa", "12.0.0", "the CNA's versions are of the type `semvar`: not understood"),
    ("CVE-2024-9823", "org.eclipse.jetty.ee8:jetty-ee9-servlets", "12.0.0 12.0.3",
     "cve", "12.0.0", "GitHub names org.eclipse.jetty.ee9:jetty-ee9-servlets"),
]


class Ecosystems(Agreement):
    """GitHub's advisories, and the CVE list."""

    def test_github_and_the_cve_list(self):
        cves = sorted({case[0] for case in CASES})
        members = [f"{year}/{number[:-3]}xxx/CVE-{year}-{number}.json" for _, year, number in (cve.split("-") for cve in cves)]
        databases = (self.imported(packs.pack("maven-ghsa"), packs.pack("npm-ghsa")),
                     self.imported(packs.unpacked("cve5", self.work, *members)))
        asked = {(package, version) for _, package, versions, *_ in CASES for version in versions.split()}
        asked |= {(elsewhere(case), case[2].split()[0]) for case in CASES if elsewhere(case)}
        bom = self.path("bom.json")
        with open(bom, "w", encoding="utf-8") as out:
            json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
                {"type": "library", "name": package, "version": version, "purl": purl(package, version)}
                for package, version in sorted(asked)]}, out)
        github, listed = ({(cve, package, version): fix for names, package, version, fix in self.found(f"sbom:{bom}", database)
                           for cve in cves if cve in names} for database in databases)
        self.assertEqual({key[:2] for key in listed} - {case[:2] for case in CASES}, set(), "what the table does not have")
        agreed = set()
        for case in CASES:
            cve, package, versions, side, at, _ = (*case, "", "", "")[:6]
            with self.subTest(cve=cve, package=package):
                for key in ((cve, package, version) for version in versions.split()):
                    if key in github and key in listed:
                        said = "" if github[key] == listed[key] else "fix" if listed[key] is None else "another fix"
                    else:
                        said = "ghsa" if key in github else "cve" if key in listed else ""
                    self.assertEqual(said, side if key[2] in at.split() else "", key)
                    if not said and key in github:
                        agreed.add(key)
                if elsewhere(case):
                    self.assertIn((cve, elsewhere(case), versions.split()[0]), github)
        self.assertEqual(len(agreed), 44, "findings with the same fix, or with none to both")


def documents(folder):
    """What the pack in `folder` says, file by file."""
    for path in glob.glob(f"{folder}/*/*.json"):
        with open(path, encoding="utf-8") as text:
            yield json.load(text)


def elsewhere(case):
    """The package that GitHub names in place of the CNA's, where that is the difference."""
    return case[5].removeprefix(ELSEWHERE) if len(case) > 3 and case[5].startswith(ELSEWHERE) else None


def purl(package, version):
    return f"pkg:{'maven' if ':' in package else 'npm'}/{package.replace(':', '/')}@{version}"


if __name__ == "__main__":
    unittest.main()
