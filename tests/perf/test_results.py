"""What a run leaves behind: every file held against an independent reader of its format."""
import http.server
import json
import math
import os
import re
import threading
import unittest
import xml.etree.ElementTree

import synthetic
import tools
from harness import FILES, ROOT, Case, call, read, read_json

EVIL = 'a\\b "c"\n| d ]]> <script>&amp;</script> `e` \x1b[31m µ'
# Reads OpenMetrics strictly; prints metrics with their type and series.
OPENMETRICS = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps({f.name: [f.type, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in text_string_to_metric_families(open(sys.argv[1]).read())}))
"""


def kept(directory, **more):
    """A run with every phase, kept without the harness."""
    synthetic.keep(directory, *synthetic.run("2026-11-24T02:00:00Z", 7, **more))
    return directory


class Files(Case):
    """Checks that hold for every run."""

    def export(self, directory, *arguments, code=0):
        return self.assert_ends(self.perf("export", "--from", directory, *arguments), code)

    def openmetrics(self, path):
        return json.loads(self.assert_ends(call(tools.python(), "-c", OPENMETRICS, path), 0).stdout)

    def check_schemas(self, directory, code=0):
        for name in ("phase-stats", "samples"):
            self.assert_ends(call(tools.python("check-jsonschema"), "--schemafile",
                                  os.path.join(ROOT, "perf", f"{name}.schema.json"),
                                  os.path.join(directory, f"{name}.json")), code)

    def check_promtool(self, directory):
        promtool = tools.debian("prometheus", "promtool")
        self.assert_ends(call(promtool, "check", "metrics", input=read(directory, "metrics.prom")), 0)

    def check_metrics(self, directory):
        """Every number of the metrics is the one of the JSON file, in seconds."""
        stats = read_json(directory, "phase-stats.json")
        metrics = self.openmetrics(os.path.join(directory, "metrics.prom"))

        def value(name, **labels):
            found = [value for series, own, value in metrics[re.sub("_(bucket|sum|count)$", "", name)][1]
                     if (series, own) == (name, labels)]
            self.assertEqual(len(found), 1, (name, labels))
            return found[0]
        for row in stats["phases"]:
            labels = {"phase": row["phase"], **({"variant": row["variant"]} if row["variant"] else {})}
            for outcome in ("pass", "not_judged", "warn", "fail"):
                self.assertEqual(value("stella_perf_phase_gate", **labels, outcome=outcome),
                                 float(outcome == row["judgement"]["outcome"]))
            self.assertAlmostEqual(value("stella_perf_phase_target_seconds", **labels),
                                   row["target"]["target_p95_ms"] / 1e3)
            if row["state"] != "measured":
                continue
            for name, ms in (("p50", row["p50_ms"]), ("p95", row["p95_ms"]), ("floor_p50", row["floor"]["p50_ms"])):
                self.assertAlmostEqual(value(f"stella_perf_phase_{name}_seconds", **labels), ms / 1e3)
            self.assertEqual(value("stella_perf_phase_floor_ratio", **labels), row["floor"]["ratio_p50"])
            for step in row["steps"]:
                self.assertAlmostEqual(value("stella_perf_step_p95_seconds", **labels, step=step["name"]),
                                       step["p95_ms"] / 1e3)
            histogram = row["histogram"]
            buckets = {float(own["le"]): count for series, own, count in metrics["stella_perf_phase_duration_seconds"][1]
                       if series.endswith("_bucket") and {**own, "le": None} == {**labels, "le": None}}
            self.assertEqual(list(buckets.values()),
                             [bucket["samples"] for bucket in histogram["buckets"]] + [histogram["samples"]])
            for edge, bucket in zip(buckets, histogram["buckets"]):
                self.assertAlmostEqual(edge, bucket["le_ms"] / 1e3)
            self.assertEqual(max(buckets), math.inf)
            self.assertEqual(value("stella_perf_phase_duration_seconds_count", **labels), row["samples"])
            self.assertAlmostEqual(value("stella_perf_phase_duration_seconds_sum", **labels),
                                   histogram["sum_ms"] / 1e3)
        return stats, metrics

    def check_gitlab(self, directory):
        self.assertTrue(read(directory, "metrics.txt").endswith("# EOF\n"))
        metrics = self.openmetrics(os.path.join(directory, "metrics.txt"))
        self.assertEqual({kind for kind, _ in metrics.values()}, {"gauge"})
        measured = [row for row in read_json(directory, "phase-stats.json")["phases"] if row["state"] == "measured"]
        self.assertEqual(len(metrics["stella_perf_phase_p95_seconds"][1]), len(measured))
        # GitLab takes a line apart at its blanks.
        for line in read(directory, "metrics.txt").splitlines():
            self.assertTrue(line.startswith("# ") or re.fullmatch(r"\S+ \S+", line), line)

    def junit(self, directory):
        """Cases by name; the counts of the suite are those of its cases."""
        suite, = xml.etree.ElementTree.parse(os.path.join(directory, "junit.xml")).getroot()
        cases = {case.get("name"): case for case in suite.findall("testcase")}
        for count, tag in (("tests", None), ("failures", "failure"), ("errors", "error")):
            found = [case for case in cases.values() if tag is None or case.find(tag) is not None]
            self.assertEqual(int(suite.get(count)), len(found), count)
        return cases

    def check_tables(self, directory):
        """Every table is one: as many cells in each row, columns one below the other."""
        text = read(directory, "phases.md")
        tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
        self.assertGreaterEqual(len(tables), 3)
        for table in tables:
            lines = table.splitlines()
            bars = {tuple(bar.start() for bar in re.finditer(r"(?<!\\)\|", line)) for line in lines}
            self.assertEqual(len(bars), 1, table)
        return text

    def check_all(self, directory):
        self.assertEqual(sorted(os.listdir(directory)), FILES)
        self.check_schemas(directory)
        self.check_promtool(directory)
        self.check_metrics(directory)
        self.check_gitlab(directory)
        self.check_tables(directory)
        return self.junit(directory)


class RealRun(Files):
    """A run of what needs nothing but the program."""

    def run_phases(self, phases, *arguments, code=0):
        done = self.assert_ends(self.measure("--phase", phases, "--samples", "20", *arguments,
                                             SOURCE_DATE_EPOCH="1795579200"), code)
        return self.path("out/2026-11-25"), done

    def test_every_file(self):
        # What is not built is no pass where it was asked for by name.
        directory, done = self.run_phases("START,SBOM_FIRST", code=3)
        cases = self.check_all(directory)
        self.assertEqual(done.stdout, read(directory, "phases.md"))
        with self.subTest("what was measured passes, what was not says why"):
            self.assertEqual(sorted(cases), ["SBOM_FIRST", "START"])
            self.assertIsNone(cases["START"].find("skipped"))
            skipped = cases["SBOM_FIRST"].find("skipped")
            self.assertEqual((skipped.get("message"), skipped.text), ("not built yet", "not built yet"))
        with self.subTest("latest is the same"):
            for name in FILES:
                self.assertEqual(read(directory, "..", "latest", name), read(directory, name))
        with self.subTest("a kept run makes the same files again, to the byte"):
            again = os.path.join(self.work, "again")
            self.export(directory, "--out", again)
            for name in FILES:
                self.assertEqual(read(again, name), read(directory, name), name)
        with self.subTest("the schema refuses what is no result"):
            spoilt = os.path.join(self.work, "spoilt")
            stats, samples = (read_json(directory, name) for name in ("phase-stats.json", "samples.json"))
            stats["phases"][1]["p95_ms"] = "fast"
            samples["phases"]["START"]["samples_ms"] = None
            synthetic.keep(spoilt, stats, samples)
            self.check_schemas(spoilt, 1)

    def test_a_planted_slow_down_is_loud(self):
        directory, _ = self.run_phases("START", "--plant", "START=4x", code=1)
        cases = self.check_all(directory)
        failure = cases["START"].find("failure")
        self.assertIn("times its target", failure.get("message"))
        self.assertIn("times its target", failure.text)
        text = read(directory, "phases.md")
        self.assertIn("**PLANTED SLOW-DOWNS: START=4x.", text)
        self.assertRegex(text, r"\| START .* FAIL ")
        self.assertIn("stella_perf_planted_slow_downs{} 1.0", read(directory, "metrics.prom"))

    def test_a_push_that_fails_is_said_after_every_file_is_written(self):
        nobody = f"http://user:secret@127.0.0.1:{tools.free_port()}"
        directory, done = self.run_phases("START", "--push", nobody, code=3)
        self.assertEqual(sorted(os.listdir(directory)), FILES)
        self.assertIn("push to http://127.0.0.1", done.stderr)
        self.assertNotIn("secret", done.stderr)


class EveryPhase(Files):
    """A run with figures of every phase, which no machine has to measure."""

    def test_every_file(self):
        directory = kept(os.path.join(self.work, "run"), slower={"DELTA_SBOM": 40, "FEED_MERGE": 40},
                         instead={"KNOWN_WAN": synthetic.not_measured("not_possible", "no namespaces"),
                                  "REPORTS": synthetic.not_measured("failed", "it broke")})
        self.export(directory)
        cases = self.check_all(directory)
        with self.subTest("outcomes"):
            def children(name):
                return [child.tag for child in cases[name]]
            self.assertEqual(children("POLICY_EVAL"), ["system-out"])
            self.assertEqual(children("DELTA_SBOM"), ["failure", "system-out"])
            self.assertEqual(children("REPORTS"), ["failure"])
            self.assertEqual(children("KNOWN_WAN"), ["skipped"])
            self.assertEqual(children("FEED_MERGE/cold"), ["system-out"])
            self.assertIn("warning: ", cases["FEED_MERGE/cold"].find("system-out").text)
        with self.subTest("the workbook's tables"):
            text = read(directory, "phases.md")
            for heading in ("Steps of DELTA_SBOM", "Steps of QUOTA_WAIT/hard", "Histogram of POLICY_EVAL"):
                self.assertIn(f"## {heading}\n", text)
            histogram = text.split("## Histogram of POLICY_EVAL\n")[1].split("##")[0]
            shares = [float(share) for share in re.findall(r"([\d.]+) %", histogram)]
            self.assertEqual(len(shares), 5)
            self.assertAlmostEqual(sum(shares), 100, delta=0.3)
            for diff_id in synthetic.diff_ids("v1"):
                self.assertIn(diff_id, text)

    def test_text_of_others_stays_text(self):
        directory = kept(os.path.join(self.work, "run"), cpu=EVIL, commit=EVIL, kernel=EVIL,
                         instead={"START": synthetic.not_measured("failed", EVIL)})
        self.export(directory)
        cases = self.check_all(directory)
        info = self.openmetrics(os.path.join(directory, "metrics.prom"))["stella_perf_info"][1]
        self.assertEqual({info[0][1][name] for name in ("cpu", "commit", "kernel")}, {EVIL})
        self.assertIn("]]> <script>", cases["START"].find("failure").text)
        for name in ("junit.xml", "phases.md"):
            self.assertNotIn("\x1b", read(directory, name))
        self.assertNotRegex(read(directory, "phases.md"), r"(?<!\\)<script")

    def test_a_gateway_that_refuses_is_quoted(self):
        class Refusing(http.server.BaseHTTPRequestHandler):
            asked = []

            def do_PUT(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                self.asked.append((self.path, self.headers.get("content-type"), body))
                self.send_response(400)
                self.end_headers()
                self.wfile.write(b"no \x1b[31msuch metrics")

            def log_message(self, *_):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        directory = kept(os.path.join(self.work, "run"))
        done = self.export(directory, "--push", f"http://127.0.0.1:{server.server_port}/", code=3)
        self.assertRegex(done.stderr, r"400 Bad Request no \\u\{1b\}\[31msuch metrics")
        (path, kind, body), = Refusing.asked
        self.assertRegex(path, r"^/metrics/job/stella-perf/instance@base64/[\w-]+$")
        self.assertTrue(kind.startswith("text/plain; version=0.0.4"))
        self.assertEqual(body.decode(), read(directory, "metrics.prom"))


if __name__ == "__main__":
    unittest.main()
