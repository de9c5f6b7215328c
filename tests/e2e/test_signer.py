"""SBOMs that somebody signed for an image: whose word is taken instead of the image, and whose is not."""
import base64
import json
import os
import tempfile
import unittest

import program
import signing
from program import STELLA, call, gate, tar, write_layout
from signing import Key, attestation, envelope, statement

NAME = "org.opencontainers.image.ref.name"
STATUS = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.8-1\n"
LAYER = tar([("etc/os-release", "ID=debian\nVERSION_ID=12\n"), ("var/lib/dpkg/status", STATUS)])


def bill(*purls, **more):
    """A CycloneDX document; what it names is not what the image holds."""
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", **more, "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        *({"type": "library", "name": purl, "purl": purl} for purl in purls)]}


CLEAN = bill("pkg:deb/debian/base-files@12.4")


class Signer(program.Case):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.keys = directory.name
        cls.key, cls.other = Key(cls.keys, "ours"), Key(cls.keys, "another")

    def layout(self, make, by_tag=True, media_type=signing.ENVELOPE, unread=False, **spoil):
        """A layout of one image and its attestations, the values that `make` gives for its digest; without the layer's
        blob where it is not to be read."""
        directory = tempfile.mkdtemp(dir=self.work)

        def index(put, top):
            image = {**top["manifests"][0], "annotations": {NAME: "app"}}
            values = make(image["digest"])
            manifest = attestation(put, *values, media_type=media_type, subject=None if by_tag else image)
            entry = {"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode())}
            if by_tag:
                entry["annotations"] = {NAME: signing.cosign_tag(image)}
            return {**top, "manifests": [image, entry]}
        write_layout(os.path.join(directory, "oci"), [(LAYER, LAYER)], index=index, **spoil)
        if unread:
            os.remove(program.blob(os.path.join(directory, "oci"), program.sha256(LAYER)))
        return f"oci:{directory}/oci:app"

    def gated(self, image, *arguments, keys=None, **more):
        signers = [word for key in keys or [self.key] for word in ("--sbom-signer", key.public)]
        code, report, said = gate(self.work, image, "--advisories", "demo", "--no-cache", *signers, *arguments, **more)
        self.assertIsNotNone(report, said)
        self.assertEqual(len(report["results"]), 1)
        return code, report["results"][0], report["run"]

    def assert_believed(self, image, key, bills="CycloneDX 1.6", **more):
        code, result, run = self.gated(image, **more)
        self.assertEqual(code, 0, run["notes"])
        self.assertEqual(result["looked_at"]["inventory"], f"attested by {key.fingerprint}, {bills}")
        self.assertEqual([(one["signer"], one["alone"]) for one in run["attested"]], [(key.fingerprint, True)])
        self.assertEqual((run["bytes_read"], run["ledger"], run["layers"]), (0, [], {"hits": 0, "misses": 0}))
        self.assertIn(key.public, " ".join(run["notes"]))
        return result

    def assert_analysed(self, image, *words, arguments=(), **more):
        """The image is looked into, and a note says why."""
        code, result, run = self.gated(image, *arguments, **more)
        self.assertEqual((code, result["looked_at"]["packages"]), (1, {"deb": 1}))
        self.assertTrue(result["findings"])
        self.assertNotIn("inventory", result["looked_at"])
        self.assertFalse(any(one.get("alone") for one in run.get("attested", [])))
        for word in words:
            self.assertIn(word, "\n".join(run["notes"]))
        return run

    # ---- believed -------------------------------------------------------------------------------------------------

    def test_a_signed_one_is_the_inventory(self):
        """No layer is read, for there is none; and a package that the signer leaves out is left out, by name of the signer."""
        def make(digest):
            return [envelope(statement(digest, CLEAN), self.key)]
        for by_tag in (True, False):
            image = self.layout(make, by_tag, unread=True)
            result = self.assert_believed(image, self.key)
            self.assertEqual((result["looked_at"]["packages"], result["findings"]), ({"deb": 1}, []))
            self.assertEqual(result["verdict"]["outcome"], "pass")
            code, report, _ = gate(self.work, image, "--advisories", "demo", "--no-cache")
            self.assertEqual((code, report), (3, None), "the layer is not there")
        done = call(STELLA, "gate", image, "--advisories", "demo", "-o", "table", env={
            **program.environment(self.work), "STELLA_SBOM_SIGNER": self.key.public})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"inventory   attested by {self.key.fingerprint}, CycloneDX 1.6; no layer was looked into", done.stdout)

    def test_a_bundle(self):
        image = self.layout(lambda digest: [{"dsseEnvelope": envelope(statement(digest, CLEAN), self.key)}], False,
                            signing.BUNDLE, unread=True)
        self.assert_believed(image, self.key)

    def test_layers_that_nobody_could_read(self):
        """They are part of what the signer speaks of."""
        def foreign(value):
            value["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar"
            return value
        image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.key)], unread=True, manifest=foreign)
        self.assertEqual(self.assert_believed(image, self.key)["looked_at"]["skipped"], [])
        code, result, _ = self.gated(image, "--verify", "all")
        self.assertEqual((code, result["looked_at"]["skipped"][0]["name"]), (3, "foreign-layer"))

    def test_every_algorithm(self):
        for name in signing.ALGORITHMS:
            with self.subTest(name):
                key = Key(self.work, "k", name)
                image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), key)], unread=True)
                self.assert_believed(image, key, keys=[self.other, key])
                image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.other)])
                self.assert_analysed(image, keys=[key])

    def test_one_of_two_signatures(self):
        image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.other, self.key)], unread=True)
        self.assert_believed(image, self.key)
        self.assert_believed(image, self.other, keys=[self.other])

    def test_the_url_alphabet(self):
        def make(digest):
            value = envelope(statement(digest, {**CLEAN, "name": "???>>>~~~"}), self.key)
            for one in (value, value["signatures"][0]):
                for name in ("payload", "sig"):
                    if name in one:
                        one[name] = base64.urlsafe_b64encode(base64.b64decode(one[name])).decode()
            return [value]
        self.assert_believed(self.layout(make, unread=True), self.key)

    def test_tags_and_values_in_a_string(self):
        """What `cosign attest --type spdx` makes."""
        text = ("SPDXVersion: SPDX-2.3\nDocumentName: app\nPackageName: base-files\nSPDXID: SPDXRef-1\nPackageVersion: 12.4\n"
                "ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/base-files@12.4?distro=debian-12\n")
        image = self.layout(lambda digest: [envelope(statement(digest, text, "https://spdx.dev/Document"), self.key)], unread=True)
        self.assert_believed(image, self.key, "SPDX 2.3 (tag-value)")

    def test_what_the_image_holds_is_found_in_its_layers(self):
        """Stella's own SBOM, signed: the findings of the image."""
        for output in ("cyclonedx", "spdx"):
            with self.subTest(output):
                plain = self.layout(lambda _: [b"{}"])
                written = call(STELLA, "sbom", plain, "-o", output, env=program.environment(self.work))
                self.assertEqual(written.returncode, 0, written.stderr)
                image = self.layout(lambda digest: [envelope(statement(digest, json.loads(written.stdout)), self.key)], unread=True)
                code, want, _ = self.gated(plain)
                again, got, _ = self.gated(image)
                self.assertEqual((code, again), (1, 1))
                self.assertEqual(got["findings"], want["findings"])
                self.assertEqual({**got["image"], "reference": ""}, {**want["image"], "reference": ""})

    def test_a_package_of_no_layer(self):
        image = self.layout(lambda digest: [envelope(statement(
            digest, bill("pkg:deb/debian/libssl3@3.0.8-1?upstream=openssl")), self.key)], unread=True)
        code, result, _ = self.gated(image)
        self.assertEqual((code, {one["layer"]["index"] for one in result["findings"]}), (1, {1}))
        self.assertEqual(len(result["image"]["layers"]), 2)
        self.assertEqual(result["looked_at"]["layers"], 1, "the image has one of its own")

    def test_the_first_that_reads_whole(self):
        """In the order of their digests, however they are listed."""
        bills = [{"spdxVersion": "SPDX-9"}, *(bill(f"pkg:npm/{name}@1") for name in "abcd")]
        kept = []

        def make(digest):
            if not kept:
                kept.extend(json.dumps(envelope(statement(digest, one), self.key)).encode() for one in bills)
            return kept
        forward = self.layout(make, unread=True)
        whole = min(kept[1:], key=program.sha256)
        for image in (forward, self.layout(lambda _: kept[::-1], unread=True)):
            _, _, run = self.gated(image)
            self.assertEqual(len(run["attested"]), 1)
            self.assertIn(f"attested with the image in {program.sha256(whole)}", run["notes"][-1])

    # ---- not believed ---------------------------------------------------------------------------------------------

    def test_what_nobody_signed_for_this_image(self):
        def changed(digest):
            value = envelope(statement(digest, bill("pkg:npm/a@1")), self.key)
            return {**value, "payload": base64.b64encode(statement(digest, CLEAN)).decode()}

        def with_signature(digest, *texts):
            return {**envelope(statement(digest, CLEAN)), "signatures": [{"sig": text} for text in texts]}
        another = program.sha256(b"another image")
        none = "one of --sbom-signer signed"
        for name, make, word in (
                ("another key", lambda digest: envelope(statement(digest, CLEAN), self.other), none),
                ("another image", lambda _: envelope(statement(another, CLEAN), self.key), none),
                ("a changed payload", changed, none),
                ("another type", lambda digest: envelope(statement(digest, CLEAN), self.key, payload_type="text/x"), none),
                ("a type that was not signed", lambda digest: {
                    **envelope(statement(digest, CLEAN), self.key, payload_type="text/x"), "payloadType": signing.STATEMENT}, none),
                ("no signature", lambda digest: with_signature(digest), none),
                ("a signature of nothing", lambda digest: with_signature(digest, ""), none),
                ("a signature that is no Base64", lambda digest: with_signature(digest, "%%%"), none),
                ("a signature of the payload alone", lambda digest: with_signature(digest, base64.b64encode(
                    self.key.sign(statement(digest, CLEAN))).decode()), none),
                ("something else", lambda digest: envelope(statement(digest, CLEAN, "https://slsa.dev/provenance/v1"), self.key), none),
                ("a payload that is no Base64", lambda digest: {
                    **envelope(statement(digest, CLEAN), self.key), "payload": "%%%"}, "its payload: Invalid"),
                ("many signatures", lambda digest: with_signature(digest, *["AAAA"] * 17), "over the limit `signatures`, 16"),
                ("many subjects", lambda digest: envelope(statement(digest, CLEAN).replace(
                    b'"subject": [', b'"subject": [' + b"{}," * 1024), self.key), "over the limit `subjects`, 1024"),
                ("an envelope of two payloads", lambda digest: json.dumps(envelope(statement(digest, CLEAN), self.key)).replace(
                    '"payload":', '"payload": "", "payload":').encode(), "duplicate field"),
        ):
            with self.subTest(name):
                self.assert_analysed(self.layout(lambda digest: [make(digest)]), word)
        image = self.layout(lambda digest: [statement(digest, CLEAN)], media_type=signing.STATEMENT)
        run = self.assert_analysed(image, none)
        self.assertEqual([one.get("signer") for one in run["attested"]], [None])

    def test_without_a_signer_it_is_a_cross_check(self):
        image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.key)])
        code, report, _ = gate(self.work, image, "--advisories", "demo", "--no-cache")
        self.assertEqual((code, [one.get("signer") for one in report["run"]["attested"]]), (1, [None]))

    def test_a_signed_one_that_does_not_tell_all(self):
        nameless = {**CLEAN, "components": [*CLEAN["components"], {"type": "library", "name": "a"}]}
        for value, word in ((nameless, "sbom:no-purl"), ({}, "no known form"), (bill(), "names no package"),
                            ({**CLEAN, "components": CLEAN["components"][1:]}, "not which system")):
            with self.subTest(word):
                image = self.layout(lambda digest, value=value: [envelope(statement(digest, value), self.key)])
                self.assert_analysed(image, word, f"although {self.key.public} signed")

    def test_verify_all_looks_into_the_image(self):
        image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.key)])
        run = self.assert_analysed(image, "differs from it in 2 packages", arguments=["--verify", "all"])
        [attested] = run["attested"]
        self.assertEqual((attested["signer"], attested["only_attested"], attested["only_image"]), (self.key.fingerprint, 1, 1))

    def test_with_a_server_the_image_is_analysed(self):
        image = self.layout(lambda digest: [envelope(statement(digest, CLEAN), self.key)])
        advisories = self.path("advisories")
        program.prepare(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", advisories)
        with program.server(self.work, "--advisories", advisories) as address:
            code, report, said = gate(self.work, image, "--server", address, "--sbom-signer", self.key.public)
        self.assertEqual(code, 1, said)
        self.assertIn("--sbom-signer has no effect", said)
        self.assertNotIn("inventory", report["results"][0]["looked_at"])

    def test_files_that_hold_no_key(self):
        p521, weak = self.path("p521"), self.path("weak")
        for path, algorithm in ((p521, ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]), (weak, ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"])):
            program.prepare("openssl", "genpkey", "-algorithm", *algorithm, "-out", f"{path}.key")
            program.prepare("openssl", "pkey", "-in", f"{path}.key", "-pubout", "-out", path)
        with open(self.path("words"), "w", encoding="utf-8") as out:
            out.write("secret words\n")
        for path, word in ((self.path("none"), "cannot be read"), (self.work, "is a directory"), (self.path("words"), "no public key"),
                           (self.key.private, "private key"), (p521, "another kind"), (weak, "1024 bits"), ("/dev/zero", "a device")):
            with self.subTest(word):
                for how in ({"arguments": ["--sbom-signer", path]}, {"variables": {"STELLA_SBOM_SIGNER": path}}):
                    code, report, said = gate(self.work, f"oci:{program.DEMO}", "--advisories", "demo", *how.get("arguments", []),
                                              variables=how.get("variables"))
                    self.assertEqual((code, report), (2, None), said)
                    self.assertIn(word, said)
                    self.assertIn(path, said)
                    self.assertNotIn("secret", said)


if __name__ == "__main__":
    unittest.main()
