"""`stella feeds`: what is not read twice, what stays when a path cannot be read, and bundles that are signed."""
import gzip
import json
import os
import shutil
import unittest

import program
from program import STELLA, call
from signing import Key


def record(name, fixed, ecosystem="npm", modified="2024-01-01T00:00:00Z", package="left-pad"):
    return {"id": name, "modified": modified, "affected": [{
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]}


class Feeds(program.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("a/advisories.db")

    def put(self, name, *records):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            json.dump(records, out)
        return path

    def feeds(self, *words, code=0):
        done = call(STELLA, "feeds", *words, env=program.environment(self.work))
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def into(self, *paths, code=0, database=None):
        return self.feeds("import", *paths, "--advisories", database or self.database, code=code)

    def snapshot(self, database=None):
        return self.feeds("status", "--advisories", database or self.database).stdout


class Import(Feeds):
    def test_what_has_not_changed_is_not_read_again(self):
        one, two = self.put("one.json", record("A", "1.0.0")), self.put("two.json", record("B", "2.0.0"))
        self.into(one, two)
        written = os.stat(self.database)
        again = self.into(one, two)
        self.assertIn("nothing has changed", again.stderr)
        self.assertEqual(again.stdout, self.snapshot())
        self.assertEqual(os.stat(self.database).st_ino, written.st_ino, "the file that is there stays")
        # Of a path that has changed the other's part is still taken: without it, it could not be read now.
        self.put("two.json", record("B", "3.0.0"))
        changed = self.into(one, two)
        self.assertNotIn("nothing has changed", changed.stderr)
        self.assertIn(f"{one}: osv: 1 records read, 1 kept, 0 skipped", changed.stderr, "what became of it is said again")
        self.into(one, two, database=self.path("fresh.db"))
        self.assertEqual(self.snapshot(), self.snapshot(self.path("fresh.db")), "parts make the same database")
        self.assertEqual(len(os.listdir(self.database + ".parts")), 3, "parts of what is gone are let go")

    def test_another_database_in_its_place_is_seen(self):
        one, two = self.put("one.json", record("A", "1.0.0")), self.put("two.json", record("B", "2.0.0"))
        self.into(one)
        self.into(two, database=self.path("other.db"))
        shutil.copy(self.path("other.db"), self.database)
        self.assertNotIn("nothing has changed", self.into(one).stderr)

    def test_damaged_parts_are_made_again(self):
        one = self.put("one.json", record("A", "1.0.0"))
        self.into(one)
        want, folder = self.snapshot(), self.database + ".parts"
        os.remove(self.database)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "r+b") as part:
                part.seek(os.path.getsize(os.path.join(folder, name)) // 2)
                part.write(b"\xff\xff")
        self.into(one)
        self.assertEqual(self.snapshot(), want)

    def test_a_path_that_cannot_be_read_keeps_what_it_gave_last(self):
        one, two = self.put("one.json", record("A", "1.0.0")), self.path("two.json.gz")
        with open(two, "wb") as out:
            out.write(b"no gzip")
        done = self.into(one, two, code=3)
        self.assertIn("two.json.gz", done.stderr)
        self.assertFalse(os.path.exists(self.database), "of a path that gave nothing yet nothing can stay")
        with gzip.open(two, "wt", encoding="utf-8") as out:
            json.dump([record("B", "2.0.0", ecosystem="PyPI")], out)
        self.into(one, two)
        with open(two, "r+b") as out:
            out.truncate(20)
        self.put("one.json", record("A", "1.0.0"), record("C", "1.0.0"))
        done = self.into(one, two, code=3)
        self.assertIn("what it gave when it last could be read stays", done.stderr)
        self.assertIn("1 path could not be read", done.stderr)
        self.assertRegex(self.snapshot(), r"(?m)^PyPI +1 records.*\n^npm +2 records")
        # It stays as long as it takes.
        self.into(one, two, code=3)

    def test_the_same_records_in_any_form_are_one_database(self):
        self.put("one.json", record("A", "1.0.0"))
        os.mkdir(self.path("folder"))
        shutil.copy(self.path("one.json"), self.path("folder/one.json"))
        shutil.make_archive(self.path("one"), "gztar", self.path("folder"))
        for form in ("one.json", "folder", "one.tar.gz"):
            self.into(self.path(form), database=self.path(f"{form}.db"))
        self.assertEqual(len({self.snapshot(self.path(f"{form}.db")) for form in ("one.json", "folder", "one.tar.gz")}), 1)


class Bundles(Feeds):
    def setUp(self):
        super().setUp()
        self.into(self.put("one.json", record("A", "1.0.0", modified="2024-05-01T00:00:00Z")))
        self.key, self.other = Key(self.work, "ours", "Ed25519"), Key(self.work, "another")
        self.bundle, self.there = self.path("bundle"), self.path("there/advisories.db")

    def export(self, key=None, code=0):
        return self.feeds("export", self.bundle, "--key", (key or self.key).private, "--advisories", self.database, code=code)

    def take(self, *words, code=0, key=None):
        signer = ["--signer", (key or self.key).public]
        return self.feeds("import", self.bundle, *signer, *words, "--advisories", self.there, code=code)

    def test_what_was_exported_is_imported_to_the_byte(self):
        for key in (self.key, self.other):
            self.export(key)
            self.assertIn(key.public, self.take(key=key).stderr)
            with open(self.database, "rb") as here, open(self.there, "rb") as there:
                self.assertEqual(here.read(), there.read())

    def test_nobody_elses_is_taken(self):
        self.export()
        self.assertIn("signed by none of the keys", self.take(code=3, key=self.other).stderr)
        done = self.feeds("import", self.bundle, "--advisories", self.there, code=2)
        self.assertIn("--signer", done.stderr)
        self.assertFalse(os.path.exists(self.there))

    def test_no_byte_of_it_can_be_changed_and_nothing_cut(self):
        self.export()
        with open(self.bundle, "rb") as bundle:
            whole = bundle.read()
        for index in [*range(0, min(len(whole), 400), 7), *range(400, len(whole), 101), len(whole) - 1]:
            for bad in (whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1:], whole[:index]):
                with open(self.bundle, "wb") as bundle:
                    bundle.write(bad)
                done = call(STELLA, "feeds", "import", self.bundle, "--signer", self.key.public, "--advisories", self.there,
                            env=program.environment(self.work))
                self.assertEqual((done.returncode, os.path.exists(self.there)), (3, False), f"byte {index}: {done.stderr}")

    def test_an_older_one_is_refused_unless_it_is_asked_for(self):
        self.export()
        self.take()
        self.take()  # The same again is not older.
        with open(self.bundle, "rb") as bundle:
            old = bundle.read()
        self.put("one.json", record("A", "1.0.0", modified="2024-06-01T00:00:00Z"))
        self.into(self.path("one.json"))
        self.export()
        self.take()
        newer = self.snapshot(self.there)
        with open(self.bundle, "wb") as bundle:
            bundle.write(old)
        done = self.take(code=3)
        self.assertIn("older", done.stderr)
        self.assertIn("--allow-older", done.stderr)
        self.assertEqual(self.snapshot(self.there), newer)
        self.take("--allow-older")
        self.assertNotEqual(self.snapshot(self.there), newer)

    def test_what_is_no_key_or_no_database_is_said(self):
        done = self.feeds("export", self.bundle, "--key", self.key.public, "--advisories", self.database, code=2)
        self.assertIn("PRIVATE KEY", done.stderr)
        done = self.feeds("export", self.bundle, "--key", self.key.private, "--advisories", self.path("none"), code=3)
        self.assertIn("feeds import", done.stderr)
        self.assertFalse(os.path.exists(self.bundle))


if __name__ == "__main__":
    unittest.main()
