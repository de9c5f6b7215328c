"""The gates of the harness on real measurements: planted slow-downs close them, noise alone does not.

A few runs here; STELLA_TEST_FULL=1 makes it ten runs in a row and twenty pairs of runs, which takes the better part of an hour.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("STELLA_PERF", ROOT / "target/release/stella-perf"))
FULL = os.environ.get("STELLA_TEST_FULL") == "1"


class Harness(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.out = pathlib.Path(self.directory.name)

    def perf(self, *arguments, plant=None, out=None):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "STELLA_PERF_"))}
        if plant:
            environment["STELLA_PERF_PLANT"] = plant
        out = out or self.out
        done = subprocess.run([PROGRAM, "run", "--out", out, *arguments], cwd=ROOT, env=environment,
                              capture_output=True, text=True, timeout=3000)
        kept = json.loads((out / "latest/phase-stats.json").read_text()) if (out / "latest").exists() else None
        return done, kept

    def outcomes(self, kept):
        return {row["phase"]: row["judgement"]["outcome"] for row in kept["phases"]}

    def about(self, kept, phase):
        row = next(row for row in kept["phases"] if row["phase"] == phase)
        return {(reason["about"], reason["outcome"]) for reason in row["judgement"]["reasons"]}


class PlantedSlowDowns(Harness):
    def test_four_times_the_target_breaks_a_hard_phase(self):
        done, kept = self.perf("--phase", "DELTA_SBOM", "--samples", "5", plant="DELTA_SBOM=4x")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(("target", "fail"), self.about(kept, "DELTA_SBOM"))
        self.assertEqual(kept["planted"], ["DELTA_SBOM=4x"])
        self.assertIn("DELTA_SBOM=4x", done.stdout)

    def test_four_times_the_target_warns_of_a_soft_phase(self):
        done, kept = self.perf("--phase", "FEED_MERGE", "--samples", "3", plant="FEED_MERGE=4x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(("target", "warn"), self.about(kept, "FEED_MERGE"))

    def test_without_one_runs_in_a_row_pass(self):
        for number in range(10 if FULL else 1):
            done, kept = self.perf("--phase", "DELTA_SBOM,FEED_MERGE", "--samples", "20" if FULL else "3")
            self.assertEqual(done.returncode, 0, f"run {number}: {done.stdout}{done.stderr}")
            for phase in ("DELTA_SBOM", "FEED_MERGE"):
                self.assertNotIn(("target", "warn"), self.about(kept, phase), f"run {number}")

    def test_a_planted_run_is_never_the_baseline(self):
        self.perf("--phase", "START", "--samples", "20", "--save-baseline", plant="START=10%")
        self.assertFalse((self.out / "baseline").exists())


class Baseline(Harness):
    def test_half_as_slow_again_is_a_regression(self):
        # So coarse that a busy machine cannot hide it: what a tenth takes is tried with 100 samples below.
        self.perf("--phase", "START", "--samples", "60", "--save-baseline")
        done, kept = self.perf("--phase", "START", "--samples", "60", plant="START=100%")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(("baseline", "fail"), self.about(kept, "START"))
        self.assertNotIn(("target", "fail"), self.about(kept, "START"))

    def test_other_layers_are_refused(self):
        self.perf("--phase", "KNOWN_GATE", "--samples", "12", "--save-baseline")
        for name in ("phase-stats.json", "samples.json"):
            path = self.out / "baseline" / name
            text = path.read_text()
            diff_id = json.loads((self.out / "baseline/samples.json").read_text())["phases"]["KNOWN_GATE"]["diff_ids"][-1]
            path.write_text(text.replace(diff_id, "sha256:" + "0" * 64))
        done, kept = self.perf("--phase", "KNOWN_GATE", "--samples", "12")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("sha256:" + "0" * 64, done.stderr)

    @unittest.skipUnless(FULL, "twenty pairs of runs: STELLA_TEST_FULL=1")
    def test_noise_is_no_regression_and_a_tenth_is_one(self):
        alarms, missed = [], []
        for pair in range(20):
            out = self.out / str(pair)
            self.perf("--phase", "DELTA_SBOM", "--save-baseline", out=out)
            done, kept = self.perf("--phase", "DELTA_SBOM", out=out)
            if ("baseline", "fail") in self.about(kept, "DELTA_SBOM"):
                alarms.append((pair, done.stdout))
            done, kept = self.perf("--phase", "DELTA_SBOM", plant="DELTA_SBOM=10%", out=out)
            if ("baseline", "fail") not in self.about(kept, "DELTA_SBOM"):
                missed.append((pair, done.stdout))
        self.assertEqual((alarms, missed), ([], []))


if __name__ == "__main__":
    unittest.main()
