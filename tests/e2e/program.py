"""The programs under test, run in a scrubbed world, and the demo image in its many forms."""
import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, "tests", "fixtures", "demo-image")
ADVISORIES = os.path.join(ROOT, "tests", "fixtures", "advisories")
STELLA = os.environ.get("STELLA", os.path.join(ROOT, "target", "release", "stella"))
STELLA_SERVER = os.environ.get("STELLA_SERVER_PROGRAM", os.path.join(ROOT, "target", "release", "stella-server"))
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
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "SOURCE_DATE_EPOCH") if name in os.environ}
    return {**kept, "HOME": work, "XDG_CACHE_HOME": os.path.join(work, "cache")}


def call(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)


def prepare(*command, **more):
    """Runs what a test needs before it can look; fails loudly."""
    done = call(*command, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def gate(work, image, *arguments, cwd=ROOT, variables=None):
    """Gates `image` in the directory `cwd`: exit code, JSON report (None if nothing was looked at), stderr."""
    report = os.path.join(work, "report.json")
    with contextlib.suppress(FileNotFoundError):
        os.remove(report)
    done = call(STELLA, "gate", image, "-o", f"json={report}", *arguments, cwd=cwd,
                env={**environment(work), **(variables or {})})
    if not os.path.exists(report):
        return done.returncode, None, done.stderr
    with open(report, encoding="utf-8") as text:
        said = json.load(text)
    return done.returncode, said if said["results"] else None, done.stderr


@contextlib.contextmanager
def server(work, *arguments):
    """A server on a free port, stopped by its id; gives its address."""
    with server_process(work, *arguments) as (address, _):
        yield address


@contextlib.contextmanager
def server_process(work, *arguments):
    """As `server`, with the process: a test may end it itself."""
    data = os.path.join(work, "server")
    os.makedirs(data, exist_ok=True)
    command = [STELLA_SERVER, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, *arguments]
    with listening(command, os.path.join(work, "server.log"), r"127\.0\.0\.1:([1-9]\d*)", cwd=ROOT,
                   env=environment(work)) as (port, process):
        yield f"http://127.0.0.1:{port}", process


@contextlib.contextmanager
def listening(command, log_path, address, **more):
    """A process that says in its log where it listens, stopped by its id; gives the group of `address`, and the process."""
    with open(log_path, "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **more)
    try:
        deadline = time.monotonic() + 20
        while True:
            with open(log_path, encoding="utf-8") as log:
                said = log.read()
            found = re.search(address, said)
            if found:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} named no address; it said: {said}")
            time.sleep(0.02)
        yield found.group(1), process
    finally:
        if process.poll() is None:
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


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def image(put, layers, history=None, config=None, manifest=None):
    """Stores an image of pairs of blob and uncompressed tar, or its digest, and gives its descriptor.

    `put` stores bytes; `config` and `manifest` may spoil their document: from a value to a value or bytes."""
    def store(document, spoil):
        spoilt = spoil(document) if spoil else document
        return put(spoilt if isinstance(spoilt, bytes) else json.dumps(spoilt).encode())
    kind = "application/vnd.oci.image."
    config = store({"os": "linux", "architecture": "amd64", "history": history or [],
                    "rootfs": {"type": "layers", "diff_ids": [tar if isinstance(tar, str) else sha256(tar) for _, tar in layers]}}, config)
    return {"mediaType": kind + "manifest.v1+json", **store({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": [{"mediaType": kind + "layer.v1.tar+gzip", **put(stored)} for stored, _ in layers]}, manifest)}


def write_layout(directory, layers, history=None, index=None, **spoil):
    """An OCI layout of one image; as `image`, and `index` may add others: from `put` and a value to a value."""
    os.makedirs(os.path.join(directory, "blobs", "sha256"))

    def put(data):
        with open(blob(directory, sha256(data)), "wb") as out:
            out.write(data)
        return {"digest": sha256(data), "size": len(data)}
    top = {"schemaVersion": 2, "manifests": [image(put, layers, history, **spoil)]}
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as out:
        json.dump(index(put, top) if index else top, out)
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as out:
        out.write('{"imageLayoutVersion": "1.0.0"}')
    return directory


def tar(entries):
    """The bytes of a tar with these entries: (name, data), where data is a file's bytes or text, or one of those below."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in entries:
            member = tarfile.TarInfo()
            member.name = name
            if isinstance(data, tuple):
                member.type, member.linkname = data
                archive.addfile(member)
                continue
            data = data.encode() if isinstance(data, str) else data
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


DIRECTORY = (tarfile.DIRTYPE, "")


def link(target):
    return tarfile.SYMTYPE, target


def hard_link(target):
    return tarfile.LNKTYPE, target


class Case(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = directory.name

    def path(self, name):
        return os.path.join(self.work, name)
