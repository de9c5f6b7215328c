"""The GitLab components, held to the program: their inputs, the classic include and the tables are made of `stella settings`.

    python3 tests/ci/components.py             says what differs from it; 0: nothing does
    python3 tests/ci/components.py --update    writes it
"""
import difflib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STELLA = os.environ.get("STELLA", os.path.join(ROOT, "target", "release", "stella"))
GATE = "templates/gate.yml"
BENCHMARK = "templates/benchmark.yml"
CLASSIC = "gitlab/stella.gitlab-ci.yml"
README = "gitlab/README.md"
BY = "tests/ci/components.py"
UPDATE = f"python3 {BY} --update"

INPUT = r"\$\[\[ inputs\.([a-z-]+) \]\]"

# What an input can be held to before anything runs, where the program only says it in words.
NUMBER = {"regex": "^[0-9]*$"}
HELD_TO = {
    "deadline": NUMBER,
    "max-wait": NUMBER,
    "threads": NUMBER,
}

CLASSIC_HEAD = f"""\
# The jobs of the component `gate` for a classic `include`, made from {GATE} by {BY}: change that one.
#
# Each setting is a variable: STELLA_IMAGE, STELLA_POLICY and so on, set where the file is included or in the project's
# settings. What else the component has inputs for is changed as in any job that is included: by a job of the same name.
# gitlab/README.md shows it.
"""


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as text:
        return text.read()


def settings():
    """Every setting of `stella gate`, in the order of its help."""
    done = subprocess.run([STELLA, "settings"], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def quoted(value):
    """A value as YAML, which JSON is."""
    return json.dumps(value, ensure_ascii=False)


def plain(value):
    """A value as it stands in a text."""
    return value if isinstance(value, str) else quoted(value)


def split(template):
    """A component's header and its jobs: two documents of one file."""
    header, jobs = re.split(r"^---\n", template, maxsplit=1, flags=re.MULTILINE)
    return header, jobs


def between(text, begin, end, wanted):
    """The text with `wanted` between the line that holds `begin` and the one that holds `end`."""
    pattern = re.compile(rf"(^[^\n]*{re.escape(begin)}[^\n]*\n).*?(^[^\n]*{re.escape(end)}[^\n]*$)", re.DOTALL | re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"{BY}: no single `{begin}` with a `{end}` behind it: put the two lines back")
    return pattern.sub(lambda found: found[1] + wanted + found[2], text)


def one_input(setting):
    """The lines of the component's header for a setting."""
    lines = [f"    {setting['name']}:", f"      description: {quoted(setting['help'])}"]
    if setting["switch"]:
        return [*lines, "      type: boolean", "      default: false"]
    held_to = dict(HELD_TO.get(setting["name"], {}))
    if setting["values"]:
        # Without a default of its own, none of them is a value too.
        held_to["options"] = [*([] if setting["default"] else [""]), *setting["values"]]
    lines += [f"      {key}: {quoted(value)}" for key, value in held_to.items()]
    return [*lines, f"      default: {quoted(setting['default'])}"]


def version():
    return re.search(r'^version = "(.+)"$', read("Cargo.toml"), re.MULTILINE)[1]


def gate():
    """The component."""
    lines = [line for setting in settings() for line in one_input(setting)]
    text = between(read(GATE), "# settings: begin", "# settings: end", "".join(f"{line}\n" for line in lines))
    variables = (f"    {one['variable']}: $[[ inputs.{one['name']} ]]\n" for one in settings())
    text = between(text, "# variables: begin", "# variables: end", "".join(variables))
    return re.sub(r"(\n    version:\n(?:      .*\n)*?      default: ).*", lambda found: found[1] + quoted(version()), text)


def inputs(template):
    """What a component's header declares, in order: of each input its keys. Only what this project writes is understood."""
    found, name = {}, None
    for line in split(template)[0].splitlines():
        if match := re.fullmatch(r"    ([a-z-]+):", line):
            name = match[1]
            found[name] = {}
        elif match := re.fullmatch(r"      ([a-z]+): (.+)", line):
            key, value = match.groups()
            bare = value.startswith("'") or key == "type"
            found[name][key] = value.strip("'") if bare else json.loads(value)
    return found


def filled(template):
    """A component's jobs, with the default of every input."""
    declared = inputs(template)
    # A list in a list of rules is for the component; one list here.
    rules = "".join(f"    - {quoted(rule)}\n" for rule in declared.get("rules", {}).get("default", []))
    jobs = split(template)[1].replace("    - $[[ inputs.rules ]]\n", rules)
    # No tag is no key: a list of none is only for an input.
    if not declared["tags"]["default"]:
        jobs = jobs.replace("  tags: $[[ inputs.tags ]]\n", "")

    def default(name):
        return declared[name]["default"]

    # A value alone keeps its type; what stands in a text is put into it.
    jobs = re.sub(rf"^( +\w+: ){INPUT}$", lambda found: found[1] + quoted(default(found[2])), jobs, flags=re.MULTILINE)
    return re.sub(INPUT, lambda found: plain(default(found[1])), jobs)


def classic(template):
    """The jobs for a classic include: settings are left to the variables of whoever includes it."""
    header, jobs = split(template)
    jobs = re.sub(r"^ *# The program reads these itself.*?# variables: end\n", "", jobs, flags=re.DOTALL | re.MULTILINE)
    return f"{CLASSIC_HEAD}\n{filled(f'{header}---{chr(10)}{jobs}')}"


def table(template, variables):
    """The inputs of a component as a table."""
    rows = ["| input | what | default | is |", "| --- | --- | --- | --- |"]
    for name, one in inputs(template).items():
        kind = ", ".join(f"`{option}`" for option in one.get("options", []) if option)
        kind = kind or (f"`{one['regex']}`" if "regex" in one else one.get("type", "text"))
        default = "" if one["default"] in ("", []) else f"`{plain(one['default'])}`"
        default = default.replace("|", "\\|")
        called = f"`{name}`" + (f", `{variables[name]}`" if name in variables else "")
        rows.append(" | ".join(("| " + called, one["description"].replace("|", "\\|"), default, kind.replace("|", "\\|"))) + " |")
    return "\n".join(rows) + "\n"


def readme(gate_template):
    variables = {one["name"]: one["variable"] for one in settings()}
    text = between(read(README), "<!-- gate: begin", "<!-- gate: end", table(gate_template, variables))
    return between(text, "<!-- benchmark: begin", "<!-- benchmark: end", table(read(BENCHMARK), {}))


def wanted():
    """Every file that is made, or has parts that are, as it should be."""
    template = gate()
    return {GATE: template, CLASSIC: classic(template), README: readme(template)}


def differences():
    """What differs, as a patch; empty where nothing does."""
    lines = []
    for name, text in wanted().items():
        there = read(name) if os.path.exists(os.path.join(ROOT, name)) else ""
        lines += difflib.unified_diff(there.splitlines(True), text.splitlines(True), name, f"{name}, of the program", n=1)
    return "".join(lines)


def main(arguments):
    if arguments == ["--update"]:
        for name, text in wanted().items():
            with open(os.path.join(ROOT, name), "w", encoding="utf-8") as file:
                file.write(text)
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    differs = differences()
    if differs:
        print(f"{differs}\nnot as the program has it: {UPDATE}")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
