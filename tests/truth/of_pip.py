"""What pip says, and the metadata that it does not look at, as rows."""
import json
import os

from truth import Row, python_metadata, python_name

LIST = ("-m", "pip", "list", "--disable-pip-version-check", "--format", "json")


def packages(text):
    """The rows of `pip list --format json`."""
    return [Row("pypi", python_name(entry["name"]), entry["version"]) for entry in json.loads(text)]


def metadata(root):
    """Every METADATA or PKG-INFO of a `*.dist-info` or `*.egg-info` below `root`: its path without the root, name, version."""
    for directory, directories, names in os.walk(root):
        kind = os.path.basename(directory).lower()
        files = [name for name in names if name.lower().endswith(".egg-info")]
        if kind.endswith((".dist-info", ".egg-info")) or kind == "egg-info":
            files += [name for name in ("METADATA", "PKG-INFO") if name in names][:1]
        for name in files:
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8", errors="replace") as text:
                yield (os.path.relpath(path, root), *python_metadata(text.read()))
