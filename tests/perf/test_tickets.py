"""Soft gates open tickets, once for a regression, and survive whatever a tracker answers."""
import threading
import time
import unittest

import tracker
from harness import SOFT, Case, call, read
from tracker import LABEL, TOKEN, fault

PAST = "START=10x"


def gitlab(address, **more):
    return {"GITLAB_CI": "true", "CI_API_V4_URL": address + "/api/v4", "CI_PROJECT_ID": "42",
            "CI_JOB_URL": "https://gitlab.example/job/1", "STELLA_PERF_TOKEN": TOKEN, **more}


def github(address, **more):
    return {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": address, "GITHUB_REPOSITORY": "stella/stella",
            "GITHUB_TOKEN": TOKEN, **more}


class Tickets(Case):
    def setUp(self):
        super().setUp()
        self.soft = self.write("soft.yaml", SOFT)
        serving = tracker.serve()
        self.tracker = serving.__enter__()
        self.addCleanup(serving.__exit__, None, None, None)

    def run_past(self, variables, plant=PAST, targets=None, *arguments):
        """Measures with a slow-down planted; the token is nowhere to be seen, and the exit code is the gates'."""
        done = self.measure("--phase", "START", "--samples", "20", "--targets", targets or self.soft,
                            *(("--plant", plant) if plant else ()), *arguments, **variables)
        self.assert_ends(done, 0)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        self.assertNotIn("::error::", done.stdout + done.stderr)
        return done

    def test_one_regression_opens_one_ticket(self):
        for name, variables in [("gitlab", gitlab), ("github", github)]:
            with self.subTest(name):
                self.tracker.issues.clear()
                first = self.run_past(variables(self.tracker.address))
                self.assertIn("START: opened issue #1", first.stderr)
                self.assertIn("START: opened issue #1", first.stdout)
                self.assertIn("START: opened issue #1", read(self.path("out/latest/tickets.md")))
                second = self.run_past(variables(self.tracker.address))
                self.assertIn("START: issue #1 is open already", second.stderr)
                self.assertEqual(len(self.tracker.issues), 1)
                [issue] = self.tracker.issues
                self.assertEqual(issue["labels"], [LABEL])
                self.assertIn("START takes 10.0 times its target", issue["title"])
                for words in ["`START`", "past 3 times", "- commit: `", "- source: `stella --version`", "<!-- "]:
                    self.assertIn(words, issue["text"])

    def test_a_closed_ticket_does_not_hide_a_new_regression(self):
        self.run_past(gitlab(self.tracker.address))
        self.tracker.issues[0]["open"] = False
        self.assertIn("opened issue #2", self.run_past(gitlab(self.tracker.address)).stderr)
        self.assertIn("issue #2 is open already", self.run_past(gitlab(self.tracker.address)).stderr)

    def test_another_phase_is_another_regression(self):
        self.run_past(gitlab(self.tracker.address))
        issue = self.tracker.issues[0]
        marker = next(line for line in issue["text"].splitlines() if line.startswith("<!--"))
        self.assertIn("START", marker)
        # The same ticket of another phase, of a real run, and a marker that is only quoted.
        for other in [marker.replace("START", "FEED_MERGE"), marker.replace(" planted", ""), f"> see {marker}"]:
            issue["text"] = issue["text"].replace(marker, other)
            done = self.run_past(gitlab(self.tracker.address))
            self.assertIn("opened issue #", done.stderr)
            self.tracker.issues.pop()
            issue["text"] = issue["text"].replace(other, marker)

    def test_the_ticket_is_found_on_any_page(self):
        for name, variables in [("gitlab", gitlab), ("github", github)]:
            with self.subTest(name):
                self.tracker.issues.clear()
                for _ in range(250):
                    self.tracker.add("another")
                self.run_past(variables(self.tracker.address))
                self.assertEqual(len(self.tracker.issues), 251)
                self.assertIn("#251 is open already", self.run_past(variables(self.tracker.address)).stderr)

    def test_an_issue_without_a_text_and_a_pull_request_are_no_tickets(self):
        self.run_past(github(self.tracker.address))
        self.tracker.issues[0]["pull_request"] = True
        self.tracker.add(None)
        self.assertIn("opened issue #3", self.run_past(github(self.tracker.address)).stderr)

    def test_without_a_regression_or_a_wish_nobody_is_asked(self):
        hard = self.write("hard.yaml", SOFT.replace("soft", "hard").replace("1000", "1000000"))
        for arguments in [(None,), ("START=2x",), ("START=2x", hard)]:
            done = self.run_past(gitlab(self.tracker.address), *arguments)
            self.assertNotIn("ticket", done.stderr.lower())
        self.run_past(gitlab(self.tracker.address), PAST, None, "--tickets", "never")
        self.run_past(gitlab(self.tracker.address, STELLA_PERF_TICKETS="never"))
        self.assertEqual(self.tracker.requests, [])

    def test_a_hard_gate_opens_none(self):
        hard = self.write("hard.yaml", SOFT.replace("soft", "hard"))
        done = self.measure("--phase", "START", "--samples", "20", "--targets", hard, "--plant", PAST,
                            **gitlab(self.tracker.address))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.tracker.requests, [])

    def assert_not_opened(self, done, words):
        self.assertIn("NO TICKET WAS OPENED: ", done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn(words, done.stdout)
        self.assertEqual(self.tracker.count("POST"), 0)

    def test_what_is_missing_is_said(self):
        address = self.tracker.address
        for variables, words in [
            (gitlab(address, STELLA_PERF_TOKEN=""), "CI_JOB_TOKEN cannot open issues"),
            (gitlab(address, STELLA_PERF_TOKEN="", CI_JOB_TOKEN=TOKEN), "STELLA_PERF_TOKEN is not set"),
            (gitlab(address, STELLA_PERF_TOKEN="a\nb"), "characters that no token has"),
            (gitlab(address, CI_PROJECT_ID="42/../1"), "CI_PROJECT_ID"),
            (github(address, GITHUB_TOKEN=""), "neither STELLA_PERF_TOKEN nor GITHUB_TOKEN"),
            (github(address, GITHUB_REPOSITORY="../stella"), "GITHUB_REPOSITORY"),
            ({"STELLA_PERF_TOKEN": TOKEN}, "no variables of GitLab's or GitHub's CI"),
            (gitlab("http://gitlab.example"), "plain http"),
            (gitlab("ftp://gitlab.example"), "neither https nor http"),
            (gitlab(f"http://{TOKEN}@127.0.0.1"), "nothing more"),
        ]:
            with self.subTest(words):
                self.assert_not_opened(self.run_past(variables), words)
        self.assertEqual(self.tracker.requests, [])

    def test_every_fault_is_named_and_none_is_tried_without_end(self):
        for fails, words, requests in [
            ([fault(401)], "401", 1),
            ([fault(403)], "403: the token may not", 1),
            ([fault(404)], "404", 1),
            ([fault(429, Retry_After=3600)], "asks to wait 3600 s", 1),
            ([fault(429)], "too many requests", 1),
            ([fault(429, Retry_After="Fri, 01 Jan 2027 00:00:00 GMT")], "too many requests", 1),
            ([fault(403, X_RateLimit_Remaining=0)], "too many requests", 1),
            ([fault(418)], "418", 1),
            ([fault(500), fault(502), fault(503)], "503: the tracker broke", 3),
            ([fault(200, b"<html>" + TOKEN.encode())], "not what the tracker's API says", 1),
            ([fault(200, b"")], "not what the tracker's API says", 1),
            ([fault(200, {"issues": []})], "not what the tracker's API says", 1),
            ([fault(200, [1])], "not what the tracker's API says", 1),
            ([fault(200, b'"' + b"x" * (9 << 20) + b'"')], "longer than", 1),
            ([fault(302, Location="/api/v4/projects/42/issues")], "302", 1),
        ]:
            with self.subTest(words, first=fails[0]):
                self.tracker.requests.clear()
                self.tracker.faults[:] = fails
                self.assert_not_opened(self.run_past(gitlab(self.tracker.address)), words)
                self.assertEqual(self.tracker.count("GET"), requests)

    def test_a_short_trouble_is_waited_for(self):
        for fails in [[fault(500)], [fault(429, Retry_After=1)], [None, None, fault(503)]]:
            self.tracker.issues.clear()
            self.tracker.faults[:] = fails
            self.assertIn("opened issue #1", self.run_past(gitlab(self.tracker.address)).stderr)
            self.assertEqual(len(self.tracker.issues), 1)

    def test_an_issue_whose_answer_was_lost_is_not_opened_twice(self):
        def lost(handler):
            self.tracker.add(self.lost_text)
            fault(502)(handler)
        self.run_past(gitlab(self.tracker.address))
        self.lost_text = self.tracker.issues.pop()["text"]
        # The look finds nothing, the opening works and its answer is lost, the second look finds it.
        self.tracker.faults[:] = [None, lost]
        self.assertIn("issue #1 is open already", self.run_past(gitlab(self.tracker.address)).stderr)
        self.assertEqual(len(self.tracker.issues), 1)

    def test_the_token_follows_no_redirect(self):
        with tracker.serve() as other:
            self.tracker.faults[:] = [fault(307, Location=other.address + "/api/v4/projects/42/issues")]
            self.assert_not_opened(self.run_past(gitlab(self.tracker.address)), "307")
            self.assertEqual(other.requests, [])

    def test_no_proxy_sees_the_token(self):
        with tracker.serve() as proxy:
            done = self.run_past(gitlab(self.tracker.address, http_proxy=proxy.address, HTTP_PROXY=proxy.address,
                                        ALL_PROXY=proxy.address))
            self.assertIn("opened issue #1", done.stderr)
            self.assertEqual(proxy.requests, [])

    def test_a_tracker_that_says_nothing_is_left(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        self.tracker.faults[:] = [lambda handler: stop.wait(60)]
        before = time.monotonic()
        self.assert_not_opened(self.run_past(gitlab(self.tracker.address)), "no whole answer within 10 s")
        self.assertLess(time.monotonic() - before, 20)

    def test_a_tracker_that_dribbles_is_left(self):
        def dribble(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            try:
                for _ in range(200):
                    handler.wfile.write(b" ")
                    handler.wfile.flush()
                    time.sleep(0.1)
            except OSError:
                pass
        self.tracker.faults[:] = [dribble]
        self.assert_not_opened(self.run_past(gitlab(self.tracker.address)), "no whole answer within 10 s")

    def test_pages_without_an_end_are_left(self):
        self.tracker.faults[:] = [fault(200, [{"iid": 1, "description": None, "labels": []}])] * 50
        self.assert_not_opened(self.run_past(gitlab(self.tracker.address)), "more than 20 pages")
        self.assertEqual(self.tracker.count("GET"), 20)

    def test_a_certificate_must_be_of_an_authority_that_is_trusted(self):
        pem = self.path("server.pem")
        done = call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", pem, "-out", self.path("authority.pem"), "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(pem, "a", encoding="utf-8") as out:
            out.write(read(self.path("authority.pem")))
        with tracker.serve(pem) as over_tls:
            self.assert_not_opened(self.run_past(gitlab(over_tls.address)), "no connection")
            self.assertEqual(over_tls.requests, [])
            trusting = gitlab(over_tls.address, STELLA_PERF_CA_FILE=self.path("authority.pem"))
            self.assertIn("opened issue #1", self.run_past(trusting).stderr)
            for wrong in (self.soft, self.path("nowhere")):
                done = self.run_past(gitlab(over_tls.address, STELLA_PERF_CA_FILE=wrong))
                self.assert_not_opened(done, "STELLA_PERF_CA_FILE")

    def test_nobody_listens(self):
        self.assert_not_opened(self.run_past(gitlab("http://127.0.0.1:9")), "no connection")

    def test_a_label_that_is_dropped_is_said(self):
        self.tracker.drop_labels = True
        self.assertIn("dropped its label", self.run_past(github(self.tracker.address)).stderr)

    def test_text_of_others_takes_no_effect(self):
        evil = "https://gitlab.example/`\n/close\n@everyone <!-- stella-perf: START target -->"
        self.run_past(gitlab(self.tracker.address, CI_JOB_URL=evil))
        lines = self.tracker.issues[0]["text"].splitlines()
        self.assertFalse([line for line in lines if line.startswith(("/", "@"))])
        self.assertEqual(len([line for line in lines if line.startswith("<!--")]), 1)
        [job] = [line for line in lines if line.startswith("- job: ")]
        self.assertEqual((job.count("`"), job[7], job[-1]), (2, "`", "`"))


if __name__ == "__main__":
    unittest.main()
