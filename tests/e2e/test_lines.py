"""Every layer on the right line of its Dockerfile: fixtures in many styles, built here by the classic builder, or with the
history that another builder recorded.

A fixture is a directory below tests/fixtures/dockerfiles. Comments of its Dockerfile say what is right, for people and for this
test, which reads nothing else of it:

    # layer 3, 4 lines      what begins below, after blanks and comments, made layer 3 (from 0) in so many lines (one if unsaid)
    # layers 0 to 2         and it made all of these
    # build with: WORDS     arguments of `docker build`
    # gate with: WORDS      arguments of `stella gate`
    # says: WORDS           stand on stderr; only then may a layer have no line
    # engine says: WORDS    the same of the engine's image, which has no lines; its archive has them

`history.json` is the history of a config, oldest first; where there is none, the image is built."""
import concurrent.futures
import gzip
import json
import os
import re
import shlex
import shutil
import time
import unittest

import line_hash
import program
from program import gate

FIXTURES = os.path.join(program.ROOT, "tests", "fixtures", "dockerfiles")
FILES = ("Dockerfile", os.path.join("service", "Containerfile"))
LAYER = re.compile(r"# layers? (\d+)(?: to (\d+))?(?:, (\d+) lines)?")
WORDS = re.compile(r"# (build with|gate with|says|engine says): (.*)")
# Commands of the base image, by which a RUN writes files.
COMMANDS = ("cat", "echo", "pwd", "sh", "test", "touch")
BASE = "stella-e2e/lines:1"


class Fixture:
    def __init__(self, name):
        self.name, self.directory = name, os.path.join(FIXTURES, name)
        self.file = next(file for file in FILES if os.path.exists(os.path.join(self.directory, file)))
        with open(os.path.join(self.directory, self.file), encoding="utf-8", newline="") as text:
            self.text = text.read()
        self.lines, self.words = {}, {"build with": [], "gate with": [], "says": [], "engine says": []}
        lines = self.text.split("\n")
        for index, line in enumerate(lines):
            if words := WORDS.fullmatch(line.strip()):
                self.words[words[1]].append(words[2])
            if layers := LAYER.fullmatch(line.strip()):
                first = next(at for at in range(index, len(lines)) if lines[at].strip() and lines[at].strip()[0] != "#") + 1
                for layer in range(int(layers[1]), int(layers[2] or layers[1]) + 1):
                    self.lines[layer] = (first, first + int(layers[3] or 1) - 1)

    def arguments(self, key):
        return [word for words in self.words[key] for word in shlex.split(words)]

    def history(self):
        try:
            with open(os.path.join(self.directory, "history.json"), encoding="utf-8") as text:
                return json.load(text)
        except FileNotFoundError:
            return None


def fixtures(built):
    found = [Fixture(name) for name in sorted(os.listdir(FIXTURES))]
    return [fixture for fixture in found if (fixture.history() is None) == built]


class Lines(program.Case):
    def placed(self, fixture, image):
        """Gates: the first and last line of each layer that has them, how many layers there are, stderr."""
        checkout = self.path("checkout")
        shutil.rmtree(checkout, ignore_errors=True)
        shutil.copytree(fixture.directory, checkout)
        code, report, said = gate(self.work, image, "--advisories", "demo", "--dockerfile", fixture.file,
                                  *fixture.arguments("gate with"), cwd=checkout)
        # Most of these images hold no package, which is said and is none of our business here.
        self.assertIsNotNone(report, f"{code}: {said}")
        layers, hashes = report["results"][0]["image"]["layers"], line_hash.line_hashes(fixture.text)
        written = {index: layer["written"] for index, layer in enumerate(layers) if "written" in layer}
        for place in written.values():
            self.assertEqual(place["file"], fixture.file)
            self.assertEqual(place["line_hash"], hashes[place["line"] - 1])
        # Reports say it too, as nobody looks for a line on stderr.
        self.assertEqual(len(written) < len(layers), any("Dockerfile" in note for note in report["run"]["notes"]), said)
        return {layer: (place["line"], place["last_line"]) for layer, place in written.items()}, len(layers), said

    def check(self, fixture, image):
        lines, layers, said = self.placed(fixture, image)
        self.assertEqual(lines, fixture.lines, said)
        for words in fixture.words["says"]:
            self.assertIn(words, said)
        self.assertTrue(len(lines) == layers or fixture.words["says"], "a layer without a line, and nothing says why")
        if not fixture.words["says"]:
            self.assertNotIn("Dockerfile", said)


class Recorded(Lines):
    def test_recorded_histories(self):
        found = fixtures(built=False)
        self.assertGreaterEqual(len(found), 10)
        for fixture in found:
            with self.subTest(fixture.name):
                history = fixture.history()
                count = sum(not entry.get("empty_layer") for entry in history) or 1
                tars = [program.tar([(f"file-{index}", b"")]) for index in range(count)]
                layout = program.write_layout(self.path(fixture.name), [(gzip.compress(tar), tar) for tar in tars], history)
                self.check(fixture, f"oci:{layout}")

    def test_hashes_are_github_s(self):
        """The vectors of the action that uploads (github/codeql-action, src/fingerprints.test.ts)."""
        line = "Lorem ipsum dolor sit amet.\n"
        repeated = [f"a7f2ff13bc495cf2:{count}" for count in range(1, 7)] + [
            "a7f2ff1481e87703:1", "a9cf91f7bbf1862b:1", "55ec222b86bcae53:1", "cc97dc7b1d7d8f7b:1", "c129715d7a2bc9a3:1"]
        for text, want in [
                ("", ["c129715d7a2bc9a3:1"]), (line * 10, repeated), (line.replace("\n", "\r\n") * 10, repeated),
                (" a\nb\n  \t\tc\n d", ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"])]:
            self.assertEqual(line_hash.line_hashes(text), want)


@unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
class Built(Lines):
    @staticmethod
    def build(name, directory, file, *arguments):
        program.prepare("docker", "build", "--quiet", "--network", "none", "--tag", name,
                        "--file", os.path.join(directory, file), *arguments, directory, env={**os.environ, "DOCKER_BUILDKIT": "0"})

    def make(self, fixture):
        """Builds a fixture, and the image that it starts from where it has its own; gives the image's name."""
        name = f"stella-e2e/lines-{fixture.name}"
        self.addCleanup(program.call, "docker", "rmi", "--force", f"{name}:1", f"{name}-base:1")
        if os.path.exists(os.path.join(fixture.directory, "Dockerfile.base")):
            self.build(f"{name}-base:1", fixture.directory, "Dockerfile.base")
        self.build(f"{name}:1", fixture.directory, fixture.file, *fixture.arguments("build with"))
        return f"{name}:1"

    def test_what_the_classic_builder_makes(self):
        busybox, root = shutil.which("busybox"), self.path("base/root/bin")
        self.assertIsNotNone(busybox, "no busybox: Debian's package busybox-static has it")
        os.makedirs(root)
        shutil.copy(busybox, os.path.join(root, "busybox"))
        for command in COMMANDS:
            os.symlink("busybox", os.path.join(root, command))
        with open(self.path("base/Dockerfile"), "w", encoding="utf-8") as out:
            out.write('FROM scratch\nCOPY root /\nCMD ["sh"]\n')
        self.addCleanup(program.call, "docker", "rmi", "--force", BASE)
        self.build(BASE, self.path("base"), "Dockerfile")
        found, since = fixtures(built=True), time.monotonic()
        self.assertGreaterEqual(len(found), 20)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            images = list(pool.map(self.make, found))
        print(f"{len(images)} images were built in {time.monotonic() - since:.1f} s", flush=True)
        for fixture, image in zip(found, images):
            with self.subTest(fixture.name):
                if not fixture.words["engine says"]:
                    self.check(fixture, f"docker:{image}")
                    continue
                lines, _, said = self.placed(fixture, f"docker:{image}")
                self.assertEqual(lines, {})
                self.assertIn(fixture.words["engine says"][0], said)
                archive = self.path("image.tar")
                program.prepare("docker", "save", "--output", archive, image)
                self.check(fixture, f"docker-archive:{archive}")


if __name__ == "__main__":
    unittest.main()
