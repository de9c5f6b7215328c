"""Whole images: what the package managers say of the files of each, against its inventory.

    STELLA_TEST_IMAGES=DIRECTORY python3 tests/truth/images.py

The directory holds OCI layouts, `oci/NAME`; each but the zstd twins is unpacked by umoci and asked:

- dpkg: `dpkg-query --admindir -W` on the root (the files of `status.d` put together where there is no dpkg).
- rpm: `rpm -qa` on a copy of the database. apk: a reader of our own.
- Python: `pip list` in a chroot, and every METADATA and PKG-INFO of the tree; pip must know those of its `sys.path`, so the
  walk is held against pip and the inventory against the walk.
- npm: `npm ls --all --json` in each project, and every package.json of a `node_modules`; held together likewise. Copies that
  a bundler put into another package, which npm does not know, by a walk.
- Go: `go version -m` on every file. Rust: the section of cargo-auditable, by a reader of our own.
- Java: `pom.properties` of every archive at any depth, by Python's zipfile: each must be in the inventory. An archive
  without one has no name that all agree on: what the inventory says of it must have a version that its manifest or its file
  name says.

A file of a language that dpkg owns, as `dpkg-query --search` says, is no package of its own: the inventory must have it as an
identity of the package that owns it, and every other as a package. Without root,
pip is not asked; without Go, no Go program is.
"""
import collections
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import of_dpkg as dpkg
import of_files
import of_npm as npm
import of_pip as pip
import of_rpm as rpm
from truth import TruthCase, call, inventory, places, prepare, row

IMAGES = os.path.join(os.environ.get("STELLA_TEST_IMAGES", ""), "oci")
# Of what ecosystems a file tells here; a program known by its text alone is nobody's package to ask about.
ASKED = {"deb", "rpm", "apk", "pypi", "npm", "maven", "golang", "cargo", "generic"}
ADMIN = "var/lib/dpkg"

Unpacked = collections.namedtuple("Unpacked", "name root lines")


def unpack(work, name):
    """The image's files, and its inventory."""
    layout, root = os.path.join(IMAGES, name), os.path.join(work, name)
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as index:
        (manifest,) = json.load(index)["manifests"]
    tag = manifest.get("annotations", {}).get("org.opencontainers.image.ref.name", "latest")
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    subprocess.run(["umoci", "raw", "unpack", *rootless, "--image", f"{layout}:{tag}", root], check=True, capture_output=True)
    return Unpacked(name, root, inventory("oci:" + layout, work))


class Owners:
    """Whose a file is, by dpkg's word."""

    def __init__(self, root):
        self.root, self.admin = root, os.path.join(root, ADMIN)

    def of(self, paths):
        """Path without the root to the names of its packages, for those that have any."""
        if not os.path.isdir(os.path.join(self.admin, "info")):
            return {}
        # Where /lib and its kin are links into /usr, lists may name either.
        ways = {}
        for path in paths:
            ways["/" + path] = path
            if path.startswith("usr/") and os.path.islink(os.path.join(self.root, path.split("/")[1])):
                ways[path.removeprefix("usr")] = path
        owners, asked = {}, sorted(ways)
        for start in range(0, len(asked), 500):
            # It takes patterns: a bracket would be one.
            some = [path.replace("[", "\\[") for path in asked[start:start + 500]]
            for line in call("dpkg-query", f"--admindir={self.admin}", "--search", *some).stdout.splitlines():
                packages, path = line.split(": ", 1)
                if path in ways and not packages.startswith("diversion "):
                    owners.setdefault(ways[path], set()).update(name.split(":")[0] for name in packages.split(", "))
        return owners


@unittest.skipUnless(os.path.isdir(IMAGES), "no images: set STELLA_TEST_IMAGES")
@unittest.skipUnless(shutil.which("umoci"), "no umoci here")
class Images(TruthCase):
    @classmethod
    def setUpClass(cls):
        work = cls.enterClassContext(tempfile.TemporaryDirectory())
        names = sorted(name for name in os.listdir(IMAGES) if not name.endswith("-zstd"))
        cls.images = [unpack(work, name) for name in names]

    def each(self, *path):
        """The images that have this path."""
        images = [image for image in self.images if os.path.lexists(os.path.join(image.root, *path))]
        self.assertTrue(images, f"no image has {path}")
        for image in images:
            with self.subTest(image.name):
                yield image

    def assert_files(self, image, ecosystem, told):
        """`told`, (path, name, version): as identities of the packages that own the path, all others as packages."""
        told = set(told)
        owners = Owners(image.root).of({path for path, _, _ in told})
        packages = {entry for entry in told if entry[0] not in owners}
        identities = {(owner, name, version) for path, name, version in told for owner in owners.get(path, ())}
        found = set(places(line for line in image.lines if line["package"]["ecosystem"] == ecosystem))
        found_identities = {(line["package"]["name"], identity["name"], identity["version"]) for line in image.lines
                            for identity in line.get("identities", []) if identity["ecosystem"] == ecosystem}
        self.note(image, f"{ecosystem} {len(packages)} packages, {len(identities)} identities")
        if packages or found:
            self.assert_same(packages, found, f"{image.name}, {ecosystem}")
        if identities or found_identities:
            self.assert_same(identities, found_identities, f"{image.name}, identities of {ecosystem}")

    def note(self, image, text):
        print(f"{image.name}: {text}")

    def test_every_ecosystem_is_asked_about(self):
        for image in self.images:
            rows = [line["package"] for line in image.lines]
            rows += [identity for line in image.lines for identity in line.get("identities", [])]
            self.assertLessEqual({package["ecosystem"] for package in rows}, ASKED, image.name)

    def test_dpkg(self):
        for image in self.each(ADMIN):
            admin = os.path.join(image.root, ADMIN)
            parts = os.path.join(admin, "status.d")
            if os.path.isdir(parts):
                admin = self.path(image.name)
                stanzas = []
                for name in sorted(name for name in os.listdir(parts) if not name.endswith(".md5sums")):
                    with open(os.path.join(parts, name), encoding="utf-8") as text:
                        stanzas.append(text.read().strip() + "\n")
                self.write(f"{image.name}/status", "\n".join(stanzas))
                for name in ("info", "updates"):
                    os.makedirs(os.path.join(admin, name))
            lines = [line for line in image.lines if line["package"]["ecosystem"] == "deb"]
            told = dpkg.packages(admin)
            self.note(image, f"deb {len(told)} packages")
            self.assert_same(told, map(dpkg.of_stella, lines), image.name)

    def test_rpm(self):
        for image in self.each("var/lib/rpm"):
            database = self.path(image.name)
            shutil.copytree(os.path.join(image.root, "var/lib/rpm"), database)
            told = rpm.packages(database)
            self.note(image, f"rpm {len(told)} packages")
            self.assert_same(told, [row(line["package"]) for line in image.lines], image.name)

    def test_apk(self):
        for image in self.each("lib/apk/db/installed"):
            told = [row for row, _ in of_files.apk(os.path.join(image.root, "lib/apk/db/installed"))]
            self.note(image, f"apk {len(told)} packages")
            self.assert_same(told, [row(line["package"]) for line in image.lines], image.name)

    def test_python(self):
        for image in self.images:
            with self.subTest(image.name):
                told = list(pip.metadata(image.root))
                if shutil.which("pip3", path=os.path.join(image.root, "usr/bin")) and os.geteuid() == 0:
                    chroot = ["chroot", image.root, "/usr/bin/python3"]
                    listed = {(package.name, package.version) for package in pip.packages(prepare(*chroot, *pip.LIST))}
                    places = prepare(*chroot, "-c", "import sys; print(*sys.path, sep='\\n')").split()
                    seen = {(name, version) for path, name, version in told
                            if any(os.path.dirname(os.path.dirname(path)) == place.strip("/") for place in places)}
                    self.assert_same(listed, seen, f"{image.name}, pip list and the files below sys.path")
                    self.note(image, f"pip lists {len(listed)}, {len(told)} files of metadata")
                self.assert_files(image, "pypi", told)

    def test_npm(self):
        for image in self.images:
            with self.subTest(image.name):
                told = list(npm.installed(image.root))
                known = {(os.path.realpath(os.path.join(image.root, os.path.dirname(path))), name, version)
                         for path, name, version in told}
                for project in sorted({path.split("/node_modules/")[0] for path, _, _ in told}):
                    project = os.path.join(image.root, project)
                    if os.path.exists(os.path.join(project, npm.FILE)):
                        listed = set(npm.packages(project))
                        self.assertTrue(listed)
                        self.note(image, f"npm lists {len(listed)} in {os.path.relpath(project, image.root)}")
                        self.assertLessEqual(listed, known, f"{image.name}: npm ls and the files")
                        # What npm does not know lies in a package that brought a `node_modules` where npm does not look.
                        for path, _, _ in {entry for entry in known - listed if entry[0].startswith(project + "/")}:
                            self.assertTrue(any(path.startswith(place + "/") for place, _, _ in listed), path)
                copies = npm.copies(image.root)
                self.note(image, f"{len(copies)} copies of npm packages within others")
                self.assert_files(image, "npm", [*told, *copies])

    @unittest.skipUnless(shutil.which("go"), "no go here")
    def test_go(self):
        for image in self.images:
            with self.subTest(image.name):
                told, program = [], None
                for line in prepare("go", "version", "-m", image.root).splitlines():
                    fields = line.strip().split("\t")
                    if not line.startswith("\t"):
                        path, version = line.rsplit(": ", 1)
                        program = os.path.relpath(path, image.root)
                        told.append((program, "stdlib", version.split()[0].removeprefix("go")))
                    elif fields[0] in ("mod", "dep"):
                        told.append((program, fields[1], fields[2]))
                    elif fields[0] == "=>":
                        # A module that another replaces is not there.
                        told[-1] = (program, fields[1], fields[2])
                # A link is followed, and the program behind it is named by its own path too.
                told = [entry for entry in told if not os.path.islink(os.path.join(image.root, entry[0]))]
                self.assert_files(image, "golang", told)

    def test_rust(self):
        for image in self.images:
            with self.subTest(image.name):
                told = []
                for directory, _, names in os.walk(image.root):
                    for path in (os.path.join(directory, name) for name in names):
                        if os.path.isfile(path) and not os.path.islink(path):
                            told += [(os.path.relpath(path, image.root), crate["name"], crate["version"])
                                     for crate in of_files.crates(path) or []
                                     # Those of the build were run then, and are not in it.
                                     if crate.get("kind", "runtime") == "runtime"]
                self.assert_files(image, "cargo", told)

    def test_java(self):
        for image in self.images:
            with self.subTest(image.name):
                files = list(self.java_files(image))
                owners = Owners(image.root).of(path for path, *_ in files)
                found = collections.defaultdict(set)
                for line in image.lines:
                    if line["package"]["ecosystem"] == "maven":
                        for path in line["paths"]:
                            found[path].add((line["package"]["name"], line["package"]["version"]))
                    for identity in line.get("identities", []):
                        if identity["ecosystem"] == "maven":
                            found[line["package"]["name"]].add((identity["name"], identity["version"]))
                properties, guesses = 0, 0
                versions, certain = collections.defaultdict(set), collections.defaultdict(set)
                for path, told, said in files:
                    for place in owners.get(path, [path]):
                        self.assertLessEqual(told, found[place], f"{image.name}: {path}")
                        properties += len(told)
                        versions[place] |= said
                        certain[place] |= told
                for place, packages in found.items():
                    for name, version in packages - certain[place]:
                        guesses += 1
                        self.assertTrue(any(version in text for text in versions[place]),
                                        f"{image.name}: nothing in {place} says {name} {version}")
                self.note(image, f"maven {len(files)} archives, {properties} pom.properties, "
                                 f"{guesses} by manifest or file name")

    def java_files(self, image):
        """(path, coordinates, texts that say versions) of each archive."""
        for path, archive in of_files.jars(image.root):
            told, said = set(), set()
            for name, nested in of_files.archives(archive, os.path.basename(path)):
                told |= set(of_files.properties(nested))
                said |= set(of_files.said_versions(name, nested))
            yield path, told, said


if __name__ == "__main__":
    unittest.main()
