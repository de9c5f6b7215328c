"""Images that an engine could read as another image than the one that is gated: each is refused, or gated as a whole."""
import io
import json
import os
import tarfile
import tempfile
import unittest

import program
from program import DIRECTORY, gate, image, link, sha256, tar, write_layout

OS = ("etc/os-release", b"ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n")
PACKAGE = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nSource: {}\nVersion: {}\n\n"
CLEAN = tar([OS, ("var/lib/dpkg/status", PACKAGE.format("hello", "hello", "2.10-3").encode())])
EVIL = tar([OS, ("var/lib/dpkg/status", PACKAGE.format("libssl3", "openssl", "3.0.8-1").encode())])
EVIL_LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha256(EVIL), "size": len(EVIL)}
EVIL_ROOT = {"type": "layers", "diff_ids": [sha256(EVIL)]}
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}


def platform(os_name, architecture):
    return {"platform": {"os": os_name, "architecture": architecture}}


def add(*descriptors, first=None):
    """An index with further images of the evil layer: pairs of what their descriptors and their configs have more."""
    def index(put, top):
        top["manifests"][0].update(first or {})
        evil = [{**image(put, [(EVIL, EVIL)], config=lambda value, more=more: {**value, **more}), **said}
                for said, more in descriptors]
        return {**top, "manifests": evil + top["manifests"]}
    return index


def rename(value, old, new):
    return {new if key == old else key: inner for key, inner in value.items()}


def config_type(value):
    value["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    return value


def layer_size(value):
    value["layers"][0]["size"] = 1
    return value


AMD64, UNKNOWN = platform("linux", "amd64"), platform("unknown", "unknown")
INDEX = "application/vnd.oci.image.index.v1+json"

# What is changed of a layout with the clean image, and what the refusal names.
REFUSED = {
    "a second key": ({"manifest": lambda value: {**value, "Layers": [EVIL_LAYER]}}, '"Layers" as "layers"'),
    "a folded letter": ({"manifest": lambda value: {**value, "layer\u017f": [EVIL_LAYER]}}, 'as "layers"'),
    "a second root": ({"config": lambda value: {**value, "RootFS": EVIL_ROOT}}, '"RootFS" as "rootfs"'),
    "a root in another spelling": ({"config": lambda value: rename(value, "rootfs", "rootFS")}, '"rootFS" as "rootfs"'),
    "a second index": ({"index": lambda put, value: {**value, "Manifests": []}}, '"Manifests" as "manifests"'),
    "an index in an image": ({"manifest": lambda value: {**value, "manifests": []}}, "an index and an image at once"),
    "an image in an index": ({"index": lambda put, value: {**value, "layers": []}}, "an index and an image at once"),
    "an index by media type": ({"manifest": lambda value: {**value, "mediaType": INDEX}}, INDEX),
    "schema 1": ({"manifest": lambda value: {**value, "schemaVersion": 1}}, "schemaVersion"),
    "two documents in one": ({"manifest": lambda value: 2 * json.dumps(value).encode()}, "trailing characters"),
    "a byte order mark": ({"config": lambda value: json.dumps(value).encode("utf-8-sig")}, "config is not valid"),
    "an image called unknown": ({"index": add((UNKNOWN, {}), first=AMD64)}, "unknown/unknown"),
    "an image that calls itself unknown": ({"index": add((AMD64, UNKNOWN["platform"]))}, "unknown/unknown"),
    "an image called an artifact": ({"manifest": config_type}, "helm"),
    "two images of one platform": ({"index": add(({"annotations": ATTESTATION}, {}))}, "several images"),
}

# What is changed of a layout with the evil image, which must be found all the same.
GATED = {
    "nothing": {},
    "an artifact type": {"manifest": lambda value: {**value, "artifactType": "x/y"}},
    "a wrong size": {"manifest": layer_size},
    "an attestation by annotation": {"index": lambda put, value: {
        **value, "manifests": [{**one, "annotations": ATTESTATION} for one in value["manifests"]]}},
    "keys that nobody reads": {"config": lambda value: {**value, "config": {"Cmd": [], "cmd": []}, "x": {"OS": 1, "os": 2}}},
    "labels that differ in case": {"config": lambda value: {**value, "config": {"Labels": {"a": "", "A": ""}}}},
    "a config without a platform": {"config": lambda value: {**value, "os": "", "architecture": ""}},
    "an unknown platform": {"config": lambda value: {**value, **UNKNOWN["platform"]}},
}


def config(layer):
    root = {"type": "layers", "diff_ids": [sha256(layer)]}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": root}).encode()


def saved(*members, **more):
    """A `docker save` of the clean image, followed by these members."""
    entry = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar"], **more}
    return tar([("c.json", config(CLEAN)), ("l.tar", CLEAN), ("manifest.json", json.dumps([entry]).encode()), *members])


ARCHIVES = {
    "a second key": (saved(layers=["e.tar"]), '"layers" as "Layers"'),
    "a member below a link": (saved(("e", DIRECTORY), ("d", link("e")), ("d/l.tar", EVIL)), 'lies below "d"'),
    "a path that leads back": (saved(("x", DIRECTORY), ("x/../l.tar", EVIL)), "`..`"),
    "an absolute path": (saved(("/l.tar", EVIL)), "absolute path"),
    "a member twice": (saved(("./l.tar", EVIL)), "twice"),
    "a link over a member": (saved(("e.tar", EVIL), ("l.tar", link("e.tar"))), "twice"),
}


class Documents(program.Case):
    def check(self, image, code, *words, more=()):
        found, _, said = gate(self.work, image, "--advisories", "demo", *more)
        self.assertEqual(found, code, said)
        for word in words:
            self.assertIn(word, said)

    def layout(self, layer, **spoil):
        return "oci:" + write_layout(tempfile.mkdtemp(dir=self.work) + "/layout", [(layer, layer)], **spoil)

    def archive(self, data):
        path = self.path("a.tar")
        with open(path, "wb") as out:
            out.write(data)
        return path

    def test_layouts_of_two_readings(self):
        self.check(self.layout(CLEAN), 0)
        for name, (spoil, word) in REFUSED.items():
            with self.subTest(name):
                self.check(self.layout(CLEAN, **spoil), 3, word)

    def test_no_mark_hides_an_image(self):
        for name, spoil in GATED.items():
            with self.subTest(name):
                self.check(self.layout(EVIL, **spoil), 1, "libssl3")

    def test_a_platform_in_another_spelling(self):
        other = platform("Linux", "x86_64")
        spoilt = self.layout(CLEAN, index=add((other, other["platform"]), first=AMD64))
        self.check(spoilt, 1, "libssl3", more=("--platform", "linux/amd64"))

    def test_a_name_stands_for_one_image(self):
        other = platform("linux", "arm64")
        descriptor = {**other, "annotations": {"org.opencontainers.image.ref.name": "app"}}
        spoilt = self.layout(CLEAN, index=add((descriptor, other["platform"]), first=AMD64))
        self.check(spoilt, 3, "several images", more=("--platform", "linux/amd64"))
        self.check(self.layout(CLEAN, index=add((other, other["platform"]), first=AMD64)), 0,
                   more=("--platform", "linux/amd64"))
        entries = [{"Config": name, "RepoTags": ["app:1"], "Layers": ["l.tar"]} for name in ("c.json", "e.json")]
        evil = json.dumps({**json.loads(config(CLEAN)), **other["platform"]}).encode()
        data = tar([("c.json", config(CLEAN)), ("e.json", evil), ("l.tar", CLEAN), ("manifest.json", json.dumps(entries))])
        self.check(self.archive(data), 3, "e.json", "--platform", more=("--platform", "linux/amd64"))

    def test_archives_of_two_readings(self):
        self.check(self.archive(saved()), 0)
        for name, (data, word) in ARCHIVES.items():
            with self.subTest(name):
                self.check(self.archive(data), 3, word)

    def test_both_forms_in_one_archive(self):
        layout = write_layout(self.path("layout"), [(EVIL, EVIL)])
        members = []
        for directory, _, names in os.walk(layout):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as data:
                    members.append((os.path.relpath(path, layout), data.read()))
        for scheme in ("", "oci-archive:", "docker-archive:"):
            self.check(scheme + self.archive(saved(*members)), 3, "several images")
        self.check("oci-archive:" + self.archive(tar(members)), 1, "libssl3")

    def test_links_of_the_old_form_lead_on(self):
        entry = {"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar"]}
        self.check(self.archive(tar([
            ("c.json", config(EVIL)), ("b", DIRECTORY), ("b/layer.tar", EVIL), ("a", DIRECTORY),
            ("a/layer.tar", link("../b/layer.tar")), ("manifest.json", json.dumps([entry]).encode())])), 1, "libssl3")

    def test_directories_have_no_data(self):
        hidden = tar([("c.json", config(EVIL)), ("l.tar", EVIL)])
        directory = tarfile.TarInfo("d")
        directory.type, directory.size = tarfile.DIRTYPE, len(hidden)
        with tarfile.open(fileobj=io.BytesIO(saved())) as archive:
            end = archive.getmembers()[-1]
        whole = saved()[:end.offset_data + 512 * -(-end.size // 512)]
        self.check(self.archive(whole + directory.tobuf(tarfile.USTAR_FORMAT) + hidden), 3, "twice")
        self.check(self.archive(whole + bytes(512) + tar([("l.tar", EVIL)])), 3, "block of zeros")


if __name__ == "__main__":
    unittest.main()
