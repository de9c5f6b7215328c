"""The programs that the harness's files are held against, fetched once, and what talking to them takes."""
import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from harness import ROOT, call

FETCHED = os.path.join(ROOT, "target", "test-tools")
PYTHON_PACKAGES = ["check-jsonschema==0.39.0", "prometheus-client==0.23.1"]


def fetch(*command, **more):
    """Runs what gets a tool; where it cannot be got, the test says so and is skipped."""
    done = call(*command, **more)
    if done.returncode != 0:
        raise unittest.SkipTest(f"no {command[-1]}: {' '.join(command)} ended with {done.returncode}: "
                                f"{done.stderr.strip()[-300:]}")


def debian(package, program):
    """A program of a Debian package, unpacked without installing it: no service is started."""
    place = os.path.join(FETCHED, "debian", package)
    path = os.path.join(place, "usr", "bin", program)
    if not os.path.exists(path):
        if not shutil.which("apt-get"):
            raise unittest.SkipTest(f"no {program}: it comes from Debian's package {package}, and here is no apt-get")
        os.makedirs(FETCHED, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FETCHED) as work:
            fetch("apt-get", "download", "-q", package, cwd=work)
            fetch("dpkg", "-x", *glob.glob(os.path.join(work, "*.deb")), os.path.join(work, "root"))
            shutil.copytree(os.path.join(work, "root"), place, symlinks=True, dirs_exist_ok=True)
    return path


def python(program="python", packages=tuple(PYTHON_PACKAGES)):
    """A program of a virtual environment with pinned packages."""
    place = os.path.join(FETCHED, "python-" + "-".join(name.replace("==", "-") for name in packages))
    done = os.path.join(place, "complete")
    if not os.path.exists(done):
        fetch("python3", "-m", "venv", "--clear", place)
        fetch(os.path.join(place, "bin", "pip"), "install", "-q", "--disable-pip-version-check", *packages)
        with open(done, "w", encoding="utf-8"):
            pass
    return os.path.join(place, "bin", program)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get_json(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return json.load(answer)


def wait_for(what, condition, seconds=20):
    """Asks until it is so; what stops the question itself counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            answer = condition()
            if answer:
                return answer
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def running(log, *command):
    """A process that is stopped by its id, whatever happens."""
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=os.path.dirname(log))
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
