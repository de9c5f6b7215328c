"""The gates on real measurements: planted slow-downs close them, noise alone does not.

A few runs each; STELLA_TEST_FULL=1 makes it ten runs in a row and twenty pairs of runs, a quarter of an hour, for which the
machine should have nothing else to do.
"""
import os
import unittest

from harness import Case, read, read_json

FULL = os.environ.get("STELLA_TEST_FULL") == "1"


class Gates(Case):
    def run_phases(self, phases, samples, *more, out="out", plant=None):
        """Exit code, the kept results, and what was said."""
        done = self.measure("--phase", phases, "--samples", str(samples), "--out", out, *more,
                            **({"STELLA_PERF_PLANT": plant} if plant else {}))
        return done.returncode, read_json(self.path(out), "latest", "phase-stats.json"), done.stdout + done.stderr

    def about(self, kept, phase):
        row = next(row for row in kept["phases"] if row["phase"] == phase)
        return {(reason["about"], reason["outcome"]) for reason in row["judgement"]["reasons"]}


class PlantedSlowDowns(Gates):
    def test_four_times_the_target_breaks_a_hard_phase(self):
        code, kept, said = self.run_phases("DELTA_SBOM", 5, plant="DELTA_SBOM=4x")
        self.assertEqual(code, 1, said)
        self.assertIn(("target", "fail"), self.about(kept, "DELTA_SBOM"))
        self.assertEqual(kept["planted"], ["DELTA_SBOM=4x"])
        self.assertIn("PLANTED", said)

    def test_four_times_the_target_warns_of_a_soft_phase(self):
        code, kept, said = self.run_phases("FEED_MERGE", 3, plant="FEED_MERGE=4x")
        self.assertEqual(code, 0, said)
        self.assertIn(("target", "warn"), self.about(kept, "FEED_MERGE"))

    def test_without_one_runs_in_a_row_pass(self):
        for number in range(10 if FULL else 1):
            code, kept, said = self.run_phases("DELTA_SBOM,FEED_MERGE", 10 if FULL else 3, out=f"run-{number}")
            self.assertEqual(code, 0, f"run {number}: {said}")
            for phase in ("DELTA_SBOM", "FEED_MERGE"):
                self.assertNotIn("target", {about for about, _ in self.about(kept, phase)}, f"run {number}: {said}")

    def test_a_planted_run_is_never_the_baseline(self):
        _, _, said = self.run_phases("START", 20, "--save-baseline", plant="START=10%")
        self.assertFalse(os.path.exists(self.path("out/baseline")))
        self.assertIn("not stored as the baseline", said)


class Baseline(Gates):
    def test_twice_as_slow_is_a_regression(self):
        # So coarse that a busy machine cannot hide it; what a tenth takes is tried below.
        code, _, said = self.run_phases("START", 60, "--save-baseline")
        self.assertEqual(code, 0, said)
        code, kept, said = self.run_phases("START", 60, plant="START=100%")
        self.assertEqual(code, 1, said)
        self.assertEqual(self.about(kept, "START"), {("baseline", "fail")})
        self.assertTrue(kept["baseline"]["in_turns"])

    def test_what_is_compared_are_the_stored_programs_not_the_stored_samples(self):
        self.run_phases("START", 20, "--save-baseline")
        # A slower program in the baseline's place: this run is then the faster one.
        stella = self.path("out/baseline/programs/stella")
        os.rename(stella, stella + ".real")
        self.write("out/baseline/programs/stella", f"#!/bin/sh\n/bin/sleep 0.05\nexec {stella}.real \"$@\"\n")
        os.chmod(stella, 0o755)
        code, kept, said = self.run_phases("START", 20)
        self.assertEqual(code, 0, said)
        self.assertEqual(kept["phases"][0]["comparison"]["verdict"], "improvement", said)

    def test_a_baseline_whose_programs_do_not_run_is_no_comparison(self):
        self.run_phases("START", 20, "--save-baseline")
        self.write("out/baseline/programs/stella-perf", "#!/bin/sh\nexit 1\n")
        code, kept, said = self.run_phases("START", 20)
        self.assertEqual(code, 3, said)
        self.assertIn("store a new baseline with --save-baseline", said)
        self.assertIsNone(kept["phases"][0]["comparison"])

    def test_another_source_is_refused_and_named(self):
        self.run_phases("START", 20, "--save-baseline")
        text = read(self.path("out/baseline"), "phase-stats.json")
        self.write("out/baseline/phase-stats.json", text.replace('"stella --version"', '"another program"'))
        code, kept, said = self.run_phases("START", 20)
        self.assertEqual(code, 3, said)
        self.assertIn("another program", said)
        self.assertIsNone(kept["phases"][0]["comparison"])

    def test_other_layers_are_refused_and_named(self):
        self.run_phases("KNOWN_GATE", 20, "--save-baseline")
        samples = read_json(self.path("out/baseline/samples.json"))
        for name in ("phase-stats.json", "samples.json"):
            text = read(self.path("out/baseline"), name)
            self.write(f"out/baseline/{name}", text.replace(samples["phases"]["KNOWN_GATE"]["diff_ids"][-1],
                                                            "sha256:" + "0" * 64))
        code, kept, said = self.run_phases("KNOWN_GATE", 20)
        self.assertEqual(code, 3, said)
        self.assertIn("sha256:" + "0" * 64, said)
        self.assertIsNone(kept["phases"][0]["comparison"])
        self.assert_ends(self.perf("compare", "out/baseline", "out/latest"), 3, "sha256:" + "0" * 64)

    @unittest.skipUnless(FULL, "phases with their own numbers of samples: STELLA_TEST_FULL=1")
    def test_no_phase_differs_from_itself_and_each_shows_what_was_planted(self):
        # A question of a seventh of a millisecond hides a tenth of itself on a machine that others share.
        planted = {"POLICY_EVAL": 10, "KNOWN_GATE": 10, "LAYERS_MISSING": 25, "REPORTS": 10, "START": 10}
        together = ["--phase", ",".join(planted)]
        self.assert_ends(self.measure(*together, "--samples", "20", "--save-baseline"), 0)

        def verdicts(*more):
            done = self.measure(*together, *more)
            rows = read_json(self.path("out/latest/phase-stats.json"))["phases"]
            return {row["phase"]: row["comparison"]["verdict"] for row in rows}, done.stdout

        found, said = verdicts()
        self.assertLessEqual(set(found.values()), {"unchanged", "unclear"}, said)
        found, said = verdicts("--plant", ",".join(f"{phase}={percent}%" for phase, percent in planted.items()))
        self.assertEqual(found, dict.fromkeys(planted, "regression"), said)

    @unittest.skipUnless(FULL, "twenty pairs of runs: STELLA_TEST_FULL=1")
    def test_noise_alone_is_no_regression_and_a_tenth_is_one(self):
        wrong = []
        self.run_phases("DELTA_SBOM", 20, "--save-baseline")
        for number in range(1, 21):
            _, kept, said = self.run_phases("DELTA_SBOM", 100)
            if self.about(kept, "DELTA_SBOM"):
                wrong.append(f"pair {number}, equal: {said}")
            if number % 4 == 0:
                _, kept, said = self.run_phases("DELTA_SBOM", 100, plant="DELTA_SBOM=10%")
                if ("baseline", "fail") not in self.about(kept, "DELTA_SBOM"):
                    wrong.append(f"pair {number}, a tenth slower: {said}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
