"""The whole program on the demo image: the README's gate, every source of an image, the delta, forged and bad input."""
import json
import os
import shutil
import subprocess
import tarfile
import unittest
import xml.etree.ElementTree

import program
from program import DEMO, gate

OPTIONS = program.readme_gate()


class Gate(program.Case):
    def passes_or_fails(self, image, *arguments, options=OPTIONS):
        """Gates and gives the report; the gate must have come to a verdict, which the exit code tells."""
        code, report, said = gate(self.work, image, *options, *arguments)
        self.assertIn(code, (0, 1), said)
        self.assertEqual(code == 1, any(one["verdict"]["outcome"] == "fail" for one in report["results"]))
        return report

    def layout(self):
        copy = self.path("layout")
        shutil.copytree(DEMO, copy)
        return copy

    def test_a_wrong_word_commands_nobody(self):
        for words, variables in ((["gate", "x", "--\x1b[31m\n::error::pwn"], {}), (["gate", "x"], {"STELLA_VERIFY": "a\n::error::pwn"})):
            done = program.call(program.STELLA, *words, env={**program.environment(self.work), **variables})
            self.assertEqual(done.returncode, 2)
            self.assertIn("pwn", done.stderr)
            self.assertNotIn("\x1b", done.stderr)
            self.assertFalse([line for line in done.stderr.splitlines() if line.startswith("::")], done.stderr)

    def test_who_cannot_be_told_is_not_told_that_it_passed(self):
        layer = program.tar([("etc/other", b"x")])
        clean = program.write_layout(self.path("clean"), [(layer, layer)])
        variables = self.path("stella.env")
        for options, code in (([], 3), (["--on-error", "warn"], 0)):
            # In whatever order they are asked for.
            done, report, said = gate(self.work, f"oci:{clean}", "-o", f"dotenv={variables}", "-o", f"sarif={clean}/oci-layout/x",
                                      "--advisories", "demo", "--allow-skipped", "no-packages", *options)
            self.assertEqual((done, report["results"][0]["verdict"]["outcome"]), (code, "pass"), said)
            self.assertTrue(report["run"]["unwritten"])
            with open(variables, encoding="utf-8") as text:
                self.assertEqual(text.readline(), "STELLA_VERDICT=unfinished\n")
            self.assertIn("gate UNFINISHED: a report could not be written", said)
            self.assertEqual("NOT REPORTED IN FULL" in said, not code)
            self.assertNotIn("NOT GATED", said)

    # ---- the README's gate ----------------------------------------------------------------------------------------

    def test_the_demo_fails_with_a_reason_and_reports(self):
        sarif, junit = self.path("stella.sarif"), self.path("stella.xml")
        code, report, said = gate(self.work, f"oci:{DEMO}", *OPTIONS, "-o", f"sarif={sarif}", "-o", f"junit={junit}")
        self.assertEqual(code, 1, said)
        # Where the README's reader stands lies no Dockerfile, which would be none of the demo's.
        self.assertNotIn("Dockerfile", said)
        failing = [one for one in report["results"][0]["findings"] if one["action"] == "fail"]
        self.assertTrue(failing)
        self.assertTrue(any(one["id"] in said for one in failing), said)
        self.assertTrue(any(one["rule"] in said for one in failing), said)
        with open(sarif, encoding="utf-8") as text:
            self.assertTrue(json.load(text)["runs"][0]["results"])
        suites = xml.etree.ElementTree.parse(junit).getroot()
        self.assertTrue(list(suites.iter("failure")))

    def test_what_the_image_holds(self):
        result = self.passes_or_fails(f"oci:{DEMO}")["results"][0]
        looked_at = result["looked_at"]
        self.assertEqual(looked_at["layers"], 7)
        self.assertEqual((looked_at["os"]["id"], looked_at["os"]["version"]), ("debian", "12"))
        # 88 of the base and 13 of apt; wget is purged. 14 of pip without Flask. Two of npm, two of the application.
        self.assertEqual(looked_at["packages"], {"deb": 101, "pypi": 13, "npm": 4})
        found = {one["package"]["name"].lower(): one["layer"]["index"] for one in result["findings"]}
        self.assertNotIn("flask", found)
        self.assertNotIn("wget", found)
        for name, layer in {"openssl": 1, "libssl3": 1, "requests": 3, "lodash": 4}.items():
            self.assertEqual(found.get(name, layer), layer, name)

    def test_the_same_bytes_again(self):
        first, second = self.passes_or_fails(f"oci:{DEMO}"), self.passes_or_fails(f"oci:{DEMO}")
        self.assertEqual(first["results"][0]["findings"], second["results"][0]["findings"])
        self.assertEqual(second["run"]["layers"], {"hits": 7, "misses": 0})

    # ---- sources --------------------------------------------------------------------------------------------------

    def test_every_source_gives_the_same_findings(self):
        demo, engine = f"oci:{DEMO}:demo", os.environ.get("DOCKER_HOST")
        images = {"oci-archive": f"oci-archive:{self.path('a.tar')}",
                  "docker-archive": f"docker-archive:{self.path('d.tar')}"}
        program.skopeo(demo, images["oci-archive"] + ":demo")
        program.skopeo(demo, images["docker-archive"] + ":stella-e2e/sources:1")
        images["zstd"] = f"oci:{self.path('zstd')}"
        program.skopeo(demo, images["zstd"] + ":demo", "--dest-compress-format", "zstd", "--dest-compress")
        images["zstd-archive"] = f"oci-archive:{self.path('z.tar')}"
        program.skopeo(images["zstd"] + ":demo", images["zstd-archive"] + ":demo")
        if engine:
            self.addCleanup(program.call, "docker", "rmi", "--force", "stella-e2e/sources:1")
            program.prepare("docker", "load", "--quiet", "--input", self.path("d.tar"))
            program.prepare("docker", "save", "--output", self.path("saved.tar"), "stella-e2e/sources:1")
            images["docker"] = "docker:stella-e2e/sources:1"
            images["docker-save"] = f"docker-archive:{self.path('saved.tar')}"
        want = self.passes_or_fails(f"oci:{DEMO}", "--no-cache")["results"][0]
        self.assertTrue(want["findings"])
        # What they are called: by the archive's tags, else by the file, and not by the directory that every build makes anew.
        called = {"oci-archive": "a", "docker-archive": "stella-e2e/sources:1", "docker-save": "stella-e2e/sources:1",
                  "zstd": "zstd", "zstd-archive": "z", "docker": None}
        for name, image in images.items():
            with self.subTest(name):
                got = self.passes_or_fails(image, "--no-cache")["results"][0]
                for key in ("findings", "looked_at"):
                    self.assertEqual(got[key], want[key])
                self.assertEqual(got["verdict"]["outcome"], want["verdict"]["outcome"])
                self.assertEqual(got["image"].get("called"), called[name])

    def test_the_caller_names_the_image(self):
        sarif, bom = self.path("s.sarif"), self.path("b.json")
        named = self.passes_or_fails(f"oci:{DEMO}", "--name", "team/app:1.2",
                                     "-o", f"sarif={sarif}", "-o", f"cyclonedx={bom}")
        self.assertEqual(named["results"][0]["image"]["called"], "team/app:1.2")
        with open(sarif, encoding="utf-8") as text:
            run = json.load(text)["runs"][0]
        self.assertEqual(run["automationDetails"]["id"], "stella/team/app/")
        with open(bom, encoding="utf-8") as text:
            self.assertEqual(json.load(text)["metadata"]["component"]["name"], "team/app:1.2")
        done = program.call(program.STELLA, "gate", f"oci:{DEMO}", "--name", "../app",
                            env=program.environment(self.work))
        self.assertEqual(done.returncode, 2)
        self.assertIn('--name "../app" is no name of an image', done.stderr)

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_a_directory_gives_the_same_findings(self):
        name, archive, root = "stella-e2e/directory:1", self.path("d.tar"), self.path("root")
        program.skopeo(f"oci:{DEMO}:demo", f"docker-archive:{archive}:{name}")
        self.addCleanup(program.call, "docker", "rmi", "--force", name)
        program.prepare("docker", "load", "--quiet", "--input", archive)
        container = program.prepare("docker", "create", name, "none").strip()
        self.addCleanup(program.call, "docker", "rm", container)
        program.prepare("docker", "export", "--output", self.path("root.tar"), container)
        with tarfile.open(self.path("root.tar")) as tar:
            tar.extractall(root)
        want = self.passes_or_fails(f"oci:{DEMO}")["results"][0]
        # In a directory a lock file's packages count; in an image they are what it was built from.
        self.assertIn("app/requirements.txt", [one["path"] for one in want["looked_at"]["lock_files"]])
        locked = self.passes_or_fails(f"dir:{root}")["results"][0]["looked_at"]["packages"]["pypi"]
        self.assertEqual(locked, want["looked_at"]["packages"]["pypi"] + 1)
        os.remove(os.path.join(root, "app", "requirements.txt"))
        got = self.passes_or_fails(f"dir:{root}")["results"][0]
        self.assertEqual(got["looked_at"]["packages"], want["looked_at"]["packages"])
        self.assertEqual(got["looked_at"]["layers"], 1)

        def without_layers(result):
            return [{key: value for key, value in one.items() if key != "layer"} for one in result["findings"]]
        key = json.dumps
        self.assertEqual(sorted(without_layers(got), key=key), sorted(without_layers(want), key=key))

    # ---- the delta ------------------------------------------------------------------------------------------------

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_only_the_rebuilt_layer_is_analysed(self):
        context, image = self.path("context"), "stella-e2e/delta:1"
        os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
        self.addCleanup(os.environ.pop, "SOURCE_DATE_EPOCH")
        app = os.path.join(context, "app")
        shutil.copytree(os.path.join(program.ROOT, "tests", "fixtures", "demo-source", "app"), app)
        lines = ["FROM scratch"]
        for index, layer in enumerate(program.manifest(DEMO)["layers"][:6]):
            shutil.copy(program.blob(DEMO, layer["digest"]), os.path.join(context, f"{index}.tar.gz"))
            lines.append(f"ADD {index}.tar.gz /")
        with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as dockerfile:
            dockerfile.write("\n".join([*lines, "COPY app /app", ""]))
        self.addCleanup(program.call, "docker", "rmi", "--force", image)

        def build():
            environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
            done = subprocess.run(["docker", "build", "--quiet", "--tag", image, context], env=environment,
                                  capture_output=True, text=True, timeout=program.TIMEOUT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        build()
        advisories = self.path("advisories")
        program.prepare(program.STELLA, "feeds", "import", program.ADVISORIES, "--advisories", advisories)

        def ask(*arguments):
            return self.passes_or_fails(f"docker:{image}", *arguments, options=[])
        with program.server(self.work, "--advisories", advisories) as address:
            first = ask("--server", address)
            self.assertEqual(first["run"]["layers"], {"hits": 0, "misses": 7})
            with open(os.path.join(app, "main.py"), "a", encoding="utf-8") as source:
                source.write("# rebuilt\n")
            build()
            second = ask("--server", address)
            self.assertEqual(second["run"]["layers"], {"hits": 6, "misses": 1})
            self.assertEqual(second["run"]["uploaded"], 1)
            third = ask("--server", address)
            self.assertEqual(third["run"]["layers"], {"hits": 7, "misses": 0})
            self.assertEqual((third["run"]["round_trips"], third["run"]["bytes_read"]), (1, 0))
        full = ask("--advisories", advisories, "--no-cache")
        # To the byte: the report is JSON with its keys in a fixed order, and the moment is given.
        self.assertEqual(json.dumps(second["results"]), json.dumps(full["results"]))

    # ---- forged and bad input -------------------------------------------------------------------------------------

    def refused(self, image, *words, code=3, options=OPTIONS):
        """The gate ends with `code`, says `words`, and leaves no half report."""
        found, report, said = gate(self.work, image, *options)
        self.assertEqual(found, code, said)
        self.assertIsNone(report)
        for word in words:
            self.assertIn(word, said)

    def test_a_forged_layer_is_refused_with_both_digests(self):
        layout = self.layout()
        layers = program.manifest(layout)["layers"]
        forged, other = layers[6]["digest"], layers[4]["digest"]
        shutil.copy(program.blob(layout, other), program.blob(layout, forged))
        self.refused(f"oci:{layout}", forged, other)
        archive = self.path("forged.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(layout, arcname="")
        self.refused(f"oci-archive:{archive}", forged, other)

    def test_a_forged_layer_of_an_archive_is_refused(self):
        archive, forged = self.path("d.tar"), self.path("forged.tar")
        program.skopeo(f"oci:{DEMO}:demo", f"docker-archive:{archive}:stella-e2e/forged:1")
        with tarfile.open(archive) as old, tarfile.open(forged, "w") as new:
            layers = json.load(old.extractfile("manifest.json"))[0]["Layers"]
            real = {member.name: member for member in old}

            def content(name):
                member = real[name]
                while member.issym():
                    member = real[os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))]
                return member
            for name, member in real.items():
                source = content(layers[4]) if member.isreg() and member == content(layers[6]) else member
                data = old.extractfile(source) if source.isreg() else None
                member.size = source.size
                new.addfile(member, data)
        with open(program.blob(DEMO, program.manifest(DEMO)["config"]["digest"]), encoding="utf-8") as config:
            diff_ids = json.load(config)["rootfs"]["diff_ids"]
        self.refused(f"docker-archive:{forged}", diff_ids[6], diff_ids[4])

    def test_a_cut_off_layer(self):
        layout = self.layout()
        digest = program.manifest(layout)["layers"][0]["digest"]
        os.truncate(program.blob(layout, digest), 5000)
        self.refused(f"oci:{layout}", digest)

    def test_a_missing_blob(self):
        layout = self.layout()
        digest = program.manifest(layout)["layers"][2]["digest"]
        os.remove(program.blob(layout, digest))
        self.refused(f"oci:{layout}", digest.removeprefix("sha256:"), layout)

    def test_an_index_that_is_none(self):
        layout = self.layout()
        with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as index:
            index.write('{"hello": ["world"]}')
        self.refused(f"oci:{layout}", "index.json", "neither `manifests` nor `config`", layout)

    def test_an_unknown_image(self):
        self.refused(f"oci:{self.path('nowhere')}", "nowhere")

    def test_a_policy_with_a_typo(self):
        policy = self.path("policy.yaml")
        with open(policy, "w", encoding="utf-8") as text:
            text.write("version: 1\nrules:\n  - name: no-critical\n    wehn: {severity: critical}\n    action: fail\n")
        self.refused(f"oci:{DEMO}", "policy.yaml", "4:5", code=2, options=[*OPTIONS, "--policy", policy])

    def test_an_unknown_flag(self):
        self.refused(f"oci:{DEMO}", "--no-such-flag", code=2, options=[*OPTIONS, "--no-such-flag"])


if __name__ == "__main__":
    unittest.main()
