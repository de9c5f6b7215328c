"""What the GitLab components make of the gate's settings: inputs, variables, the classic include and the tables."""
import json
import re

from settings import cell, filled, package, read, words

GATE = "templates/gate.yml"
BENCHMARK = "templates/benchmark.yml"
CLASSIC = "gitlab/stella.gitlab-ci.yml"
README = "gitlab/README.md"

INPUT = r"\$\[\[ inputs\.([a-z-]+) \]\]"

# What an input can be held to before anything runs, where the program only says it in words.
NUMBER = {"regex": "^[0-9]*$"}
HELD_TO = {
    "deadline": NUMBER,
    "max-wait": NUMBER,
    "threads": NUMBER,
}


def plain(value):
    """A value as it stands in a text."""
    return value if isinstance(value, str) else words(value)


def split(template):
    """A component's header and its jobs: two documents of one file."""
    header, jobs = re.split(r"^---\n", template, maxsplit=1, flags=re.MULTILINE)
    return header, jobs


def one_input(setting):
    """The lines of the component's header for a setting."""
    lines = [f"    {setting.name}:", f"      description: {words(setting.help)}"]
    if setting.switch:
        return [*lines, "      type: boolean", "      default: false"]
    held_to = dict(HELD_TO.get(setting.name, {}))
    if setting.values:
        # Without a default of its own, none of them is a value too.
        held_to["options"] = [*([] if setting.default else [""]), *setting.values]
    lines += [f"      {key}: {words(value)}" for key, value in held_to.items()]
    return [*lines, f"      default: {words(setting.default)}"]


def component(gate):
    """The parts of templates/gate.yml."""
    return {
        "version": [f"      default: {words(package()['version'])}"],
        "settings": [line for setting in gate for line in one_input(setting)],
        "variables": [f"    {one.variable}: $[[ inputs.{one.name} ]]" for one in gate],
    }


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


def with_defaults(template):
    """A component's jobs, with the default of every input."""
    declared = inputs(template)
    # A list in a list of rules is for the component; one list here.
    rules = "".join(f"    - {words(rule)}\n" for rule in declared.get("rules", {}).get("default", []))
    jobs = split(template)[1].replace("    - $[[ inputs.rules ]]\n", rules)
    # No tag is no key: a list of none is only for an input.
    if not declared["tags"]["default"]:
        jobs = jobs.replace("  tags: $[[ inputs.tags ]]\n", "")

    def default(name):
        return declared[name]["default"]

    # A value alone keeps its type; what stands in a text is put into it.
    jobs = re.sub(rf"^( +\w+: ){INPUT}$", lambda found: found[1] + words(default(found[2])), jobs, flags=re.MULTILINE)
    return re.sub(INPUT, lambda found: plain(default(found[1])), jobs)


def classic(gate):
    """The jobs for a classic include: settings are left to the variables of whoever includes it."""
    header, jobs = split(filled(read(GATE), component(gate)))
    jobs = re.sub(r"^ *# The program reads these itself.*?# end\n", "", jobs, flags=re.DOTALL | re.MULTILINE)
    return {"jobs": with_defaults(f"{header}---\n{jobs}").splitlines()}


def table(template, variables):
    """The inputs of a component as a table."""
    rows = ["| input | what | default | is |", "| --- | --- | --- | --- |"]
    for name, one in inputs(template).items():
        kind = ", ".join(f"`{option}`" for option in one.get("options", []) if option)
        kind = kind or (f"`{one['regex']}`" if "regex" in one else one.get("type", "text"))
        default = "" if one["default"] in ("", []) else f"`{plain(one['default'])}`"
        called = f"`{name}`" + (f", `{variables[name]}`" if name in variables else "")
        rows.append(f"| {called} | {cell(one['description'])} | {cell(default)} | {cell(kind)} |")
    return rows


def readme(gate):
    """The tables of gitlab/README.md."""
    variables = {one.name: one.variable for one in gate}
    return {"gate": table(filled(read(GATE), component(gate)), variables), "benchmark": table(read(BENCHMARK), {})}


FILES = {GATE: component, CLASSIC: classic, README: readme}
