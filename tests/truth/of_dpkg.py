"""What dpkg-query says, as rows."""
from truth import Row, prepare

# `-W` leaves out what is not installed; configuration files that stayed are no package.
GONE = ("not-installed", "config-files")
FORMAT = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"


def packages(admindir):
    """Every package whose files are there, with the source package that it was built from: (row, name, version)."""
    lines = prepare("dpkg-query", f"--admindir={admindir}", "-W", "-f", FORMAT).splitlines()
    fields = (line.split("\t") for line in lines)
    return [(Row("deb", name, version, arch), source, source_version)
            for state, name, version, arch, source, source_version in fields if state not in GONE]


def sources_inside(admindir):
    """(name, source, version) of each source that a package holds compiled parts of."""
    # A field may go on in a further line.
    form = "${Package}\t${Built-Using},${Static-Built-Using};"
    told = prepare("dpkg-query", f"--admindir={admindir}", "-W", "-f", form).split(";")
    fields = (package.split("\t") for package in told if package)
    parts = ((name, part.strip().split(" (= ")) for name, field in fields for part in field.split(",") if part.strip())
    return [(name, source, version.removesuffix(")")) for name, (source, version) in parts]


def of_stella(line):
    """A line of Stella's listing in the same form: a package without a source is its own."""
    package = line["package"]
    source = package.get("source", package)
    return Row("deb", package["name"], package["version"], package["arch"]), source["name"], source["version"]
