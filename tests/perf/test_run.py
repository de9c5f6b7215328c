"""What `stella-perf run` is called with, and what it ends with: 0 pass, 1 a gate closed, 2 usage, 3 could not measure."""
import json
import os
import unittest

from harness import BUILT, FILES, ROOT, SOFT, Case, call, environment, read, read_json

# A few samples are enough where no figure is looked at.
START = ("--phase", "START", "--samples", "20")


class Run(Case):
    def states(self):
        rows = read_json(self.path("out/latest/phase-stats.json"))["phases"]
        return {row["phase"]: row["state"] for row in rows}

    def test_a_phase_within_its_target_passes(self):
        self.assert_ends(self.measure(*START), 0, "kept in ")
        self.assertEqual(self.states(), {"START": "measured"})

    def test_the_delta_prints_its_table_and_writes_every_file(self):
        done = self.assert_ends(self.measure("--phase", "DELTA_SBOM", "--samples", "20"), 0)
        self.assertEqual(sorted(os.listdir(self.path("out/latest"))), FILES)
        self.assertEqual(done.stdout, read(self.path("out/latest/phases.md")))
        self.assertRegex(done.stdout, r"(?m)^\| phase .* P50 .* P95 .* target .* verdict +\|$")
        self.assertRegex(done.stdout, r"(?m)^\| DELTA_SBOM +\| +20 \|")
        self.assertIn("## Steps of DELTA_SBOM\n", done.stdout)
        [row] = read_json(self.path("out/latest/phase-stats.json"))["phases"]
        self.assertEqual((row["state"], row["samples"]), ("measured", 20))
        series = read_json(self.path("out/latest/samples.json"))["phases"]["DELTA_SBOM"]
        self.assertEqual((len(series["samples_ms"]), len(series["floor_ms"])), (20, 20))
        self.assertTrue(row["diff_ids"])
        self.assertEqual(row["diff_ids"], series["diff_ids"])

    def test_a_hard_gate_closes_and_a_soft_one_does_not(self):
        planted = (*START, "--plant", "START=4x")
        self.assert_ends(self.measure(*planted), 1)
        soft = self.write("soft.yaml", SOFT)
        done = self.measure(*planted, "--targets", soft)
        self.assert_ends(done, 0)
        self.assertRegex(done.stdout, r"\| START .* warn ")

    def test_a_wrong_call_is_told_from_a_failure(self):
        for arguments, words in [
            (("--phase", "STRAT"), ("STRAT", "SBOM_FIRST")),
            (("--phase", "START,"), ("no phase",)),
            (("--phase", "START", "--samples", "0"), ("above 0",)),
            (("--phase", "START", "--samples", "-1"), ()),
            (("--phase", "START", "--samples", "many"), ("above 0",)),
            (("--phase", "START", "--plant", "START=fast"), ("PHASE=4x",)),
            (("--phase", "START", "--plant", "DELTA_SBOM=4x"), ("DELTA_SBOM=4x", "not measured")),
            (("--phase", "START", "--save-baseline", "--baseline", "x"), ("cannot be used",)),
            (("--phase", "START", "--push", "gateway:9091"), ("http://",)),
            (("--phase", "START", "--tickets", "always"), ("auto", "never")),
            (("START",), ()),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_ends(self.measure(*arguments), 2, *words)
        self.assertFalse(os.path.exists(self.path("out")), "nothing is made for a wrong call")

    def test_what_is_not_built_is_no_pass_where_it_was_asked_for(self):
        done = self.measure("--phase", "SBOM_FIRST,START", "--samples", "20")
        self.assert_ends(done, 3)
        self.assertIn("not built yet", done.stdout)
        self.assertEqual(self.states(), {"SBOM_FIRST": "not_built", "START": "measured"})
        self.assert_ends(self.measure("--phase", "SBOM_FIRST"), 3)

    def test_real_feeds_are_measured_beside_the_seeded_ones(self):
        os.makedirs(self.path("feeds/nvd"))
        rating = {"source": "a", "type": "Primary", "cvssData": {
            "version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8,
            "baseSeverity": "CRITICAL"}}
        record = {"cve": {"id": "CVE-2023-0001", "published": "2023-01-02T03:04:05.678", "lastModified": "2023-01-02T03:04:05.678",
                          "vulnStatus": "Analyzed", "descriptions": [{"lang": "en", "value": "A flaw."}],
                          "metrics": {"cvssMetricV31": [rating]}, "references": []}}
        page = {"resultsPerPage": 1, "startIndex": 0, "totalResults": 1, "format": "NVD_CVE", "version": "2.0",
                "timestamp": "2025-01-01T00:00:00.000", "vulnerabilities": [record]}
        self.write("feeds/nvd/nvdcve-2.0-2023.json", json.dumps(page))
        self.write("feeds/README.md", "what no import reads")
        done = self.measure("--phase", "FEED_MERGE", "--samples", "1", "--feeds", "feeds")
        self.assert_ends(done, 0)
        rows = read_json(self.path("out/latest/phase-stats.json"))["phases"]
        self.assertEqual([row["variant"] for row in rows], ["cold", "real-cold", "real-unchanged", "unchanged"])
        records = {row["variant"]: row["facts"]["records"] for row in rows}
        # NVD's and BDU's; the seeded ones have those of packages too.
        self.assertEqual((records["cold"], records["real-cold"]), (201_920, 160_000))
        self.assertIn("multiplied", done.stdout)

    def test_files_that_cannot_be_used_are_named(self):
        unknown = self.write("unknown.yaml", SOFT.replace("SBOM_FIRST", "SBOM_LAST"))
        not_targets = self.write("not.yaml", "phases: [")
        os.mkdir(self.path("empty"))
        file = self.write("file", "")
        for arguments, words in [
            (("--targets", "nowhere.yaml"), ("nowhere.yaml",)),
            (("--targets", unknown), ("unknown.yaml", "SBOM_LAST")),
            (("--targets", not_targets), ("not.yaml",)),
            (("--baseline", "nowhere"), ("nowhere/phase-stats.json",)),
            (("--baseline", "empty"), ("empty/phase-stats.json",)),
            (("--out", file), (file,)),
            (("--out", "/proc/self/out"), ("/proc/self/out",)),
            (("--stella", "nowhere"), ("nowhere", "build it first")),
            (("--feeds", "nowhere"), ("--feeds nowhere",)),
        ]:
            with self.subTest(arguments=arguments):
                done = self.measure(*START, *arguments)
                self.assert_ends(done, 3, *words)
                self.assertNotIn("making ready", done.stderr, "it is said before anything is measured")

    def test_a_baseline_of_another_form_is_refused(self):
        os.mkdir(self.path("other"))
        self.write("other/phase-stats.json", '{"schema": 99}')
        self.assert_ends(self.measure(*START, "--baseline", "other"), 3, "schema 99")

    def test_a_planted_run_is_never_the_baseline(self):
        self.measure(*START, "--save-baseline", "--plant", "START=1%")
        self.assertFalse(os.path.exists(self.path("out/baseline")))
        self.measure(*START, "--save-baseline")
        self.assertTrue(os.path.exists(self.path("out/baseline/phase-stats.json")))


class Script(Case):
    """`perf/run.sh` itself."""

    def test_help_is_the_programs(self):
        done = self.measure("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("Exit codes: 0 ", done.stdout)
        self.assertIn("--samples <N>", done.stdout)

    def test_a_variable_that_is_empty_is_not_set(self):
        done = self.measure(*START, STELLA_PERF_PLANT="", STELLA_PERF_TICKETS="", STELLA_PERF_FEEDS="")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_programs_that_are_not_there_are_named(self):
        done = self.measure(STELLA_PERF_BUILT=self.path("nowhere"))
        self.assertEqual(done.returncode, 3)
        self.assertIn(self.path("nowhere/stella"), done.stderr)

    def test_a_build_that_fails_says_why(self):
        cargo = self.write("cargo", "#!/bin/sh\necho 'error: no space' >&2\nexit 101\n")
        os.chmod(cargo, 0o755)
        done = self.measure(STELLA_PERF_BUILT="", PATH=self.work + ":" + os.environ["PATH"])
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("no space", done.stderr)

    def test_it_builds_where_cargo_is_told_to_from_any_directory(self):
        # Stands in for cargo: notes where it was called, and "builds" by copying.
        log = self.path("log")
        cargo = self.write("cargo", f"""#!/bin/sh
echo "$PWD $CARGO_TARGET_DIR $*" >>'{log}'
case $1 in
    build) mkdir -p "$CARGO_TARGET_DIR/release"
           for p in stella stella-server stella-perf; do cp "{BUILT}/$p" "$CARGO_TARGET_DIR/release"; done ;;
    metadata) printf '{{"packages":[],"target_directory":"%s","version":1}}\\n' "$CARGO_TARGET_DIR" ;;
esac
""")
        os.chmod(cargo, 0o755)
        done = self.measure(*START, STELLA_PERF_BUILT="", CARGO_TARGET_DIR="built",
                            PATH=self.work + ":" + os.environ["PATH"])
        self.assertEqual(done.returncode, 0, done.stderr)
        first = read(log).splitlines()[0]
        self.assertEqual(first.split()[:2], [os.path.realpath(ROOT), self.path("built")])
        self.assertIn("--locked", first)
        self.assertTrue(os.path.exists(self.path("out/latest/phases.md")), "--out is the caller's")

    def test_it_is_called_by_another_name(self):
        os.symlink(os.path.join(ROOT, "perf"), self.path("a link"))
        done = call(self.path("a link/run.sh"), "--version", cwd="/", env=environment(self.work))
        # The option is the program's, not the command's: usage, and it got as far as the program.
        self.assertEqual(done.returncode, 2, done.stderr)


if __name__ == "__main__":
    unittest.main()
