"""A real BuildKit: `stella build` around `docker buildx build`, and the image as the generator of its SBOMs. Both of its programs are
made from their sources, which takes minutes: `tests/run.sh --full`."""
import contextlib
import json
import os
import shutil
import sys
import tarfile
import unittest
import urllib.error
import urllib.request

import buildkit
# `settings` says where `program` is.
import settings  # noqa: F401
import program
from program import ROOT, STELLA, call

sys.path.append(os.path.join(ROOT, "tests", "registry"))
import registry  # noqa: E402

STATIC = os.environ.get("STELLA_STATIC", "")
DOCKERFILE = """\
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
ARG BUILDKIT_SBOM_SCAN_STAGE=true
FROM scratch AS tools
COPY tools /

FROM scratch
COPY bin /bin
COPY app \\
    /app/
ARG WHO=you
RUN ["/bin/sh", "-c", "echo hello $WHO >/hello"]
COPY --from=tools /tool /tool
"""
LOCK = '{"name": "app", "lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "%s"}}}\n'
PACKAGE = '{"name": "%s", "version": "%s"}\n'
OLD, NEW = "4.17.4", "4.17.21"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@unittest.skipUnless(os.environ.get("STELLA_TEST_FULL") == "1", "BuildKit takes minutes to make: --full")
@unittest.skipUnless(os.geteuid() == 0, "BuildKit's daemon takes root")
class BuildKit(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.programs = buildkit.programs()

    def setUp(self):
        super().setUp()
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        plugins = self.path("docker/cli-plugins")
        os.makedirs(plugins)
        os.symlink(os.path.join(self.programs, "docker-buildx"), os.path.join(plugins, "docker-buildx"))
        socket = self.path("buildkit.sock")
        # Of the host's network, because the registry is there.
        daemon = [os.path.join(self.programs, "buildkitd"), "--addr", f"unix://{socket}", "--root", self.path("buildkit"),
                  "--containerd-worker=false", "--oci-worker=true", "--oci-worker-net=host"]
        stack.enter_context(program.listening(daemon, self.path("buildkit.log"), r"running server on (\S+)"))
        self.registry, _ = stack.enter_context(registry.registry(self.work))
        self.variables = {"PATH": os.environ["PATH"], "HOME": self.work, "DOCKER_CONFIG": self.path("docker"),
                          "DOCKER_HOST": os.environ.get("DOCKER_HOST", "")}
        self.docker("buildx", "create", "--name", "real", "--driver", "remote", f"unix://{socket}")
        self.name = f"{self.registry}/team/app:1"
        self.application(OLD)

    def docker(self, *words):
        done = call("docker", *words, env=self.variables, cwd=self.work)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def application(self, version):
        files = {"Dockerfile": DOCKERFILE, "tools/tool": "a tool\n", "tools/node_modules/ms/package.json": PACKAGE % ("ms", "2.1.3"),
                 "app/package-lock.json": LOCK % version, "app/node_modules/lodash/package.json": PACKAGE % ("lodash", version)}
        for name, text in files.items():
            path = self.path(f"context/{name}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        os.makedirs(self.path("context/bin"), exist_ok=True)
        shutil.copy(shutil.which("busybox"), self.path("context/bin/sh"))

    def build(self, *words, options=()):
        report = self.path("report.json")
        done = call(STELLA, "build", "--advisories", "demo", "--no-cache", "-o", f"json={report}", *options, "--",
                    "docker", "buildx", "build", "--builder", "real", *words, "-t", self.name, ".",
                    env=self.variables, cwd=self.path("context"))
        with open(report, encoding="utf-8") as text:
            return done.returncode, json.load(text)["results"], done.stderr

    def published(self, kind=MANIFEST, reference="1"):
        """What the registry has under the name: its digest and its text; None where there is nothing."""
        request = urllib.request.Request(f"http://{self.registry}/v2/team/app/manifests/{reference}", headers={"Accept": kind})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.headers["Docker-Content-Digest"], json.load(answer)
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 404)
            return None

    def engine_s(self):
        done = call("docker", "image", "inspect", "--format", "{{.Id}}", self.name, env=self.variables)
        return done.stdout.strip()

    def test_nothing_is_published_before_the_gate_and_then_what_was_gated(self):
        self.addCleanup(call, "docker", "image", "rm", "--force", self.name, env=self.variables)
        for where in ("--push", "--load", "--output=type=registry"):
            code, _, said = self.build(where)
            self.assertEqual(code, 1, said)
            self.assertIn("the gate is closed", said)
        self.assertEqual((self.published(), self.engine_s()), (None, ""))
        self.application(NEW)
        metadata = self.path("metadata.json")
        code, results, said = self.build("--push", "--provenance=false", "--metadata-file", metadata)
        self.assertEqual(code, 0, said)
        with open(metadata, encoding="utf-8") as text:
            built = json.load(text)["containerimage.digest"]
        self.assertEqual({built, results[0]["image"]["digest"]}, {self.published()[0]}, said)
        code, results, said = self.build("--load")
        self.assertEqual((code, self.engine_s()), (0, results[0]["image"]["config_digest"]), said)

    def test_every_platform_is_gated_and_pushed(self):
        self.application(NEW)
        # Nothing is run for a processor that is not here.
        with open(self.path("context/Dockerfile"), "w", encoding="utf-8") as out:
            out.write("FROM scratch\nCOPY app /app/\n")
        code, results, said = self.build("--push", "--platform", "linux/amd64,linux/arm64")
        self.assertEqual(code, 0, said)
        self.assertEqual([result["image"]["platform"] for result in results], ["linux/amd64", "linux/arm64"])
        listed = {entry["digest"] for entry in self.published(INDEX)[1]["manifests"]}
        self.assertLessEqual({result["image"]["digest"] for result in results}, listed)

    def test_findings_stand_on_the_lines_that_buildkit_s_history_tells(self):
        code, results, said = self.build("--load", "--build-arg", "WHO=them")
        self.assertEqual(code, 1, said)
        lines = [layer["written"]["line"] for layer in results[0]["image"]["layers"]]
        self.assertEqual(lines, [7, 8, 11, 12], said)
        self.assertEqual({found["layer"]["index"] for found in results[0]["findings"]}, {1})

    def test_nothing_is_left_to_gate(self):
        code, results, said = self.build()
        self.assertEqual((code, results), (2, []), said)
        self.assertIn("add --load, or --push", said)

    @unittest.skipUnless(STATIC, "STELLA_STATIC names no static program")
    def test_the_image_is_buildkit_s_generator(self):
        generator = f"{self.registry}/stella:generator"
        context = self.path("image")
        os.makedirs(context)
        shutil.copy(STATIC, os.path.join(context, f"stella-{buildkit.PROCESSOR}"))
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", context)
        with open(os.path.join(ROOT, "image", "Dockerfile"), encoding="utf-8") as text:
            whole = text.read()
        # Its other target is made of an image that cannot be pulled here.
        bare = whole[whole.index("FROM scratch AS bare"):whole.index("FROM bare AS shell")]
        with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as out:
            out.write(bare)
        self.docker("buildx", "build", "--builder", "real", "--push", "-t", generator, context)
        archive = self.path("attested.tar")
        self.docker("buildx", "build", "--builder", "real", "--attest", f"type=sbom,generator={generator}",
                    "-o", f"type=oci,dest={archive}", self.path("context"))
        found = {}
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                data = tar.extractfile(member).read() if member.isfile() and member.size < 1 << 20 else b""
                if data.startswith(b"{") and b"https://spdx.dev/Document" in data and b"predicate" in data:
                    statement = json.loads(data)
                    if statement.get("predicateType") == "https://spdx.dev/Document":
                        names = {package["name"] for package in statement["predicate"]["packages"]}
                        found[statement["predicate"]["name"].rpartition("/")[2]] = names
        self.assertEqual(sorted(found), ["sbom", "sbom-context", "sbom-tools"])
        self.assertIn("lodash", found["sbom"])
        self.assertNotIn("ms", found["sbom"])
        self.assertIn("ms", found["sbom-tools"])
        self.assertIn("lodash", found["sbom-context"])


if __name__ == "__main__":
    unittest.main()
