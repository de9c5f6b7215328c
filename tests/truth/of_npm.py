"""What npm says, and the package.json files of installed packages, as places and names."""
import json
import os

from truth import call

FILE = "package.json"


def packages(project):
    """(directory, name, version) of each package of `npm ls --all --json --long`, below the project and links followed.

    npm ends with 1 where a dependency is wrong or missing, and lists what is there all the same."""
    done = call("npm", "ls", "--all", "--json", "--long", "--offline", cwd=project)
    found, project = set(), os.path.realpath(project)

    def walk(node):
        for child in node.get("dependencies", {}).values():
            # One that is optional and not there has no place.
            if "path" in child and not child.get("missing"):
                found.add((os.path.realpath(child["path"]), child["name"], child.get("version", "")))
            walk(child)
    walk(json.loads(done.stdout))
    return sorted(entry for entry in found if entry[0] != project)


def installed(root):
    """(path of package.json without the root, name, version) of every directory in a `node_modules` that has a name.

    Those are the places from which Node's `require` takes a package; what has a dot before its name is none. The path is the
    real one, where a link leads to the package."""
    found = set()
    for directory, directories, _ in os.walk(root):
        if "node_modules" in directories:
            modules = _inside(root, os.path.join(directory, "node_modules"))
            for place in [modules, *(entry.path for entry in os.scandir(modules) if entry.name.startswith("@"))]:
                for entry in os.scandir(place):
                    path = os.path.join(_inside(root, entry.path), FILE)
                    if not entry.name.startswith((".", "@")) and os.path.isfile(path):
                        found |= set(_package(root, path))
    return found


# What a package's own tests look at.
TESTS = {"test", "tests", "__tests__", "fixtures", "__fixtures__", "testdata"}


def copies(root):
    """The same of packages that a bundler put into another one, which npm does not know: below a `node_modules`, in a
    directory of their own name, with a version, meant to be published, and none of a package's tests."""
    found = set()
    for directory, _, files in os.walk(root):
        inner = os.path.relpath(directory, root)
        _, below, rest = inner.partition("node_modules/")
        if FILE in files and below and not TESTS.intersection(rest.split("/")):
            path = os.path.join(directory, FILE)
            with open(path, encoding="utf-8-sig") as text:
                try:
                    package = json.load(text)
                except ValueError:
                    continue
            if isinstance(package, dict) and package.get("version") and package.get("private") is not True:
                found |= {entry for entry in _package(root, path) if inner.endswith("/" + entry[1])}
    return found - installed(root)


def _inside(root, path):
    """Where a path leads, links from the image's root on."""
    while os.path.islink(path):
        target = os.readlink(path)
        path = root + target if target.startswith("/") else os.path.join(os.path.dirname(path), target)
    return os.path.normpath(path)


def _package(root, path):
    with open(path, encoding="utf-8-sig") as text:
        package = json.load(text)
    if isinstance(package.get("name"), str):
        yield os.path.relpath(path, root), package["name"], package.get("version", "")
