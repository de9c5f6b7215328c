"""The programs under test, run in a scrubbed world, and the demo image in its many forms."""
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, "tests", "fixtures", "demo-image")
ADVISORIES = os.path.join(ROOT, "tests", "fixtures", "advisories")
STELLA = os.environ.get("STELLA", os.path.join(ROOT, "target", "release", "stella"))
STELLA_SERVER = os.environ.get("STELLA_SERVER", os.path.join(ROOT, "target", "release", "stella-server"))
TIMEOUT_S = 120


def readme_gate():
    """The arguments of the README's gate: what comes after `stella`, without its reports."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
        line = next(line for line in readme if line.startswith("cargo run --release -- gate "))
    words = iter(shlex.split(line.split(" -- ", 1)[1])[2:])
    # `-o` takes the word after it along.
    return [word for word in words if word != "-o" or not next(words)]


def environment(work):
    """Only what a program needs: nothing of the CI it may run in takes part."""
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
    return {**kept, "HOME": work, "XDG_CACHE_HOME": os.path.join(work, "cache")}


def call(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)


def prepare(*command):
    """Runs what a test needs before it can look; fails loudly."""
    done = call(*command)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def gate(work, image, *arguments):
    """Gates `image`: exit code, JSON report (None if there is none), stderr."""
    report = os.path.join(work, "report.json")
    with contextlib.suppress(FileNotFoundError):
        os.remove(report)
    done = call(STELLA, "gate", image, "-o", f"json={report}", *arguments, cwd=ROOT, env=environment(work))
    if not os.path.exists(report):
        return done.returncode, None, done.stderr
    with open(report, encoding="utf-8") as text:
        return done.returncode, json.load(text), done.stderr


@contextlib.contextmanager
def server(work, *arguments):
    """A server on a free port, stopped by its id; gives its address."""
    data = os.path.join(work, "server")
    os.makedirs(data, exist_ok=True)
    log_path = os.path.join(work, "server.log")
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen([STELLA_SERVER, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, *arguments],
                                   stderr=log, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment(work))
    try:
        deadline = time.monotonic() + 20
        while True:
            with open(log_path, encoding="utf-8") as log:
                said = log.read()
            found = re.search(r"127\.0\.0\.1:([1-9]\d*)", said)
            if found:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server named no address; it said: {said}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{found.group(1)}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def skopeo(source, target, *arguments):
    prepare("skopeo", "copy", "--quiet", "--insecure-policy", *arguments, source, target)


def blob(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def manifest(layout):
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as index:
        digest = json.load(index)["manifests"][0]["digest"]
    with open(blob(layout, digest), encoding="utf-8") as text:
        return json.load(text)
