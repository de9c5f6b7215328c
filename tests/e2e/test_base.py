"""Which layers are the base image's, and how that is known."""
import gzip
import json
import os
import shutil
import unittest

import program
from program import DEMO, gate

OPTIONS = ["--advisories", "demo"]

# What the demo image says that it was built by, upon an image of its first layer.
DOCKERFILE = """\
ARG RELEASE=12
FROM debian:${RELEASE}
ENV LANG=C.UTF-8
RUN apt-get update \\
 && apt-get install -y --no-install-recommends ca-certificates curl wget \\
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home app
WORKDIR /app
RUN pip install --no-cache-dir -r requirements.txt
RUN npm install --global lodash@4.17.4 minimist@0.0.8
RUN pip uninstall -y flask && apt-get purge -y wget && rm -rf /var/log/apt /var/cache/apt
COPY . /app
USER 1000
CMD ["python3", "/app/main.py"]
"""


def demo_layers():
    """The demo image's layers as `write_layout` takes them, and its history."""
    manifest = program.manifest(DEMO)
    with open(program.blob(DEMO, manifest["config"]["digest"]), encoding="utf-8") as text:
        config = json.load(text)
    blobs = []
    for layer in manifest["layers"]:
        with open(program.blob(DEMO, layer["digest"]), "rb") as blob:
            blobs.append(blob.read())
    return list(zip(blobs, config["rootfs"]["diff_ids"])), config["history"]


class Base(program.Case):
    def setUp(self):
        super().setUp()
        self.checkout = self.path("checkout")
        os.mkdir(self.checkout)

    def write(self, name, text):
        with open(os.path.join(self.checkout, name), "w", encoding="utf-8") as out:
            out.write(text)
        return name

    def gate(self, image, *arguments, options=OPTIONS, **variables):
        """Gates in the checkout: base, result, stderr. Each finding says of its layer what the image says of its base."""
        code, report, said = gate(self.work, image, *options, *arguments, cwd=self.checkout, variables=variables)
        self.assertIn(code, (0, 1), said)
        result, self.notes = report["results"][0], report["run"]["notes"]
        base = result["image"]["base"]
        self.assertTrue(result["findings"])
        for finding in result["findings"]:
            want = None if base is None else finding["layer"]["index"] < base["layers"]
            self.assertEqual(finding["layer"]["base"], want)
        return base, result, said

    def assert_noted(self, label, words, said):
        """Once on stderr, and once in the report."""
        self.assertEqual(said.count(f"{label}: {words}"), 1, said)
        self.assertEqual(["Dockerfile" in words for words in said.splitlines()].count(True), 1, said)
        self.assertEqual([note[:len(words)] for note in self.notes], [words])

    def below(self, count, name="below"):
        """A layout of the demo's lowest layers."""
        layers, _ = demo_layers()
        return program.write_layout(self.path(name), layers[:count])

    def test_a_dockerfile_that_agrees(self):
        want = {"layers": 1, "by": "dockerfile", "name": "debian:12"}
        demo = f"oci:{DEMO}"
        # The demo's history shows one command alone, so it tells no base.
        self.assertIsNone(self.gate(demo)[0])
        self.write("Containerfile", DOCKERFILE)
        base, found, said = self.gate(demo)
        self.assertEqual(base, want)
        self.assertIn("Containerfile agrees with the image's history", said)
        # One that lies about may be another image's: that is a note, and no more.
        self.write("Dockerfile", DOCKERFILE.replace("curl", "vim"))
        base, _, said = self.gate(demo)
        self.assertIsNone(base)
        self.assert_noted("note", "Dockerfile tells nothing of the image, so that findings have no line of it: line 4 is not what the "
                          "image's history has there; if the image was built from another, give that one with --dockerfile FILE", said)
        for arguments, variables in [(["--dockerfile", "Containerfile"], {}), ([], {"STELLA_DOCKERFILE": "Containerfile"})]:
            self.assertEqual(self.gate(demo, *arguments, **variables)[0], want)
        self.write(".stella.yaml", "dockerfile: Containerfile\n")
        self.assertEqual(self.gate(demo)[0], want)
        # What is given is said where it does not agree.
        base, _, said = self.gate(demo, "--dockerfile", "Dockerfile")
        self.assertIsNone(base)
        self.assert_noted("warning", "Dockerfile Dockerfile: it does not tell how the image was made: line 4 ", said)
        moment = {"SOURCE_DATE_EPOCH": "1790000000"}
        with program.server(self.work, "--advisories", self.advisories()) as address:
            remote = self.gate(demo, "--server", address, options=[], **moment)[1]
        local = self.gate(demo, "--advisories", self.advisories(), options=[], **moment)[1]
        self.assertEqual(json.dumps(remote), json.dumps(local))
        self.assertEqual(found["image"]["base"], want)

    def advisories(self):
        path = self.path("advisories")
        if not os.path.exists(path):
            program.prepare(program.STELLA, "feeds", "import", program.ADVISORIES, "--advisories", path)
        return path

    def test_why_there_are_no_lines(self):
        """Said where people look for them: in every report for people, and in SARIF."""
        demo = f"oci:{DEMO}"
        self.gate(demo)
        self.assertEqual(self.notes, [])
        no_line = "tells nothing of the image, so that findings have no line of it: "
        for text, why in [("FROM x\nFOO bar\n", "line 2: no instruction that is known here"), ("", "it has no FROM")]:
            self.write("Dockerfile", text)
            self.assert_noted("note", f"Dockerfile {no_line}{why}; if the image", self.gate(demo)[2])
        reports = [("sarif", self.path("sarif")), ("markdown", self.path("markdown")), ("table", self.path("table"))]
        said = self.gate(demo, *[word for name, path in reports for word in ("-o", f"{name}={path}")])[2]
        self.assert_noted("note", f"Dockerfile {no_line}it has no FROM", said)
        for name, path in reports:
            with open(path, encoding="utf-8") as report:
                self.assertEqual(report.read().count("Dockerfile tells nothing of the image"), 1, name)
        # One that is not read is none either, unless there is another.
        os.remove(os.path.join(self.checkout, "Dockerfile"))
        os.symlink("elsewhere", os.path.join(self.checkout, "Dockerfile"))
        self.write("elsewhere", DOCKERFILE)
        self.assert_noted("note", "Dockerfile is a symbolic link, and no regular file: findings have no line of it; give the Dockerfile",
                          self.gate(demo)[2])
        self.write("Containerfile", DOCKERFILE)
        self.assertEqual(self.gate(demo)[0]["by"], "dockerfile")
        self.assertEqual(self.notes, [])
        # One of elsewhere tells the base image, and lines of it would be nobody's.
        with open(self.path("outside"), "w", encoding="utf-8") as out:
            out.write(DOCKERFILE)
        base, result, said = self.gate(demo, "--dockerfile", "../outside")
        self.assertEqual(base["by"], "dockerfile")
        self.assertFalse(any("written" in layer for layer in result["image"]["layers"]))
        self.assert_noted("note", "Dockerfile ../outside lies outside of the checkout: ", said)

    def test_where_paths_begin(self):
        """A checkout without `.git`, entered somewhere below its root."""
        self.write("Dockerfile", DOCKERFILE)
        for variables, want in [({}, "Dockerfile"), ({"GITHUB_WORKSPACE": self.path("nosuch")}, "Dockerfile"),
                                ({"CI_PROJECT_DIR": "", "WORKSPACE": self.work}, "checkout/Dockerfile")]:
            result = self.gate(f"oci:{DEMO}", **variables)[1]
            self.assertEqual({layer["written"]["file"] for layer in result["image"]["layers"]}, {want})

    def test_a_stage_that_is_not_the_last(self):
        last = "\nFROM scratch\nCOPY --from=0 /app /app\n"
        self.write("Dockerfile", DOCKERFILE.replace("FROM debian:${RELEASE}", "FROM debian:${RELEASE} AS run") + last)
        demo = f"oci:{DEMO}"
        base, _, said = self.gate(demo, "--dockerfile", "Dockerfile")
        self.assertIsNone(base)
        self.assertIn('stage "run" agrees', said)
        self.assertIn('stage "run" agrees', self.notes[0])
        # What lies about is known for the image's own by it.
        base, _, said = self.gate(demo)
        self.assertIsNone(base)
        self.assertIn('stage "run" agrees; say with --dockerfile-target which was built', said)
        self.assertIn('stage "run" agrees; say with --dockerfile-target which was built', self.notes[0])
        base, _, said = self.gate(demo, "--dockerfile-target", "run")
        self.assertEqual(base["by"], "dockerfile")
        self.assertNotIn("--dockerfile-target", said)
        os.remove(os.path.join(self.checkout, "Dockerfile"))
        for arguments, variables in [(["--dockerfile-target", "run"], {}), ([], {"STELLA_DOCKERFILE_TARGET": "run"})]:
            base, _, said = self.gate(demo, *arguments, **variables)
            self.assert_noted("warning", "--dockerfile-target run has no effect: no Dockerfile", said)

    def test_layers_of_an_image_that_is_named(self):
        below = f"oci:{self.below(3)}"
        self.write("Dockerfile", DOCKERFILE)
        base, _, _ = self.gate(f"oci:{DEMO}", "--base", below)
        self.assertEqual(base, {"layers": 3, "by": "layers", "name": below})
        # One that has moved on, or is not there: said, and the next best tells.
        moved = demo_layers()[0][:2]
        moved = f"oci:{program.write_layout(self.path('moved'), [moved[0], (gzip.compress(b''), program.sha256(b''))])}"
        for other, verb, words in [(moved, "is not the base image of", "its layer 1 is sha256:e3b0c442"),
                                   ("oci:nosuch", "could not be opened for", "there is no file or directory")]:
            base, _, said = self.gate(f"oci:{DEMO}", "--base", other)
            self.assertEqual(base["by"], "dockerfile")
            self.assertIn(f"warning: --base {other} {verb} linux/", said)
            self.assertIn(words, said)

    def test_an_sbom_says_it_too(self):
        """What `stella sbom` is told of the base image comes back with the gate of its SBOM."""
        demo, below = f"oci:{DEMO}", f"oci:{self.below(3)}"
        self.write("Dockerfile", DOCKERFILE.replace("FROM debian:${RELEASE}", "FROM debian:${RELEASE} AS run") + "\nFROM scratch\n")
        for arguments, variables in [(["--base", below], {}), (["--dockerfile", "Dockerfile", "--dockerfile-target", "run"], {}),
                                     ([], {"STELLA_BASE": below})]:
            want, found, _ = self.gate(demo, *arguments, **variables)
            self.assertIn(want["layers"], (1, 3))
            for form in ("cyclonedx", "spdx"):
                sbom = self.path("sbom.json")
                program.prepare(program.STELLA, "sbom", demo, *arguments, "-o", f"{form}={sbom}", cwd=self.checkout,
                                env={**program.environment(self.work), **variables})
                base, again, _ = self.gate(f"sbom:{sbom}")
                self.assertEqual(base, want)
                # An SBOM does not say where a checkout asks for what it holds.
                for finding in found["findings"]:
                    finding.pop("asked", None)
                self.assertEqual(again["findings"], found["findings"])

    def test_what_the_image_names(self):
        name = "org.opencontainers.image.base.name"
        layers, history = demo_layers()
        command = {"created_by": "CMD [\"bash\"]", "empty_layer": True}
        history = [history[0], command, *history[1:]]

        def layout(place, label=None, annotation=None, at=None):
            def config(value):
                if label:
                    value["config"] = {"Labels": {name: label}}
                if at is not None:
                    value["history"].insert(at, {"created_by": f"LABEL {name}={label}", "empty_layer": True})
                return value

            def manifest(value):
                return {**value, "annotations": {name: annotation}} if annotation else value
            return "oci:" + program.write_layout(self.path(place), layers, list(history), config=config, manifest=manifest)
        want = {"layers": 1, "by": "history"}
        for place, more, found in [("a", {}, want), ("b", {"label": "l"}, {**want, "name": "l"}),
                                   ("c", {"label": "l", "annotation": "a"}, {**want, "name": "a"}),
                                   # A label of the base image itself names what that was built upon.
                                   ("d", {"label": "l", "at": 1}, want),
                                   ("e", {"label": "l", "at": 5}, {**want, "name": "l"})]:
            image = layout(place, **more)
            self.assertEqual(self.gate(image)[0], found, more)
        done = program.call(program.STELLA, "gate", image, *OPTIONS, env=program.environment(self.work))
        self.assertIn("  base image, as the history reads  ", done.stdout)

    def test_wrong_calls(self):
        self.write(".stella.yaml", "base: x\n")
        code, _, said = gate(self.work, f"oci:{DEMO}", *OPTIONS, cwd=self.checkout)
        self.assertEqual(code, 2)
        self.assertIn("use --base", said)
        with open(self.path("outside"), "w", encoding="utf-8") as out:
            out.write(DOCKERFILE)
        self.write(".stella.yaml", "dockerfile: ../outside\n")
        code, _, said = gate(self.work, f"oci:{DEMO}", *OPTIONS, cwd=self.checkout)
        self.assertEqual(code, 2)
        self.assertIn("leads out of the working directory", said)
        os.remove(os.path.join(self.checkout, ".stella.yaml"))
        code, _, said = gate(self.work, f"oci:{DEMO}", *OPTIONS, "--dockerfile", "nosuch", cwd=self.checkout)
        self.assertEqual(code, 2)
        self.assertIn("--dockerfile nosuch cannot be read", said)

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_the_classic_builder(self):
        context, names = self.path("context"), ["stella-e2e/base:1", "stella-e2e/app:1"]
        shutil.copytree(os.path.join(program.ROOT, "tests", "fixtures", "demo-source", "app"), os.path.join(context, "app"))
        for index, (blob, _) in enumerate(demo_layers()[0]):
            with open(os.path.join(context, f"{index}.tar.gz"), "wb") as out:
                out.write(blob)
        self.addCleanup(program.call, "docker", "rmi", "--force", *reversed(names))

        def build(name, text, *arguments):
            with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as out:
                out.write(text)
            program.prepare("docker", "build", "--quiet", "--tag", name, *arguments, context,
                            env={**os.environ, "DOCKER_BUILDKIT": "0"})
        build(names[0], "FROM scratch\nADD 0.tar.gz /\nADD 1.tar.gz /\n"
                        "ONBUILD ENV ONCE=1\nONBUILD COPY app /asked\nCMD [\"sh\"]\n")
        text = """\
ARG BASE=stella-e2e/base
ARG TAG
FROM scratch AS files
COPY app /app

FROM ${BASE}:1 AS run
ARG NAME=none
LABEL name=$NAME kind="an app"
WORKDIR /srv/of-it
ADD 2.tar.gz 3.tar.gz \\
    # in between
    /
FROM run
COPY --from=files /app/ /app/
USER 1000
CMD ["python3", "/app/main.py"]
"""
        build(names[1], text, "--build-arg", "NAME=demo", "--label", "by=us")
        self.write("Dockerfile", text)
        want = {"layers": 2, "by": "dockerfile", "name": names[0]}
        archive = self.path("image.tar")
        program.prepare("docker", "save", "--output", archive, names[1])
        for image in (f"docker-archive:{archive}", f"docker:{names[1]}"):
            base, result, said = self.gate(image, "--dockerfile", "Dockerfile")
            self.assertEqual(base, want, said)
            # Two below, what they ask for, WORKDIR, ADD, COPY.
            self.assertEqual(len(result["image"]["layers"]), 6)
        base, _, _ = self.gate(f"docker:{names[1]}", "--base", f"docker:{names[0]}")
        self.assertEqual(base, {"layers": 2, "by": "layers", "name": f"docker:{names[0]}"})
        # From nothing, nothing is the base image's.
        build(names[1], "FROM scratch\nADD 0.tar.gz 1.tar.gz /\n")
        self.write("Dockerfile", "FROM scratch\nADD 0.tar.gz 1.tar.gz /\n")
        base, _, _ = self.gate(f"docker:{names[1]}")
        self.assertEqual(base, {"layers": 0, "by": "dockerfile", "name": "scratch"})


if __name__ == "__main__":
    unittest.main()
