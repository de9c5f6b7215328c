"""Images that an engine would run otherwise than they are read here: read as the engine does, or refused by name."""
import io
import json
import os
import tarfile
import unittest

import program
from program import gate, sha256, tar

OS = ("etc/os-release", b'ID=debian\nVERSION_ID="12"\n')


def layer(package, version):
    status = f"Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
    return tar([OS, ("var/lib/dpkg/status", status.encode())])


CLEAN, EVIL = layer("base-files", "12.4"), layer("openssl", "3.0.8-1")


def config(content, **more):
    return {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": [sha256(content)]},
            **more}


class Documents(program.Case):
    def archive(self, name, members):
        """A tar of members `(path, bytes)`, or `(path, link target)` for a symbolic link."""
        path = os.path.join(self.work, name)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
            for member_path, content in members:
                member = tarfile.TarInfo(member_path)
                if isinstance(content, str):
                    member.type, member.linkname = tarfile.SYMTYPE, content
                    out.addfile(member)
                else:
                    member.size = len(content)
                    out.addfile(member, io.BytesIO(content))
        return f"docker-archive:{path}"

    def ends(self, image, code, *words):
        found, report, said = gate(self.work, image, "--advisories", "demo", "--no-cache")
        self.assertEqual(found, code, said)
        for word in words:
            self.assertIn(word, said)
        return report

    def saved(self, manifest, *more, clean=config(CLEAN)):
        return [("cfg.json", json.dumps(clean).encode()), ("clean.tar", CLEAN), ("manifest.json", manifest.encode()), *more]

    PLAIN = '[{"Config": "cfg.json", "RepoTags": ["a:1"], "Layers": ["clean.tar"]}]'

    def test_the_ordinary_twin_passes(self):
        self.ends(self.archive("a.tar", self.saved(self.PLAIN)), 0)

    def test_keys_that_engines_take_for_one(self):
        evil = ("evil.tar", EVIL)
        for name, manifest in {
            "case": self.PLAIN[:-2] + ', "layers": ["evil.tar"]}]',
            "unicode": self.PLAIN[:-2] + ', "Layer\\u017f": ["evil.tar"]}]',
            "twice": self.PLAIN[:-2] + ', "Layers": ["evil.tar"]}]',
        }.items():
            with self.subTest(name):
                self.ends(self.archive("a.tar", self.saved(manifest, evil)), 3, "manifest.json", "key")
        folded = json.dumps(config(CLEAN))[:-1] + ', "RootFS": ' + json.dumps(config(EVIL)["rootfs"]) + "}"
        members = [("cfg.json", folded.encode()), *self.saved(self.PLAIN)[1:]]
        self.ends(self.archive("a.tar", members), 3, "cfg.json", "RootFS")
        # What people put into labels is data, whatever its case.
        labels = config(CLEAN, config={"Labels": {"OS": "x", "os": "y"}})
        self.ends(self.archive("a.tar", self.saved(self.PLAIN, clean=labels)), 0)

    def test_members_that_unpack_to_other_files(self):
        evil = [("cfg.json", json.dumps(config(EVIL)).encode()), ("clean.tar", EVIL)]
        below = [(f"d/{name}", content) for name, content in evil]
        manifest = '[{"Config": "e/cfg.json", "RepoTags": ["a:1"], "Layers": ["e/clean.tar"]}]'
        clean = [(f"e/{name}" if name != "manifest.json" else name, content) for name, content in self.saved(manifest)]
        self.ends(self.archive("a.tar", [*clean, ("d", "e"), *below]), 3, "lies below")
        self.ends(self.archive("a.tar", [*clean, *below, ("d", "e")]), 3, "takes the place")
        # Of two members of one name the later one is unpacked last; with dots in it the name is the same.
        for path in ("", "x/../", "./"):
            with self.subTest(path):
                later = [(path + name, content) for name, content in evil]
                report = self.ends(self.archive("a.tar", [*self.saved(self.PLAIN), *later]), 1)
                self.assertEqual(report["results"][0]["image"]["layers"][0]["diff_id"], sha256(EVIL))

    def test_links_of_an_old_archive(self):
        manifest = '[{"Config": "cfg.json", "RepoTags": ["a:1"], "Layers": ["two/layer.tar"]}]'
        self.ends(self.archive("a.tar", [*self.saved(manifest), ("two/layer.tar", "../clean.tar")]), 0)

    def test_an_index_that_is_a_manifest_too(self):
        layout = program.write_layout(os.path.join(self.work, "layout"), [(CLEAN, CLEAN)])
        manifest = {**program.manifest(layout), "manifests": []}
        body = json.dumps(manifest).encode()
        with open(program.blob(layout, sha256(body)), "wb") as out:
            out.write(body)
        with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as out:
            json.dump({"schemaVersion": 2, "manifests": [{"digest": sha256(body), "size": len(body)}]}, out)
        self.ends(f"oci:{layout}", 3, "index and a manifest at once")


if __name__ == "__main__":
    unittest.main()
