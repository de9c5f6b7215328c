"""What the documentation shows, and the server that it names."""
import contextlib
import os
import re

from settings import ROOT, STELLA, program, read

# The address in every sample that gates: its advisories come from there.
SERVER = "https://stella.example"
RECIPES = "docs/recipes"
# What makes a sample gate: the action, the component or the classic include, the program, the image as a plugin, the hook.
GATES = r"stella/action@|/gate@|stella[.]gitlab-ci[.]yml|stella gate |docker-archive:|id: stella-gate"


def recipes():
    """The names of the recipes."""
    return sorted(name[:-3] for name in os.listdir(os.path.join(ROOT, RECIPES)) if name != "README.md")


def pages():
    """Every page with samples."""
    return ["README.md", "action/README.md", "gitlab/README.md", *(f"{RECIPES}/{name}.md" for name in recipes())]


def samples(page):
    """The samples of a page that gate."""
    blocks = re.findall(r"^ *```(?:yaml|groovy)\n(.*?)^ *```", read(page), re.DOTALL | re.MULTILINE)
    return [block for block in blocks if re.search(GATES, block)]


@contextlib.contextmanager
def server(work):
    """A server with the demo's advisories, in place of the one that samples name: its address."""
    advisories = os.path.join(work, "advisories")
    program.prepare(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", advisories, env=program.environment(work))
    with program.server(work, "--advisories", advisories) as address:
        yield address
