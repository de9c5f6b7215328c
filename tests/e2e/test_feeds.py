"""`stella feeds`: what is not read twice, what stays when a path cannot be read, and bundles that are signed."""
import fcntl
import gzip
import json
import os
import shutil
import subprocess
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
        self.assertIn("1 path was not taken", done.stderr)
        self.assertRegex(self.snapshot(), r"(?m)^PyPI +1 records.*\n^npm +2 records")
        # It stays as long as it takes.
        self.into(one, two, code=3)

    def many(self, name, count, **more):
        return self.put(name, *(record(f"A-{index}", "1.0.0", **more) for index in range(count)))

    def test_a_path_that_lost_much_keeps_what_it_gave_last(self):
        one, two = self.put("one.json", record("B", "1.0.0", ecosystem="PyPI")), self.many("two.json", 40)
        self.into(one, two)
        self.many("two.json", 1)
        self.put("one.json", record("B", "1.0.0", ecosystem="PyPI"), record("C", "1.0.0", ecosystem="PyPI"))
        for _ in range(2):  # It stays as long as it takes.
            done = self.into(one, two, code=3)
            self.assertIn(f"{two} lost 39 of 40 records of npm (--allow-shrink takes it); what it gave before stays", done.stderr)
            self.assertRegex(self.snapshot(), r"(?m)^PyPI +2 records.*\n^npm +40 records")
        self.into(one, two, "--allow-shrink")
        self.assertRegex(self.snapshot(), r"(?m)^npm +1 records")
        # From then on that is what it had.
        self.assertIn("nothing has changed", self.into(one, two).stderr)

    def test_a_feed_that_lost_much_by_another_path_is_not_taken(self):
        one = self.put("one.json", record("B", "1.0.0", ecosystem="PyPI"))
        self.into(self.many("monday.json", 40), one)
        done = self.into(self.many("tuesday.json", 1), one, code=3)
        self.assertIn("it would have lost 39 of 40 records of npm", done.stderr)
        self.assertIn("--allow-shrink", done.stderr)
        self.assertRegex(self.snapshot(), r"(?m)^npm +40 records")
        # What is not there at all was left out on purpose.
        self.into(one)
        self.into(self.many("monday.json", 40), one)
        self.into(self.path("tuesday.json"), one, "--allow-shrink")

    def test_what_is_less_is_not_taken_for_want_of_what_it_gave_before(self):
        two = self.many("two.json", 40)
        self.into(two)
        want, folder = self.snapshot(), self.database + ".parts"
        for name in os.listdir(folder):
            if name.endswith(".part"):
                os.remove(os.path.join(folder, name))
        self.many("two.json", 1)
        done = self.into(two, code=3)
        self.assertIn("the database stays as it is", done.stderr)
        self.assertIn("--allow-shrink", done.stderr)
        self.assertEqual(self.snapshot(), want)
        self.into(two, "--allow-shrink")

    def test_one_import_into_a_database_at_a_time(self):
        one = self.put("one.json", record("A", "1.0.0"))
        self.into(one)
        with open(self.database + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("another import or update of this database is at work", self.into(one, code=3).stderr)
            self.into(one, database=self.path("b.db"))
        self.into(one)

    def test_two_imports_at_once_leave_a_database_and_its_parts(self):
        paths = [self.many(f"{index}.json", 300, package=f"p{index}") for index in range(4)]
        into = [STELLA, "feeds", "import", "--advisories", self.database]
        running = [subprocess.Popen([*into, path], env=program.environment(self.work), stderr=subprocess.PIPE, text=True,
                                    stdout=subprocess.DEVNULL) for path in paths for _ in range(2)]
        said = [process.communicate()[1] for process in running]
        for process, text in zip(running, said):
            self.assertIn(process.returncode, (0, 3), text)
            self.assertEqual("at work" in text, process.returncode == 3, text)
        self.assertIn(0, {process.returncode for process in running})
        with open(self.database + ".parts/merged.json", encoding="utf-8") as file:
            merged = json.load(file)
        self.assertIn(f"snapshot {merged['snapshot']}", self.snapshot())
        kept = [name for name in os.listdir(self.database + ".parts") if name.endswith(".part")]
        self.assertEqual(len(kept), 1)
        self.assertEqual([name for name in os.listdir(self.path("a")) if name.startswith(".stella")], [])

    def test_what_a_killed_import_left_is_removed_by_the_next(self):
        one = self.put("one.json", record("A", "1.0.0"))
        self.into(one)
        stale = self.path("a/.stella-advisories-abc.part")
        with open(stale, "wb") as file:
            file.write(b"x")
        os.utime(stale, (0, 0))
        self.put("one.json", record("A", "2.0.0"))
        self.into(one)
        self.assertFalse(os.path.exists(stale))

    def test_a_file_that_is_cut_is_not_taken(self):
        one, two = self.put("one.json", *[record(f"A{number}", "1.0.0") for number in range(9)]), self.path("two.json")
        with open(one, "rb") as file:
            whole = file.read()
        with open(two, "wb") as file:
            file.write(whole[:-100])
        self.assertIn("two.json: malformed from here on", self.into(two, code=3).stderr)
        self.assertFalse(os.path.exists(self.database))
        # One that is cut later gives what it gave before.
        self.into(one)
        before = self.snapshot()
        with open(one, "wb") as file:
            file.write(whole[:-100])
        self.into(one, code=3)
        self.assertEqual(self.snapshot(), before)

    def test_a_page_of_a_proxy_is_no_file_of_advisories(self):
        one, kev = self.put("one.json", record("A", "1.0.0")), self.path("known_exploited_vulnerabilities.json")
        with open(kev, "w", encoding="utf-8") as file:
            file.write("<html>sign in</html>")
        self.assertIn("no record in it can be read", self.into(one, kev, code=3).stderr)
        self.assertFalse(os.path.exists(self.database))

    def test_memory_has_a_limit_that_is_said(self):
        one, two = self.many("one.json", 2000), self.many("two.json", 2000, ecosystem="PyPI")
        done = self.into(one, two, "--max-memory", "1500KB", code=3)
        self.assertIn("`feed memory` of 1536000 bytes", done.stderr)
        self.assertIn("--max-memory", done.stderr)
        self.assertFalse(os.path.exists(self.database))
        self.assertIn("`feed path memory`", self.into(one, "--max-memory", "1MB", code=3).stderr)
        self.into(one, two, "--max-memory", "4MB")
        self.assertIn("--max-memory", self.into(one, "--max-memory", "much", code=2).stderr)

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

    def test_a_record_of_a_far_day_makes_no_bundle_older(self):
        self.put("one.json", record("A", "1.0.0", modified="9999-06-01T00:00:00Z"))
        self.into(self.path("one.json"))
        self.export()
        self.take()
        self.put("one.json", record("A", "1.0.0", modified="2024-06-01T00:00:00Z"))
        self.into(self.path("one.json"))
        self.export()
        self.take()
        self.assertEqual(self.snapshot(self.there), self.snapshot())

    def test_a_bundle_is_alone_and_beside_its_database(self):
        done = self.feeds("export", self.database, "--key", self.key.private, "--advisories", self.database, code=2)
        self.assertIn("is the database itself", done.stderr)
        self.export()
        done = self.feeds("import", self.bundle, self.path("one.json"), "--signer", self.key.public, "--advisories", self.there,
                          code=2)
        self.assertIn("import it alone", done.stderr)

    def test_what_is_no_key_or_no_database_is_said(self):
        done = self.feeds("export", self.bundle, "--key", self.key.public, "--advisories", self.database, code=2)
        self.assertIn("PRIVATE KEY", done.stderr)
        done = self.feeds("export", self.bundle, "--key", self.key.private, "--advisories", self.path("none"), code=3)
        self.assertIn("feeds import", done.stderr)
        self.assertFalse(os.path.exists(self.bundle))


if __name__ == "__main__":
    unittest.main()
