"""The two steps of a release, as its workflow has them, with stand-ins for GitHub and for Docker."""
import hashlib
import json
import os
import shutil
import tarfile

import settings
from runner import ROOT, STELLA, Case, program, tool
from test_install import TARGETS

# Asked of PyYAML, which comes with the linter.
STEPS = """
import json, sys, yaml
jobs = yaml.safe_load(sys.stdin)["jobs"]
print(json.dumps({step["name"]: step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}))
"""
# What of `gh` the workflow calls; the draft is a directory, and `attested` has the digests of what was built.
GH = """
cd "$(dirname "$0")"
printf '%s\\n' "$*" >>asked
case "$1 $2" in
    'release view') cat built ;;
    'release download') cp -r draft/. "$OLDPWD/$5" ;;
    'attestation verify') sha256sum <"$OLDPWD/$3" | grep -qxFf - attested ;;
esac
"""
# What of `docker`: it keeps what it was called with, the password, and what it was given to build of.
DOCKER = """
here=$(dirname "$0")
printf '%s\\n' "$*" >>"$here/called"
case "$1 $2" in
    login*) cat >"$here/password" ;;
    'buildx build')
        rm -rf "$here/context"
        for word; do
            case $before in
                --metadata-file) metadata=$word ;;
                --target) target=$word ;;
            esac
            before=$word
        done
        cp -r "$word" "$here/context"
        printf '{"containerimage.digest": "sha256:of-%s"}' "$target" >"$metadata"
        ;;
esac
"""
LINUX = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
# What the test of version, table, tag and repository looks at, and what it is.
HELD = ("Cargo.toml", "image/Dockerfile", ".github", "tests/ci", "tests/e2e/program.py", "tests/validators/fetched.py")


class Release(Case):
    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, ".github", "workflows", "release.yml"), encoding="utf-8") as workflow:
            self.steps = json.loads(program.prepare(tool("python"), "-c", STEPS, stdin=workflow))
        self.version = settings.package()["version"]
        shutil.copy(os.path.join(ROOT, "Cargo.lock"), self.checkout)
        for name in HELD:
            there, here = os.path.join(ROOT, name), self.path(f"checkout/{name}")
            os.makedirs(os.path.dirname(here), exist_ok=True)
            if os.path.isdir(there):
                shutil.copytree(there, here, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy(there, here)
        os.makedirs(self.path("checkout/dist"))
        for (system, _), target in TARGETS.items():
            name = f"checkout/dist/stella-{self.version}-{target}{'.exe' if system == 'Windows' else ''}"
            self.script(name, f"exec '{STELLA}' \"$@\" # {target}")
        os.makedirs(self.path("bin"))
        self.script("bin/gh", GH)
        self.script("bin/docker", DOCKER)
        self.commit("all")

    def git(self, *arguments):
        return program.prepare("git", "-C", self.checkout, "-c", "user.name=stella", "-c", "user.email=stella@invalid", *arguments,
                               env=program.environment(self.work)).strip()

    def commit(self, message):
        self.git("add", "action", "Cargo.lock", *HELD)
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def run_step(self, name, **variables):
        environment = program.environment(self.work)
        return program.call("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.steps[name], cwd=self.checkout, env={
            **environment, "PATH": f"{self.path('bin')}:{environment['PATH']}", "GITHUB_SHA": self.git("rev-parse", "HEAD"),
            "GITHUB_OUTPUT": self.path("output"), "GITHUB_REPOSITORY": settings.repository(), **variables})

    def build(self):
        """What the first step leaves: the table, and the draft."""
        with open(self.path("bin/built"), "w", encoding="utf-8") as out:
            out.write(self.git("rev-parse", "HEAD"))
        for step in ("Make what comes with the programs", "Fill in the table"):
            done = self.run_step(step, TARGET=LINUX[0])
            self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("bin/attested"), "w", encoding="utf-8") as out:
            for name in os.listdir(self.path("checkout/dist")):
                with open(self.path(f"checkout/dist/{name}"), "rb") as data:
                    out.write(f"{hashlib.sha256(data.read()).hexdigest()}  -\n")
        os.rename(self.path("checkout/dist"), self.path("bin/draft"))
        self.commit("table")

    def publish(self):
        """Whether the second step publishes, and what it says."""
        # It downloads into a fresh checkout.
        os.makedirs(self.path("checkout/dist"))
        done = self.run_step("Check the draft against the table")
        said = done.stdout + done.stderr
        self.assertFalse(self.is_published())
        if done.returncode != 0:
            return False, said
        done = self.publish_what_was_checked()
        self.assertEqual(self.is_published(), done.returncode == 0)
        return done.returncode == 0, said + done.stdout + done.stderr

    def publish_what_was_checked(self):
        with open(self.path("output"), encoding="utf-8") as text:
            checked = dict(line.rstrip("\n").split("=", 1) for line in text)["sha256"]
        return self.run_step("Publish the draft, if it still is what was checked", CHECKED=checked)

    def is_published(self):
        with open(self.path("bin/asked"), encoding="utf-8") as text:
            return f"release edit v{self.version} --draft=false --target {self.git('rev-parse', 'HEAD')}\n" in text.readlines()

    def test_the_commit_of_the_table_is_published(self):
        self.build()
        with open(self.path("checkout/action/checksums.txt"), encoding="utf-8") as text:
            lines = text.read().splitlines()
        self.assertEqual((lines[0][0], len(lines)), ("#", 1 + len(TARGETS)))
        with open(self.path(f"bin/draft/stella-{self.version}.cdx.json"), encoding="utf-8") as text:
            self.assertGreater(len(json.load(text)["components"]), 100)
        with tarfile.open(self.path(f"bin/draft/stella-{self.version}.shell.tar.gz")) as archive:
            held = {member.name: member.size for member in archive if member.isfile()}
        wanted = [*(f"completions/{name}" for name in ("stella.bash", "_stella", "stella.fish", "stella.ps1", "stella.elv")),
                  "man/stella.1", "man/stella-gate.1"]
        self.assertEqual([name for name in wanted if not held.get(name)], [])
        published, said = self.publish()
        self.assertTrue(published, said)

    def test_a_program_that_fails_the_tests_of_its_image_is_not_drafted(self):
        # The first of them looks at the engine, and finds a stand-in.
        done = self.run_step("Test the image", TARGET=LINUX[0])
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("skipped", done.stderr)
        with open(self.path("bin/called"), encoding="utf-8") as text:
            self.assertIn("build -t stella-test/busybox", text.read())

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

    def test_other_files_beside_the_programs_are_not(self):
        self.build()
        sbom = self.path(f"bin/draft/stella-{self.version}.cdx.json")
        self.script(f"bin/draft/{os.path.basename(sbom)}", "exit 0")
        self.assertFalse(self.publish()[0])
        with open(self.path("bin/asked"), encoding="utf-8") as text:
            asked = text.read().splitlines()[-1]
        repository, built = settings.repository(), self.git("rev-parse", "HEAD~")
        self.assertEqual(asked, f"attestation verify dist/{os.path.basename(sbom)} --repo {repository} --source-ref refs/heads/main "
                         f"--source-digest {built} --signer-workflow {repository}/.github/workflows/release.yml")

    def test_a_draft_that_is_changed_after_the_check_is_not(self):
        for name in (f"stella-{self.version}-x86_64-apple-darwin", f"stella-{self.version}.cdx.json", "more"):
            with self.subTest(name):
                self.setUp()
                self.build()
                os.makedirs(self.path("checkout/dist"))
                done = self.run_step("Check the draft against the table")
                self.assertEqual(done.returncode, 0, done.stderr)
                shutil.rmtree(self.path("checkout/dist"))
                self.script(f"bin/draft/{name}", "exit 0")
                os.makedirs(self.path("checkout/dist"))
                done = self.publish_what_was_checked()
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("another one than was checked", done.stderr)
                self.assertFalse(self.is_published())

    def test_a_tag_of_another_version_is_not(self):
        # All that the table says is true, but the program's own version is another one.
        with open(self.path("checkout/Cargo.toml"), encoding="utf-8") as text:
            manifest = text.read()
        with open(self.path("checkout/Cargo.toml"), "w", encoding="utf-8") as out:
            out.write(manifest.replace(f'version = "{self.version}"', 'version = "99.0.0"', 1))
        self.commit("another version")
        self.build()
        published, said = self.publish()
        self.assertFalse(published)
        self.assertIn("test_there_is_one_version", said)

    # ---- the images -----------------------------------------------------------------------------------------------

    def push_images(self):
        """What the job of the images comes to: it has the checked programs of Linux, without their permissions."""
        os.makedirs(self.path("checkout/dist"))
        for target in LINUX:
            name = f"stella-{self.version}-{target}"
            shutil.copy(self.path(f"bin/draft/{name}"), self.path("checkout/dist"))
            os.chmod(self.path(f"checkout/dist/{name}"), 0o644)
        return self.run_step("Build and push the images", IMAGE="ghcr.io/owner/name", BUILDKIT="buildkit@sha256:0", GITHUB_ACTOR="who",
                             REGISTRY_TOKEN="secret")

    def test_the_images_are_of_the_programs_of_the_table(self):
        self.build()
        done = self.push_images()
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("bin/called"), encoding="utf-8") as text:
            login, create, *builds = text.read().splitlines()
        with open(self.path("bin/password"), encoding="utf-8") as text:
            self.assertEqual((login, text.read()), ("login ghcr.io --username who --password-stdin", "secret"))
        self.assertIn("image=buildkit@sha256:0", create)
        for target, tag, build in zip(("bare", "shell"), (self.version, f"{self.version}-ci"), builds, strict=True):
            for words in ("--platform linux/amd64,linux/arm64", f"--target {target} --tag ghcr.io/owner/name:{tag} ", " --push context",
                          f"VERSION={self.version}", f"REVISION={self.git('rev-parse', 'HEAD')}", "CREATED=20"):
                self.assertIn(words, build)
        with open(self.path("output"), encoding="utf-8") as text:
            self.assertEqual(text.read(), "bare=sha256:of-bare\nshell=sha256:of-shell\n")
        self.assertEqual(sorted(os.listdir(self.path("bin/context"))), ["Dockerfile", "ca-certificates.crt", "stella-amd64", "stella-arm64"])
        for target, name in zip(LINUX, ("stella-amd64", "stella-arm64")):
            path = self.path(f"bin/context/{name}")
            self.assertTrue(os.access(path, os.X_OK))
            with open(path, "rb") as data, open(self.path("checkout/action/checksums.txt"), encoding="utf-8") as table:
                self.assertIn(f"{hashlib.sha256(data.read()).hexdigest()}  stella-{self.version}-{target}\n", table.readlines())

    def test_no_image_is_of_another_program(self):
        self.build()
        self.script(f"bin/draft/stella-{self.version}-{LINUX[1]}", "exit 0")
        self.assertNotEqual(self.push_images().returncode, 0)
        self.assertFalse(os.path.exists(self.path("bin/called")))
