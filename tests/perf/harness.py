"""The harness under test, run in a scrubbed world."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.environ.get("STELLA_PERF_BUILT") or os.path.join(ROOT, "target", "release")
TIMEOUT_S = 600

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


class Case(unittest.TestCase):
    """A test with a directory of its own."""

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

    def read(self, *name):
        with open(os.path.join(self.work, *name), encoding="utf-8") as text:
            return text.read()

    def measure(self, *arguments, variables=None):
        """`perf/run.sh` from the test's directory, with results in `out` below it."""
        return call(os.path.join(ROOT, "perf", "run.sh"), "--out", "out", "--cache", "cache", *arguments,
                    cwd=self.work, env=environment(self.work, **(variables or {})))
