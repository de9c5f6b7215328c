"""What the GitHub Action makes of the gate's settings."""
import collections

from settings import cell, package, repository, words

Input = collections.namedtuple("Input", "name variable help default")

OF_INSTALLING = [
    Input("binary-path", "INPUT_BINARY_PATH",
          "Run this program, and download none: for runners without a network. Keep it outside of the checkout", ""),
    Input("download-url", "INPUT_DOWNLOAD_URL", "Where releases are: a mirror has the same files, below vVERSION/",
          f"{package()['repository']}/releases/download"),
    Input("verify-attestation", "INPUT_VERIFY_ATTESTATION",
          "true: also ask GitHub whether this project's release workflow built the program, of its branch main (takes the gh program, 2.68 or later)", "false"),
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
    def of_gate(one):
        # An input that is empty leaves the setting to the job's variable; no variable turns errors off.
        if not one.default or one.name == "on-error":
            return Input(one.name, one.variable, one.help, one.default)
        return Input(one.name, one.variable, f"{one.help} [default: {one.default}]", "")
    return [of_gate(one) for one in gate] + OF_INSTALLING + OF_RUNNING


def environment(of, indent):
    """Inputs as variables. Where one is empty, the job's own variable of a setting counts; of the action's own, the default."""
    def value(one):
        given = f"inputs.{one.name}"
        if one.default:
            return f"{given} || '{one.default}'"
        return given if one.variable.startswith("INPUT_") else f"{given} || env.{one.variable}"
    return [f"{indent}{one.variable}: ${{{{ {value(one)} }}}}" for one in of]


def manifest(gate):
    """The parts of action/action.yml."""
    own = "  {0}:\n    description: {1}\n    default: {2}"
    output = "  {0}:\n    description: {1}\n    value: ${{{{ steps.gate.outputs.{0} }}}}"
    return {
        "inputs": [own.format(one.name, words(one.help), words(one.default)) for one in inputs(gate)],
        "outputs": [output.format(name, words(what)) for name, what in OUTPUTS.items()],
        "installing": environment(OF_INSTALLING, " " * 8) + [f"{' ' * 8}REPOSITORY: {repository()}"],
        "running": environment(inputs(gate)[:len(gate)] + OF_RUNNING, " " * 8),
    }


def readme(gate):
    """The tables of action/README.md."""
    return {
        "inputs": ["| input | what | default |", "| --- | --- | --- |"]
        + [f"| `{one.name}` | {cell(one.help)} | {f'`{one.default}`' if one.default else ''} |" for one in inputs(gate)],
        "outputs": ["| output | what |", "| --- | --- |"] + [f"| `{name}` | {what} |" for name, what in OUTPUTS.items()],
    }


FILES = {"action/action.yml": manifest, "action/README.md": readme}
