"""A hostile checkout: what its files may say and where they lead; and the empty variables of a CI system."""
import json
import os
import shutil
import unittest

import program
from program import DEMO, STELLA, call, environment, gate

ADVISORIES = ["--advisories", "demo"]
LENIENT = "version: 1\nrules: [{name: all, when: {package: '*'}, action: ignore, reason: mine}]\n"
STRICT = "version: 1\nrules: [{name: all, when: {package: '*'}, action: fail}]\n"
SECRET = "top-secret: [unclosed\n"


class Checkout(program.Case):
    def setUp(self):
        super().setUp()
        self.checkout = os.path.join(self.work, "checkout")
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.checkout, ignore_errors=True)
        os.mkdir(self.checkout)

    def write(self, name, text):
        path = os.path.join(self.checkout, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def outside(self, name, text=""):
        return self.write(os.path.join("..", name), text)

    def gate(self, *arguments, image=f"oci:{DEMO}", **variables):
        return gate(self.work, image, *ADVISORIES, *arguments, cwd=self.checkout, variables=variables)

    def run_plainly(self, *arguments, image=f"oci:{DEMO}"):
        """Without the reports that `gate` asks for, so that the checkout's own count."""
        return call(STELLA, "gate", image, *ADVISORIES, *arguments, cwd=self.checkout, env=environment(self.work))

    # ---- where reports go -----------------------------------------------------------------------------------------

    def test_reports_of_the_checkout_stay_inside_it(self):
        target = self.outside("target", "untouched")
        cases = [(f"json={self.work}/target", None), ("json=../target", None), ("json=d/../../target", None),
                 ("json=away/target", lambda: os.symlink(self.work, "away")),
                 ("json=link", lambda: os.symlink(target, "link")),
                 ("json=pipe", lambda: os.mkfifo("pipe")),
                 ("json=directory", lambda: os.mkdir("directory"))]
        for output, prepare in cases:
            with self.subTest(output):
                self.fresh()
                self.write(".stella.yaml", f"output: ['{output}']\n")
                if prepare:
                    here = os.getcwd()
                    os.chdir(self.checkout)
                    try:
                        prepare()
                    finally:
                        os.chdir(here)
                done = self.run_plainly()
                self.assertEqual(done.returncode, 2, done.stderr)
                for words in (".stella.yaml: output: ", output.removeprefix("json="), "-o FORMAT=FILE"):
                    self.assertIn(words, done.stderr)
                with open(target, encoding="utf-8") as text:
                    self.assertEqual(text.read(), "untouched")

    def test_a_report_inside_is_written(self):
        self.write(".stella.yaml", "output: [json=out/new/r.json]\n")
        self.assertEqual(self.run_plainly().returncode, 1)
        with open(os.path.join(self.checkout, "out/new/r.json"), encoding="utf-8") as report:
            self.assertTrue(json.load(report)["results"])

    # ---- the verdict ----------------------------------------------------------------------------------------------

    def test_the_checkout_only_tightens(self):
        self.write("lenient.yaml", LENIENT)
        self.write("strict.yaml", STRICT)
        _, standard, _ = self.gate()
        fails = [one["id"] for one in standard["results"][0]["findings"] if one["action"] == "fail"]
        self.assertTrue(fails)
        for settings, stricter in [("policy: [lenient.yaml]", False), ("fail-on: critical", None),
                                   ("policy: [strict.yaml]", True), ("fail-on: low", True)]:
            with self.subTest(settings):
                self.write(".stella.yaml", settings + "\n")
                code, report, said = self.gate()
                self.assertEqual(code, 1, said)
                found = [one["id"] for one in report["results"][0]["findings"] if one["action"] == "fail"]
                self.assertLessEqual(set(fails), set(found))
                if stricter is not None:
                    self.assertEqual(len(found) > len(fails), stricter)
                origins = [one["origin"] for one in report["results"][0]["verdict"]["policies"]]
                self.assertEqual(origins[0], "default")
                self.assertTrue(origins[1].startswith(".stella.yaml: "), origins)
        # Nor do findings become milder by another's word: the standard policy goes by its own.
        self.write("lenient.yaml", "severity_from: nvd\n" + LENIENT)
        self.write(".stella.yaml", "policy: [lenient.yaml]\n")
        found = self.gate()[1]["results"][0]["findings"]
        self.assertEqual([one["id"] for one in found if one["action"] == "fail"], fails)
        self.assertTrue(all(one["severity_source"] for one in found if one["severity"] != "unknown"))
        # What the caller names itself replaces the standard policy, whatever the checkout says.
        self.write(".stella.yaml", "fail-on: low\n")
        self.assertEqual(self.gate("--policy", "lenient.yaml")[0], 1)
        self.write(".stella.yaml", "policy: [strict.yaml]\n")
        code, report, _ = self.gate("--policy", "lenient.yaml")
        self.assertEqual(code, 0)
        self.assertEqual([one["origin"] for one in report["results"][0]["verdict"]["policies"]], ["lenient.yaml"])

    def test_keys_that_would_loosen_are_refused(self):
        for key in ("server", "on-error", "allow-skipped", "advisories", "platform", "limit", "deadline"):
            with self.subTest(key):
                self.write(".stella.yaml", f"{key}: x\n")
                code, report, said = self.gate()
                self.assertEqual((code, report), (2, None), said)
                self.assertIn(f"--{key}", said)
                self.assertIn("never read from a file of the checkout", said)

    # ---- files that are none --------------------------------------------------------------------------------------

    def test_files_that_are_none(self):
        secret = self.outside("secret", SECRET)
        settings, policy = os.path.join(self.checkout, ".stella.yaml"), os.path.join(self.checkout, "p.yaml")
        def links(target, place):
            return lambda: os.symlink(target, place)
        cases = [("settings link", links(secret, settings), "is a symbolic link"),
                 ("settings pipe", lambda: os.mkfifo(settings), "no regular file"),
                 ("settings device", links("/dev/zero", settings), "is a symbolic link"),
                 ("settings directory", lambda: os.mkdir(settings), "no regular file"),
                 ("settings size", lambda: self.write(".stella.yaml", " " * 2_000_000), "`settings size`"),
                 ("settings bytes", lambda: self.write(".stella.yaml", "a: \0"), ".stella.yaml")]
        named = "policy: [p.yaml]\n"
        cases += [(f"policy {name}", lambda make=make: (self.write(".stella.yaml", named), make()), words)
                  for name, make, words in [
                      ("link out", links(secret, policy), "leads out of the working directory"),
                      ("device", links("/dev/zero", policy), "leads out of the working directory"),
                      ("pipe", lambda: os.mkfifo(policy), "no regular file"),
                      ("directory", lambda: os.mkdir(policy), "no regular file"),
                      ("missing", lambda: None, "cannot be read"),
                      ("size", lambda: self.write("p.yaml", " " * 2_000_000), "`policy size`")]]
        for name, make, words in cases:
            with self.subTest(name):
                self.fresh()
                make()
                code, report, said = self.gate()
                self.assertEqual((code, report), (2, None), said)
                self.assertIn(words, said)
                self.assertNotIn("top-secret", said)

    def test_a_policy_that_the_caller_names(self):
        strict = self.outside("strict.yaml", STRICT)
        secret = self.outside("secret", SECRET)
        for name, target in [("good", strict), ("secret", secret), ("zero", "/dev/zero")]:
            os.symlink(target, os.path.join(self.checkout, name))
        os.mkfifo(os.path.join(self.checkout, "pipe"))
        code, report, said = self.gate("--policy", "good")
        self.assertEqual(code, 1, said)
        self.assertEqual([one["origin"] for one in report["results"][0]["verdict"]["policies"]], ["good"])
        for name, words in [("secret", "not shown"), ("zero", "no regular file"), ("pipe", "no regular file"),
                            (".", "is a directory"), ("nosuch", "nosuch cannot be read")]:
            with self.subTest(name):
                code, _, said = self.gate("--policy", name)
                self.assertEqual(code, 2, said)
                self.assertIn(words, said)
                self.assertNotIn("top-secret", said)

    # ---- a bare word ----------------------------------------------------------------------------------------------

    def test_a_word_that_is_a_path_and_may_be_an_image(self):
        os.mkdir(os.path.join(self.checkout, "app"))
        nobody = {"DOCKER_HOST": f"unix://{self.work}/nosuch.sock"}
        _, _, said = self.gate(image="app", **nobody)
        self.assertIn("warning: app could be meant as an image too", said)
        self.assertIn("write dir:app or docker:app", said)
        for plain in ("./app", "../checkout/app", "dir:app", os.path.join(self.checkout, "app")):
            _, _, said = self.gate(image=plain, **nobody)
            self.assertNotIn("could be meant", said)

    @unittest.skipUnless(os.environ.get("DOCKER_HOST"), "no Docker engine")
    def test_a_word_that_is_a_path_and_an_image(self):
        image = "stella-e2e-word"
        self.addCleanup(call, "docker", "rmi", "--force", image)
        archive = call("tar", "-C", self.checkout, "-cf", os.path.join(self.work, "a.tar"), ".")
        self.assertEqual(archive.returncode, 0, archive.stderr)
        made = call("docker", "import", os.path.join(self.work, "a.tar"), image)
        self.assertEqual(made.returncode, 0, made.stderr)
        os.mkdir(os.path.join(self.checkout, image))
        code, report, said = self.gate(image=image)
        self.assertEqual((code, report), (2, None), said)
        self.assertIn(f"write dir:{image}, docker:{image} or registry:{image}", said)
        os.mkdir(os.path.join(self.checkout, "stella-e2e-nosuch"))
        _, _, said = self.gate(image="stella-e2e-nosuch")
        self.assertIn("is taken for dir:stella-e2e-nosuch", said)
        self.assertNotIn("could be meant", said)

    # ---- variables ------------------------------------------------------------------------------------------------

    def test_an_empty_variable_is_as_good_as_none(self):
        names = ["PLATFORM", "SERVER", "DEADLINE", "CACHE_DIR", "NO_CACHE", "LIMIT", "THREADS", "OUTPUT", "POLICY",
                 "FAIL_ON", "ALLOW_SKIPPED", "ADVISORIES", "VERIFY", "ON_ERROR", "TIMINGS", "COLOR", "QUIET", "IMAGE"]
        empty = {f"STELLA_{name}": "" for name in names}
        code, report, said = self.gate(SOURCE_DATE_EPOCH="", DOCKER_HOST="", **empty)
        self.assertEqual(code, 1, said)
        self.assertTrue(report["results"])
        self.assertEqual(self.gate(STELLA_FAIL_ON="hi")[0], 2)
        done = call(STELLA, "feeds", "status", env={**environment(self.work), "STELLA_ADVISORIES": ""})
        self.assertIn("advisories.db", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
