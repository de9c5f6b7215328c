"""Every report of runs that end in every way, made once by the program itself."""
import atexit
import datetime
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import hostile

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import program  # noqa: E402
from program import ADVISORIES, DEMO, ROOT, STELLA, tar, write_layout  # noqa: E402

# By the name that `-o` knows them by.
FORMS = ["table", "json", "sarif", "junit", "gitlab", "gitlab-15.0", "gitlab-15.2", "codequality", "markdown", "github", "metrics"]
GITLAB = {"gitlab-15.0": "15.0.", "gitlab": "15.1.", "gitlab-15.2": "15.2."}
# The gate's exit code, where a gate makes them; else a report that was written by hand.
GATED = {"demo": 1, "clean": 0, "unfinished": 3}
WRITTEN = {"hostile": hostile.report, "noise": hostile.noise, "nothing": hostile.nothing}
KINDS = [*GATED, *WRITTEN]
TIMEOUT_S = 600

DEBIAN = ("etc/os-release", "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n")
PACKAGE = "Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.10-3\n\n"


@functools.cache
def work():
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    return directory.name


def run(*command, code=0, **more):
    """Runs the program under test; it must end with `code`."""
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, env=program.environment(work()), **more)
    if done.returncode != code:
        raise AssertionError(f"{command} ended with {done.returncode}, not {code}: {done.stderr.decode()[-2000:]}")
    return done


@functools.cache
def advisories():
    """The demo's advisories, imported: unlike the demo's snapshot fit to say that an image is clean."""
    path = os.path.join(work(), "advisories.db")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    run(STELLA, "feeds", "import", ADVISORIES, "--fetched", today, "--advisories", path)
    return path


def image(kind):
    """What is gated: arguments of the gate."""
    if kind == "demo":
        dockerfile = os.path.join(os.path.dirname(DEMO), "demo-source", "Dockerfile")
        return [f"oci:{DEMO}", "--advisories", "demo", "--dockerfile", dockerfile]
    entries = [DEBIAN, ("var/lib/dpkg/status", PACKAGE)]
    if kind == "unfinished":
        entries.append(("srv/app/broken.jar", "PK\x03\x04 and nothing that unpacks"))
    layer = tar(entries)
    return [f"oci:{write_layout(os.path.join(work(), f'image-{kind}'), [(layer, layer)])}", "--advisories", advisories()]


@functools.cache
def made(kind):
    """A directory with the run's reports, each named as its form."""
    directory = os.path.join(work(), kind)
    os.makedirs(directory, exist_ok=True)
    outputs = [f"{form}={os.path.join(directory, form)}" for form in FORMS]
    if kind in GATED:
        run(STELLA, "gate", *image(kind), *(word for output in outputs for word in ("-o", output)), code=GATED[kind], cwd=ROOT)
    else:
        kept = os.path.join(work(), f"{kind}.json")
        hostile.write(WRITTEN[kind](), kept)
        convert(kept, *outputs)
    return directory


def convert(kept, *outputs):
    """Converts a kept report; gives what is on stdout."""
    return run(STELLA, "convert", kept, *(word for output in outputs for word in ("-o", output))).stdout


def path(kind, form):
    return os.path.join(made(kind), form)


def read(kind, form):
    """A report's text, which is whole UTF-8."""
    with open(path(kind, form), encoding="utf-8", newline="") as text:
        return text.read()


def read_json(kind, form):
    return json.loads(read(kind, form))


def each(*forms, kinds=None):
    """A test of these forms, for every kind of run: each in a subtest of its own."""
    def of(test):
        @functools.wraps(test)
        def all_of_them(self):
            for kind in kinds or KINDS:
                for form in forms:
                    with self.subTest(kind=kind, form=form):
                        test(self, kind, form)
        return all_of_them
    return of


def is_whole(kind):
    """Whether something was looked at, and all of it."""
    results = read_json(kind, "json")["results"]
    return bool(results) and not any(result["looked_at"]["skipped"] for result in results)


class Case(unittest.TestCase):
    """A test of reports."""

    maxDiff = None

    def assert_text(self, text, most, least=1):
        """A text on one line that does nothing, `least` to `most` characters long."""
        self.assertIsInstance(text, str)
        self.assertTrue(least <= len(text) <= most, f"{len(text)} characters: {text[:100]!r}")
        self.assertEqual(acting(text), [], text[:200])


# What does something instead of being seen: controls, marks of the writing direction, ends of lines, noncharacters.
ACTING = frozenset(map(chr, [*range(0x20), *range(0x7f, 0xa0), 0x61c, 0x200e, 0x200f, 0x2028, 0x2029, *range(0x202a, 0x202f),
                             *range(0x2066, 0x206a), 0xfeff, *range(0xfdd0, 0xfdf0), 0xfffe, 0xffff, *range(0xe0000, 0xe0080)]))


def acting(text, allowed=""):
    return sorted(set(text) & (ACTING - set(allowed)))


def commands(text, annotations=False):
    """Lines that a runner which reads them in its log takes for a command (actions/runner, `ActionCommand.cs`: `::name::` where a
    line begins, `##[name]` anywhere; Azure's and TeamCity's are alike). A line ends as .NET has it."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if line.lstrip().startswith("::") and not annotations or re.search(r"##(\[|vso\[|teamcity\[)", line):
            found.append(line[:200])
    return found
