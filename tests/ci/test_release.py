"""The two steps of a release, as its workflow has them, with a stand-in for GitHub."""
import json
import os
import shutil

import settings
from runner import ROOT, STELLA, Case, program, tool
from test_install import TARGETS

# Asked of PyYAML, which comes with the linter.
STEPS = """
import json, sys, yaml
jobs = yaml.safe_load(sys.stdin)["jobs"]
print(json.dumps({step["name"]: step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}))
"""
# What of `gh` the workflow calls; the draft is a directory.
GH = """
cd "$(dirname "$0")"
printf '%s\\n' "$*" >>asked
case "$1 $2" in
    'release view') cat built ;;
    'release download') cp -r draft/. "$OLDPWD/$5" ;;
esac
"""


class Release(Case):
    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, ".github", "workflows", "release.yml"), encoding="utf-8") as workflow:
            self.steps = json.loads(program.prepare(tool("python"), "-c", STEPS, stdin=workflow))
        self.version = settings.package()["version"]
        shutil.copy(os.path.join(ROOT, "Cargo.lock"), self.checkout)
        os.makedirs(self.path("checkout/dist"))
        for (system, _), target in TARGETS.items():
            name = f"checkout/dist/stella-{self.version}-{target}{'.exe' if system == 'Windows' else ''}"
            self.script(name, f"exec '{STELLA}' \"$@\" # {target}")
        os.makedirs(self.path("bin"))
        self.script("bin/gh", GH)
        self.commit("all")

    def git(self, *arguments):
        return program.prepare("git", "-C", self.checkout, "-c", "user.name=stella", "-c", "user.email=stella@invalid", *arguments,
                               env=program.environment(self.work)).strip()

    def commit(self, message):
        self.git("add", "action", "Cargo.lock")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def run_step(self, name):
        environment = program.environment(self.work)
        return program.call("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.steps[name], cwd=self.checkout, env={
            **environment, "PATH": f"{self.path('bin')}:{environment['PATH']}", "GITHUB_SHA": self.git("rev-parse", "HEAD")})

    def build(self):
        """What the first step leaves: the table, and the draft."""
        with open(self.path("bin/built"), "w", encoding="utf-8") as out:
            out.write(self.git("rev-parse", "HEAD"))
        done = self.run_step("Fill in the table, list what the programs are made of")
        self.assertEqual(done.returncode, 0, done.stderr)
        os.rename(self.path("checkout/dist"), self.path("bin/draft"))
        self.commit("table")

    def publish(self):
        """Whether the second step publishes, and what it says."""
        # It downloads into a fresh checkout.
        os.makedirs(self.path("checkout/dist"))
        done = self.run_step("Check the draft against the table, and publish it")
        with open(self.path("bin/asked"), encoding="utf-8") as text:
            published = f"release edit v{self.version} --draft=false --target {self.git('rev-parse', 'HEAD')}\n" in text.readlines()
        self.assertEqual(published, done.returncode == 0)
        return published, done.stdout + done.stderr

    def test_the_commit_of_the_table_is_published(self):
        self.build()
        with open(self.path("checkout/action/checksums.txt"), encoding="utf-8") as text:
            lines = text.read().splitlines()
        self.assertEqual((lines[0][0], len(lines)), ("#", 1 + len(TARGETS)))
        with open(self.path(f"bin/draft/stella-{self.version}.cdx.json"), encoding="utf-8") as text:
            self.assertGreater(len(json.load(text)["components"]), 100)
        published, said = self.publish()
        self.assertTrue(published, said)

    def test_other_sources_are_not(self):
        self.build()
        with open(self.path("checkout/action/run.sh"), "a", encoding="utf-8") as out:
            out.write("# more\n")
        self.commit("more")
        self.assertFalse(self.publish()[0])

    def test_another_draft_is_not(self):
        self.build()
        self.script(f"bin/draft/stella-{self.version}-x86_64-apple-darwin", "exit 0")
        published, said = self.publish()
        self.assertFalse(published)
        self.assertIn("FAILED", said)
