"""buildx and BuildKit's daemon, which Debian 12 does not have: made from their sources, once, into target/test-tools.

Go's proxy has the sources; the sums of the two are pinned here, those of what they are made with in their own go.sum. A Go that
is older than modules that name their own toolchain gets it the same way.

    python3 tests/ci/buildkit.py    makes them; where their sources cannot be had, says why and ends with 1
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import gitlab
from gitlab import complete

MODULES = (
    ("github.com/docker/buildx@v0.38.2", "h1:TTn5GXRaZatKpvJ4l7xXuS/N8kTIkLFP0WvGRkbbW9U=", "./cmd/buildx", "docker-buildx"),
    ("github.com/moby/buildkit@v0.34.2", "h1:fXgOe79JW5zJNDumRtwTemOklLX66otQokObUXuiGJo=", "./cmd/buildkitd", "buildkitd"),
)
TOOLCHAIN = "golang.org/toolchain@v0.0.1-go1.26.8.linux-{processor}"
PROCESSOR = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
# The first that gets what a module asks for by itself.
OF_ITSELF = (1, 21)
ENVIRONMENT = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def source(go, module, pinned=None):
    """The directory of a module's source."""
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run([go, "mod", "download", "-json", module], cwd=work, env={**ENVIRONMENT, "GOFLAGS": ""},
                              capture_output=True, text=True, check=False, timeout=600)
    said = f"{done.stdout.strip()[-300:]} {done.stderr.strip()[-300:]}"
    if done.returncode and re.search("dial tcp|no such host|i/o timeout", said):
        raise unittest.SkipTest(f"no {module}: {said}")
    if done.returncode:
        raise RuntimeError(f"no {module}: {said}")
    found = json.loads(done.stdout)
    if pinned and found["Sum"] != pinned:
        raise RuntimeError(f"{module} is not what was pinned: {found['Sum']}")
    return found["Dir"]


def toolchain():
    """A Go that can make them."""
    go = shutil.which("go")
    if not go:
        raise unittest.SkipTest("no go: install Debian's package golang-go")
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, re.search(r"go(\d+)\.(\d+)", said).groups())) >= OF_ITSELF:
        return go
    directory = source(go, TOOLCHAIN.format(processor=PROCESSOR))
    for folder in ("bin", os.path.join("pkg", "tool", f"linux_{PROCESSOR}")):
        for name in os.listdir(os.path.join(directory, folder)):
            os.chmod(os.path.join(directory, folder, name), stat.S_IRWXU)
    return os.path.join(directory, "bin", "go")


def programs():
    """The directory of `docker-buildx` and `buildkitd`."""
    directory = os.path.join(gitlab.FETCHED, "-".join(module.split("/")[-1].replace("@", "-") for module, *_ in MODULES))

    def make():
        go = toolchain()
        for module, pinned, package, name in MODULES:
            done = subprocess.run([go, "build", "-trimpath", "-o", os.path.join(directory, name), package], env=ENVIRONMENT,
                                  cwd=source(go, module, pinned), capture_output=True, text=True, check=False, timeout=1800)
            if done.returncode:
                raise RuntimeError(f"{module} cannot be made: {done.stderr.strip()[-1000:]}")
    complete(directory, make)
    return directory


if __name__ == "__main__":
    try:
        programs()
    except unittest.SkipTest as why:
        sys.exit(str(why))
