"""A server that keeps its advisories: fetched by itself or when asked, tried on stored scans, held back, and killed at any moment."""
import contextlib
import datetime
import fcntl
import glob
import io
import json
import os
import random
import signal
import threading
import time
import unittest
import urllib.error
import urllib.request
import zipfile

import program
from feed_server import Server, plain, polite
from program import DEMO, STELLA, STELLA_SERVER
from signing import Key

TOKEN = "0123456789abcdef"
UTC = datetime.timezone.utc


def archive(ecosystem, package, ids, fixed=None, **more):
    """An archive as OSV's: each record hits every version of the package, before that which is fixed."""
    out = io.BytesIO()
    events = [{"introduced": "0"}] + ([{"fixed": fixed}] if fixed else [])
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ids:
            members.writestr(f"{name}.json", json.dumps({
                "id": name, "modified": "2026-01-02T03:04:05Z",
                "affected": [{"package": {"ecosystem": ecosystem, "name": package},
                              "ranges": [{"type": "ECOSYSTEM", "events": events}]}], **more}))
    return out.getvalue()


def cves(count, first=0):
    return [f"CVE-2026-{number}" for number in range(10_000 + first, 10_000 + first + count)]


def slow(answer, seconds=1):
    def later(request):
        time.sleep(seconds)
        answer(request)
    return later


class Case(program.Case):
    source = "osv:npm"

    def setUp(self):
        super().setUp()
        self.feeds = Server()
        threading.Thread(target=self.feeds.serve_forever, daemon=True).start()
        self.addCleanup(self.feeds.server_close)
        self.addCleanup(self.feeds.shutdown)
        self.data = self.path("server")
        self.database = os.path.join(self.data, "advisories.db")

    def publish(self, body, etag, part="npm"):
        self.feeds.answers[f"{part}/all.zip"] = [polite(body, etag)]

    @contextlib.contextmanager
    def serve(self, schedule="off", canary="{}", token=TOKEN, memory="2GB"):
        """The server with a configuration; `self.address` and `self.process` are of the last one."""
        config = self.path("server.yaml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"feeds:\n  schedule: {schedule}\n  sources: ['{self.source}']\n"
                      f"  mirrors: ['osv={self.feeds.url}']\n  canary: {canary}\n  max_memory: {memory}\n")
        os.makedirs(self.data, exist_ok=True)
        command = [STELLA_SERVER, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--config", config]
        env = {**program.environment(self.work), **({"STELLA_SERVER_FEEDS_TOKEN": token} if token else {})}
        with program.listening(command, self.path("server.log"), r"listening on http://(\S+)", env=env) as (address, process):
            self.address, self.process = f"http://{address}", process
            yield

    def ask(self, path, token=None, post=False):
        """Status, headers and body of an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.address + path, headers=headers, method="POST" if post else "GET")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def state(self):
        return json.loads(self.ask("/v1/feeds")[2])

    def update(self):
        """Asks for an update and waits for its end; gives its error."""
        self.assertEqual(self.ask("/v1/feeds/update", TOKEN, post=True)[0], 202)
        self.until(lambda: self.state()["update"]["running_since"] is None)
        return self.state()["update"]["last"]["error"]

    def settle(self):
        """Waits until nothing is left to be tried."""
        ends = (".candidate", ".trying")
        self.until(lambda: not any(os.path.exists(self.database + end) for end in ends))

    def until(self, true):
        deadline = time.monotonic() + 60
        while not true():
            self.assertLess(time.monotonic(), deadline, self.log())
            time.sleep(0.02)

    def log(self):
        with open(self.path("server.log"), encoding="utf-8") as log:
            return log.read()

    def call(self, command, *words, code=0):
        done = program.call(STELLA_SERVER, "feeds", command, "--data-dir", self.data, *words,
                            env=program.environment(self.work))
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout + done.stderr

    def keep(self, name, body):
        """A file beside the server's."""
        with open(self.path(name), "wb") as out:
            out.write(body)
        return self.path(name)

    def status(self):
        return json.loads(self.call("status", "-o", "json"))

    def metric(self, line):
        self.assertIn(f"\n{line}\n", self.ask("/metrics")[2])


class Updating(Case):
    def test_a_server_without_advisories_gets_them_when_asked(self):
        self.publish(archive("npm", "a", cves(3)), '"1"')
        self.feeds.answers["npm/all.zip"] = [slow(self.feeds.answers["npm/all.zip"][0])]
        with self.serve():
            self.assertEqual(self.ask("/readyz")[0], 503)
            code, headers, body = self.ask("/v1/feeds/update", "0123456789abcdeX", post=True)
            self.assertEqual((code, headers["WWW-Authenticate"]), (401, "Bearer"))
            self.assertIn("urn:stella:problem:unauthorized", body)
            self.assertEqual(self.ask("/v1/feeds/update", post=True)[0], 401)
            self.assertEqual(self.ask("/v1/feeds/update", TOKEN, post=True)[0], 202)
            code, _, body = self.ask("/v1/feeds/update", TOKEN, post=True)
            self.assertEqual(code, 409, body)
            self.assertIsNotNone(self.state()["update"]["running_since"])
            self.until(lambda: self.state()["update"]["running_since"] is None)
            self.assertIsNone(self.state()["update"]["last"]["error"], self.log())
            self.until(lambda: self.ask("/readyz")[0] == 200)
            self.metric('stella_feed_updates_total{outcome="done"} 1')
            self.metric('stella_snapshot_candidates_total{outcome="taken"} 1')
            self.assertEqual(self.state()["snapshot"], self.status()["database"]["id"])
            # What did not change is no new database.
            self.assertIsNone(self.update())
            self.settle()
            self.metric('stella_snapshot_candidates_total{outcome="taken"} 1')
        status = self.status()
        self.assertEqual([feed["records"] for feed in status["database"]["feeds"]], [3])
        self.assertIsNotNone(status["sources"]["osv"][0]["checked"])
        self.assertEqual(status["records"], {"osv": 3})
        self.assertEqual(status["canary"]["outcome"], "taken")

    def test_nobody_asks_a_server_without_a_token(self):
        with self.serve(token=None):
            code, _, body = self.ask("/v1/feeds/update", TOKEN, post=True)
            self.assertEqual(code, 403)
            self.assertIn("STELLA_SERVER_FEEDS_TOKEN", body)

    def test_by_itself_at_its_time(self):
        self.publish(archive("npm", "a", cves(3)), '"1"')
        with self.serve(schedule="00:00"):
            self.until(lambda: self.state()["update"]["next"])
            first = datetime.datetime.fromisoformat(self.state()["update"]["next"])
        self.assertEqual(first.hour, 0)
        delay = datetime.timedelta(minutes=first.minute, seconds=first.second)
        self.assertLess(delay, datetime.timedelta(minutes=15))
        # A whole minute, so that with the delay it is within the next.
        due = datetime.datetime.now(UTC) - delay + datetime.timedelta(seconds=62)
        with self.serve(schedule=f"'{due:%H:%M}'"):
            time.sleep(1)
            next_one = datetime.datetime.fromisoformat(self.state()["update"]["next"])
            self.assertLess(next_one - datetime.datetime.now(UTC), datetime.timedelta(seconds=63))
            time.sleep(max(0, (next_one - datetime.datetime.now(UTC)).total_seconds()))
            self.until(lambda: self.state()["update"]["last"])
            self.until(lambda: self.state()["update"]["next"])
            self.assertGreater(datetime.datetime.fromisoformat(self.state()["update"]["next"]), next_one)

    def test_at_once_where_there_are_none(self):
        self.publish(archive("npm", "a", cves(3)), '"1"')
        far = datetime.datetime.now(UTC) + datetime.timedelta(hours=12)
        with self.serve(schedule=f"'{far:%H:%M}'"):
            self.until(lambda: self.ask("/readyz")[0] == 200)
            self.assertIn("nothing to compare it with", "".join(self.state()["canary"]["warnings"]))
        with self.serve(schedule=f"'{far:%H:%M}'"):
            self.until(lambda: self.state()["update"]["next"])
            self.assertIsNone(self.state()["update"]["running_since"])
            self.assertEqual(len(self.feeds.to("npm/all.zip")), 1)
        # Of another release: as good as none, and the server comes up to get a new one.
        with open(self.database, "r+b") as file:
            file.seek(8)
            file.write(b"\x63")
        with self.serve(schedule=f"'{far:%H:%M}'"):
            self.assertIn(self.database, self.log())
            self.assertIn("this release reads", self.log())
            self.assertNotIn("`stella feeds", self.log(), "that is the client's")
            self.until(lambda: self.ask("/readyz")[0] == 200)

    def test_a_file_that_cannot_be_read_changes_nothing(self):
        self.publish(archive("npm", "a", cves(3)), '"1"')
        with self.serve():
            self.assertIsNone(self.update())
            self.until(lambda: self.ask("/readyz")[0] == 200)
            old = self.state()["snapshot"]
            self.feeds.answers["npm/all.zip"] = [plain(b"<html>down</html>")]
            self.assertIn("osv:npm", self.update())
            self.settle()
            self.assertEqual(self.state()["snapshot"], old)
            self.metric('stella_feed_updates_total{outcome="failed"} 1')
            self.assertIn("osv:npm", self.log())
        self.assertIsNotNone(self.status()["sources"]["osv"][0]["error"])

    def test_a_stop_takes_the_update_along(self):
        self.feeds.answers["npm/all.zip"] = [slow(plain(b""), 30)]
        with self.serve():
            self.assertEqual(self.ask("/v1/feeds/update", TOKEN, post=True)[0], 202)
            self.until(lambda: self.feeds.to("npm/all.zip"))
            child, = children(self.process.pid)
            with open(f"/proc/{child}/stat", encoding="utf-8") as stat:
                self.assertEqual(stat.read().rsplit(")", 1)[1].split()[16], "19", "its priority is the lowest")
        self.until(lambda: not runs(child))

    def test_two_at_a_time_are_refused_in_words_of_the_server(self):
        os.makedirs(os.path.join(self.data, "feeds"), mode=0o700)
        with open(os.path.join(self.data, "feeds", "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            said = self.call("update", "kev", code=3)
        self.assertIn("another update is at work", said)
        said += self.call("update", "--offline", code=3)
        self.assertIn("nothing was fetched", said)
        self.assertNotIn("stella feeds", said)

    def test_what_is_imported_while_no_server_runs_is_tried_when_it_starts(self):
        files = self.path("npm.zip")
        with open(files, "wb") as out:
            out.write(archive("npm", "a", cves(3)))
        self.call("import", files)
        said = self.call("status", code=3)
        self.assertIn("not tried yet", said)
        with self.serve():
            self.assertEqual(self.ask("/readyz")[0], 200)
        self.assertIn("nothing is held back", self.call("accept", code=3))
        self.assertIn("nothing has changed", self.call("import", files))


class Importing(Case):
    def candidate(self):
        with open(self.database + ".candidate", "rb") as file:
            return file.read()

    def test_a_bundle_that_is_older_than_the_one_that_waits_is_refused(self):
        key, one = Key(self.work, "ours"), self.keep("npm.zip", archive("npm", "a", cves(3)))
        env = program.environment(self.work)

        def bundle(day):
            made, packed = self.path("made.db"), self.path(f"{day}.bundle")
            program.prepare(STELLA, "feeds", "import", one, "--fetched", day, "--advisories", made, env=env)
            program.prepare(STELLA, "feeds", "export", packed, "--key", key.private, "--advisories", made, env=env)
            return packed, "--signer", key.public

        old, new = bundle("2026-02-01"), bundle("2026-02-02")
        self.call("import", *new)
        waits = self.candidate()
        said = self.call("import", *old, code=3)
        self.assertIn(f"is older than {self.database}.candidate", said)
        self.assertIn("2026-02-01", said)
        self.assertIn("--allow-older", said)
        self.assertEqual(self.candidate(), waits)
        self.call("import", *old, "--allow-older")
        self.assertNotEqual(self.candidate(), waits)
        self.call("import", *new)
        self.assertEqual(self.candidate(), waits)

    def test_what_its_messages_advise_can_be_done(self):
        files = [self.keep(f"{name}.zip", archive(name, "a", cves(500))) for name in ("npm", "PyPI", "Go", "NuGet", "Hex")]
        self.assertIn("--max-memory", self.call("import", *files, "--max-memory", "1MB", code=3))
        self.assertIn("no size", self.call("import", *files, "--max-memory", "much", code=2))
        self.call("import", *files, "--max-memory", "4MB")
        self.keep("npm.zip", archive("npm", "a", cves(1), withdrawn="2026-02-02T00:00:00Z"))
        self.assertIn("--allow-shrink", self.call("import", *files, code=3))
        self.assertNotIn("--allow-shrink", self.call("import", *files, "--allow-shrink"))

    def test_an_update_has_as_much_memory_as_it_is_given(self):
        self.publish(archive("npm", "a", cves(2000)), '"1"')
        with self.serve(memory="1MB"):
            self.assertIsNotNone(self.update())
            self.assertIn("`feed path memory` of 524288", self.log())
        with self.serve(memory="4MB"):
            self.assertIsNone(self.update(), self.log())
        self.call("update", f"--mirror=osv={self.feeds.url}", "--max-memory", "4MB", "--allow-shrink", "osv:npm")


class Trial(Case):
    def held(self, *reasons):
        """The last update is held back for these, and the old database stays until somebody accepts the new one."""
        self.settle()
        state = self.state()
        self.assertTrue(state["held"], self.log())
        self.assertEqual(state["canary"]["outcome"], "held")
        for reason in reasons:
            self.assertIn(reason, "; ".join(state["canary"]["reasons"]))
        self.until(lambda: '\nstella_snapshot_held 1\n' in self.ask("/metrics")[2])
        self.assertIn("held back", self.log())
        new = state["canary"]["new"]
        self.assertNotEqual(state["snapshot"], new)
        self.assertEqual(self.status()["held"], new)
        return new

    def accepted(self, new):
        self.assertIn(f"feeds accept {new} --advisories {self.database}`", self.log())
        self.assertIn(f"feeds accept {new} --advisories", self.call("accept", code=2))
        other = "sha256:" + "0" * 64
        self.assertIn(f"{new} is", self.call("accept", other, code=3))
        self.assertIn(f"{new} is", self.call("discard", other, code=3))
        self.assertTrue(self.state()["held"])
        said = self.call("accept", new[:7 + 12])
        self.assertIn(new, said)
        self.until(lambda: self.state()["snapshot"] == new)
        self.assertFalse(self.state()["held"])
        self.assertEqual(self.status()["canary"]["outcome"], "accepted")
        self.until(lambda: '\nstella_snapshot_held 0\n' in self.ask("/metrics")[2])

    def first(self, body, part="npm"):
        self.publish(body, '"1"', part)
        self.assertIsNone(self.update(), self.log())
        self.until(lambda: self.ask("/readyz")[0] == 200)


class Shrinking(Trial):
    def test_a_feed_that_shrinks_is_held_back(self):
        with self.serve():
            self.first(archive("npm", "a", cves(200)))
            self.publish(archive("npm", "a", cves(150)), '"2"')
            self.assertIsNone(self.update())
            self.settle()
            self.assertFalse(self.state()["held"], "a quarter, but not more than 50")
            self.publish(archive("npm", "a", cves(80)), '"3"')
            self.assertIsNone(self.update())
            new = self.held("feed npm lost 70 of 150 records", "source osv lost 70 of 150 records")
            # The same again is not tried again.
            self.assertIsNone(self.update())
            self.settle()
            self.assertEqual(self.held(), new)
            self.accepted(new)
            # What is well takes the place of what was held back.
            self.publish(archive("npm", "a", cves(10)), '"4"')
            self.assertIsNone(self.update())
            self.held("npm")
            self.publish(archive("npm", "a", cves(81)), '"5"')
            self.assertIsNone(self.update())
            self.settle()
            self.assertFalse(self.state()["held"])
            # Or it is removed.
            self.publish(archive("npm", "a", cves(1)), '"6"')
            self.assertIsNone(self.update())
            new = self.held("npm")
            self.assertIn(new, self.call("discard", new))
            self.assertFalse(self.state()["held"])
            self.assertEqual(self.status()["canary"]["outcome"], "discarded")
            self.assertIn("nothing is held back", self.call("accept", new, code=3))


class Older(Trial):
    def test_a_database_that_goes_back_in_time_is_held_back(self):
        files = [self.keep("npm.zip", archive("npm", "a", cves(3))), self.keep("known_exploited_vulnerabilities.json", json.dumps({
            "title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "2026.01.02",
            "vulnerabilities": [{"cveID": "CVE-2026-10000", "dateAdded": "2026-01-02",
                                 "knownRansomwareCampaignUse": "Unknown"}]}).encode())]
        days = [datetime.datetime.now(UTC).date() - datetime.timedelta(days=ago) for ago in (1, 3, 6)]
        with self.serve():
            for day in days:
                self.call("import", *files, "--fetched", str(day))
                self.settle()
                self.until(lambda: self.ask("/readyz")[0] == 200)
                # Nothing to compare it with, by two days, by three more.
                self.assertEqual(bool(self.state()["held"]), day == days[2])
            self.accepted(self.held(f"feed npm knows until {days[2]}, and did until {days[1]}",
                                    f"database cisa-kev knows until {days[2]}, and did until {days[1]}"))
            began = datetime.datetime(days[2].year, days[2].month, days[2].day, tzinfo=UTC)
            for feed in ("npm", "cisa-kev"):
                self.metric(f'stella_feed_known_until_seconds{{feed="{feed}"}} {began.timestamp():.0f}')


class Moving(Trial):
    source = "osv:Debian"

    def test_findings_that_move_are_held_back(self):
        with self.serve():
            self.first(archive("Debian:12", "openssl", cves(30)), "Debian")
            _, report, said = program.gate(self.work, f"oci:{DEMO}", "--server", self.address)
            self.assertIsNotNone(report, said)
            found = len(report["results"][0]["findings"])
            self.assertGreaterEqual(found, 30)
            # As many records as before, and every finding is another.
            self.publish(archive("Debian:12", "openssl", cves(30, first=1000)), '"2"', "Debian")
            self.assertIsNone(self.update())
            new = self.held(f"{found} came and 0 fail that did not, where {found} were known",
                            f"{found} went and 0 fail no more, of {found}")
            canary = self.status()["canary"]
            self.assertEqual(canary["images"], {"matched": 1, "incomplete": 0, "is_cut": False,
                                                "failed": 0, "opened": 0, "closed": 0})
            self.assertEqual(canary["findings"]["removed"], {"unknown": found})
            self.assertEqual(canary["findings"]["ecosystems"], {"deb": {"old": found, "new": found}})
            ids = {named["id"] for named in canary["findings"]["named"] if named["change"] == "came"}
            self.assertLessEqual(ids, set(cves(30, first=1000)))
            self.accepted(new)


class Opening(Trial):
    def test_findings_that_lose_severity_and_fix_are_held_back(self):
        worst = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
        with self.serve():
            self.first(archive("npm", "lodash", cves(10), fixed="99.0.0", severity=worst))
            code, _, said = program.gate(self.work, f"oci:{DEMO}", "--server", self.address)
            self.assertEqual(code, 1, said)
            # As many findings as before, few enough to go unnoticed by their number, and the gate would open.
            self.publish(archive("npm", "lodash", cves(10)), '"2"')
            self.assertIsNone(self.update())
            new = self.held("none of 10 findings that fail does so any more")
            canary = self.status()["canary"]
            self.assertEqual((canary["images"]["failed"], canary["images"]["opened"]), (1, 1))
            self.assertEqual((canary["findings"]["milder"], canary["findings"]["removed"]), (10, {}))
            self.assertEqual({named["change"] for named in canary["findings"]["named"]}, {"milder"})
            self.assertIn("1 images matched, 1 fail by the old one: 1 of them no more, and 0 others now", self.call("status"))
            code, _, said = program.gate(self.work, f"oci:{DEMO}", "--server", self.address)
            self.assertEqual(code, 1, said)
            self.accepted(new)


def children(pid):
    """The processes that a process began, and that still are."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path, encoding="utf-8") as text:
            found += [int(child) for child in text.read().split()]
    return found


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Killed(Case):
    """Whoever is killed, and whenever: the database is one of those that were published, to the byte."""

    def test_at_any_point(self):
        chance = random.Random(7)
        rounds = 120 if os.environ.get("STELLA_TEST_FULL") else 16
        bodies = [archive("npm", "a", cves(2000, first)) for first in (0, 5000)]
        # The day on which it was fetched is part of a database, and may end meanwhile.
        today, whole = datetime.datetime.now(UTC).date(), []
        for day in (today, today + datetime.timedelta(days=1)):
            for body in bodies:
                files, made = self.path("npm.zip"), self.path("made.db")
                with open(files, "wb") as out:
                    out.write(body)
                program.prepare(STELLA, "feeds", "import", files, "--fetched", str(day), "--advisories", made,
                                env=program.environment(self.work))
                with open(made, "rb") as file:
                    whole.append(file.read())
        self.assertEqual(len(set(whole)), 4)
        self.publish(bodies[0], '"0"')
        with self.serve():
            began = time.monotonic()
            self.assertIsNone(self.update())
            self.until(lambda: self.ask("/readyz")[0] == 200)
            # From the first moment of an update until its database is in use.
            span = time.monotonic() - began + 1
        ends = set()
        for number in range(1, rounds + 1):
            with self.serve():
                with open(self.database, "rb") as file:
                    self.publish(bodies[1 - whole.index(file.read()) % 2], f'"{number}"')
                self.assertEqual(self.ask("/readyz")[0], 200)
                old = self.state()["snapshot"]
                self.assertEqual(self.ask("/v1/feeds/update", TOKEN, post=True)[0], 202, self.log())
                # Closer together at the beginning: on a fast machine the merge itself is over in a moment.
                time.sleep(span * ((number - 1) / rounds) ** 2 + chance.random() * 0.005)
                child = children(self.process.pid)
                victim = chance.choice(["child", "server", "both"])
                if victim != "server":
                    for pid in child:
                        kill(pid)
                if victim == "child":
                    self.until(lambda: self.state()["update"]["running_since"] is None)
                else:
                    self.process.kill()
                    self.process.wait()
                with open(self.database, "rb") as file:
                    self.assertIn(file.read(), whole, f"round {number}: {victim}")
            # One whose server was killed goes on, and is not in the way of the next.
            for pid in child:
                self.until(lambda pid=pid: not runs(pid))
            with self.serve():
                self.assertEqual(self.ask("/readyz")[0], 200)
                self.settle()
                ends.add(self.state()["snapshot"] == old)
                self.assertFalse(self.state()["held"], self.log())
            with open(self.database, "rb") as file:
                self.assertIn(file.read(), whole, f"round {number}: {victim}, after a start")
        self.assertEqual(ends, {True, False}, "some came too early for a new database, and some too late for the old one")


if __name__ == "__main__":
    unittest.main()
