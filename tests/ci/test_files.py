"""The files themselves: made of the settings, one version, one repository, nothing that the tools of others find."""
import glob
import os
import re
import subprocess
import unittest

import settings
from runner import ROOT, program, tool
from test_install import TARGETS

WORKFLOWS = sorted(glob.glob(os.path.join(ROOT, ".github", "workflows", "*.yml")))
ACTION = os.path.join(ROOT, "action", "action.yml")


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as text:
        return text.read()


class Made(unittest.TestCase):
    def test_files_are_what_the_settings_make_of_them(self):
        differing = [os.path.relpath(path, ROOT) for path, _ in settings.differences()]
        self.assertEqual(differing, [], "run tests/ci/settings.py --update")

    def test_what_is_between_the_marks_is_replaced_and_nothing_else(self):
        text = "a\n# generated: one\nold\n# end\n<!-- generated: two -->\n<!-- end -->\n# generated: one-more\nkept\n# end\n"
        self.assertEqual(settings.filled(text, {"two": ["new\\1"]}).count("new\\1\n<!-- end -->"), 1)
        self.assertIn("kept", settings.filled(text, {"two": []}))
        for parts in ({"three": []}, {"one": []}):
            with self.subTest(parts), self.assertRaises(ValueError):
                settings.filled(text + "# generated: one\n# end\n", parts)


class Release(unittest.TestCase):
    """Version, table, tag and repository belong together."""

    def table(self):
        lines = [line for line in read("action", "checksums.txt").splitlines() if not line.startswith("#")]
        for line in lines:
            self.assertRegex(line, r"^[0-9a-f]{64}  \S+$")
        return [line.split()[1] for line in lines]

    def test_there_is_one_version(self):
        version = read("action", "version")
        self.assertRegex(version, r"\A\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?\n\Z")
        self.assertEqual(version.rstrip("\n"), settings.package()["version"])

    def test_the_table_names_all_programs_of_the_version_or_none(self):
        version = settings.package()["version"]
        names = [f"stella-{version}-{target}{'.exe' if system == 'Windows' else ''}" for (system, _), target in TARGETS.items()]
        self.assertIn(sorted(self.table()), ([], sorted(names)))

    def test_a_tag_is_the_commit_of_its_table(self):
        if os.environ.get("GITHUB_REF_TYPE") == "tag":
            tags = [os.environ["GITHUB_REF_NAME"]]
        else:
            said = program.call("git", "-C", ROOT, "tag", "--points-at", "HEAD")
            tags = [tag for tag in said.stdout.split() if tag.startswith("v")]
        for tag in tags:
            self.assertEqual(tag, f"v{settings.package()['version']}")
            self.assertTrue(self.table(), "a tag without programs: release.yml says how to release")

    def test_the_workflow_builds_what_the_table_names(self):
        built = re.findall(r"^ +target: (\S+)$", read(".github", "workflows", "release.yml"), re.MULTILINE)
        self.assertEqual(sorted(built), sorted(TARGETS.values()))

    def test_a_release_is_of_main_alone(self):
        jobs = re.split(r"^  (?=\w+:$)", read(".github", "workflows", "release.yml").split("\njobs:\n")[1], flags=re.MULTILINE)[1:]
        self.assertEqual(len(jobs), 5)
        for job in jobs:
            # Others wait for one that is.
            self.assertRegex(job, r"(?m)^    (needs: |if: .+ && github\.ref == 'refs/heads/main'$)")

    def test_what_was_built_runs_where_nothing_can_be_written(self):
        text = read(".github", "workflows", "release.yml")
        build = text.split("\n  draft:\n")[0]
        self.assertEqual(text.count('"$program"'), build.count('"$program"'))
        self.assertNotIn(": write", build)
        self.assertIn("python3 -m unittest test_image", build)

    def test_there_is_one_repository(self):
        for path in [ACTION, os.path.join(ROOT, "action", "README.md"), *glob.glob(os.path.join(ROOT, "action", "*.sh")), *WORKFLOWS]:
            for found in re.findall(r"[\w-]+/stella\b(?=[/@\n])", read(path)):
                self.assertIn(found, (settings.repository(), "target/stella"), path)


class Checkout(unittest.TestCase):
    def test_what_a_workflow_runs_on_windows_has_the_lines_of_a_shell(self):
        called = {name for path in WORKFLOWS for name in re.findall(r"(?<=\./)[\w./-]+\.sh\b", read(path))}
        self.assertIn("dist.sh", called)
        said = subprocess.run(["git", "check-attr", "eol", "--", *called, "action/run.sh", "action/checksums.txt"], cwd=ROOT, check=True,
                              capture_output=True, text=True).stdout
        self.assertEqual([line for line in said.splitlines() if not line.endswith(": eol: lf")], [])

    def test_the_repository_has_one_name(self):
        # Other things are called so too.
        named = re.compile(r"(?:github\.com/|ghcr\.io/|uses: |--repo |component: [^ /]+/)([\w.-]+/stella)\b", re.ASCII)
        files = subprocess.run(["git", "ls-files", "*.md", "*.yml", "*.yaml", "image/Dockerfile", "*.sh"], cwd=ROOT, check=True,
                               capture_output=True, text=True).stdout.split()
        found = {(name, path) for path in files for name in named.findall(read(os.path.join(ROOT, path)))}
        self.assertEqual([(name, path) for name, path in found if name != settings.repository()], [])
        self.assertTrue({"README.md", "gitlab/README.md", "image/Dockerfile", "templates/gate.yml"} <= {path for _, path in found})


class Lints(unittest.TestCase):
    def assert_clean(self, name, *arguments):
        # The linter of workflows asks the one of shell, which is beside it.
        done = program.call(tool(name), *arguments, cwd=ROOT,
                            env={**os.environ, "PATH": f"{os.path.dirname(tool(name))}:{os.environ['PATH']}"})
        self.assertEqual((done.returncode, done.stdout if name != "check-jsonschema" else ""), (0, ""), done.stdout + done.stderr)

    def test_shell(self):
        scripts = [path for folder in (".", "action", "perf", "tests") for path in glob.glob(os.path.join(ROOT, folder, "*.sh"))]
        self.assertGreater(len(scripts), 5)
        self.assert_clean("shellcheck", "--external-sources", os.path.join(ROOT, ".ci", "run"), *sorted(scripts))

    def test_yaml(self):
        self.assert_clean("yamllint", "--strict", "-c", "tests/ci/yamllint.yaml", ".github", "action")

    def test_dockerfile(self):
        self.assert_clean("hadolint", "image/Dockerfile")

    def test_workflows(self):
        self.assert_clean("actionlint", *WORKFLOWS)

    def test_schemas(self):
        self.assert_clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
        self.assert_clean("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION)

    def test_security(self):
        done = program.call(tool("zizmor"), "--offline", "--no-progress", "--format", "json", ".github", "action", cwd=ROOT)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "[]"), done.stderr)

    def test_everything_is_pinned(self):
        for path in [ACTION, *WORKFLOWS, os.path.join(ROOT, "action", "README.md")]:
            for used in re.findall(r"\buses: (\S+)", read(path)):
                self.assertRegex(used, r"@([0-9a-f]{40}|COMMIT)$", path)
        for path in [*WORKFLOWS, os.path.join(ROOT, "image", "Dockerfile")]:
            for image in re.findall(r"^(?: *image: |ARG SHELL_IMAGE=| *BUILDKIT: )(\S+)$", read(path), re.MULTILINE):
                self.assertRegex(image, r"@sha256:[0-9a-f]{64}$", path)
            # What interprets a Dockerfile would be another image, of whoever has its tag.
            self.assertNotRegex(read(path), r"(?im)^#\s*syntax\s*=")

    def test_no_expression_becomes_a_command(self):
        for path in [ACTION, *WORKFLOWS]:
            for command in re.findall(r"^( +)(?:- )?run: ((?:\|\n(?:\1 +[^\n]*\n|\n)+)|[^\n]*\n)", read(path), re.MULTILINE):
                self.assertNotIn("${{", command[1], path)
