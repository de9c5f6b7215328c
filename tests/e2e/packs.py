"""Real advisories, packed: `../shared/data`, or where `STELLA_SHARED` says. Each pack is `NAME.tar.zst` with a folder NAME."""
import os
import subprocess
import unittest

from program import ROOT

DATA = os.path.join(os.environ.get("STELLA_SHARED", os.path.join(os.path.dirname(ROOT), "shared")), "data")


def pack(name):
    """Where it lies; a test that needs it is skipped where it does not."""
    path = os.path.join(DATA, f"{name}.tar.zst")
    if not os.path.exists(path):
        raise unittest.SkipTest(f"the pack {name} is not beside this checkout: {DATA}")
    return path


def unpacked(name, into, *members):
    """Its folder, unpacked below `into`; only `members` of it where some are given, by their paths in it."""
    members = [f"{name}/{member}" for member in members]
    with subprocess.Popen(["zstd", "-dc", "--long=27", pack(name)], stdout=subprocess.PIPE) as unpack:
        subprocess.run(["tar", "--extract", "--directory", into, *members], stdin=unpack.stdout, check=True)
    return os.path.join(into, name)
