"""What Stella says of an image and what others say of it, as the same rows."""
import collections
import json
import os
import re
import subprocess
import sys
import unittest

TRUTH = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(TRUTH), "e2e"))

from program import ROOT, STELLA, Case, call, environment, prepare  # noqa: E402

SHARED = os.environ.get("STELLA_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))

Row = collections.namedtuple("Row", "ecosystem name version arch", defaults=[None])
"""A package. `arch` is None where the ecosystem has none."""


def row(package):
    """A package of Stella's listing as a row."""
    return Row(package["ecosystem"], package["name"], package["version"], package.get("arch"))


def inventory(image, work, *ecosystems):
    """The lines of `stella debug inventory`, those of `ecosystems` if some are named."""
    done = subprocess.run([STELLA, "debug", "inventory", "--no-cache", image], capture_output=True, text=True,
                          timeout=300, check=False, env=environment(work))
    # 3 with lines is an inventory that says what it misses; whether the packages are right is what is asked here.
    if done.returncode != 0 and not (done.returncode == 3 and done.stdout):
        raise RuntimeError(f"the inventory of {image} ended with {done.returncode}: {done.stderr[-2000:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if not ecosystems or line["package"]["ecosystem"] in ecosystems]


def places(lines):
    """(path without the root, name, version) of each path of each line."""
    return [(path, line["package"]["name"], line["package"]["version"]) for line in lines for path in line["paths"]]


def python_name(name):
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_metadata(text):
    """Name and version of a METADATA or PKG-INFO, by Python's own reader of such headers."""
    from email.parser import HeaderParser
    header = HeaderParser().parsestr(text)
    return python_name(header["Name"]), header["Version"]


class TruthCase(Case):
    """A test that holds two lists of packages against each other."""

    maxDiff = None

    def assert_same(self, told, found, what=""):
        """`told` by the package manager, `found` by Stella: the same rows, each as often. None at all would prove nothing."""
        told, found = collections.Counter(told), collections.Counter(found)
        self.assertTrue(told, f"{what}: the package manager itself says nothing")
        missing, extra = told - found, found - told

        def some(rows):
            names = [" ".join(str(part) for part in entry if part is not None) for entry in sorted(rows, key=str)]
            return f"{sum(rows.values())} ({', '.join(names[:8])}{', …' if len(names) > 8 else ''})"
        if missing or extra:
            self.fail(f"{what}: of {sum(told.values())} packages {some(missing)} missing, {some(extra)} too many")

    def assert_inventory(self, told, directory, *ecosystems):
        """`told` against all packages of the named ecosystems in a directory."""
        self.assert_same(told, [row(line["package"]) for line in inventory("dir:" + directory, self.work, *ecosystems)])

    def write(self, path, text):
        path = os.path.join(self.work, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path


def fetch(*command, **more):
    """Runs what takes something from a package registry; where that cannot be reached the test is skipped, and says so."""
    done = call(*command, **more)
    # 3 with lines is an inventory that says what it misses; whether the packages are right is what is asked here.
    if done.returncode != 0 and not (done.returncode == 3 and done.stdout):
        why = f"{' '.join(command[:3])} … ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        print(f"skipped: {why}", file=sys.stderr)
        raise unittest.SkipTest(why)
    return done.stdout
