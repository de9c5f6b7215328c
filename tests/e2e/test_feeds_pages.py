"""`stella feeds update` from interfaces that answer page by page, as NVD and GitHub do, on this machine; and from ones that
misbehave."""
import datetime
import gzip
import http.server
import json
import os
import resource
import signal
import threading
import unittest
import urllib.parse

import program
from program import STELLA

KEY, TOKEN = "the-key-of-nvd", "the-token-of-github"
NOW = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def vulnerability(number, modified="2026-01-02T03:04:05.000", severity="HIGH", score=7.5):
    return {"cve": {
        "id": f"CVE-2024-{number:04}", "sourceIdentifier": "cve@example.org", "published": modified,
        "lastModified": modified, "vulnStatus": "Analyzed", "descriptions": [{"lang": "en", "value": "words"}],
        "metrics": {"cvssMetricV31": [{
            "source": "nvd@nist.gov", "type": "Primary",
            "cvssData": {"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",
                         "baseScore": score, "baseSeverity": severity}}]}}}


def advisory(number, updated="2026-01-02T03:04:05Z", packages=1, withdrawn=None):
    return {
        "ghsaId": f"GHSA-aaaa-bbbb-{number:04}", "summary": "words", "severity": "HIGH", "updatedAt": updated,
        "withdrawnAt": withdrawn, "identifiers": [{"value": f"CVE-2024-{number:04}"}],
        "cvssSeverities": {"cvssV3": {"vectorString": None}, "cvssV4": {"vectorString": None}},
        "vulnerabilities": [{"package": {"ecosystem": "NPM", "name": f"a{number}-{index}"},
                             "vulnerableVersionRange": "< 1.2.0", "firstPatchedVersion": {"identifier": "1.2.0"}}
                            for index in range(packages)]}


class Server(http.server.ThreadingHTTPServer):
    """Both interfaces, as far as they are asked; `faults` are answered first, each to one request."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.faults, self.page, self.inner = [], [], 2, 2
        self.vulnerabilities, self.advisories = [], []
        self.most = 10

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, code, body=b"", cut=None, **headers):
        if isinstance(body, dict):
            body = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(code)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    def fault(self, *asked):
        self.server.asked.append((*asked, {name.lower(): value for name, value in self.headers.items()}))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault:
            fault(self)
        return bool(fault)

    def do_GET(self):
        query = {name: values[0] for name, values in
                 urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).items()}
        if self.fault(query):
            return
        start, found = int(query["startIndex"]), self.server.vulnerabilities
        if "lastModStartDate" in query:
            found = [record for record in found
                     if query["lastModStartDate"] <= record["cve"]["lastModified"] <= query["lastModEndDate"]]
        self.reply(200, gzip.compress(self.nvd(start, found), mtime=0), content_encoding="gzip")

    def nvd(self, start, found, **other):
        page = found[start:start + self.server.page]
        return json.dumps({"resultsPerPage": len(page), "startIndex": start, "totalResults": len(found),
                           "format": "NVD_CVE", "version": "2.0", "timestamp": f"{NOW}.000",
                           "vulnerabilities": page, **other}, separators=(",", ":")).encode()

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        variables = asked["variables"]
        if self.fault(variables):
            return
        after = int(variables["after"] or 0)
        if "id" in variables:
            [found] = [one for one in self.server.advisories if one["ghsaId"] == variables["id"]]
            self.reply(200, {"data": {"securityAdvisory": {"vulnerabilities": self.inner(found, after)}}})
            return
        found = sorted((one for one in self.server.advisories if one["updatedAt"] >= (variables["since"] or "")),
                       key=lambda one: one["updatedAt"])
        self.reply(200, {"data": {"securityAdvisories": self.listed(
            [{**one, "vulnerabilities": self.inner(one, 0)} for one in found], after, self.server.page)}})

    def inner(self, one, after):
        return self.listed(one["vulnerabilities"], after, self.server.inner)

    @staticmethod
    def listed(all_, after, count):
        end = after + count
        return {"pageInfo": {"hasNextPage": end < len(all_), "endCursor": str(min(end, len(all_)))},
                "nodes": all_[after:end]}


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

    def update(self, source, *words, code=0, say=(), mirror=None, env=None, most_bytes=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        keys = {"STELLA_NVD_API_KEY": KEY, "STELLA_GITHUB_TOKEN": TOKEN} if env is None else env
        done = program.call(STELLA, "feeds", "update", source, *words, f"--mirror={source}={mirror or self.server.url}",
                            "--advisories", self.database, env={**program.environment(self.work), **keys},
                            preexec_fn=limit if most_bytes else None)
        self.assertEqual(done.returncode, code, done.stderr)
        for text in [say] if isinstance(say, str) else say:
            self.assertIn(text, done.stderr)
        # Nobody is told the keys, and nothing of them lies about.
        self.assertNotIn(KEY, done.stderr + done.stdout)
        self.assertNotIn(TOKEN, done.stderr + done.stdout)
        for folder, _, names in os.walk(self.path("cache")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    text = file.read()
                self.assertFalse(KEY.encode() in text or TOKEN.encode() in text, name)
        return done

    def asked(self):
        asked, self.server.asked = self.server.asked, []
        return [one for one, _ in asked]

    def status(self):
        done = program.call(STELLA, "feeds", "status", "-o", "json", "--advisories", self.database,
                            env=program.environment(self.work))
        return json.loads(done.stdout)

    def records(self, kind, name):
        return {feed["name"]: feed["records"] for feed in self.status()["database"][kind]}.get(name)

    def file(self, *name):
        with open(os.path.join(self.work, "cache", "stella", "feeds", *name), "rb") as file:
            return file.read()


class Nvd(Case):
    def nvd(self, **kinds):
        return self.update("nvd-api", **kinds)

    def test_pages_are_one_file_and_then_what_changed(self):
        self.server.page = 10
        self.server.vulnerabilities = [vulnerability(number) for number in range(25)]
        self.nvd(say="bytes fetched")
        headers = [headers for _, headers in self.server.asked]
        self.assertEqual([one["startIndex"] for one in self.asked()], ["0", "10", "20"])
        self.assertTrue(all(one["apikey"] == KEY for one in headers))
        self.assertEqual(self.records("databases", "nvd"), 25)
        whole = json.loads(self.file("nvd-api", "nvd.json"))
        self.assertEqual(whole["vulnerabilities"], self.server.vulnerabilities)
        # Nothing changed.
        before = self.file("nvd-api", "nvd.json")
        self.nvd(say=["1 files are unchanged", "nothing changed"])
        [asked] = self.asked()
        self.assertLess(asked["lastModStartDate"], f"{NOW}.000")
        self.assertEqual(self.file("nvd-api", "nvd.json"), before)
        # One changed, and one is new: told again, it is known.
        self.server.vulnerabilities[1] = vulnerability(1, f"{NOW}.000", "LOW", 2.0)
        self.server.vulnerabilities.append(vulnerability(90, f"{NOW}.000"))
        self.nvd(say="bytes fetched")
        self.assertEqual(self.records("databases", "nvd"), 26)
        self.assertEqual(len(json.loads(self.file("nvd-api", "nvd.json"))["vulnerabilities"]), 27)
        before = self.file("nvd-api", "nvd.json")
        self.nvd(say="nothing changed")
        self.assertEqual(self.file("nvd-api", "nvd.json"), before)

    def test_the_database_is_that_of_the_same_records_in_a_file(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(5)]
        self.nvd()
        with open(self.path("page.json"), "wb") as file:
            file.write(json.dumps({"format": "NVD_CVE", "vulnerabilities": self.server.vulnerabilities},
                                  separators=(",", ":")).encode())
        day = self.status()["database"]["databases"][0]["checked"]
        done = program.call(STELLA, "feeds", "import", self.path("page.json"), "--advisories", self.path("b.db"),
                            "--fetched", day, env=program.environment(self.work))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.database, "rb") as one, open(self.path("b.db"), "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_many_changes_are_gathered_anew(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(5)]
        self.nvd()
        for number in range(2):
            self.server.vulnerabilities[number] = vulnerability(number, f"{NOW}.000", score=number + 1.0)
        self.nvd()
        self.asked()
        self.nvd()
        self.assertNotIn("lastModStartDate", self.asked()[0])
        self.assertEqual(len(json.loads(self.file("nvd-api", "nvd.json"))["vulnerabilities"]), 5)
        self.assertEqual(self.records("databases", "nvd"), 5)

    def test_who_asks_too_often_waits(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(3)]
        self.server.faults = [lambda request: request.reply(403, retry_after="1"),
                              lambda request: request.reply(429, retry_after="1"),
                              lambda request: request.reply(503)]
        self.nvd()
        self.assertEqual(self.records("databases", "nvd"), 3)
        # Its own word for how long is half a minute.
        self.server.faults = [lambda request: request.reply(403)]
        self.nvd(code=3, say="answered 403", env={"STELLA_FEEDS_DEADLINE": "5", "STELLA_NVD_API_KEY": KEY})

    def test_a_wrong_key_is_told(self):
        self.server.faults = [lambda request: request.reply(404, message="Invalid apiKey.")]
        self.nvd(code=3, say=["nvd-api", "answered 404", "Invalid apiKey."])

    def test_who_is_cut_off_goes_on(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        ok = None
        self.server.faults = [ok, lambda request: request.reply(200, b"{" * 1000, cut=100),
                              ok, lambda request: request.reply(400)]
        # A cut is asked for again; what is refused ends it.
        self.nvd(code=3, say="answered 400")
        self.assertEqual([one["startIndex"] for one in self.asked()], ["0", "2", "2", "4"])
        self.server.faults = [lambda request: request.reply(503)] * 4
        self.nvd(code=3, say=["answered 503", "goes on from there"])
        self.asked()
        self.nvd()
        self.assertEqual([one["startIndex"] for one in self.asked()], ["4"])
        self.assertEqual(json.loads(self.file("nvd-api", "nvd.json"))["vulnerabilities"], self.server.vulnerabilities)

    def test_half_a_page_at_the_end_of_what_came_is_no_page(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        self.server.faults = [None, None] + [lambda request: request.reply(503)] * 5
        self.nvd(code=3)
        with open(os.path.join(self.work, "cache", "stella", "feeds", "nvd-api", "nvd.json.part"), "ab") as part:
            part.write(b',\n{"cve":{"id":"CVE-2024-')
        self.nvd()
        self.assertEqual(json.loads(self.file("nvd-api", "nvd.json"))["vulnerabilities"], self.server.vulnerabilities)

    def test_who_is_killed_with_the_joined_file_begins_anew(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(40)]
        self.nvd()
        for number in range(3):
            self.server.vulnerabilities[number] = vulnerability(number, f"{NOW}.000", score=number + 1.0)
        changed = json.dumps(self.server.vulnerabilities[:3], separators=(",", ":"))[1:-1].replace("},{", "},\n{")
        # The system ends who writes more: at the last byte of the file that has both.
        before = self.file("nvd-api", "nvd.json")
        self.nvd(code=-signal.SIGXFSZ, most_bytes=len(before) + len(",\n" + changed) - 1)
        self.assertEqual(self.file("nvd-api", "nvd.json"), before)
        self.nvd()
        self.assertEqual(json.loads(self.file("nvd-api", "nvd.json"))["vulnerabilities"][40:],
                         self.server.vulnerabilities[:3])
        self.assertEqual(self.records("databases", "nvd"), 40)

    def test_a_file_that_cannot_be_read_is_fetched_whole(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        self.nvd()
        path = os.path.join(self.work, "cache", "stella", "feeds", "nvd-api", "nvd.json")
        with open(path, "r+b") as file:
            file.seek(20)
            file.write(b"\x00\x01")
        # Seen when it is read, not when it is asked for.
        os.remove(self.database)
        self.nvd(code=3, say="what it gave when it last could be read stays")
        self.asked()
        self.nvd()
        self.assertNotIn("lastModStartDate", self.asked()[0])
        self.assertEqual(self.records("databases", "nvd"), 6)

    def test_what_is_no_answer_is_not_taken(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        self.nvd()
        before = self.file("nvd-api", "nvd.json")

        def nvd(start=0, **other):
            return lambda request: request.reply(200, request.nvd(start, self.server.vulnerabilities, **other))
        faults = {
            "another page": nvd(start=2),
            "has 0 records": nvd(vulnerabilities=[]),
            "of another form": nvd(vulnerabilities=[{"cvf": {}}]),
            "is no page": lambda request: request.reply(200, b"<html>down</html>"),
            "when it is of": nvd(timestamp="soon"),
            "leads nowhere else": lambda request: request.reply(302, location="https://192.0.2.1/"),
            "over the limit": lambda request: request.reply(200, gzip.compress(b" " * (65 << 20)), content_encoding="gzip"),
            "nobody asked for": lambda request: request.reply(200, b"x", content_encoding="br"),
        }
        for say, fault in faults.items():
            with self.subTest(say):
                self.server.faults = [fault]
                self.nvd(code=3, say=say)
                self.assertEqual(self.file("nvd-api", "nvd.json"), before)
                self.assertEqual(self.records("databases", "nvd"), 6)

    def test_a_page_that_comes_again_is_not_the_next(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        first = self.server.vulnerabilities[:2]
        self.server.faults = [None, lambda request: request.reply(
            200, request.nvd(2, self.server.vulnerabilities, vulnerabilities=first))]
        self.nvd(code=3, say="gives the page with CVE-2024-0000 again")
        self.nvd()
        self.assertEqual(self.records("databases", "nvd"), 6)

    def test_fewer_records_in_between_are_not_all_of_them(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        self.server.faults = [None, lambda request: request.reply(200, request.nvd(2, self.server.vulnerabilities[:5]))]
        self.nvd(code=3, say="says that there are 5 records, after 6 before")
        # More are.
        self.server.faults = [None, lambda request: (self.server.vulnerabilities.append(vulnerability(8)), request.reply(
            200, request.nvd(2, self.server.vulnerabilities)))]
        self.nvd()
        self.assertEqual(self.records("databases", "nvd"), 7)

    def test_the_limit_of_bytes_is_for_all_pages(self):
        self.server.vulnerabilities = [vulnerability(number) for number in range(6)]
        self.nvd(code=3, say=["over the limit of 2000 bytes"], env={"STELLA_FEEDS_MAX_SIZE": "2000", "STELLA_NVD_API_KEY": KEY})


class GitHub(Case):
    def github(self, **kinds):
        return self.update("ghsa-api", **kinds)

    def test_pages_are_one_file_and_then_what_changed(self):
        self.server.advisories = [advisory(number, f"2026-01-02T03:04:0{number}Z") for number in range(5)]
        self.github(say="bytes fetched")
        headers = [headers for _, headers in self.server.asked]
        self.assertEqual([one["after"] for one in self.asked()], [None, "2", "4"])
        self.assertTrue(all(one["authorization"] == f"bearer {TOKEN}" for one in headers))
        self.assertEqual(self.records("feeds", "npm"), 5)
        self.server.advisories[0] = advisory(0, "2026-02-01T00:00:00Z", withdrawn="2026-02-01T00:00:00Z")
        self.github(say="bytes fetched")
        self.assertEqual(self.asked()[0]["since"], "2026-01-02T01:04:04Z")
        self.assertEqual(self.records("feeds", "npm"), 4)
        # The last one is told again.
        for _ in range(2):
            self.github()
        before = self.file("ghsa-api", "advisories.json")
        self.github(say="nothing changed")
        self.assertEqual(self.file("ghsa-api", "advisories.json"), before)

    def test_all_packages_of_an_advisory_are_there(self):
        self.server.advisories = [advisory(1, packages=5), advisory(2)]
        self.github()
        self.assertEqual([one.get("after") for one in self.asked()], [None, "2", "4"])
        text = self.file("ghsa-api", "advisories.json").decode()
        for index in range(5):
            self.assertIn(f"a1-{index}", text)
        self.assertNotIn("hasNextPage", text)

    def test_without_a_token_nobody_is_asked(self):
        self.github(code=3, say=["ghsa-api", "set STELLA_GITHUB_TOKEN or GITHUB_TOKEN"], env={})
        self.assertEqual(self.server.asked, [])
        self.server.advisories = [advisory(1)]
        self.github(env={"GITHUB_TOKEN": TOKEN})

    def test_who_asks_too_often_waits(self):
        reset = int(datetime.datetime.now().timestamp()) + 1
        self.server.advisories = [advisory(1)]
        self.server.faults = [
            lambda request: request.reply(403, {"message": "secondary rate limit"}, retry_after="1"),
            lambda request: request.reply(200, {"data": None, "errors": [{"type": "RATE_LIMITED", "message": "m"}]},
                                          x_ratelimit_remaining="0", x_ratelimit_reset=str(reset)),
            lambda request: request.reply(502)]
        self.github()
        self.assertEqual(len(self.server.asked), 4)

    def test_what_is_no_answer_is_not_taken(self):
        self.server.advisories = [advisory(number, f"2026-01-02T03:04:0{number}Z") for number in range(3)]
        self.github()
        before = self.file("ghsa-api", "advisories.json")

        def listed(nodes, more=False, cursor=None):
            page = {"pageInfo": {"hasNextPage": more, "endCursor": cursor}, "nodes": nodes}
            return lambda request: request.reply(200, {"data": {"securityAdvisories": page}})
        faults = {
            "answered 401 Unauthorized: Bad credentials": lambda request: request.reply(401, {"message": "Bad credentials"}),
            "Field 'x' doesn't exist": lambda request: request.reply(200, {"errors": [{"message": "Field 'x' doesn't exist"}]}),
            "has no advisories": lambda request: request.reply(200, {"data": [1]}),
            "does not say whether": lambda request: request.reply(200, {"data": {"securityAdvisories": [1]}}),
            "no advisories": listed(None),
            "an empty page": listed([], True, "9"),
            "and not where": listed([], True),
            "without an id": listed([{"ghsaId": "", "updatedAt": "2026-01-02T03:04:05Z"}]),
            "without vulnerabilities": listed([{"ghsaId": "GHSA-1", "updatedAt": "2026-01-02T03:04:05Z"}]),
            "leads nowhere else": lambda request: request.reply(307, location="https://192.0.2.1/"),
        }
        for say, fault in faults.items():
            with self.subTest(say):
                self.server.faults = [fault]
                self.github(code=3, say=say)
                self.assertEqual(self.file("ghsa-api", "advisories.json"), before)

    def test_pages_that_lead_back_end(self):
        self.server.advisories = [advisory(number) for number in range(3)]
        page = {"pageInfo": {"hasNextPage": True, "endCursor": "2"}, "nodes": []}
        self.server.faults = [None, lambda request: request.reply(200, {"data": {"securityAdvisories": page}})]
        self.github(code=3, say="and not where")


if __name__ == "__main__":
    unittest.main()
