"""`stella feeds update` against servers that misbehave, all of them on this machine."""
import datetime
import email.utils
import fcntl
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import ssl
import threading
import time
import unittest
import zipfile

import program
from feed_server import Server, chunked, cut, dripping, plain, polite, stalled, status
from program import STELLA

HTML = b"<html>down for maintenance</html>"


ZSTD = b"\x28\xb5\x2f\xfd"


def secdb(release, repository, package):
    """A file of Alpine's secdb with a fix of one package."""
    return json.dumps({
        "apkurl": "{{urlprefix}}/{{arch}}/{{pkg.name}}.apk", "reponame": repository, "distroversion": release,
        "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
        "packages": [{"pkg": {"name": package, "secfixes": {"1.0.1-r0": ["CVE-2026-0001"]}}}]}).encode()


def archive(ecosystem, *ids):
    """An archive as OSV's: a record for each id, and padding that no server compresses."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as members:
        for name in ids:
            members.writestr(f"{name}.json", json.dumps({
                "id": name, "modified": "2026-01-02T03:04:05Z",
                "affected": [{"package": {"ecosystem": ecosystem, "name": "a"}, "versions": ["1.0.0"]}]}))
        members.writestr("padding", random.Random(ids[0]).randbytes(200_000))
    return out.getvalue()


class Case(program.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.database = self.path("a.db")

    def serve(self):
        server = Server()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def answers(self, path, *answers):
        self.server.answers[path] = list(answers)

    def update(self, *words, mirror=None, code=0, say=(), env=None):
        """Runs it with mirrors of the source of the first word; gives what it said."""
        source = words[0].split(":")[0]
        mirrors = [f"--mirror={source}={url}" for url in mirror or [self.server.url]]
        done = program.call(STELLA, "feeds", "update", *words, *mirrors, "--advisories", self.database,
                            env={**program.environment(self.work), **(env or {})})
        self.assertEqual(done.returncode, code, done.stderr)
        for text in [say] if isinstance(say, str) else say:
            self.assertIn(text, done.stderr)
        return done.stdout + done.stderr

    def status(self):
        done = program.call(STELLA, "feeds", "status", "-o", "json", "--advisories", self.database,
                            env=program.environment(self.work))
        return json.loads(done.stdout)

    def feeds(self):
        return {feed["name"]: feed["records"] for feed in self.status()["database"]["feeds"]}

    def kept(self, *name):
        with open(os.path.join(self.work, "cache", "stella", "feeds", *name), "rb") as file:
            return file.read()


class Fetching(Case):
    def test_what_did_not_change_is_not_fetched_again(self):
        self.answers("npm/all.zip", polite(archive("npm", "A")))
        self.update("osv:npm", say="bytes fetched")
        self.assertEqual(self.feeds(), {"npm": 1})
        self.update("osv:npm", say=["1 files are unchanged", "nothing changed"])
        first, second = self.server.to("npm/all.zip")
        self.assertTrue(first["user-agent"].startswith("stella/"))
        self.assertNotIn("if-none-match", first)
        self.assertEqual(second["if-none-match"], '"1"')
        self.answers("npm/all.zip", polite(archive("npm", "A", "B"), '"2"'))
        self.update("osv:npm", say="bytes fetched")
        self.assertEqual(self.feeds(), {"npm": 2})

    def test_what_is_in_use_is_as_old_as_its_last_check(self):
        def checked():
            return {feed["checked"] for feed in self.status()["database"]["feeds"]}
        self.answers("npm/all.zip", polite(archive("npm", "A")))
        self.update("osv:npm")
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        self.assertEqual(checked(), {today})
        # As if it had been a week ago: an answer that nothing changed makes it as new as today, a failure does not.
        state = os.path.join(self.work, "cache", "stella", "feeds", "osv", "npm.zip.state")
        with open(state, encoding="utf-8") as file:
            old = json.load(file)
        old["checked"] = "2026-01-05T01:00:00Z"
        with open(state, "w", encoding="utf-8") as file:
            json.dump(old, file)
        self.answers("npm/all.zip", status(404))
        self.update("osv:npm", code=3)
        self.assertEqual(checked(), {"2026-01-05"})
        # A new file that cannot be read: what is in use was the newest a week ago.
        self.answers("npm/all.zip", polite(b"PK rubbish", '"2"'))
        self.update("osv:npm", code=3)
        self.assertEqual((checked(), self.feeds()), ({"2026-01-05"}, {"npm": 1}))
        [download] = self.status()["sources"]["osv"]
        self.assertEqual(download["checked"], "2026-01-05T00:00:00Z", "what is in use was not checked just now")
        self.answers("npm/all.zip", polite(archive("npm", "A"), '"3"'))
        self.update("osv:npm")
        self.assertEqual(checked(), {today})

    def test_a_date_says_it_too(self):
        date = "Fri, 02 Jan 2026 03:04:05 GMT"
        self.answers("npm/all.zip", plain(archive("npm", "A"), last_modified=date), status(304, content_length=None))
        self.update("osv:npm")
        self.update("osv:npm", say="nothing changed")
        self.assertEqual(self.server.to("npm/all.zip")[1]["if-modified-since"], date)

    def test_it_goes_on_where_it_broke_off(self):
        body = archive("npm", "A")
        self.answers("npm/all.zip", cut(body), polite(body))
        self.update("osv:npm")
        asked = self.server.to("npm/all.zip")[1]
        self.assertEqual((asked["range"], asked["if-range"]), ("bytes=100000-", '"1"'))
        self.assertEqual(self.kept("osv", "npm.zip"), body)

    def test_it_goes_on_in_the_next_run(self):
        body = archive("npm", "A")
        self.answers("npm/all.zip", cut(body), status(404))
        self.update("osv:npm", code=3, say="answered 404")
        self.answers("npm/all.zip", polite(body))
        self.update("osv:npm")
        self.assertEqual(self.server.to("npm/all.zip")[-1]["range"], "bytes=100000-")
        self.assertEqual(self.kept("osv", "npm.zip"), body)

    def test_it_begins_anew_where_it_must(self):
        """Range ignored; a file that changed; one that changed and is given in parts all the same; no strong validator."""
        body, other = archive("npm", "A"), archive("npm", "B", "C")

        def part(first, etag):
            return lambda request: request.reply(206, other[first:], etag=etag,
                                                 content_range=f"bytes {first}-{len(other) - 1}/{len(other)}")
        for name, first, *then, want in [
                ("ignored", cut(body), plain(body, etag='"1"'), body),
                ("changed", cut(body), polite(other, '"2"'), other),
                ("mixed", cut(body), part(100_000, '"2"'), polite(other, '"2"'), other),
                ("elsewhere", cut(body), part(5, '"1"'), polite(other, '"2"'), other),
                ("refused", cut(body), status(416), polite(other, '"2"'), other),
                ("weak", cut(body, etag='W/"1"'), polite(other, 'W/"2"'), other)]:
            with self.subTest(name):
                shutil.rmtree(self.path("cache"), ignore_errors=True)
                self.answers("npm/all.zip", first, *then)
                self.update("osv:npm", "--fetch-only")
                self.assertEqual(self.kept("osv", "npm.zip"), want)

    def test_it_waits_as_it_is_told(self):
        body = archive("npm", "A")

        def until(request):
            request.reply(503, retry_after=email.utils.formatdate(time.time() + 3, usegmt=True))
        for refusal in [status(429, retry_after="2"), until]:
            self.answers("npm/all.zip", refusal, plain(body))
            began = time.monotonic()
            self.update("osv:npm", "--fetch-only")
            self.assertGreaterEqual(time.monotonic() - began, 1.9)
        self.answers("npm/all.zip", status(429, retry_after="3600"))
        began = time.monotonic()
        self.update("osv:npm", "--deadline", "20", code=3, say="answered 429")
        self.assertLess(time.monotonic() - began, 10, "a wait that ends too late is not begun")

    def test_silence_is_not_waited_for(self):
        self.answers("npm/all.zip", stalled(30), plain(archive("npm", "A")))
        self.update("osv:npm", "--silence", "1")
        self.answers("npm/all.zip", stalled(30))
        self.update("osv:npm", "--silence", "1", "--deadline", "3", code=3, say=["npm/all.zip", "osv:npm"])

    def test_what_drips_ends_with_the_deadline(self):
        self.answers("npm/all.zip", dripping)
        self.update("osv:npm", "--deadline", "2", code=3, say="within the deadline")

    def test_no_file_is_too_large(self):
        for answer in [plain(b"x" * 200_000), chunked(200_000)]:
            self.answers("npm/all.zip", answer)
            self.update("osv:npm", "--max-size", "100KB", code=3, say="over the limit of 102400 bytes")
        self.update("osv:npm", "--max-size", "much", code=2, say="--max-size")

    def test_redirects_lead_to_safe_places(self):
        other = self.serve()
        other.answers["x"] = [plain(archive("npm", "A"))]
        self.answers("npm/all.zip", status(302, location=f"{other.url}x"))
        self.update("osv:npm")
        for location, why in [("http://192.0.2.1/x", "anybody can change"), ("file:///etc/passwd", "anybody can change"),
                              ("all.zip", "more than 5 redirects")]:
            self.answers("npm/all.zip", status(302, location=location))
            self.update("osv:npm", code=3, say=why)

    def test_the_next_mirror_is_asked(self):
        second = self.serve()
        self.answers("npm/all.zip", status(500))
        second.answers["npm/all.zip"] = [plain(archive("npm", "A"))]
        self.update("osv:npm", mirror=[self.server.url, second.url], say=["answered 500", "asking the next"])
        self.assertEqual(self.feeds(), {"npm": 1})
        second.answers["npm/all.zip"] = [status(404)]
        self.update("osv:npm", mirror=[self.server.url, second.url], code=3, say="answered 404")

    def test_a_page_is_no_feed(self):
        """A mirror that answers 200 with the page of a login gives way to the next; what was had stays, and so does its age."""
        second, path = self.serve(), "known_exploited_vulnerabilities.json"
        kev = json.dumps({"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-01-02"}]}).encode()
        page = b"\n<!DOCTYPE html><html>login</html>"
        self.answers(path, plain(page))
        second.answers[path] = [plain(kev)]
        self.update("kev", mirror=[self.server.url, second.url],
                    say=[f"{self.server.url}{path}: is not JSON; it begins with", "login</html>", "asking the next"])
        self.assertEqual(self.kept("kev", path), kev)
        [before] = self.status()["sources"]["kev"]
        # As a server compresses it on its way, and as it does not.
        for answer in [plain(page), plain(gzip.compress(page), content_encoding="gzip"), plain(b"")]:
            self.answers(path, answer)
            self.update("kev", code=3, say="not JSON")
            self.assertEqual(self.kept("kev", path), kev)
            [after] = self.status()["sources"]["kev"]
            self.assertEqual((after["checked"], after["records"]), (before["checked"], 1))
            self.assertIn("not JSON", after["error"])
        for word, name in [("osv:npm", "npm/all.zip"), ("epss", "epss_scores-current.csv.gz"), ("debian", "json")]:
            self.answers(name, plain(page))
            self.update(word, "--fetch-only", code=3, say=f"{self.server.url}{name}: is not ")

    def test_two_connections_to_a_host(self):
        body, busy, busiest, lock = archive("npm", "A"), 0, 0, threading.Lock()

        def slow(request):
            nonlocal busy, busiest
            with lock:
                busy += 1
                busiest = max(busiest, busy)
            time.sleep(0.1)
            with lock:
                busy -= 1
            request.reply(200, body)
        for name in ("npm", "PyPI", "Go", "Pub", "Hex", "Maven"):
            self.answers(f"{name}/all.zip", slow)
        self.update("osv:npm", "osv:PyPI", "osv:Go", "osv:Pub", "osv:Hex", "osv:Maven", "--fetch-only", "--deadline", "10")
        self.assertEqual(busiest, 2)

    def test_a_proxy_is_asked(self):
        self.update("osv:npm", mirror=["https://feeds.example/"], code=3, say="cannot be reached",
                    env={"HTTPS_PROXY": self.server.url})
        self.assertEqual(self.server.asked[0][0], "feeds.example:443")

    def test_an_authority_of_ones_own_is_trusted(self):
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test"]
        program.prepare(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", cwd=self.work)
        program.prepare(*new, "-keyout", "own.key", "-out", "own.csr", cwd=self.work)
        with open(self.path("own.txt"), "w", encoding="utf-8") as out:
            out.write("subjectAltName=IP:127.0.0.1")
        program.prepare("openssl", "x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                        "-extfile", "own.txt", "-out", "own.pem", cwd=self.work)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("own.pem"), self.path("own.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.answers("npm/all.zip", plain(archive("npm", "A")))
        url = self.server.url.replace("http:", "https:")
        self.update("osv:npm", mirror=[url], code=3, say="cannot be reached")
        self.update("osv:npm", "--ca", self.path("ca.pem"), mirror=[url])

    def test_what_is_compressed_on_its_way_is_kept_so(self):
        body = gzip.compress(b'{"a": {}}')
        self.answers("json", plain(body, content_encoding="gzip"))
        self.update("debian", "--fetch-only")
        self.assertEqual(self.server.to("json")[0]["accept-encoding"], "gzip")
        self.assertEqual(self.kept("debian", "debian.json.gz"), body)
        self.answers("json", plain(b"x", content_encoding="br"))
        self.update("debian", "--fetch-only", code=3, say="nobody asked for")


class Published(Case):
    """What is published of a file beside it."""
    BODY = gzip.compress(b'{"vulnerabilities": []}')

    def meta(self, content):
        return plain(f"size:1\r\nsha256:{hashlib.sha256(content).hexdigest().upper()}\r\n".encode())

    def test_a_mirror_cannot_lie(self):
        path, lying, honest = "nvdcve-2.0-2024.json.gz", self.serve(), self.serve()
        self.answers("nvdcve-2.0-2024.meta", self.meta(b'{"vulnerabilities": []}'))
        self.answers(path, status(404))
        lying.answers = {path: [plain(gzip.compress(b"{}"))], "nvdcve-2.0-2024.meta": [self.meta(b"{}")]}
        honest.answers = {path: [plain(self.BODY)]}
        urls = [server.url for server in (self.server, lying, honest)]
        self.update("nvd:2024", "--fetch-only", mirror=urls[:2], code=3, say="is published")
        self.assertFalse(os.path.exists(self.path("cache/stella/feeds/nvd/nvdcve-2.0-2024.json.gz")))
        self.update("nvd:2024", "--fetch-only", mirror=urls, say="is published")
        self.assertEqual(self.kept("nvd", path), self.BODY)
        # The same checksum again: the file is not even asked for.
        self.update("nvd:2024", "--fetch-only", say="unchanged")
        self.assertEqual(len(self.server.to(path)), 2)
        self.answers("nvdcve-2.0-2024.meta", plain(HTML))
        self.update("nvd:2024", "--fetch-only", code=3, say="has no checksum")
        self.assertEqual(self.kept("nvd", path), self.BODY)

    def test_a_bomb_is_not_unpacked(self):
        bomb = b"0" * 10_000_000
        self.answers("nvdcve-2.0-2024.meta", self.meta(bomb))
        self.answers("nvdcve-2.0-2024.json.gz", plain(gzip.compress(bomb)))
        self.update("nvd:2024", "--fetch-only", "--max-size", "1MB", code=3, say="unpacked over the limit")

    def test_a_text_names_the_archive(self):
        self.answers("archive_latest.txt", plain(b"csaf_vex_2026-01-02.tar.zst\n"))
        self.answers("csaf_vex_2026-01-02.tar.zst", polite(ZSTD + b"archive"))
        self.update("redhat", "--fetch-only")
        self.assertEqual(self.kept("redhat", "vex.tar.zst"), ZSTD + b"archive")
        self.update("redhat", "--fetch-only", say="unchanged")
        self.answers("archive_latest.txt", plain(b"../../secret"))
        self.update("redhat", "--fetch-only", code=3, say="names no archive")

    def test_a_repository_of_packages(self):
        body = gzip.compress(b"<updates/>")
        index = (f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="updateinfo"><checksum type="sha256">'
                 f'{hashlib.sha256(body).hexdigest()}</checksum><location href="repodata/u.xml.gz"/></data></repomd>')
        self.answers("2/core/latest/x86_64/mirror.list", plain(f"{self.server.url}core/abc\n".encode()))
        self.answers("core/abc/repodata/repomd.xml", plain(index.encode()))
        self.answers("core/abc/repodata/u.xml.gz", plain(body))
        self.update("amazon:2", "--fetch-only")
        self.assertEqual(self.kept("amazon", "2-core-updateinfo.xml.gz"), body)
        self.update("amazon:2", "--fetch-only", say="unchanged")


class Database(Case):
    def two(self):
        self.answers("npm/all.zip", polite(archive("npm", "A")))
        self.answers("PyPI/all.zip", polite(archive("PyPI", "B")))

    def test_what_fails_keeps_what_was_had(self):
        self.two()
        self.update("osv:npm", "osv:PyPI")
        self.answers("npm/all.zip", polite(archive("npm", "A", "C"), '"2"'))
        for bad in [status(404), plain(HTML), cut(archive("PyPI", "D"), etag=None)]:
            self.answers("PyPI/all.zip", bad)
            said = self.update("osv:npm", "osv:PyPI", code=3, say="not up to date: osv:PyPI")
            self.assertEqual(self.feeds(), {"npm": 2, "PyPI": 1}, said)
        [download] = [file for file in self.status()["sources"]["osv"] if file["part"] == "PyPI"]
        self.assertIn("PyPI/all.zip", download["error"])
        self.answers("PyPI/all.zip", polite(archive("PyPI", "B", "E"), '"3"'))
        self.update("osv:npm", "osv:PyPI")
        self.assertEqual(self.feeds(), {"npm": 2, "PyPI": 2})
        self.assertTrue(all(file["error"] is None for file in self.status()["sources"]["osv"]))

    def test_a_database_does_not_lose_what_could_not_be_had(self):
        self.two()
        for name, ecosystem in [("npm.zip", "npm"), ("PyPI.zip", "PyPI")]:
            with open(self.path(name), "wb") as out:
                out.write(archive(ecosystem, "A"))
        program.prepare(STELLA, "feeds", "import", self.path("npm.zip"), self.path("PyPI.zip"), "--advisories", self.database)
        # As if a bundle had brought it.
        shutil.rmtree(self.database + ".parts")
        self.update("osv:npm", code=3, say=["stays as it is", "it would lose PyPI", "not fetched here", "--allow-shrink"])
        self.answers("PyPI/all.zip", status(404))
        self.update("osv:npm", "osv:PyPI", code=3, say=["stays as it is", "it would lose PyPI"])
        self.assertEqual(self.feeds(), {"npm": 1, "PyPI": 1})
        self.assertEqual([name for name in os.listdir(self.work) if ".next" in name], [])

    def test_what_was_imported_stays(self):
        self.two()
        path = self.path("Go.zip")
        with open(path, "wb") as out:
            out.write(archive("Go", "G"))
        program.prepare(STELLA, "feeds", "import", path, "--fetched", "2026-06-10", "--advisories", self.database)
        self.update("osv:npm", say="with 1 path that was imported")
        self.assertEqual(self.feeds(), {"Go": 1, "npm": 1})
        checked = {feed["name"]: feed["checked"] for feed in self.status()["database"]["feeds"]}
        self.assertEqual(checked["Go"], "2026-06-10")
        self.update("osv:npm", say="nothing changed")
        # What changes is read, and what is gone stays as it was.
        with open(path, "wb") as out:
            out.write(archive("Go", "G", "H"))
        self.update("osv:npm")
        os.remove(path)
        self.update("osv:npm", say="nothing changed")
        self.update("osv:npm", "osv:PyPI")
        self.assertEqual(self.feeds(), {"Go": 2, "npm": 1, "PyPI": 1})
        # An import has all of a database.
        with open(path, "wb") as out:
            out.write(archive("Go", "G"))
        program.prepare(STELLA, "feeds", "import", path, "--allow-shrink", "--advisories", self.database)
        self.assertEqual(self.feeds(), {"Go": 1})

    def test_a_file_that_lost_much_is_not_taken(self):
        self.two()
        ids = [f"A-{index}" for index in range(40)]
        self.answers("npm/all.zip", polite(archive("npm", *ids)))
        self.update("osv:npm", "osv:PyPI")
        self.answers("npm/all.zip", polite(archive("npm", ids[0]), '"2"'))
        self.answers("PyPI/all.zip", polite(archive("PyPI", "B", "C"), '"2"'))
        for _ in range(2):
            self.update("osv:npm", "osv:PyPI", code=3,
                        say=["lost 39 of 40 records of npm", "what it gave before stays", "not up to date: osv:npm"])
            self.assertEqual(self.feeds(), {"npm": 40, "PyPI": 2})
        [download] = [file for file in self.status()["sources"]["osv"] if file["part"] == "npm"]
        self.assertIn("lost 39 of 40", download["error"])
        self.assertRegex(download["checked"], "T00:00:00Z$", "no more is known of what is in use than its day")
        self.assertEqual(len(self.server.to("npm/all.zip")), 3)
        self.update("osv:npm", "--allow-shrink")
        self.assertEqual(self.feeds(), {"npm": 1, "PyPI": 2})
        self.update("osv:npm", say="nothing changed")

    def test_what_a_database_of_another_release_was_made_of_is_not_lost(self):
        self.two()
        self.update("osv:npm", "osv:PyPI")
        with open(self.database, "r+b") as file:
            file.seek(8)
            file.write(b"\xff\xff\xff\xff")
        shutil.rmtree(self.path("cache"))
        self.answers("PyPI/all.zip", status(404))
        self.update("osv:npm", "osv:PyPI", code=3, say=["stays as it is", "it would lose PyPI"])

    def test_a_feed_of_which_a_part_never_came_was_never_checked(self):
        def page(number):
            body = json.dumps({"format": "NVD_CVE", "version": "2.0", "vulnerabilities": [{"cve": {
                "id": f"CVE-{number}-0001", "lastModified": "2026-01-02T03:04:05.000", "vulnStatus": "Analyzed",
                "descriptions": [{"lang": "en", "value": "x"}], "metrics": {}, "references": []}}]}).encode()
            meta = f"size:1\r\nsha256:{hashlib.sha256(body).hexdigest().upper()}\r\n".encode()
            self.answers(f"nvdcve-2.0-{number}.json.gz", polite(gzip.compress(body)))
            self.answers(f"nvdcve-2.0-{number}.meta", plain(meta))

        def checked():
            return [feed["checked"] is not None for feed in self.status()["database"]["databases"]]
        page(2023)
        self.answers("nvdcve-2.0-2024.meta", status(404))
        self.update("nvd:2023", "nvd:2024", code=3)
        self.assertEqual(checked(), [False])
        page(2024)
        self.update("nvd:2023", "nvd:2024")
        self.assertEqual(checked(), [True])

    def test_what_was_fetched_can_be_compiled_later(self):
        self.two()
        self.update("osv:npm", "--fetch-only")
        self.assertFalse(os.path.exists(self.database))
        self.update("osv:npm", "--offline", mirror=["http://127.0.0.1:1/"])
        self.assertEqual(self.feeds(), {"npm": 1})
        shutil.rmtree(self.path("cache"))
        self.update("osv:npm", "--offline", code=3, say="nothing was fetched")

    def test_a_release_of_alpine_that_is_not_listed(self):
        """OSV has it at once, but of its repository `main` alone: that is said, until secdb's files of it are fetched."""
        root = self.path("image")
        for name, text in [("etc/os-release", "ID=alpine\nVERSION_ID=3.99.1\n"),
                           ("lib/apk/db/installed", "".join(f"P:{name}\nV:1.0.1-r0\nA:x86_64\no:{name}\n\n" for name in "abc"))]:
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as out:
                out.write(text)

        def skipped(code):
            done, report, stderr = program.gate(self.work, f"dir:{root}", "--advisories", self.database, "--no-cache")
            self.assertEqual(done, code, stderr)
            return [(skipped["name"], skipped["what"]) for result in report["results"]
                    for skipped in result["looked_at"]["skipped"]]
        self.answers("Alpine/all.zip", polite(archive("Alpine:v3.99", "CVE-2026-0002")))
        self.update("osv:Alpine")
        gap = [("advisories:Alpine:v3.99", "2 packages")]
        self.assertEqual(skipped(3), gap, "OSV speaks of a")
        for repository, package in [("main", "b"), ("community", "c")]:
            self.answers(f"v3.99/{repository}.json", polite(secdb("v3.99", repository, package)))
        self.update("alpine:v3.99/main")
        self.assertEqual(skipped(3), [("advisories:Alpine:v3.99", "1 package")])
        # What is on by default has it, too, once the database knows of it.
        names = "osv nvd debian alpine wolfi chainguard redhat amazon kev epss ruby php".split()
        usual = [STELLA, "feeds", "update", *(f"--mirror={name}={self.server.url}" for name in names),
                 "--advisories", self.database]
        program.call(*usual, env=program.environment(self.work))
        self.assertEqual(skipped(0), [])
        fetched = [file["part"] for file in self.status()["sources"]["alpine"] if file["fetched"]]
        self.assertEqual(sorted(fetched), ["v3.99/community", "v3.99/main"])
        # What was fetched once is kept up to date, as all that is on by default.
        self.server.asked.clear()
        program.call(*usual, env=program.environment(self.work))
        for repository in ("main", "community"):
            self.assertEqual([asked["if-none-match"] for asked in self.server.to(f"v3.99/{repository}.json")], ['"1"'])

    def test_status_says_what_was_fetched(self):
        self.two()
        self.update("osv:npm")
        [download] = self.status()["sources"]["osv"]
        self.assertEqual((download["part"], download["url"]), ("npm", f"{self.server.url}npm/all.zip"))
        self.assertEqual(download["size_bytes"], len(archive("npm", "A")))
        for stamp in (download["fetched"], download["checked"]):
            self.assertRegex(stamp, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        done = program.call(STELLA, "feeds", "status", "--advisories", self.database, env=program.environment(self.work))
        self.assertEqual((download["records"], download["age_seconds"] < 600), (1, True))
        self.assertEqual([feed["age_days"] for feed in self.status()["database"]["feeds"]], [0])
        self.assertRegex(done.stdout, r"npm +1 records, newest 2026-01-02T03:04:05Z, checked \S+, 0 days old")
        self.assertRegex(done.stdout, r"osv +1 file, \d+ bytes, fetched 20\S+, checked 20\S+ \(\d min ago\), 1 records")

    def test_one_at_a_time(self):
        self.two()
        self.update("osv:npm", "--fetch-only")
        with open(os.path.join(self.work, "cache", "stella", "feeds", "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.update("osv:npm", code=3, say="another update is at work")

    def test_a_wrong_call_is_told(self):
        for words, say in [(["nosuch"], "no source of advisories"), (["osv:nosuch"], "no part of one"),
                           (["nosuch"], "one of: osv, nvd, debian, alpine"), (["osv:nosuch"], "parts of osv: Alpine, Bitnami, "),
                           (["alpine:v9"], "parts of alpine: v3.15/main, "), (["alpine:v9"], "another release, such as v3.24"),
                           (["kev:x"], "kev is one file"),
                           (["osv", "--mirror", "osv=http://192.0.2.1/"], "no https address")]:
            done = program.call(STELLA, "feeds", "update", *words, env=program.environment(self.work))
            self.assertEqual(done.returncode, 2)
            self.assertIn(say, done.stderr)


if __name__ == "__main__":
    unittest.main()
