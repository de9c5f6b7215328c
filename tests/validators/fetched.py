"""Programs of others that our files are held against: pinned, fetched once into `target/test-tools`, never installed.

    python3 tests/validators/fetched.py TOOL    fetches `python`, `npm` or `promtool`; where it cannot, says why and ends with 1
"""
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FETCHED = os.path.join(os.path.dirname(os.path.dirname(HERE)), "target", "test-tools")
TIMEOUT_S = 600
MULTITOOL = ("@microsoft", "sarif-multitool-linux", "Sarif.Multitool")


def fetch(*command, **more):
    """Runs what gets a tool; where it cannot be got, the test says so and is skipped."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)
        why = f"ended with {done.returncode}: {done.stderr.strip()[-300:]}" if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        raise unittest.SkipTest(f"no {os.path.basename(command[-1])}: {os.path.basename(command[0])} {why}")


def place(kind, *names):
    """A directory for what these files pin: another one for whatever else they say tomorrow."""
    pinned = hashlib.sha256()
    for name in names:
        with open(os.path.join(HERE, name), "rb") as text:
            pinned.update(text.read())
    return os.path.join(FETCHED, f"{kind}-{pinned.hexdigest()[:16]}")


def complete(directory, make):
    """Makes it where it is not whole yet."""
    done = os.path.join(directory, "complete")
    if not os.path.exists(done):
        os.makedirs(directory, exist_ok=True)
        make()
        with open(done, "w", encoding="utf-8"):
            pass


def python(program="python", requirements=os.path.join(HERE, "requirements.txt")):
    """A program of the virtual environment that `requirements.txt` pins, or another such file."""
    directory = place("python", requirements)

    def make():
        fetch(sys.executable, "-m", "venv", "--clear", directory)
        fetch(os.path.join(directory, "bin", "pip"), "install", "-q", "--disable-pip-version-check",
              "-r", requirements)
    complete(directory, make)
    return os.path.join(directory, "bin", program)


def npm(*path):
    """A file of the packages that `package-lock.json` pins. None of their scripts is run."""
    directory = place("npm", "package.json", "package-lock.json")

    def make():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, name), directory)
        fetch("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", directory)
        # All that its script would do.
        os.chmod(os.path.join(directory, "node_modules", *MULTITOOL), 0o755)
    complete(directory, make)
    return os.path.join(directory, "node_modules", *path)


def debian(package, program):
    """A program of a Debian package, unpacked without installing it: no service is started."""
    directory = os.path.join(FETCHED, "debian", package)
    path = os.path.join(directory, "usr", "bin", program)
    if not os.path.exists(path):
        os.makedirs(FETCHED, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FETCHED) as work:
            fetch("apt-get", "download", "-q", package, cwd=work)
            fetch("dpkg", "-x", *glob.glob(os.path.join(work, "*.deb")), os.path.join(work, "root"))
            shutil.copytree(os.path.join(work, "root"), directory, symlinks=True, dirs_exist_ok=True)
    return path


TOOLS = {"python": python, "npm": npm, "promtool": lambda: debian("prometheus", "promtool")}

if __name__ == "__main__":
    try:
        TOOLS[sys.argv[1]]()
    except unittest.SkipTest as why:
        sys.exit(str(why))
