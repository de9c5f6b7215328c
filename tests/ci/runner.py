"""Jobs of a workflow run by act, as GitHub's runner runs them, with nothing of this machine's CI in them."""
import functools
import json
import os
import shutil
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "validators"))
import fetched  # noqa: E402
import settings  # noqa: E402
import action  # noqa: E402
import program  # noqa: E402
from program import DEMO, ROOT, STELLA  # noqa: E402

REQUIREMENTS = os.path.join(ROOT, "tests", "ci", "requirements.txt")
ACTION = os.path.join(ROOT, "action")
TIMEOUT_S = 120


def tool(name):
    """A program that `requirements.txt` pins; the test is skipped where it cannot be got."""
    return fetched.python(name, REQUIREMENTS)


class Job:
    """What a job with one step of the action came to."""

    def __init__(self, work, code):
        def read(name):
            path = os.path.join(work, name)
            if not os.path.exists(path):
                return ""
            with open(path, encoding="utf-8") as text:
                return text.read()
        self.code = code
        self.log = read("log")
        self.outputs = json.loads(read("outputs") or "{}")
        self.outcome, self.conclusion = (read("outcome") or " ").split(" ")
        self.summary = read("summary")


class Case(program.Case):
    """A checkout with the action in it, of the demo image and its Dockerfile."""

    def setUp(self):
        super().setUp()
        self.checkout = self.path("checkout")
        shutil.copytree(ACTION, os.path.join(self.checkout, "action"))
        shutil.copytree(DEMO, os.path.join(self.checkout, "image"))
        # act empties the summary before each step, so what the program leaves there is kept.
        self.program = self.script("stella", f"""'{STELLA}' "$@" || code=$?
            cp "$GITHUB_STEP_SUMMARY" '{self.work}/summary'
            exit ${{code:-0}}""")
        # act asks git what it runs at.
        for words in ("init -q", "add .", "-c user.name=stella -c user.email=stella@invalid commit -q -m checkout"):
            program.prepare("git", "-C", self.checkout, *words.split(), env=program.environment(self.work))

    def script(self, name, lines):
        """A program of these lines of shell."""
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\n{lines}\n")
        os.chmod(self.path(name), 0o755)
        return self.path(name)

    def call(self, script, **variables):
        """Runs a script of the checkout's action alone, where act would lose its last words: exit code, all it said, its outputs."""
        output = self.path("output")
        with open(output, "w", encoding="utf-8"):
            pass
        done = program.call("bash", os.path.join(self.checkout, "action", script), cwd=self.checkout, env={
            **program.environment(self.work), **defaults(), "RUNNER_OS": "Linux", "RUNNER_ARCH": "X64", "RUNNER_TEMP": self.work,
            "RUNNER_TOOL_CACHE": self.path("tools"), "GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": self.path("summary"),
            "PROGRAM": STELLA, "REPOSITORY": "owner/name", **variables})
        with open(output, encoding="utf-8") as text:
            said = dict(line.rstrip("\n").split("=", 1) for line in text)
        return done.returncode, done.stdout + done.stderr, said

    def job(self, event="push", variables=None, payload=None, **inputs):
        """Runs the action with these inputs (`_` for `-`), and then looks at what a later step sees. The job has no secret, and
        GitHub's token is empty."""
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        workflow = {
            "on": [event],
            "permissions": {"contents": "read"},
            "jobs": {"gate": {"runs-on": "ubuntu-latest", "env": variables or {}, "steps": [
                # act makes a copy of the directory of it, and asks nobody.
                {"uses": "actions/checkout@v6"},
                {"id": "stella", "uses": "./action", "with": inputs},
                {"if": "always()", "env": {"OUTPUTS": "${{ toJSON(steps.stella.outputs) }}",
                                           "OUTCOME": "${{ steps.stella.outcome }} ${{ steps.stella.conclusion }}"},
                 "run": f"printf %s \"$OUTPUTS\" >'{self.work}/outputs'; printf %s \"$OUTCOME\" >'{self.work}/outcome'"},
            ]}},
        }
        os.makedirs(os.path.join(self.checkout, ".github", "workflows"), exist_ok=True)
        with open(os.path.join(self.checkout, ".github", "workflows", "gate.yml"), "w", encoding="utf-8") as out:
            # JSON is YAML.
            json.dump(workflow, out)
        with open(self.path("event"), "w", encoding="utf-8") as out:
            json.dump(payload or {}, out)
        for name in ("outputs", "outcome", "summary"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        with open(self.path("log"), "w", encoding="utf-8") as log:
            done = subprocess.run(
                [tool("act"), event, "-W", ".github/workflows/gate.yml", "-P", "ubuntu-latest=-self-hosted", "--pull=false",
                 "-e", self.path("event"), "-s", "GITHUB_TOKEN="],
                cwd=self.checkout, stdout=log, stderr=log, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
                env={**program.environment(self.work), "ACT_DISABLE_VERSION_CHECK": "1"})
        return Job(self.work, done.returncode)

    def gate(self, image="oci:image", **more):
        return self.job(**{"binary_path": self.program, "image": image, **more})


@functools.cache
def defaults():
    """The variables of a step where nobody gave an input."""
    return {one.variable: one.default for one in action.inputs(settings.settings())}
