"""Images of a real registry: who may read them, what is read of them, and what goes wrong on the way."""
import base64
import contextlib
import gzip
import json
import os
import stat
import threading
import unittest

import registry
import signing
from registry import PASSWORD, USER, Repository, at, program, push, relay

DEMO, STELLA = program.DEMO, program.STELLA
OPTIONS = ["--advisories", "demo"]
NAME = "team/demo"


def is_blob(line):
    return line.startswith("GET ") and "/blobs/" in line


class Case(program.Case):
    @classmethod
    def setUpClass(cls):
        if not registry.PROGRAM:
            raise unittest.SkipTest("no docker-registry")

    def start(self, **options):
        """A registry; its host and port."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        host, self.data = stack.enter_context(registry.registry(self.work, **options))
        return host

    def relay(self, host, fault=None):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(relay(host, fault))

    def demo(self, host):
        push(f"oci:{DEMO}:demo", f"{host}/{NAME}:1")
        return f"{host}/{NAME}:1"

    @staticmethod
    def demo_blob(digest):
        with open(program.blob(DEMO, digest), "rb") as stored:
            return stored.read()

    def gate(self, image, *arguments, variables=None):
        return program.gate(self.work, image, *OPTIONS, *arguments, variables=variables)

    def same(self, image, *arguments, variables=None):
        """Gates the demo image, wherever it is: as in its OCI layout."""
        want = self.gate(f"oci:{DEMO}", "--no-cache")[1]["results"][0]
        code, report, said = self.gate(image, *arguments, variables=variables)
        self.assertEqual(code, 1, said)
        got = report["results"][0]
        self.assertTrue(got["findings"])
        for key in ("findings", "looked_at", "verdict"):
            self.assertEqual(got[key], want[key])
        return report, said

    def refused(self, image, *words, arguments=(), variables=None, never=()):
        code, report, said = self.gate(image, "--no-cache", *arguments, variables=variables)
        self.assertEqual((code, report), (3, None), said)
        for word in words:
            self.assertIn(word, said)
        for word in never:
            self.assertNotIn(word, said)
        return said

    def docker_config(self, document):
        """Docker's configuration, as a variable."""
        directory = self.path("docker-config")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as out:
            json.dump(document, out)
        return {"DOCKER_CONFIG": directory}

    def password(self, host, password=PASSWORD):
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return self.docker_config({"auths": {host: {"auth": auth}}})

    def helper(self, name, script):
        """A credential helper; the variable by which it is found."""
        path = self.path(f"docker-credential-{name}")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + script)
        os.chmod(path, stat.S_IRWXU)
        return {"PATH": f"{self.work}:{os.environ['PATH']}"}

    def stored(self, digest):
        """Where the registry keeps a blob."""
        hexadecimal = digest.removeprefix("sha256:")
        return os.path.join(self.data, "docker", "registry", "v2", "blobs", "sha256", hexadecimal[:2], hexadecimal,
                            "data")


class Images(Case):
    def test_the_same_findings_as_its_layout(self):
        image = self.demo(self.start())
        with open(os.path.join(DEMO, "index.json"), encoding="utf-8") as index:
            digest = json.load(index)["manifests"][0]["digest"]
        nobody = {"DOCKER_HOST": f"unix://{self.path('nosuch.sock')}"}
        self.same(f"registry:{image}", "--no-cache")
        self.same(f"registry:{image.rpartition(':')[0]}@{digest}", "--no-cache")
        _, said = self.same(image, "--no-cache", variables=nobody)
        self.assertIn(f"{image} is taken for registry:{image}", said)
        self.assertIn("none could be asked", said)
        zstd = self.path("zstd")
        program.skopeo(f"oci:{DEMO}:demo", f"oci:{zstd}:demo", "--dest-compress-format", "zstd", "--dest-compress")
        push(f"oci:{zstd}:demo", f"{image}-zstd")
        self.same(f"registry:{image}-zstd", "--no-cache")
        push(f"oci:{DEMO}:demo", f"{image}-docker", "--format", "v2s2")
        self.same(f"registry:{image}-docker", "--no-cache")

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_a_bare_word_that_the_engine_does_not_have(self):
        image = self.demo(self.start())
        _, said = self.same(image, "--no-cache")
        self.assertIn(f"{image} is taken for registry:{image}", said)
        self.assertNotIn("could be meant", said)

    def test_only_missing_layers_are_read(self):
        host = self.start()
        self.demo(host)
        layers = [layer["digest"] for layer in program.manifest(DEMO)["layers"]]
        between = self.relay(host)

        def blobs():
            return sorted(line.rpartition("/")[2] for line, _ in between.requests if is_blob(line))
        config = program.manifest(DEMO)["config"]["digest"]
        self.same(f"registry:{at(between)}/{NAME}:1")
        self.assertEqual(blobs(), sorted([config, *set(layers)]))
        between.requests.clear()
        report, _ = self.same(f"registry:{at(between)}/{NAME}:1")
        self.assertEqual(report["run"]["layers"], {"hits": 7, "misses": 0})
        self.assertEqual(blobs(), [config])
        # One layer more.
        content = program.tar([("new", "file")])
        stored = gzip.compress(content)
        old = [(blob, gzip.decompress(blob)) for blob in map(self.demo_blob, layers)]
        made = Repository(host, NAME).image("amd64", [*old, (stored, content)])
        between.requests.clear()
        code, report, said = self.gate(f"registry:{at(between)}/{NAME}@{made['digest']}")
        self.assertEqual(code, 1, said)
        self.assertEqual(report["run"]["layers"], {"hits": 7, "misses": 1})
        self.assertIn(program.sha256(stored), blobs())
        self.assertEqual(len(blobs()), 2)

    def index(self, host):
        """An index of two platforms, each with an attestation manifest as BuildKit makes it."""
        repository = Repository(host, NAME)
        entries = []
        for architecture in ("amd64", "arm64"):
            content = program.tar([("etc/os-release", "ID=debian\nVERSION_ID=12\n"), ("a", architecture)])
            image = repository.image(architecture, [(gzip.compress(content), content)])
            bill = {"spdxVersion": "SPDX-2.3", "name": architecture}
            spdx = repository.statement(image, "https://spdx.dev/Document", bill)
            provenance = repository.statement(image, "https://slsa.dev/provenance/v0.2", {})
            config = {"os": "unknown", "architecture": "unknown",
                      "rootfs": {"type": "layers", "diff_ids": [spdx["digest"], provenance["digest"]]}}
            attestation = repository.manifest({
                "schemaVersion": 2, "mediaType": registry.KIND + "manifest.v1+json", "layers": [spdx, provenance],
                "config": {"mediaType": registry.KIND + "config.v1+json", **repository.blob(json.dumps(config).encode())}})
            entries += [image, {**attestation, "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": {
                "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}}]
        repository.manifest({"schemaVersion": 2, "mediaType": registry.KIND + "index.v1+json", "manifests": entries}, "many")
        return entries[0], entries[2]

    def attested(self, image, *arguments):
        done = program.call(STELLA, "debug", "attested", image, *arguments, env=program.environment(self.work))
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_an_index_of_several_platforms(self):
        host = self.start()
        amd64, arm64 = self.index(host)
        image = f"registry:{host}/{NAME}:many"
        allowed = ["--no-cache", "--allow-skipped", "no-packages,package-database"]
        code, report, said = self.gate(image, *allowed)
        self.assertEqual(code, 0, said)
        digests = [result["image"]["digest"] for result in report["results"]]
        self.assertEqual(digests, [amd64["digest"], arm64["digest"]])
        code, report, said = self.gate(image, *allowed, "--platform", "linux/arm64")
        self.assertEqual(code, 0, said)
        self.assertEqual([result["image"]["digest"] for result in report["results"]], [arm64["digest"]])
        self.refused(image, "linux/s390x", "linux/amd64, linux/arm64", arguments=["--platform", "linux/s390x"])

    def test_bills_that_are_attested(self):
        host = self.start()
        amd64, _ = self.index(host)
        found = self.attested(f"registry:{host}/{NAME}:many")
        self.assertEqual([one["platform"] for one in found], ["linux/amd64", "linux/arm64"])
        for one, name in zip(found, ("amd64", "arm64")):
            self.assertEqual(one["predicate_type"], "https://spdx.dev/Document")
            self.assertEqual(one["sbom"], program.sha256(json.dumps({"spdxVersion": "SPDX-2.3", "name": name}).encode()))
        only = self.attested(f"registry:{host}/{NAME}:many", "--platform", "linux/arm64")
        self.assertEqual(only, found[1:])
        # The same index copied to a layout.
        layout = self.path("copy")
        program.skopeo(f"docker://{host}/{NAME}:many", f"oci:{layout}:many", "--all", "--src-tls-verify=false")
        self.assertEqual(self.attested(f"oci:{layout}:many"), found)
        # A registry without the referrers API has a tag instead.
        repository = Repository(host, NAME)
        bom = repository.statement(amd64, "https://cyclonedx.org/bom", {"bomFormat": "CycloneDX"})
        of_another = repository.statement({"digest": program.sha256(b"")}, "https://cyclonedx.org/bom", {"bomFormat": "no"})
        artifact = {"schemaVersion": 2, "mediaType": registry.KIND + "manifest.v1+json", "layers": [bom, of_another],
                    "artifactType": bom["mediaType"],
                    "subject": {name: amd64[name] for name in ("mediaType", "digest", "size")},
                    "config": {"mediaType": "application/vnd.oci.empty.v1+json", **repository.blob(b"{}")}}
        refers = {**repository.manifest(artifact), "artifactType": bom["mediaType"]}
        tag = amd64["digest"].replace(":", "-")
        index = {"schemaVersion": 2, "mediaType": registry.KIND + "index.v1+json", "manifests": [refers]}
        repository.manifest(index, tag)
        found = self.attested(f"registry:{host}/{NAME}@{amd64['digest']}")
        self.assertEqual([(one["predicate_type"], one["digest"]) for one in found],
                         [("https://cyclonedx.org/bom", bom["digest"])])
        # cosign has a tag of its own, and puts the statement into an envelope.
        statement = repository.get(repository.statement(amd64, "https://spdx.dev/Document", {"name": "signed"}))
        envelope = {"payloadType": "application/vnd.in-toto+json", "payload": base64.b64encode(statement).decode(),
                    "signatures": [{"sig": "not looked at"}]}
        signed = {"mediaType": "application/vnd.dsse.envelope.v1+json",
                  "annotations": {"predicateType": "https://spdx.dev/Document"},
                  **repository.blob(json.dumps(envelope).encode())}
        config = {"mediaType": registry.KIND + "config.v1+json", **repository.blob(b'{"rootfs":{"diff_ids":[]}}')}
        repository.manifest({"schemaVersion": 2, "mediaType": registry.KIND + "manifest.v1+json", "config": config,
                             "layers": [signed]}, f"{tag}.att")
        found = self.attested(f"registry:{host}/{NAME}@{amd64['digest']}")
        self.assertEqual([one["digest"] for one in found], [bom["digest"], signed["digest"]])

    def test_a_bill_that_is_signed(self):
        """It is taken for its image, of which no layer is fetched; the other platform's image is analysed."""
        host = self.start()
        amd64, _ = self.index(host)
        repository = Repository(host, NAME)
        key = signing.Key(self.work, "ours")
        bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
            {"type": "library", "name": "a", "purl": "pkg:npm/a@1"}]}
        signed = signing.envelope(signing.statement(amd64["digest"], bill), key)
        tag = amd64["digest"].replace(":", "-")
        allowed = ["--no-cache", "--allow-skipped", "no-packages,package-database", "--sbom-signer", key.public]

        def fetched(relayed, image, inventories):
            code, report, said = self.gate(f"registry:{at(relayed)}/{NAME}{image}", *allowed)
            self.assertEqual(code, 0, said)
            found = [result["looked_at"].get("inventory") for result in report["results"]]
            self.assertEqual(found, inventories, report["run"]["notes"])
            return [layer["digest"] for layer in json.loads(repository.get_manifest(amd64))["layers"]
                    if any(line.endswith(layer["digest"]) for line, _ in relayed.requests)]
        by = f"attested by {key.fingerprint}, CycloneDX 1.6"
        self.assertEqual(len(fetched(self.relay(host), f"@{amd64['digest']}", [None])), 1)
        # As cosign pushes it.
        repository.manifest(signing.attestation(repository.blob, signed), f"{tag}.att")
        self.assertEqual(fetched(self.relay(host), f"@{amd64['digest']}", [by]), [])
        self.assertEqual(fetched(self.relay(host), ":many", [by, None]), [])
        # As what refers to the image: cosign's bundle, found by the tag that stands in for the referrers API.
        other = signing.Key(self.work, "another")
        stranger = signing.envelope(signing.statement(amd64["digest"], bill), other)
        repository.manifest(signing.attestation(repository.blob, stranger), f"{tag}.att")
        self.assertEqual(len(fetched(self.relay(host), f"@{amd64['digest']}", [None])), 1)
        refers = repository.manifest(signing.attestation(
            repository.blob, {"dsseEnvelope": signed}, media_type=signing.BUNDLE, subject=amd64))
        repository.manifest({"schemaVersion": 2, "mediaType": registry.KIND + "index.v1+json", "manifests": [refers]}, tag)
        self.assertEqual(fetched(self.relay(host), f"@{amd64['digest']}", [by]), [])

    def test_names_that_are_not_there(self):
        host = self.start()
        self.demo(host)
        self.refused(f"registry:{host}/{NAME}:2", f"{host}/{NAME}:2", "MANIFEST_UNKNOWN", "push the image first")
        self.refused(f"registry:{host}/team/nosuch:1", "team/nosuch")
        self.refused(f"registry:{host}/Team/demo", '"Team" is no part of a repository', "registry:[HOST[:PORT]/]NAME")
        self.refused("registry:127.0.0.1:1/a", "cannot be reached", "127.0.0.1:1")
        nobody = {"DOCKER_HOST": f"unix://{self.path('nosuch.sock')}"}
        self.refused("127.0.0.1:1/a", "nosuch.sock", "taken for registry:127.0.0.1:1/a:latest", variables=nobody)


class Access(Case):
    def locked(self, **options):
        """A registry that asks for a password, and the demo image in it."""
        host = self.start(auth=registry.htpasswd(self.work), **options)
        push(f"oci:{DEMO}:demo", f"{host}/{NAME}:1", "--dest-creds", f"{USER}:{PASSWORD}")
        return host

    def test_a_password(self):
        host = self.locked()
        image = f"registry:{host}/{NAME}:1"
        self.same(image, "--no-cache", variables=self.password(host))
        auth = {"auths": {host: {"username": USER, "password": PASSWORD}}}
        self.same(image, "--no-cache", variables={"DOCKER_AUTH_CONFIG": json.dumps(auth)})
        self.refused(image, f"{host}/{NAME}:1", "401", "without credentials", f"docker login {host}")
        said = self.refused(image, "docker-config/config.json", variables=self.password(host, "hunter2"),
                            never=["hunter2", base64.b64encode(f"{USER}:hunter2".encode()).decode()])
        self.assertIn("401", said)

    def test_a_credential_helper(self):
        host = self.locked()
        image = f"registry:{host}/{NAME}:1"
        answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
        path = self.helper("good", f"read -r server\necho \"$1 $server\" >'{self.path('asked')}'\necho '{answer}'\n")
        for document in ({"credHelpers": {host: "good"}}, {"credsStore": "good"}):
            self.same(image, "--no-cache", variables={**path, **self.docker_config(document)})
            with open(self.path("asked"), encoding="utf-8") as asked:
                self.assertEqual(asked.read(), f"get {host}\n")
        self.helper("bad", f"echo 'no keychain here' >&2\necho '{PASSWORD}' >/dev/null\nexit 1\n")
        self.helper("empty", "echo 'credentials not found in native keychain'\nexit 1\n")
        self.helper("odd", f"echo '{PASSWORD}'\n")
        for name, words in [("bad", "no keychain here"), ("empty", "docker-credential-empty has none"),
                            ("odd", "none of a credential helper"), ("nosuch", "docker-credential-nosuch cannot be run")]:
            variables = {**path, **self.docker_config({"credsStore": name})}
            self.refused(image, words, "401", variables=variables, never=[PASSWORD])

    def test_a_helper_that_hangs(self):
        host = self.locked()
        path = self.helper("slow", "exec sleep 100\n")
        variables = {**path, **self.docker_config({"credsStore": "slow"})}
        self.refused(f"registry:{host}/{NAME}:1", "docker-credential-slow did not answer within 2000 ms", "401",
                     arguments=["--deadline", "4"], variables=variables)

    def test_a_helper_is_not_run_where_nobody_asks_who_it_is(self):
        host = self.start()
        self.demo(host)
        path = self.helper("good", f"touch '{self.path('asked')}'\nexit 1\n")
        variables = {**path, **self.docker_config({"credsStore": "good"})}
        self.same(f"registry:{host}/{NAME}:1", "--no-cache", variables=variables)
        self.assertFalse(os.path.exists(self.path("asked")))

    def test_a_token(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        tokens, auth = stack.enter_context(registry.token_server(self.work, NAME))
        host = self.start(auth=auth)
        push(f"oci:{DEMO}:demo", f"{host}/{NAME}:1", "--dest-creds", f"{USER}:{PASSWORD}")
        tokens.requests.clear()
        image = f"registry:{host}/{NAME}:1"
        self.same(image, "--no-cache", "--threads", "4", variables=self.password(host))
        # One for all requests of a gate.
        self.assertEqual(len(tokens.requests), 1)
        self.assertIn("scope=repository%3Ateam%2Fdemo%3Apull", tokens.requests[0])
        self.refused(image, "who are you?", "without credentials", f"docker login {host}")
        self.refused(image, "config.json", "401", variables=self.password(host, "hunter2"), never=["hunter2"])

    def test_an_authority_of_ones_own(self):
        authority, certificate, key = registry.certificates(self.work)
        host = self.locked(tls={"certificate": certificate, "key": key})
        image = f"registry:{host}/{NAME}:1"
        trusted = {"SSL_CERT_FILE": authority}
        self.same(image, "--no-cache", variables={**trusted, **self.password(host)})
        self.refused(image, "certificate", host, variables=self.password(host))
        # The same registry by a name that only a proxy knows.
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        proxy = stack.enter_context(registry.proxy(host))
        away = {**trusted, **self.password("registry.test"), "HTTPS_PROXY": f"http://{at(proxy)}"}
        self.same(f"registry:registry.test/{NAME}:1", "--no-cache", variables=away)
        self.assertEqual(set(proxy.requests), {"registry.test:443"})


class Faults(Case):
    def test_a_connection_that_is_cut_in_the_middle_of_a_blob(self):
        host = self.start()
        self.demo(host)

        def cut(request, count):
            return 500 if is_blob(f"GET {request.path}") and count == 1 else None
        between = self.relay(host, cut)
        self.same(f"registry:{at(between)}/{NAME}:1", "--no-cache")
        ranges = [headers["Range"] for line, headers in between.requests if is_blob(line) and "Range" in headers]
        self.assertTrue(ranges)
        self.assertEqual(set(ranges), {"bytes=500-"})

    def test_a_blob_that_is_always_cut(self):
        host = self.start()
        self.demo(host)
        layer = max(program.manifest(DEMO)["layers"], key=lambda layer: layer["size"])
        between = self.relay(host, lambda request, _: 0 if request.path.endswith(layer["digest"]) else None)
        self.refused(f"registry:{at(between)}/{NAME}:1", layer["digest"], f"after 0 of {layer['size']} bytes",
                     arguments=["--deadline", "10"])

    def test_a_registry_that_falls_silent(self):
        host = self.start()
        self.demo(host)
        done = threading.Event()
        self.addCleanup(done.set)
        layer = program.manifest(DEMO)["layers"][1]["digest"]

        def stall(request, count):
            return registry.Stall(100, done) if request.path.endswith(layer) and count == 1 else None
        between = self.relay(host, stall)
        self.same(f"registry:{at(between)}/{NAME}:1", "--no-cache", "--deadline", "2")
        ranges = [headers["Range"] for line, headers in between.requests if line.endswith(layer)]
        self.assertEqual(ranges, [None, "bytes=100-"])
        nothing = self.relay(host, lambda request, _: None if request.path == "/v2/" else registry.Stall(0, done))
        self.refused(f"registry:{at(nothing)}/{NAME}:1", "did not answer within 1000 ms", arguments=["--deadline", "1"])

    def test_too_many_requests_and_a_registry_that_starts(self):
        host = self.start()
        self.demo(host)

        def busy(_, count):
            return {1: (429, {"Retry-After": "1"}, b"{}"), 2: (503, {}, b"starting")}.get(count)
        between = self.relay(host, busy)
        self.same(f"registry:{at(between)}/{NAME}:1", "--no-cache", "--threads", "8")
        limit = self.relay(host, lambda *_: (429, {"Retry-After": "7200"}, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}'))
        self.refused(f"registry:{at(limit)}/{NAME}:1", "429", "TOOMANYREQUESTS", "7200 s", "docker login")
        down = self.relay(host, lambda *_: (503, {}, b"out to lunch"))
        self.refused(f"registry:{at(down)}/{NAME}:1", "503", "out to lunch", arguments=["--deadline", "2"])

    def test_bytes_that_were_changed(self):
        host = self.start()
        image = self.demo(host)
        document = program.manifest(DEMO)
        for digest in (document["layers"][3]["digest"], document["config"]["digest"]):
            with self.subTest(digest):
                path = self.stored(digest)
                with open(path, "rb") as stored:
                    good = stored.read()
                bad = good[:-1] + bytes([good[-1] ^ 1])
                with open(path, "wb") as out:
                    out.write(bad)
                self.refused(f"registry:{image}", digest, program.sha256(bad))
                with open(path, "wb") as out:
                    out.write(good)
        self.same(f"registry:{image}", "--no-cache")
        # A proxy that gives another manifest under a digest.
        other = self.relay(host, lambda request, _: (200, {}, b"{}") if "/manifests/" in request.path else None)
        wanted = program.sha256(b"")
        self.refused(f"registry:{at(other)}/{NAME}@{wanted}", wanted, program.sha256(b"{}"))

    def test_the_base_image_that_an_image_names(self):
        host = self.start()
        manifest = program.manifest(DEMO)
        config = json.loads(self.demo_blob(manifest["config"]["digest"]))
        blobs = [self.demo_blob(layer["digest"]) for layer in manifest["layers"]]
        layers = list(zip(blobs, config["rootfs"]["diff_ids"]))

        def put(name, layers, annotations=None):
            layout = program.write_layout(self.path(name), layers,
                                          manifest=lambda value: {**value, "annotations": annotations or {}})
            push(f"oci:{layout}", f"{host}/team/{name}:1", "--preserve-digests")
            with open(os.path.join(layout, "index.json"), encoding="utf-8") as index:
                return json.load(index)["manifests"][0]["digest"]
        key = "org.opencontainers.image.base."
        base, moved = put("base", layers[:3]), put("moved", [layers[1]])
        between = self.relay(host)
        for name, below, digest, place, want, words in [
                ("known", "base", base, at(between), {"layers": 3, "by": "annotations"}, ""),
                ("other", "moved", moved, at(between), None, "its layer 0 is sha256:"),
                ("gone", "base", program.sha256(b""), at(between), None, "note: the base image that the image names"),
                # No image leads to a registry that the caller did not name.
                ("elsewhere", "base", base, host, None, "")]:
            named = f"{place}/team/{below}:1"
            put(name, layers, {f"{key}name": named, f"{key}digest": digest})
            between.requests.clear()
            code, report, said = self.gate(f"registry:{at(between)}/team/{name}:1")
            self.assertEqual(code, 1, said)
            self.assertEqual(report["results"][0]["image"]["base"], want and {**want, "name": named})
            self.assertIn(words, said)
            asked = [line for line, _ in between.requests if f"/team/{below}/" in line]
            # Manifest and config, and never a layer.
            self.assertEqual(len(asked), {"gone": 1, "elsewhere": 0}.get(name, 2), asked)


if __name__ == "__main__":
    unittest.main()
