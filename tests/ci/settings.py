"""The gate's settings, and what is made of them: the parts between `generated` and `end` of files that people's pipelines take.

    STELLA=PROGRAM python3 tests/ci/settings.py              says which files differ, and ends with 1
    STELLA=PROGRAM python3 tests/ci/settings.py --update     writes them
"""
import collections
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import program  # noqa: E402
from program import ROOT, STELLA  # noqa: E402

Setting = collections.namedtuple("Setting", "name variable help switch repeats values default")


def package():
    """What Cargo.toml says of the whole project: the one place of its version and its repository."""
    with open(os.path.join(ROOT, "Cargo.toml"), "rb") as text:
        return tomllib.load(text)["workspace"]["package"]


def repository():
    """OWNER/NAME."""
    return package()["repository"].removeprefix("https://github.com/")


def settings():
    """Every setting of the gate, in the order of its help."""
    with tempfile.TemporaryDirectory() as work:
        said = subprocess.run([STELLA, "settings"], capture_output=True, text=True, check=True, env=program.environment(work))
    return [Setting(**json.loads(line)) for line in said.stdout.splitlines()]


def words(value):
    """A value as YAML, which JSON is, whatever stands in it."""
    return json.dumps(value, ensure_ascii=False)


def cell(text):
    """A text in a table of Markdown."""
    return text.replace("|", "\\|")


def read(name):
    """A file of the project."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as text:
        return text.read()


# ---- the files --------------------------------------------------------------------------------------------------------

# Modules beside this one, a platform each. Their FILES say which file has which parts: functions from settings to parts, which
# are lines by name.
PLATFORMS = ["action", "components"]


def filled(text, parts):
    """The text with each part between the line that says `generated: PART` and the next that says `end`."""
    for name, lines in parts.items():
        begin = rf"^(?P<begin>[^\n]*\bgenerated: {name}\b[^\n]*\n)"
        text, times = re.subn(begin + r".*?^(?P<end>[^\n]*\bend\b[^\w\n]*\n)", lambda found, lines=lines:
                              found["begin"] + "".join(f"{line}\n" for line in lines) + found["end"], text,
                              flags=re.DOTALL | re.MULTILINE)
        if times != 1:
            raise ValueError(f"{times} places for the part {name}, not one")
    return text


def differences():
    """Pairs of each file that is not what the settings make of it, and what it should be."""
    gate = settings()
    files = [file for platform in PLATFORMS for file in importlib.import_module(platform).FILES.items()]
    for name, parts in files:
        is_now = read(name)
        should_be = filled(is_now, parts(gate))
        if is_now != should_be:
            yield os.path.join(ROOT, name), should_be


if __name__ == "__main__":
    update = "--update" in sys.argv[1:]
    found = list(differences())
    for path, should_be in found:
        print(f"{'written' if update else 'differs'}: {os.path.relpath(path, ROOT)}")
        if update:
            with open(path, "w", encoding="utf-8") as out:
                out.write(should_be)
    sys.exit(bool(found) and not update)
