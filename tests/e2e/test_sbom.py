"""SBOMs: what is written is valid and says all, and gating it gives what gating the image gives."""
import json
import os
import subprocess
import sys
import unittest

import program
from program import DEMO, STELLA, call, gate, link, tar, write_layout

sys.path.append(os.path.join(program.ROOT, "tests", "validators"))
import documents  # noqa: E402

FORMATS = ["cyclonedx", "cyclonedx-1.5", "spdx"]
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nSource: {}\nVersion: {}\n\n"
DEBIAN = ("etc/os-release", "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n")
REAL = os.path.join(os.environ.get("STELLA_TEST_IMAGES", ""), "oci")


def components(*more):
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "library", "name": "libssl3", "purl": "pkg:deb/debian/libssl3@3.0.8-1?upstream=openssl"}, *more]}


class Sbom(program.Case):
    def sbom(self, image, output, *arguments, code=0):
        """Writes an SBOM into a file of its own; gives its path and what was said."""
        path = self.path(f"{output}.json")
        done = call(STELLA, "sbom", image, "-o", f"{output}={path}", *arguments,
                    env={**program.environment(self.work), "SOURCE_DATE_EPOCH": "1700000000"})
        self.assertEqual(done.returncode, code, done.stderr)
        return path, done.stderr

    def write(self, value):
        path = self.path("given.json")
        with open(path, "w", encoding="utf-8") as out:
            out.write(value if isinstance(value, str) else json.dumps(value))
        return f"sbom:{path}"

    def gated(self, image, *arguments):
        code, report, said = gate(self.work, image, "--advisories", "demo", *arguments)
        self.assertIsNotNone(report, said)
        self.assertEqual(len(report["results"]), 1)
        return code, report["results"][0]

    def assert_round_trip(self, image):
        code, want = self.gated(image)
        for output in FORMATS:
            with self.subTest(image=image, output=output):
                path, _ = self.sbom(image, output, code=3 if self.unseen(want) else 0)
                self.assert_valid(path, output)
                again, got = self.gated(f"sbom:{path}")
                self.assertEqual(again, code)
                self.assertEqual(got["findings"], want["findings"])
                self.assertEqual(got["image"]["layers"], want["image"]["layers"])
                self.assertEqual(got["image"]["digest"], want["image"]["digest"])
                inventory = got["looked_at"].pop("inventory")
                self.assertTrue(inventory.startswith(f"given by the caller: sbom:{path}, "))
                self.assertEqual(got["looked_at"], want["looked_at"])
        return want

    @staticmethod
    def unseen(result):
        """What an SBOM has to say of: advisories, and the order of versions, are the gate's own."""
        skipped = [one["name"] for one in result["looked_at"]["skipped"]]
        return [name for name in skipped if not name.startswith(("advisories:", "unknown-version-order"))]

    def assert_valid(self, path, output):
        self.assertEqual(documents.wrong(path, output), "")

    # ---- out ------------------------------------------------------------------------------------------------------

    def test_the_demo_goes_round(self):
        result = self.assert_round_trip(f"oci:{DEMO}")
        self.assertTrue(result["findings"])
        self.assertTrue(any(one["paths"] for one in result["findings"]))
        self.assertTrue(all(one["layer"]["instruction"] for one in result["findings"]))

    @unittest.skipUnless(os.path.isdir(REAL), "no real images: set STELLA_TEST_IMAGES")
    def test_real_images_go_round(self):
        for name in sorted(os.listdir(REAL)):
            if not name.endswith("-zstd"):
                self.assert_round_trip(f"oci:{os.path.join(REAL, name)}")

    def test_hostile_names_go_round(self):
        names = ["a b", "a?x=y#z", "ü/@x", "%41", "a\\nb", "../../x", "<script>"]
        status = "".join(STATUS.format(name, "openssl", "3.0.8-1") for name in names)
        status += STATUS.format("long", "openssl", "3.0.8-1" + "a" * 2_000)
        lower = tar([DEBIAN, ("var/lib/dpkg/status", status)])
        upper = tar([("etc/note", "x"), ("usr/lib/link", link("/etc"))])
        layout = write_layout(self.path("layout"), [(lower, lower), (upper, upper), (upper, upper)],
                              history=[{"created_by": "RUN\ta \"b\" \\ ü"}, {"created_by": ""}, {"created_by": "c"}])
        result = self.assert_round_trip(f"oci:{layout}")
        self.assertEqual(len(result["image"]["layers"]), 3)
        self.assertTrue(result["findings"])

    def test_the_same_bytes_again(self):
        for output in FORMATS:
            first, _ = self.sbom(f"oci:{DEMO}", output, "--no-cache")
            with open(first, "rb") as text:
                before = text.read()
            again, _ = self.sbom(f"oci:{DEMO}", output, "--threads", "1")
            with open(again, "rb") as text:
                self.assertEqual(text.read(), before)

    def test_an_incomplete_look_never_looks_complete(self):
        layer = tar([DEBIAN, ("var/lib/dpkg/status", STATUS.format("libssl3", "openssl", "3.0.8-1"))])

        def foreign(value):
            value["layers"][1]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar"
            return value
        layout = write_layout(self.path("layout"), [(layer, layer), (tar([]), tar([]))], manifest=foreign)
        os.remove(program.blob(layout, program.sha256(tar([]))))
        image = f"oci:{layout}"
        result = self.assert_round_trip(image)
        self.assertEqual(self.unseen(result), ["foreign-layer"])
        path, said = self.sbom(image, "cyclonedx", code=3)
        self.assertIn("SBOM INCOMPLETE", said)
        with open(path, encoding="utf-8") as text:
            self.assertEqual(json.load(text)["compositions"][0]["aggregate"], "incomplete")
        self.sbom(image, "cyclonedx", "--allow-skipped", "foreign-layer")
        code, result = self.gated(f"sbom:{path}", "--allow-skipped", "foreign-layer")
        self.assertEqual((code, result["verdict"]["outcome"]), (1, "fail"))

    def test_an_image_without_packages(self):
        layout = write_layout(self.path("layout"), [(tar([("a", "b")]), tar([("a", "b")]))])
        path, said = self.sbom(f"oci:{layout}", "spdx", code=3)
        self.assertIn("no-packages", said)
        code, result = self.gated(f"sbom:{path}")
        self.assertEqual((code, {one["name"] for one in result["looked_at"]["skipped"]}), (3, {"no-packages"}))

    def test_calls_that_are_wrong(self):
        done = call(STELLA, "sbom", f"oci:{DEMO}", "-o", "sarif", env=program.environment(self.work))
        self.assertEqual((done.returncode, "stella gate" in done.stderr), (2, True), done.stderr)

        def twice(put, top):
            first = {**top["manifests"][0], "platform": {"os": "linux", "architecture": "amd64"}}
            other = program.image(put, [(tar([]), tar([]))], config=lambda value: {**value, "architecture": "arm64"})
            return {**top, "manifests": [first, {**other, "platform": {"os": "linux", "architecture": "arm64"}}]}
        layout = write_layout(self.path("layout"), [(tar([DEBIAN]), tar([DEBIAN]))], index=twice)
        done = call(STELLA, "sbom", f"oci:{layout}", env=program.environment(self.work))
        self.assertEqual((done.returncode, "--platform" in done.stderr), (2, True), done.stderr)

    def test_what_an_earlier_run_left_is_not_taken_for_it(self):
        kept = self.path("kept.json")
        for image, code in ((f"oci:{DEMO}", 0), (f"oci:{self.path('missing')}", 3)):
            done = call(STELLA, "sbom", image, "-o", f"spdx={kept}", env=program.environment(self.work))
            self.assertEqual((done.returncode, os.path.exists(kept)), (code, code == 0), done.stderr)

    def test_to_stdout(self):
        done = call(STELLA, "sbom", f"oci:{DEMO}", env=program.environment(self.work))
        self.assertEqual((done.returncode, json.loads(done.stdout)["specVersion"]), (0, "1.6"), done.stderr)

    # ---- in -------------------------------------------------------------------------------------------------------

    def test_an_sbom_of_another_tool(self):
        code, result = self.gated(self.write(components()))
        self.assertEqual(code, 1)
        self.assertEqual(result["looked_at"]["packages"], {"deb": 1})
        self.assertIn("CycloneDX 1.6", result["looked_at"]["inventory"])
        self.assertTrue(all(one["package"]["name"] == "libssl3" for one in result["findings"]))

    def test_what_cannot_be_told_is_not_passed_over(self):
        clean = {"type": "library", "name": "a", "purl": "pkg:npm/a@1"}
        for name, more in {"k8s": {"purl": "pkg:k8s/a@1"}, "no-purl": {}, "invalid-purl": {"purl": "pkg"}}.items():
            bom = {**components(), "components": [clean, {"type": "library", "name": "b", **more}]}
            with self.subTest(name):
                code, result = self.gated(self.write(bom))
                self.assertEqual(code, 3)
                self.assertEqual([one["name"] for one in result["looked_at"]["skipped"]], [f"sbom:{name}"])
                code, _ = self.gated(self.write(bom), "--allow-skipped", f"sbom:{name}")
                self.assertEqual(code, 0)

    def test_what_is_no_sbom(self):
        os.mkfifo(self.path("pipe"))
        for image, word in {
                self.write("<bom/>"): "XML", f"sbom:{self.path('none')}": "no file", f"sbom:{self.work}": "regular file",
                f"sbom:{self.path('pipe')}": "regular file"}.items():
            with self.subTest(image):
                code, report, said = gate(self.work, image, "--advisories", "demo")
                self.assertEqual((code, report), (3, None))
                self.assertIn(word, said)
        code, _, said = gate(self.work, self.write(components()), "--advisories", "demo", "--limit", "database-size=10")
        self.assertEqual(code, 3)
        self.assertIn("--limit database-size=N", said)

    def test_hostile_documents_end(self):
        deep = '{"bomFormat":"CycloneDX","specVersion":"1.5",' + '"components":[{' * 5000
        wide = json.dumps(components(*[{}] * 150_000, *[{"type": "library", "name": "a"}] * 100_000))
        long = "SPDXVersion: SPDX-2.3\n" + "PackageName: a\n" * 400_000
        # The wide one is no attack on the reader, and holds a vulnerable package.
        for text, code in ((deep, 3), (wide, 1), (long, 3), ('{"a":' + "[{}," * 300_000, 3)):
            done = subprocess.run([STELLA, "gate", self.write(text), "--advisories", "demo", "-q", "-o", f"json={self.path('r')}"],
                                  capture_output=True, timeout=60, check=False, env=program.environment(self.work))
            self.assertEqual(done.returncode, code, done.stderr[-300:])


if __name__ == "__main__":
    unittest.main()
