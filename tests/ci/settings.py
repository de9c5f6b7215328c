"""The gate's settings, and what is made of them: the parts between `generated` and `end` of files that people's pipelines take.

    STELLA=PROGRAM python3 tests/ci/settings.py              says which files differ, and ends with 1
    STELLA=PROGRAM python3 tests/ci/settings.py --update     writes them
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import program  # noqa: E402
from program import ROOT, STELLA  # noqa: E402

Setting = collections.namedtuple("Setting", "name variable help switch repeats values default")
Input = collections.namedtuple("Input", "name variable help default")


def package():
    """What Cargo.toml says of the whole project: the one place of its version and its repository."""
    with open(os.path.join(ROOT, "Cargo.toml"), "rb") as text:
        return tomllib.load(text)["workspace"]["package"]


def repository():
    """OWNER/NAME."""
    return package()["repository"].removeprefix("https://github.com/")


def settings():
    """Every setting of the gate, in the order of its help."""
    with tempfile.TemporaryDirectory() as work:
        said = subprocess.run([STELLA, "settings"], capture_output=True, text=True, check=True, env=program.environment(work))
    return [Setting(**json.loads(line)) for line in said.stdout.splitlines()]


# ---- the GitHub Action ------------------------------------------------------------------------------------------------

OF_INSTALLING = [
    Input("binary-path", "INPUT_BINARY_PATH",
          "Run this program, and download none: for runners without a network. Keep it outside of the checkout", ""),
    Input("download-url", "INPUT_DOWNLOAD_URL", "Where releases are: a mirror has the same files, below vVERSION/",
          f"{package()['repository']}/releases/download"),
    Input("verify-attestation", "INPUT_VERIFY_ATTESTATION",
          "true: also ask GitHub whether this project's release workflow built the program (takes the gh program)", "false"),
]
OF_RUNNING = [
    Input("report-only", "INPUT_REPORT_ONLY",
          "true: a gate that fails does not fail the step; one that could not finish still does, unless on-error says else", "false"),
    Input("summary", "INPUT_SUMMARY", "false: nothing in the job's summary", "true"),
    Input("annotations", "INPUT_ANNOTATIONS", "false: no annotations", "true"),
    Input("sbom", "INPUT_SBOM", "true: an SBOM too, as CycloneDX; it is of one platform, so an image of several takes platform", "false"),
    Input("working-directory", "INPUT_WORKING_DIRECTORY",
          "Where paths begin, .stella.yaml and the Dockerfile are looked for [default: the workspace]", ""),
]
OUTPUTS = {
    "verdict": "pass, warn or fail; unfinished where the gate could not finish or could not look",
    "findings": "How many findings count: what the policy ignores does not",
    **{f"findings-{severity}": f"Those that are {severity}"
       for severity in ("critical", "high", "medium", "low", "negligible", "unknown")},
    "skipped": "How many things were not looked at; the reports name them",
    "new-layers": "Layers that were analysed",
    "cached-layers": "Layers that were known",
    "degraded": "true where the server could not be reached, and all was analysed here",
    "elapsed-ms": "Milliseconds of the gate",
    "exit-code": "Of the gate: 0 passed, 1 failed, 2 wrong call, 3 could not finish",
    "sarif": "Path of the report for code scanning",
    "junit": "Path of the report for test tabs",
    "json": "Path of the report for programs",
    "markdown": "Path of the report that the summary shows",
    "sbom": "Path of the SBOM, where the input of that name asked for it",
}


def inputs(gate):
    """Every input of the action: the gate's settings by their names, then the action's own."""
    return [Input(one.name, one.variable, one.help, one.default) for one in gate] + OF_INSTALLING + OF_RUNNING


def words(text):
    """A string of YAML, whatever stands in it."""
    return json.dumps(text, ensure_ascii=False)


def environment(of, indent):
    """Inputs as variables. Where one is empty, the job's own variable of a setting counts; of the action's own, the default."""
    def value(one):
        given = f"inputs.{one.name}"
        if not one.variable.startswith("INPUT_"):
            return f"{given} || env.{one.variable}"
        return f"{given} || '{one.default}'" if one.default else given
    return [f"{indent}{one.variable}: ${{{{ {value(one)} }}}}" for one in of]


def action(gate):
    """The parts of action/action.yml."""
    own = "  {0}:\n    description: {1}\n    default: {2}"
    output = "  {0}:\n    description: {1}\n    value: ${{{{ steps.gate.outputs.{0} }}}}"
    return {
        "inputs": [own.format(one.name, words(one.help), words(one.default)) for one in inputs(gate)],
        "outputs": [output.format(name, words(what)) for name, what in OUTPUTS.items()],
        "installing": environment(OF_INSTALLING, " " * 8) + [f"{' ' * 8}REPOSITORY: {repository()}"],
        "running": environment(inputs(gate)[:len(gate)] + OF_RUNNING, " " * 8),
    }


def action_readme(gate):
    """The tables of action/README.md."""
    def cell(text):
        return text.replace("|", "\\|")
    return {
        "inputs": ["| input | what | default |", "| --- | --- | --- |"]
        + [f"| `{one.name}` | {cell(one.help)} | {f'`{one.default}`' if one.default else ''} |" for one in inputs(gate)],
        "outputs": ["| output | what |", "| --- | --- |"] + [f"| `{name}` | {what} |" for name, what in OUTPUTS.items()],
    }


# ---- the files --------------------------------------------------------------------------------------------------------

# Each with the function that makes its parts of the settings; what other platforms take is added here.
FILES = {"action/action.yml": action, "action/README.md": action_readme}


def filled(text, parts):
    """The text with each part between the line that says `generated: PART` and the next that says `end`."""
    for name, lines in parts.items():
        begin = rf"^(?P<begin>[^\n]*\bgenerated: {name}\b[^\n]*\n)"
        text, times = re.subn(begin + r".*?^(?P<end>[^\n]*\bend\b[^\w\n]*\n)", lambda found, lines=lines:
                              found["begin"] + "".join(f"{line}\n" for line in lines) + found["end"], text,
                              flags=re.DOTALL | re.MULTILINE)
        if times != 1:
            raise ValueError(f"{times} places for the part {name}, not one")
    return text


def differences():
    """Pairs of each file that is not what the settings make of it, and what it should be."""
    gate = settings()
    for name, parts in FILES.items():
        path = os.path.join(ROOT, name)
        with open(path, encoding="utf-8") as text:
            is_now = text.read()
        should_be = filled(is_now, parts(gate))
        if is_now != should_be:
            yield path, should_be


if __name__ == "__main__":
    update = "--update" in sys.argv[1:]
    found = list(differences())
    for path, should_be in found:
        print(f"{'written' if update else 'differs'}: {os.path.relpath(path, ROOT)}")
        if update:
            with open(path, "w", encoding="utf-8") as out:
                out.write(should_be)
    sys.exit(bool(found) and not update)
