"""The recipes: each snippet held to its platform's schema, and its gate run with the program, or by a runner where one is to be had."""
import functools
import json
import os
import re
import shutil
import unittest

import components
import gitlab
import samples
import settings
from program import ROOT

SCHEMAS = {"circleci": "vendor.circle-ci", "azure-pipelines": "vendor.azure-pipelines", "bitbucket": "vendor.bitbucket-pipelines",
           "woodpecker": "vendor.woodpecker-ci", "drone": "vendor.drone-ci", "buildkite": "vendor.buildkite"}
# The demo is an OCI layout.
IMAGE, DEMO = "docker-archive:app.tar", f"oci:{gitlab.DEMO}"


def snippet(name):
    """A recipe's file and what it holds."""
    text = settings.read(f"{samples.RECIPES}/{name}.md")
    [(file, held)] = re.findall(r"<!-- recipe: (\S+) -->\n```\w+\n(.*?)```\n<!-- recipe: end -->", text, re.DOTALL)
    return file, held


class Recipes(gitlab.Case):
    def written(self, name):
        file, held = snippet(name)
        return self.write(file, held)

    @functools.cached_property
    def server(self):
        return self.enterContext(samples.server(self.work))

    def here(self, words):
        """What a recipe says, of the demo and a server of this test."""
        return words.replace(IMAGE, DEMO).replace(samples.SERVER, self.server)

    def gate(self, words):
        """Runs what a recipe says of the gate: it fails, and leaves its reports."""
        done = gitlab.call("sh", "-c", self.here(words), cwd=self.work, env=self.environment)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for file in re.findall(r"=(\S+[.]\w+)", words.split(" || ")[0]):
            self.assertTrue(os.path.getsize(self.path(file)), file)

    def test_every_recipe_is_in_the_list_and_has_a_test(self):
        listed = re.findall(r"\]\(([a-z-]+)\.md\)", settings.read(f"{samples.RECIPES}/README.md"))
        self.assertEqual(sorted(listed), samples.recipes())
        self.assertEqual(sorted([*SCHEMAS, "jenkins", "pre-commit"]), samples.recipes())

    def test_every_sample_that_gates_names_the_server(self):
        for page in samples.pages():
            held = samples.samples(page)
            self.assertTrue(held, page)
            for sample in held:
                self.assertIn(samples.SERVER, sample, page)

    def test_image_and_version_are_those_of_the_component(self):
        version = settings.package()["version"]
        image = components.inputs(settings.read(components.GATE))["runner-image"]["default"].split(":")[0]
        for file in ("README.md", components.README, *(f"{samples.RECIPES}/{name}.md" for name in samples.recipes())):
            text = settings.read(file)
            for found in re.findall(r"\S+/stella:[\w.]+(?:-ci)?", text):
                self.assertEqual(found.removesuffix("-ci"), f"{image}:{version}", file)
            # Both are found by the very name of the release's tag.
            for found in re.findall(r"(?:/gate@|rev: )(\S+)", text):
                self.assertEqual(found, f"v{version}", file)

    def test_schemas(self):
        for name, schema in SCHEMAS.items():
            with self.subTest(name):
                self.does(gitlab.python("check-jsonschema"), "--builtin-schema", schema, self.written(name))

    def test_yaml(self):
        rules = {"extends": "default", "rules": {"document-start": "disable", "line-length": "disable", "truthy": "disable"}}
        for name in samples.recipes():
            if name != "jenkins":
                self.does(gitlab.python("yamllint"), "--strict", "-d", json.dumps(rules), self.written(name))
        self.does(gitlab.python("yamllint"), "--strict", "-d", json.dumps(rules), os.path.join(ROOT, ".pre-commit-hooks.yaml"))

    def test_every_gate_runs(self):
        for name in ("jenkins", "circleci", "azure-pipelines", "bitbucket"):
            with self.subTest(name):
                [words] = re.findall(r"(stella gate [^'\n]+)", snippet(name)[1])
                self.gate(words)
        [hook] = [hook for hook in gitlab.from_yaml(self.written("pre-commit"))["repos"][0]["hooks"] if "args" in hook]
        self.gate(" ".join(["stella gate", *hook["args"]]).replace("docker:app:dev", DEMO))

    def test_buildkite_annotates_and_keeps_the_exit_code(self):
        [step] = gitlab.from_yaml(self.written("buildkite"))["steps"]
        agent = self.write("programs/buildkite-agent", "#!/bin/sh\ncat >annotation.md\n")
        os.chmod(agent, 0o755)
        # The agent runs the commands as one script, and ends with the last.
        self.gate("\n".join(step["commands"]).replace("$$", "$"))
        self.assertIn("FAIL", self.read("annotation.md"))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as text:
            return text.read()

    def test_plugins_are_called_without_words_and_by_their_variables(self):
        for name, step in (("woodpecker", lambda file: file["steps"][0]), ("drone", lambda file: file["steps"][0])):
            given = step(gitlab.from_yaml(self.written(name)))["settings"]
            # A list of words comes with commas between them; no letter of a name but `-` and its case changes.
            variables = {"PLUGIN_" + key.upper().replace("-", "_"): value if isinstance(value, str) else ",".join(value)
                         for key, value in given.items()}
            self.assertEqual(variables["PLUGIN_IMAGE"], IMAGE)
            run = {"PATH": self.environment["PATH"], "HOME": self.work, "XDG_CACHE_HOME": self.path("cache"),
                   **{name: self.here(value) for name, value in variables.items()}}
            done = gitlab.call("stella", cwd=self.work, env=run)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("gate FAILED", done.stdout)
            wrong = gitlab.call("stella", cwd=self.work, env={**run, "PLUGIN_IMAGES": "app"})
            self.assertEqual(wrong.returncode, 2, wrong.stderr)
            self.assertIn("PLUGIN_IMAGES is no setting", wrong.stderr)

    def test_the_jenkinsfile_is_closed(self):
        # No checker of Jenkinsfiles runs without a Jenkins.
        held = snippet("jenkins")[1]
        for opens, closes in ("{}", "()", "[]"):
            self.assertEqual(held.count(opens), held.count(closes), opens)
        self.assertIn("always {", held)


class PreCommit(gitlab.Case):
    def setUp(self):
        super().setUp()
        self.program = gitlab.python("pre-commit")
        self.environment["PRE_COMMIT_HOME"] = self.path("pre-commit")
        os.makedirs(self.path("hooks"))
        shutil.copy(os.path.join(ROOT, ".pre-commit-hooks.yaml"), self.path("hooks"))
        self.repository("hooks")
        os.makedirs(self.path("app"))
        self.repository("app")

    def try_hook(self, *words):
        self.does("git", "-C", self.path("app"), "add", "--all")
        done = gitlab.call(self.program, "try-repo", self.path("hooks"), *words, cwd=self.path("app"),
                           env={**self.environment, "STELLA_ADVISORIES": "demo", "STELLA_IMAGE": DEMO})
        return done.returncode, done.stdout + done.stderr

    def test_files(self):
        self.does(self.program, "validate-manifest", os.path.join(ROOT, ".pre-commit-hooks.yaml"))
        file, held = snippet("pre-commit")
        self.does(self.program, "validate-config", self.write(file, held))
        wanted = {hook["id"] for hook in gitlab.from_yaml(self.path(file))["repos"][0]["hooks"]}
        there = {hook["id"] for hook in gitlab.from_yaml(os.path.join(ROOT, ".pre-commit-hooks.yaml"))}
        self.assertEqual(wanted, there)

    def test_policies_are_checked(self):
        self.write("app/stella-policy.yaml", "version: 1\nrules:\n  - name: a\n    when: { cve: CVE-1999-0001 }\n    action: warn\n")
        code, said = self.try_hook("stella-policy", "--all-files")
        self.assertEqual(code, 0, said)
        # Those are none of ours.
        for other in ("policy.yaml", "charts/network-policy.yml", ".stella.yaml", "policy-of-stella.yaml", "stella-policy.yaml.tpl"):
            self.write(f"app/{other}", "kind: NetworkPolicy\n")
        code, said = self.try_hook("stella-policy", "--all-files")
        self.assertEqual(code, 0, said)
        for name in (".stella-more-policy.yml", "deploy/stella.policy.yaml"):
            self.write(f"app/{name}", "version: 1\nrules:\n  - name: a\n")
            code, said = self.try_hook("stella-policy", "--all-files")
            self.assertEqual(code, 1, said)
            self.assertIn(f"{name}:", said)
            os.remove(self.path("app", name))

    def test_an_image_is_gated(self):
        code, said = self.try_hook("stella-gate", "--hook-stage", "pre-push", "--all-files")
        self.assertEqual(code, 1, said)
        self.assertIn("gate FAILED", said)


if __name__ == "__main__":
    unittest.main()
