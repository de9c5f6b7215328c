"""What the program is started as: BuildKit's generator, a plugin of Woodpecker and Drone; and where settings come from. The
plugin of Docker's command line is tested with a real one (`test_build`)."""
import json
import os
import unittest

import program
from program import DEMO, STELLA, call, environment

OS = 'ID=debian\nVERSION_ID="12"\n'
PACKAGE = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.9-1\n\n"
# What an image was built from, and was left in it.
ASKED = {"app/requirements.txt": "flask>=2\n",
         "app/package-lock.json": json.dumps({"name": "app", "lockfileVersion": 3, "packages": {
             "": {"devDependencies": {"left-pad": "1.3.0"}}, "node_modules/left-pad": {"version": "1.3.0", "dev": True}}})}


class Generator(program.Case):
    """As BuildKit starts it: no words, a file system to read, a directory to write into."""

    def setUp(self):
        super().setUp()
        self.out = self.path("out")
        os.makedirs(self.out)
        self.variables = {"BUILDKIT_SCAN_DESTINATION": self.out + "/", "BUILDKIT_SCAN_SOURCE": self.rootfs("core/sbom", PACKAGE)}

    def rootfs(self, name, status):
        return self.write(name, {"etc/os-release": OS, "var/lib/dpkg/status": status, **ASKED})

    def write(self, name, files):
        for path, text in files.items():
            path = os.path.join(self.path(name), path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return self.path(name)

    def run_it(self, **variables):
        # Nothing else is there, not even a home.
        return call(STELLA, env={**self.variables, **variables}, cwd="/")

    def packages(self, name):
        return {package["name"] for package in self.document(name)["packages"]}

    def document(self, name):
        """What a statement says, of which BuildKit takes no other form."""
        with open(os.path.join(self.out, name), encoding="utf-8") as text:
            statement = json.load(text)
        document = statement.pop("predicate")
        self.assertEqual(statement, {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document", "subject": []})
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        return document

    def test_a_document_of_what_was_built(self):
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(os.listdir(self.out), ["sbom.spdx.json"])
        self.assertIn("openssl", self.packages("sbom.spdx.json"))
        self.assertNotIn("left-pad", self.packages("sbom.spdx.json"))

    def test_it_says_what_a_gate_of_the_image_says(self):
        layer = program.tar(list({"etc/os-release": OS, "var/lib/dpkg/status": PACKAGE, **ASKED}.items()))
        layout = program.write_layout(self.path("image"), [(layer, layer)])
        document = self.path("gate.spdx.json")
        done = call(STELLA, "gate", f"oci:{layout}", "--advisories", "demo", "-o", f"spdx={document}", env=environment(self.work))
        self.assertIn(done.returncode, (0, 1), done.stderr)
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)

        def purls(document):
            return {ref["referenceLocator"] for package in document["packages"] for ref in package.get("externalRefs", [])
                    if ref["referenceType"] == "purl" and not ref["referenceLocator"].startswith("pkg:oci/")}
        with open(document, encoding="utf-8") as text:
            want = purls(json.load(text))
        self.assertTrue(want)
        self.assertEqual(purls(self.document("sbom.spdx.json")), want)

    def test_what_was_built_from_is_what_its_lock_files_name(self):
        context = self.write("extras/sbom-context", {"requirements.txt": "flask==2.0.0\n"})
        variables = {"BUILDKIT_SCAN_SOURCE_EXTRAS": self.path("extras")}
        done = self.run_it(**variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("flask", self.packages("sbom-context.spdx.json"))
        with open(os.path.join(context, "requirements.txt"), "w", encoding="utf-8") as out:
            out.write("flask>=2\n")
        done = self.run_it(**variables)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("not looked at: unpinned: requirements.txt", done.stderr)
        # Not of the image, which holds one that is the same.
        self.assertNotIn("app/requirements.txt", done.stderr)

    def test_and_of_each_other_stage(self):
        self.rootfs("extras/sbom-build", PACKAGE.replace("openssl", "gcc"))
        os.makedirs(self.path("extras/sbom-context"))
        with open(self.path("extras/sbom-context/main.c"), "w", encoding="utf-8") as out:
            out.write("int main(void) { return 0; }\n")
        done = self.run_it(BUILDKIT_SCAN_SOURCE_EXTRAS=self.path("extras"), BUILDKIT_SCAN_THREADS="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(self.out)), ["sbom-build.spdx.json", "sbom-context.spdx.json", "sbom.spdx.json"])
        self.assertIn("gcc", self.packages("sbom-build.spdx.json"))
        self.assertNotIn("gcc", self.packages("sbom.spdx.json"))

    def test_what_was_not_looked_at_is_no_success(self):
        jar = os.path.join(self.path("core/sbom"), "broken.jar")
        with open(jar, "wb") as out:
            out.write(b"PK\x03\x04 and nothing that unpacks")
        done = self.run_it()
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("broken.jar", done.stderr)
        # It is written all the same, and says so.
        self.packages("sbom.spdx.json")

    def test_what_buildkit_would_not_do(self):
        del self.variables["BUILDKIT_SCAN_SOURCE"]
        done = self.run_it()
        self.assertEqual(done.returncode, 2)
        self.assertIn("BUILDKIT_SCAN_SOURCE is not set", done.stderr)

    def test_no_other_stages_are_no_fault(self):
        for extras in ("", self.path("nowhere")):
            done = self.run_it(BUILDKIT_SCAN_SOURCE_EXTRAS=extras)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(os.listdir(self.out), ["sbom.spdx.json"])
        done = self.run_it(BUILDKIT_SCAN_SOURCE_EXTRAS=os.path.join(self.path("core/sbom"), "etc/os-release"))
        self.assertEqual(done.returncode, 3)
        self.assertIn("BUILDKIT_SCAN_SOURCE_EXTRAS", done.stderr)


class Plugin(program.Case):
    def run_it(self, *words, **variables):
        return call(STELLA, *words, env={**environment(self.work), **variables}, cwd=self.work)

    def test_settings_are_variables(self):
        settings = {"PLUGIN_IMAGE": f"oci:{DEMO}", "PLUGIN_ADVISORIES": "demo", "PLUGIN_OUTPUT": "dotenv,sarif=a.sarif",
                    "PLUGIN_SHOW_IGNORED": "true", "PLUGIN_FAIL_ON": ""}
        done = self.run_it(**settings)
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (1, "STELLA_VERDICT=fail"), done.stderr)
        self.assertTrue(os.path.exists(self.path("a.sarif")))
        # Ours is meant for us.
        done = self.run_it(STELLA_OUTPUT="metrics", **settings)
        self.assertTrue(done.stdout.endswith("# EOF\n"), done.stdout)

    def test_a_wrong_word_is_no_setting(self):
        done = self.run_it(PLUGIN_IMAGE=f"oci:{DEMO}", PLUGIN_FAILON="high")
        self.assertEqual(done.returncode, 2)
        self.assertIn("PLUGIN_FAILON is no setting", done.stderr)
        self.assertIn("fail-on", done.stderr)

    def test_words_are_no_plugin(self):
        done = self.run_it("gate", f"oci:{DEMO}", "--advisories", "demo", "-o", "dotenv", PLUGIN_IMAGE="other", PLUGIN_X="y")
        self.assertEqual(done.returncode, 1, done.stderr)


class Settings(program.Case):
    def printed(self, *words, **variables):
        done = call(STELLA, "gate", *words, "--print-settings", env={**environment(self.work), **variables}, cwd=self.work)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = (line.split("  ") for line in done.stdout.splitlines())
        return {name.strip(): (value.strip(), origin) for name, *rest in lines
                for value, origin in [("".join(rest[:-1]).strip(), rest[-1].strip("() "))]}

    def test_each_says_where_it_comes_from(self):
        with open(self.path(".stella.yaml"), "w", encoding="utf-8") as out:
            out.write("fail-on: low\nthreads: 2\ntimings: true\n")
        gitlab = {"GITLAB_CI": "true", "CI_APPLICATION_REPOSITORY": "r.example/app", "CI_COMMIT_SHA": "0123", "CI_COMMIT_BRANCH": "main"}
        said = self.printed("--threads", "3", STELLA_TIMINGS="true", **gitlab)
        for name, want in (("image", ("registry:r.example/app:0123", "CI_APPLICATION_REPOSITORY")), ("threads", ("3", "--threads")),
                           ("timings", ("yes", "STELLA_TIMINGS")), ("fail-on", ("low", ".stella.yaml")),
                           ("server", ("-", "default")), ("commit", ("0123", "CI_COMMIT_SHA")), ("branch", ("main", "CI_COMMIT_BRANCH"))):
            self.assertEqual(said[name], want, name)
        self.assertEqual(self.printed("app:1", STELLA_IMAGE="app:2", **gitlab)["image"], ("app:1", "the command line"))
        self.assertEqual(self.printed(STELLA_IMAGE="app:2", **gitlab)["image"], ("app:2", "STELLA_IMAGE"))

    def test_of_a_policy_the_flag_that_made_it_and_of_addresses_no_password(self):
        said = self.printed("app:1", "--fail-on", "high", DOCKER_HOST="tcp://me:secret@engine:2375")
        self.assertEqual(said["policy"], ("--fail-on high", "--fail-on"))
        self.assertEqual(said["engine"], ("…@engine:2375", "DOCKER_HOST"))
        self.assertEqual(self.printed("app:1")["policy"], ("standard", "default"))
        done = call(STELLA, "gate", "docker:app:1", "--advisories", "demo",
                    env={**environment(self.work), "DOCKER_HOST": "tcp://me:secret@127.0.0.1:1"}, cwd=self.work)
        self.assertEqual((done.returncode, "secret" in done.stderr), (3, False), done.stderr)

    def test_a_user_without_a_home_has_no_cache_and_no_advisories_and_all_else(self):
        nobody = {"PATH": os.environ["PATH"]}
        done = call(STELLA, "gate", f"oci:{DEMO}", "--advisories", "demo", env=nobody, cwd=self.work)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("gate FAILED", done.stderr)
        for words in (("gate", f"oci:{DEMO}"), ("feeds", "status"), ("feeds", "import", self.work)):
            done = call(STELLA, *words, env=nobody, cwd=self.work)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("give --advisories FILE", done.stderr)

    def test_every_setting_is_there(self):
        said = self.printed("app:1")
        done = call(STELLA, "settings", env=environment(self.work))
        names = {json.loads(line)["name"] for line in done.stdout.splitlines()}
        self.assertEqual(names - set(said), set())
        self.assertGreater(len(names), 20)

    def test_no_image(self):
        done = call(STELLA, "gate", env=environment(self.work), cwd=self.work)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no image is named", done.stderr)

    def test_the_build_is_in_the_report(self):
        github = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "0123", "GITHUB_HEAD_REF": "feature", "GITHUB_REF": "refs/pull/7/merge"}
        code, report, said = program.gate(self.work, f"oci:{DEMO}", "--advisories", "demo", variables=github)
        self.assertEqual(code, 1, said)
        self.assertEqual(report["run"]["build"], {"platform": "github", "commit": "0123", "branch": "feature", "pull_request": "7"})


if __name__ == "__main__":
    unittest.main()
