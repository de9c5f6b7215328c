"""`stella feeds import` of real advisories: what is read, kept and left of each pack, whatever the order; damaged copies.

The packs lie in `../shared/data`, whose SOURCES.md says what each is; where they do not, these tests are skipped. A number
that differs is a change of what is understood: look at what is left now, then write it down here."""
import os
import re
import shutil
import subprocess
import unittest

import packs
import program
import test_feeds
from program import STELLA

# Pack, source, records read, records kept, what is left by reason. Parts of records count among what is left, so one record
# may be kept and counted there, several times.
TABLE = [
    ("alpine-osv", "osv", 2_360, 2_360, {}),
    ("alpine-secdb", "secdb", 4_875, 4_875, {}),
    ("bdu-sample", "bdu", 2, 2, {"products by CPE or in words, not by package": 2}),
    ("cve5", "cve", 36_003, 36_003,
     {"a product of no collection": 31_692, "a product of another collection": 4_139, "not understood": 17,
      "a collection without a package's name": 5, "a Go package of no known module": 2, "no affected versions": 1,
      "on other systems than Linux": 1}),
    ("debian-osv", "osv", 32_818, 32_818, {}),
    ("epss-sample", "epss", 17, 17, {}),
    ("go-osv", "osv", 4_291, 4_274, {"withdrawn": 17}),
    ("jvn-sample", "jvn", 4, 4, {"products by CPE or in words, not by package": 4}),
    ("kev", "kev", 2_808, 2_808, {}),
    ("kev", "files", 0, 0, {"no form of advisories that is known": 2}),
    ("maven-ghsa", "osv", 5_305, 5_305, {}),
    ("npm-ghsa", "osv", 3_792, 3_792, {}),
    ("nvd2-derived", "nvd", 35_918, 35_918, {"an operating system or hardware": 4_447, "no versions that are understood": 263}),
    ("pypi-osv", "osv", 2_661, 2_651, {"withdrawn": 10}),
    ("ruby", "rubysec", 1_381, 1_232, {"of an interpreter, which no package is": 147, "affects no version": 2}),
    ("rustsec", "osv", 1_206, 929, {"information, no vulnerability": 264, "withdrawn": 13}),
    ("rustsec", "rustsec", 1_225, 928,
     {"information, no vulnerability": 264, "withdrawn": 13, "of Rust itself, which no package is": 20}),
    # A repository's licence is packed with it.
    *((name, "files", 0, 0, {"no form of advisories that is known": 1})
      for name in ("cve5", "go-osv", "ruby", "rustsec")),
]

# Why each is rightly left.
REASONS = {
    "a Go package of no known module":
        "the CVE list names packages by path, builds name modules, and nothing in the record says where the module's path ends: "
        "CVE-2023-45286 says github.com/go-resty/resty/v2, CVE-2024-24786 google.golang.org/protobuf/encoding/protojson",
    "a collection without a package's name":
        "an ecosystem is named, and none of its packages: CVE-2023-49198 says Maven and \"Apache SeaTunnel Web\"",
    "a product of another collection":
        "of WordPress, Red Hat, GitHub and others, which are no ecosystem here; Red Hat's own documents say more of its packages",
    "a product of no collection":
        "a vendor and a product in words. What is said of the CVE itself, as its rating, is kept: that is why 36,003 are",
    "affects no version":
        "what RubySec calls unaffected or patched covers all versions: CVE-2021-32808 says `< 5.1.2` and `>= 5.1.2`, "
        "CVE-2019-15224 `< 1.0.12` and `> 0.1.4`",
    "an operating system or hardware":
        "no package of an image is one; a system's packages are its distribution's to judge",
    "information, no vulnerability":
        "RustSec says that a crate is unmaintained, or gives notice: nothing that a version would fix",
    "no affected versions":
        "CVE-2024-4068 has one range, and it is of git commits",
    "no form of advisories that is known":
        "a repository's licence, and the JSON schema that lies beside CISA's catalogue",
    "no versions that are understood":
        "NVD says a product without a version (`-`), or a range of an update, whose order nobody states",
    "not understood":
        "what the CVE list's form has no meaning for: \"all versions but these\", types `custom` and `semvar`, versions `*` and "
        "`< 4.4.13`, 0 alone. The database says of each ecosystem how many it has of them",
    "of Rust itself, which no package is":
        "the compiler, the standard library and the like are in no lock file; what is built with them does not say so",
    "on other systems than Linux":
        "CVE-2024-24787 is of Go's tools on darwin alone",
    "of an interpreter, which no package is":
        "Ruby, JRuby and mRuby are no gems",
    "products by CPE or in words, not by package":
        "what is said of the vulnerability itself is kept; nothing says which package of which ecosystem it is",
    "withdrawn":
        "the publisher took it back. It is remembered, so that an older copy of it does not match either",
}

LINE = re.compile(r"note: .*/([\w-]+)\.tar\.zst: (\w+): (?:(\d+) records read, (\d+) kept, (\d+) skipped|(\d+) skipped: (.*))")


def said(stderr):
    """What an import says of each pack and source, in the form of TABLE."""
    rows = {}
    for found in filter(None, map(LINE.fullmatch, stderr.splitlines())):
        pack, source, read, kept, skipped, count, reason = found.groups()
        row = rows.setdefault((pack, source), [0, 0, 0, {}])
        if reason:
            row[3][reason] = int(count)
        else:
            row[:3] = int(read), int(kept), int(skipped)
    return rows


class Whole(program.Case):
    """All packs as one database: seconds for the release build, half a minute for the debug one."""

    def merge(self, names, database, cpus):
        paths = [packs.pack(name) for name in names]
        done = subprocess.run(
            [STELLA, "feeds", "import", *paths, "--advisories", self.path(database)], env=program.environment(self.work),
            preexec_fn=lambda: os.sched_setaffinity(0, cpus), capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_each_pack_gives_what_the_table_says_and_no_order_changes_the_database(self):
        names, cpus = sorted({row[0] for row in TABLE}), os.sched_getaffinity(0)
        rows = said(self.merge(names, "a.db", cpus))
        for pack, source, read, kept, reasons in TABLE:
            with self.subTest(pack=pack, source=source):
                self.assertEqual(rows.pop((pack, source), None), [read, kept, sum(reasons.values()), reasons])
        self.assertEqual(rows, {}, "what the table does not have")
        self.assertEqual({reason for row in TABLE for reason in row[4]}, set(REASONS), "each reason has its why, and no other")
        # The other way round, and on one processor, which is one thread.
        self.merge(reversed(names), "b.db", {min(cpus)})
        self.assertEqual(subprocess.run(["cmp", self.path("a.db"), self.path("b.db")], check=False).returncode, 0)


class Damaged(test_feeds.Feeds):
    def test_a_malformed_record_is_named_with_its_place_and_the_others_are_taken(self):
        for pack, name, before, after, counts, place in (
                # A file that is a record: its line and column.
                ("alpine-osv", "2023/CVE-2023-0286.json", '"affected":[', '"affected":[[', "osv: 2360 records read, 2359 kept, 1 skipped",
                 r"2023/CVE-2023-0286\.json: malformed: .* at line 1 column \d+"),
                ("ruby", "gems/actionpack/CVE-2024-26143.yml", "patched_versions:", "patched_versions: {",
                 "rubysec: 1381 records read, 1231 kept, 150 skipped", r"gems/actionpack/CVE-2024-26143\.yml: malformed: line \d+: .*"),
                # A record in a file of many: which one.
                ("alpine-secdb", "3.20/main.json", '"name": "apache2"', '"name": 7', "secdb: 4875 records read, 4874 kept, 1 skipped",
                 r"3\.20/main\.json, package 2: malformed: .*"),
        ):
            with self.subTest(pack=pack):
                folder = packs.unpacked(pack, self.work)
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as text:
                    whole = text.read()
                self.assertIn(before, whole)
                with open(path, "w", encoding="utf-8") as out:
                    out.write(whole.replace(before, after, 1))
                stderr = self.into(folder).stderr
                self.assertIn(counts, stderr)
                self.assertRegex(stderr, f"(?m)^note: skipped {place}$")

    def test_an_archive_that_is_cut_fails_alone_and_what_it_gave_stays(self):
        epss, alpine = self.path("epss-sample.tar.zst"), self.path("alpine-secdb.tar.zst")
        shutil.copy(packs.pack("epss-sample"), epss)
        shutil.copy(packs.pack("alpine-secdb"), alpine)
        self.into(epss, alpine)
        whole = self.snapshot()
        for size in (0, 100, os.path.getsize(alpine) // 2, os.path.getsize(alpine) - 1):
            with self.subTest(size=size):
                shutil.copy(packs.pack("alpine-secdb"), alpine)
                os.truncate(alpine, size)
                stderr = self.into(epss, alpine, code=3).stderr
                self.assertRegex(stderr, f"(?m)^error: {re.escape(alpine)}.*; what it gave when it last could be read stays$")
                self.assertIn(f"{epss}: epss: 17 records read, 17 kept", stderr)
                self.assertEqual(self.snapshot(), whole)


if __name__ == "__main__":
    unittest.main()
