"""Bad input: each kind has its own message and exit code, and nothing is written half."""
import gzip
import json
import os
import unittest

import program
from program import DEMO, STELLA, call, environment, gate, tar, write_layout

DEMO_ADVISORIES = ["--advisories", "demo"]


class Input(program.Case):
    def refused(self, image, *words, code=3, options=DEMO_ADVISORIES):
        found, report, said = gate(self.work, image, *options)
        self.assertEqual(found, code, said)
        self.assertIsNone(report)
        self.assertEqual([name for name in os.listdir(self.work) if name.startswith(".stella-")], [])
        for word in words:
            self.assertIn(word, said)

    def layer(self, stored, content):
        return "oci:" + write_layout(self.path("layout"), [(stored, content)])

    def test_a_gzip_stream_that_is_cut(self):
        content = tar([("a", b"x" * 100_000)])
        self.refused(self.layer(gzip.compress(content)[:60], content), "gzip", "layer sha256:")

    def test_a_path_that_leads_out(self):
        content = tar([("../../etc/x", b"x")])
        self.refused(self.layer(gzip.compress(content), content), "../../etc/x", "leads out of the image")

    def test_an_absolute_path(self):
        content = tar([("/etc/x", b"x")])
        self.refused(self.layer(gzip.compress(content), content), "/etc/x", "absolute path")

    def test_a_layer_over_the_limit(self):
        self.refused(f"oci:{DEMO}", "`layer size`, 102400", "--limit layer-size=N", options=[*DEMO_ADVISORIES, "--limit", "layer-size=100KB"])
        self.refused(f"oci:{DEMO}", "layer-sise", "layer-size", code=2,
                     options=[*DEMO_ADVISORIES, "--limit", "layer-sise=1"])

    def test_a_manifest_that_is_none(self):
        image = self.layer(gzip.compress(tar([])), tar([]))
        layout = image.removeprefix("oci:")
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as text:
            index = json.load(text)
        bad = b'{"hello": "world"}'
        index["manifests"][0].update(digest=program.sha256(bad), size=len(bad))
        with open(program.blob(layout, program.sha256(bad)), "wb") as out:
            out.write(bad)
        with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as text:
            json.dump(index, text)
        self.refused(image, "manifest", program.sha256(bad).removeprefix("sha256:"))

    def test_a_config_of_another_image(self):
        image = self.layer(gzip.compress(tar([])), tar([]))
        layout = image.removeprefix("oci:")
        digest = program.manifest(layout)["config"]["digest"]
        with open(program.blob(layout, digest), "ab") as out:
            out.write(b" ")
        self.refused(image, digest)

    def test_an_unknown_tag(self):
        self.refused(f"oci:{DEMO}:nosuch", "nosuch", "demo")

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_an_image_that_the_engine_does_not_have(self):
        self.refused("docker:stella-e2e/nosuch:1", "stella-e2e/nosuch:1", os.environ["DOCKER_HOST"])

    def test_an_engine_that_is_not_there(self):
        scrubbed = {**environment(self.work), "DOCKER_HOST": f"unix://{self.path('nosuch.sock')}"}
        done = call(STELLA, "gate", "docker:a", *DEMO_ADVISORIES, env=scrubbed, cwd=self.work)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("nosuch.sock", done.stderr)

    def test_advisories_that_are_missing_or_rubbish(self):
        self.refused(f"oci:{DEMO}", "feeds import", "nosuch", options=["--advisories", self.path("nosuch")])
        with open(self.path("rubbish"), "wb") as out:
            out.write(b"rubbish" * 1000)
        self.refused(f"oci:{DEMO}", "feeds import", "rubbish", options=["--advisories", self.path("rubbish")])

    def test_an_empty_home_has_no_advisories(self):
        self.refused(f"oci:{DEMO}", "no advisories", "stella feeds import", options=[])

    def test_a_policy_that_is_not_there(self):
        self.refused(f"oci:{DEMO}", "nosuch.yaml", code=2, options=[*DEMO_ADVISORIES, "--policy", "nosuch.yaml"])

    def test_an_unknown_format(self):
        self.refused(f"oci:{DEMO}", "sarrif", "sarif", code=2, options=[*DEMO_ADVISORIES, "-o", "sarrif=x"])

    def test_a_report_that_cannot_be_written_hides_nothing(self):
        blocked, written = self.path("file"), self.path("r.xml")
        with open(blocked, "w", encoding="utf-8"):
            pass
        reports = ["-o", f"sarif={blocked}/x.sarif", "-o", "table=/dev/full", "-o", f"junit={written}"]
        code, report, said = gate(self.work, f"oci:{DEMO}", *DEMO_ADVISORIES, *reports)
        # A gate that failed has failed, whoever was told.
        self.assertEqual(code, 1, said)
        for words in ("x.sarif", "/dev/full", "gate FAILED"):
            self.assertIn(words, said)
        self.assertTrue(report)
        self.assertTrue(os.path.getsize(written))
        with open(self.path("open.yaml"), "w", encoding="utf-8") as out:
            out.write("version: 1\nrules: [{name: a, when: {package: '*'}, action: warn}]\n")
        code, _, said = gate(self.work, f"oci:{DEMO}", *DEMO_ADVISORIES, *reports, "--policy", self.path("open.yaml"))
        self.assertEqual(code, 3, said)

    def test_a_limit_holds_for_a_directory_too(self):
        os.mkdir(self.path("root"))
        with open(self.path("root/big"), "wb") as out:
            out.write(bytes(300_000))
        self.refused("dir:" + self.path("root"), "`layer size`", "--limit layer-size=N",
                     options=[*DEMO_ADVISORIES, "--limit", "layer-size=100KB"])

    def test_the_way_out_of_a_limit_is_said_and_leads_out(self):
        status = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        content = tar([("etc/os-release", b"ID=debian\nVERSION_ID=12\n"), ("var/lib/dpkg/status", status)])
        image, low = self.layer(content, content), ["--limit", "database-size=50"]
        code, report, said = gate(self.work, image, *DEMO_ADVISORIES, *low)
        self.assertEqual(code, 3, said)
        way = "over the limit `database size`, 50; --limit database-size=N sets it"
        self.assertIn(way, said)
        self.assertIn(way, [one["why"] for one in report["results"][0]["looked_at"]["skipped"]])
        done = call(STELLA, "debug", "inventory", image, *low, env=environment(self.work))
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertIn(f"not looked at: package-database: var/lib/dpkg/status ({way})", done.stderr)
        # What is kept of the layer under the low limit is not what it says under the usual one.
        _, report, _ = gate(self.work, image, *DEMO_ADVISORIES)
        self.assertEqual(report["results"][0]["looked_at"]["packages"], {"deb": 1})
        done = call(STELLA, "debug", "inventory", image, env=environment(self.work))
        self.assertEqual((done.returncode, len(done.stdout.splitlines()), done.stderr), (0, 1, ""))

    def test_a_file_is_no_directory(self):
        path = self.path("bom.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"bomFormat": "CycloneDX", "specVersion": "1.6"}, out)
        self.refused(f"dir:{path}", "is a file and no directory", f"sbom:{path}")

    def test_packages_without_advisories_are_no_clean_result(self):
        status = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        content = tar([("etc/os-release", b"ID=ubuntu\nVERSION_ID=24.04\n"), ("var/lib/dpkg/status", status)])
        image = self.layer(gzip.compress(content), content)
        code, report, said = gate(self.work, image, *DEMO_ADVISORIES)
        self.assertEqual(code, 3, said)
        skipped = [one["name"] for one in report["results"][0]["looked_at"]["skipped"]]
        self.assertEqual(skipped, ["advisories:Ubuntu:24.04:LTS"])
        self.assertIn("--allow-skipped advisories:Ubuntu:24.04:LTS", said)
        code, _, said = gate(self.work, image, *DEMO_ADVISORIES, "--allow-skipped", skipped[0])
        self.assertEqual(code, 0, said)

    def test_a_settings_file_cannot_say_whom_to_trust(self):
        with open(self.path(".stella.yaml"), "w", encoding="utf-8") as out:
            out.write("server: http://127.0.0.1:9\n")
        done = call(STELLA, "gate", f"oci:{DEMO}", *DEMO_ADVISORIES, env=environment(self.work), cwd=self.work)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("never read from a file of the checkout", done.stderr)


if __name__ == "__main__":
    unittest.main()
