"""How old advisories are, and what a gate makes of it."""
import datetime
import json
import unittest

import program
from program import DEMO, STELLA, gate

DAY_S = 24 * 60 * 60


class Age(program.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("a.db")

    def imported(self, *words):
        program.prepare(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", self.database, *words,
                        env=program.environment(self.work))
        return json.loads(program.prepare(STELLA, "feeds", "status", "-o", "json", "--advisories", self.database))["database"]["feeds"]

    def gate(self, now, *words, code=1):
        """Gates the demo's image at a moment, with a policy that fails on nothing else; gives the one result and the run."""
        done, report, said = gate(self.work, f"oci:{DEMO}", "--advisories", self.database, *words,
                                  variables={"SOURCE_DATE_EPOCH": str(int(now))})
        self.assertEqual(done, code, said)
        self.said = said
        return report["results"][0], report["run"]

    def policy(self, feeds):
        path = self.path("policy.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"version: 1\nfeeds: {feeds}\nrules:\n  - {{name: none, when: {{cve: CVE-1-1}}, action: fail}}\n")
        return "--policy", path

    def test_the_newest_record_tells_the_age_where_nobody_asked(self):
        newest = {feed["name"]: datetime.datetime.fromisoformat(feed["as_of"]).timestamp() for feed in self.imported()}
        asked = ("Debian:12", "PyPI", "npm")
        oldest = min(newest[name] for name in asked)
        result, _ = self.gate(oldest + 5 * DAY_S)
        self.assertNotIn("degraded", result["verdict"])
        result, run = self.gate(max(newest.values()) + 30 * DAY_S)
        self.assertEqual({old["name"] for old in result["verdict"]["degraded"]}, set(asked))
        self.assertTrue(all(old["days"] >= 30 for old in result["verdict"]["degraded"]))
        self.assertFalse(run["degraded"], "nothing fell back")
        old = [reason for reason in result["verdict"]["reasons"] if reason["rule"] == "advisories older than 5 days"]
        self.assertEqual([reason["action"] for reason in old], ["warn"])
        self.assertIn("knows nothing after", self.said)

    def test_the_day_of_the_fetch_tells_it_better(self):
        feeds = self.imported("--fetched", "2026-06-10")
        self.assertEqual({feed["checked"] for feed in feeds}, {"2026-06-10"})
        day = datetime.datetime(2026, 6, 15, tzinfo=datetime.timezone.utc).timestamp()
        result, _ = self.gate(day)
        self.assertNotIn("degraded", result["verdict"])
        self.assertEqual(result["snapshot"]["feeds"][0]["checked"], "2026-06-10")
        result, _ = self.gate(day + DAY_S)
        self.assertEqual({old["known_until"] for old in result["verdict"]["degraded"]}, {"2026-06-10"})

    def test_a_day_that_is_still_to_come_is_refused(self):
        today = datetime.datetime.now(datetime.timezone.utc).date()
        for days, code in ((1, 0), (3, 2)):
            done = program.call(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", self.database, "--fetched",
                                str(today + datetime.timedelta(days=days)), env=program.environment(self.work))
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("is still to come", done.stderr)

    def test_the_policy_decides(self):
        self.imported("--fetched", "2026-06-10")
        day = datetime.datetime(2026, 6, 16, tzinfo=datetime.timezone.utc).timestamp()
        for feeds, outcome, code in (("{max_age_days: 6}", "pass", 0), ("{max_age_days: 5}", "warn", 0),
                                     ("{when_older: ignore}", "pass", 0), ("{when_older: fail}", "fail", 1)):
            with self.subTest(feeds):
                variables, suite = self.path("stella.env"), self.path("junit.xml")
                result, _ = self.gate(day, *self.policy(feeds), "-o", f"dotenv={variables}", "-o", f"junit={suite}", code=code)
                self.assertEqual(result["verdict"]["outcome"], outcome)
                with open(variables, encoding="utf-8") as text:
                    self.assertIn(f"STELLA_DEGRADED={str('max_age_days: 6' not in feeds).lower()}\n", text.read())
                with open(suite, encoding="utf-8") as text:
                    self.assertEqual("advisories older than 5 days" in text.read(), "max_age_days: 6" not in feeds)
        self.assertIn("by rule advisories older than 5 days", self.said)

    def test_a_server_says_the_same(self):
        self.imported("--fetched", "2026-06-10")
        day = datetime.datetime(2026, 6, 16, tzinfo=datetime.timezone.utc).timestamp()
        here, _ = self.gate(day, *self.policy("{when_older: fail}"))
        with program.server(self.work, "--advisories", self.database) as url:
            there, _ = self.gate(day, *self.policy("{when_older: fail}"), "--server", url)
        self.assertEqual(there, here)

    def test_the_demo_is_a_demo_and_nothing_else(self):
        self.database = "demo"
        result, _ = self.gate(4_000_000_000)
        self.assertNotIn("degraded", result["verdict"])


if __name__ == "__main__":
    unittest.main()
