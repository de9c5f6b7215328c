"""What talking to the programs takes that the harness's files are held against."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

from harness import ROOT

sys.path.append(os.path.join(ROOT, "tests", "validators"))
from fetched import FETCHED, debian, python  # noqa: E402, F401


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
