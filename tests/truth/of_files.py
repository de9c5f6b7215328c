"""Readers of one's own for what no program lists: apk's database, Java archives, executables with a list of crates."""
import io
import json
import os
import re
import struct
import zipfile
import zlib

from truth import Row

JARS = (".jar", ".war", ".ear", ".par")


def apk(database):
    """The packages of an `installed` database with the origin of each: (row, origin)."""
    with open(database, encoding="utf-8") as text:
        stanzas = text.read().split("\n\n")
    for stanza in filter(str.strip, stanzas):
        fields = {}
        for line in stanza.strip().split("\n"):
            # Below the first file, one-letter fields speak of files.
            fields.setdefault(line[0], line[2:])
        yield Row("apk", fields["P"], fields["V"], fields.get("A")), fields.get("o", fields["P"])


def jars(root):
    """(path without the root, the archive) of each Java archive that is a file, not a link."""
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if name.lower().endswith(JARS) and not os.path.islink(path) and zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield os.path.relpath(path, root), archive


def archives(archive, name):
    """The archive and every one inside it, at any depth: (file name, archive)."""
    yield name, archive
    for entry in archive.namelist():
        if entry.lower().endswith(JARS):
            data = io.BytesIO(archive.read(entry))
            if zipfile.is_zipfile(data):
                with zipfile.ZipFile(data) as nested:
                    yield from archives(nested, os.path.basename(entry))


def properties(archive):
    """The coordinates of each `pom.properties`: (GROUP:ARTIFACT, version)."""
    for entry in archive.namelist():
        if re.fullmatch(r"(.*/)?META-INF/maven/[^/]+/[^/]+/pom\.properties", entry):
            text = archive.read(entry).decode("utf-8", "replace")
            values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
            values = {key.strip(): value.strip() for key, value in values.items()}
            if all(values.get(key) for key in ("groupId", "artifactId", "version")):
                yield f"{values['groupId']}:{values['artifactId']}", values["version"]


def said_versions(name, archive):
    """Every text of an archive's name and manifest that its version could have come from."""
    yield name
    for entry in archive.namelist():
        if entry.upper() == "META-INF/MANIFEST.MF":
            # A line that starts with a blank goes on with the one before.
            text = archive.read(entry).decode("utf-8", "replace").replace("\r\n", "\n").replace("\n ", "")
            yield from (line.split(":", 1)[1].strip() for line in text.split("\n") if ":" in line)


def crates(path):
    """The packages of the section `.dep-v0` of a 64-bit ELF file, as cargo-auditable describes it; None without one."""
    with open(path, "rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:5] != b"\x7fELF\x02":
            return None
        (sections,), (size, count, names) = struct.unpack_from("<Q", head, 40), struct.unpack_from("<HHH", head, 58)
        # Go brings damaged ones for its own tests.
        if size != 64 or names >= count or sections + count * size > os.path.getsize(path):
            return None
        table = []
        for at in range(count):
            file.seek(sections + at * size)
            name, _, _, _, offset, length = struct.unpack_from("<IIQQQQ", file.read(size))
            table.append((name, offset, length))
        file.seek(table[names][1])
        texts = file.read(table[names][2])
        for name, offset, length in table:
            if texts[name:].startswith(b".dep-v0\0"):
                file.seek(offset)
                return json.loads(zlib.decompress(file.read(length)))["packages"]
    return None
