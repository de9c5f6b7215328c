"""rpm: packages built here, in each form that its database has.

A handful of tiny packages (epochs, noarch, another architecture, tilde and caret in versions, three versions of one name as
kernels have, binary packages of a source rpm of another name, packages of a module, a signer's key) is built with rpmbuild
and installed into a database. The inventory of a directory with that database is held against `rpm -qa` (name, epoch,
version, release, architecture, module; in SQLite the source rpm too):

- SQLite, as Debian's rpm writes it; and with a write-ahead log that was not written back, where rpm reads a copy of both;
- Berkeley DB in both byte orders, made by db_load of the same headers; Debian's rpm reads the machine's own;
- ndb, written by `of_rpm.write_ndb`, because Debian's rpm neither writes nor reads it: held against the SQLite database
  that its headers come from.
"""
import os
import shutil
import sqlite3
import sys
import tempfile
import unittest

import of_rpm as rpm
from truth import TruthCase, inventory

PLACE = "var/lib/rpm"
OS_RELEASE = "ID=rocky\nVERSION_ID=9.3\n"


def spec(name, version, more="", tail=""):
    version, release = version.rsplit("-", 1)
    return (f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: x\nLicense: x\n{more}\n"
            f"%description\nx\n{tail}\n%files\n")


def binary(name, more=""):
    return f"%package -n {name}\nSummary: x\n{more}\n%description -n {name}\nx\n%files -n {name}\n"


BIG = "%changelog\n" + "\n".join(
    f"* Mon Jan 01 2024 A <a@b.example> - 1-1\n- {'x' * 900} {at}" for at in range(30))
SPECS = [
    spec("truth-plain", "1.2.3-4.el9"),
    spec("truth-epoch", "1.0-1", "Epoch: 2\nBuildArch: noarch"),
    spec("truth-epoch-zero", "1.0-1", "Epoch: 0"),
    spec("truth-order", "1.0~rc1^20240101git1234567-0.1.module+el8.9.0+1+a0b1c2d3"),
    spec("truth-module", "12.16.1-2.module+el8.3.0+100+30b713e6",
         "Epoch: 1\nModularityLabel: nodejs:12:8030020200410173826:30b713e6", binary("truth-module-docs", "BuildArch: noarch")),
    *[spec("truth-kernel", f"5.14.0-{release}.el9") for release in (70, 162, 284)],
    spec("truth-source", "3.0.7-27.el9", "Epoch: 1",
         binary("truth-library") + binary("truth-of-other-version", "Version: 9.9")
         + binary("truth-noarch", "BuildArch: noarch")),
    spec(rpm.KEYS, "8483c65d-5ccc5b19"),
    # Its header fills several pages of a database.
    spec("truth-big", "1-1", tail=BIG),
]
LATER = spec("truth-later", "2-1", tail=BIG)


@unittest.skipUnless(shutil.which("rpmbuild"), "no rpmbuild here")
class Rpm(TruthCase):
    @classmethod
    def setUpClass(cls):
        cls.made = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.database = os.path.join(cls.made, "database")
        os.makedirs(cls.database)
        cls.later = os.path.join(cls.made, "later")
        os.makedirs(cls.later)
        files = rpm.build(cls.made, *SPECS, LATER)
        later = [file for file in files if "truth-later" in file]
        rpm.install(cls.database, *[file for file in files if file not in later])
        rpm.install(cls.later, *later)
        cls.told, cls.modules = rpm.packages(cls.database), rpm.modules(cls.database)

    def root(self):
        root = self.path("root")
        self.write("root/etc/os-release", OS_RELEASE)
        os.makedirs(os.path.join(root, PLACE))
        return root, os.path.join(root, PLACE)

    def assert_as_told(self, root):
        self.assert_inventory(self.told, root, "rpm")
        packages = [line["package"] for line in inventory("dir:" + root, self.work, "rpm")]
        self.assert_same(self.modules, [(package["name"], package.get("module")) for package in packages], "modules")

    def test_what_was_built_is_there(self):
        self.assertEqual(len(self.told), len(SPECS) - 1 + 4)
        self.assertEqual(len([row for row in self.told if row.name == "truth-kernel"]), 3)
        self.assertEqual(len([module for _, module in self.modules if module]), 2)

    def test_sqlite(self):
        root, place = self.root()
        shutil.copytree(self.database, place, dirs_exist_ok=True)
        self.assert_as_told(root)
        lines = [line["package"] for line in inventory("dir:" + root, self.work, "rpm")]
        pairs = [(package["name"], package.get("source", package)) for package in lines]
        found = [(name, source["name"], source["version"].split(":")[-1]) for name, source in pairs]
        self.assert_same(rpm.sources(self.database), found, "source rpms")

    def test_sqlite_with_a_log(self):
        """Rows deleted, added and changed in a log that no checkpoint wrote back: what counts is the two together."""
        copy = self.path("copy")
        shutil.copytree(self.database, copy)
        root, place = self.root()
        log = os.path.join(copy, "rpmdb.sqlite-wal")
        connection = sqlite3.connect(os.path.join(copy, "rpmdb.sqlite"), isolation_level=None)
        try:
            self.assertEqual(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0], "wal")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("DELETE FROM Packages WHERE hnum IN (2, 5)")
            ((_, later),) = rpm.headers(self.later)
            connection.execute("INSERT INTO Packages(hnum, blob) VALUES (900, ?)", (later,))
            committed = os.path.getsize(log)
            # A transaction that is not committed is not there, though its pages are in the log already.
            connection.execute("PRAGMA cache_size=1")
            connection.execute("BEGIN")
            connection.execute("DELETE FROM Packages WHERE hnum > 6")
            connection.executemany("INSERT INTO Packages(hnum, blob) VALUES (?, ?)",
                                   [(number, later) for number in range(1000, 1100)])
            self.assertGreater(os.path.getsize(log), committed)
            for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal"):
                shutil.copy(os.path.join(copy, name), place)
        finally:
            connection.close()
        # rpm writes the log back when it opens a database.
        seen = self.path("seen")
        shutil.copytree(place, seen)
        told = rpm.packages(seen)
        self.assertEqual(len(told), len(self.told) - 1)
        self.assertIn("truth-later", {row.name for row in told})
        self.assert_inventory(told, root, "rpm")
        # Without the log it is another set: the test would see a reader that ignores it.
        os.remove(os.path.join(place, "rpmdb.sqlite-wal"))
        alone = [line["package"]["name"] for line in inventory("dir:" + root, self.work, "rpm")]
        self.assertEqual(len(alone), len(self.told))

    def berkeley(self, big_endian):
        root, place = self.root()
        path = os.path.join(place, "Packages")
        rpm.write_berkeley(path, rpm.headers(self.database), big_endian)
        os.remove(path + ".dump")
        return root, place

    def test_berkeley(self):
        for big_endian in (False, True):
            with self.subTest(big_endian=big_endian):
                root, place = self.berkeley(big_endian)
                if big_endian == (sys.byteorder == "big"):
                    self.assertEqual(sorted(rpm.packages(place, "--define", "_db_backend bdb_ro")), sorted(self.told))
                self.assert_as_told(root)
                shutil.rmtree(root)

    def test_ndb(self):
        root, place = self.root()
        rpm.write_ndb(os.path.join(place, "Packages.db"), rpm.headers(self.database))
        self.assert_as_told(root)


if __name__ == "__main__":
    unittest.main()
