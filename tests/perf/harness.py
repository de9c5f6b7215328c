"""The harness under test, run in a scrubbed world."""
import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.abspath(os.environ.get("STELLA_PERF_BUILT") or os.path.join(ROOT, "target", "release"))
# Images and corpus are written once, not for each test.
CACHE = os.path.join(ROOT, "target", "stella-perf")
TIMEOUT_S = 600
# What each run leaves behind.
FILES = ["junit.xml", "metrics.prom", "metrics.txt", "phase-stats.json", "phases.md", "samples.json"]

# A targets' file of the test's own, in which START has a soft gate.
SOFT = """version: 1
factor: 3
phases:
  START: { target_p95_ms: 1000, gate: soft }
  SBOM_FIRST: { target_p95_ms: 5000, gate: hard }
"""


def environment(work, **variables):
    """Only what a program needs: nothing of the CI that the test may run in takes part."""
    return {"PATH": os.environ["PATH"], "HOME": work, "STELLA_PERF_BUILT": BUILT, **variables}


def call(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as text:
        return text.read()


def read_json(*path):
    return json.loads(read(*path))


class Case(unittest.TestCase):
    """A test with a directory of its own."""

    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = directory.name

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def assert_ends(self, done, code, *words):
        """It ended with `code`, and said `words` to people."""
        self.assertEqual(done.returncode, code, f"{done.args}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        for word in words:
            self.assertIn(word, done.stderr)
        return done

    def perf(self, *arguments):
        """A command of the program itself, from the test's directory."""
        return call(os.path.join(BUILT, "stella-perf"), *arguments, cwd=self.work, env=environment(self.work))

    def measure(self, *arguments, **variables):
        """`perf/run.sh` from the test's directory, with results in `out` below it."""
        return call(os.path.join(ROOT, "perf", "run.sh"), "--out", "out", "--cache", CACHE, *arguments,
                    cwd=self.work, env=environment(self.work, **variables))
