"""The process that measures: whatever ends it or the run, no server and no directory stays."""
import os
import signal
import subprocess
import time
import unittest

from harness import BUILT, CACHE, ROOT, Case, environment, read

LIMIT_S = 60


def wait_for(what, condition):
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {LIMIT_S} s for {what}")


def commands():
    """(process, parent, arguments) of all that run."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as line, open(f"/proc/{name}/stat", encoding="utf-8") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
                    found.append((int(name), parent, line.read().decode("utf-8", "replace").split("\0")))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def directories():
    held = ["/dev/shm", CACHE]
    return {(held, name) for held in held if os.path.isdir(held)
            for name in os.listdir(held) if name.startswith(("stella-perf-", "programs-"))}


class Worker(Case):
    def setUp(self):
        super().setUp()
        self.before = directories()
        with open(self.path("said"), "w", encoding="utf-8") as said:
            # A session of its own, so that a signal for this run is for nobody else.
            self.run_ = subprocess.Popen(
                [os.path.join(BUILT, "stella-perf"), "run", "--phase", "KNOWN_GATE", "--samples", "1000000",
                 "--stella", os.path.join(BUILT, "stella"), "--server", os.path.join(BUILT, "stella-server"),
                 "--targets", os.path.join(ROOT, "perf/targets.yaml"), "--cache", CACHE, "--out", "out"],
                cwd=self.work, env=environment(self.work), stdout=subprocess.DEVNULL, stderr=said,
                start_new_session=True,
                # A shell that runs something in the background has its children ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(self.stop)

    def stop(self):
        if self.run_.poll() is None:
            self.run_.kill()
            self.run_.wait()

    def child(self, parent, word):
        return next((pid for pid, of, arguments in commands() if of == parent and word in arguments), None)

    def started(self):
        """The worker and its server, once there is one that is asked."""
        worker = wait_for("a worker", lambda: self.child(self.run_.pid, "worker"))
        server = wait_for("a server", lambda: self.child(worker, "serve"))
        return worker, server

    def assert_nothing_stays(self, *processes):
        wait_for("an end of all", lambda: not {pid for pid, _, _ in commands()} & set(processes))
        wait_for("no directory left", lambda: not directories() - self.before)

    def ended_by(self, number):
        worker, server = self.started()
        os.kill(self.run_.pid, number)
        self.assertEqual(self.run_.wait(LIMIT_S), -number)
        self.assert_nothing_stays(worker, server)

    def test_a_run_that_is_interrupted_leaves_nothing(self):
        self.ended_by(signal.SIGINT)

    def test_a_run_that_is_killed_leaves_nothing(self):
        self.ended_by(signal.SIGKILL)

    def test_a_worker_that_is_killed_leaves_nothing_and_the_run_says_so(self):
        worker, _ = self.started()
        # While it is measured, not while it is made ready.
        wait_for("samples", lambda: "of 1000000 samples" in read(self.path("said")))
        server = self.child(worker, "serve")
        os.kill(worker, signal.SIGKILL)
        self.assertEqual(self.run_.wait(LIMIT_S), 3)
        self.assert_nothing_stays(worker, *([server] if server else []))


if __name__ == "__main__":
    unittest.main()
