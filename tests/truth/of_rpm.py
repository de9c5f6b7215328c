"""rpm packages and their databases in each of the three forms, and what rpm says of them, as rows."""
import glob
import os
import sqlite3
import struct
import zlib

from truth import Row, prepare

FORMAT = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
# The key of a signer is kept as a package of this name, which `rpm -qa` lists and nobody installed.
KEYS = "gpg-pubkey"


def packages(database, *arguments):
    """`rpm -qa` on a directory with a database."""
    lines = prepare("rpm", "--dbpath", database, *arguments, "-qa", "--qf", FORMAT).splitlines()
    rows = (line.split("\t") for line in lines)
    # An epoch of 0 is none: rpmvercmp takes both for the same version.
    return [Row("rpm", name, version.removeprefix("0:"), arch) for name, version, arch in rows if name != KEYS]


def modules(database, *arguments):
    """Name, and label of the module or None, of each package."""
    form = "%{NAME}\\t%{MODULARITYLABEL}\\n"
    lines = prepare("rpm", "--dbpath", database, *arguments, "-qa", "--qf", form).splitlines()
    pairs = (line.split("\t") for line in lines)
    return [(name, None if label == "(none)" else label) for name, label in pairs if name != KEYS]


def sources(database):
    """Name, and name and version-release of the source rpm, of each package: its file's name has no epoch."""
    lines = prepare("rpm", "--dbpath", database, "-qa", "--qf", "%{NAME}\\t%{SOURCERPM}\\n").splitlines()
    pairs = (line.split("\t") for line in lines)
    parts = ((name, *source.removesuffix(".src.rpm").rsplit("-", 2)) for name, source in pairs if name != KEYS)
    return [(name, source, f"{version}-{release}") for name, source, version, release in parts]


def build(work, *specs):
    """Builds binary packages; gives their files."""
    for at, spec in enumerate(specs):
        path = os.path.join(work, f"{at}.spec")
        with open(path, "w", encoding="utf-8") as out:
            out.write(spec)
        prepare("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {work}/top", "--define", f"_rpmdir {work}/rpms", path)
    return sorted(glob.glob(f"{work}/rpms/*/*.rpm"))


def install(database, *files):
    """Into the database alone; its form is this rpm's own, SQLite."""
    prepare("rpm", "--dbpath", database, "-i", "--justdb", "--nodeps", "--ignorearch", "--ignoreos", "--force", *files)


def headers(database):
    """(number, header) of each package of a SQLite database."""
    connection = sqlite3.connect(os.path.join(database, "rpmdb.sqlite"))
    try:
        return connection.execute("SELECT hnum, blob FROM Packages ORDER BY hnum").fetchall()
    finally:
        connection.close()


def write_berkeley(path, packages, big_endian=False):
    """A hash table as older rpms keep it: numbers in the machine's order lead to headers, 0 to the highest number."""
    order = ">" if big_endian else "<"
    pairs = [(0, struct.pack(order + "I", max(number for number, _ in packages))), *packages]
    lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_lorder={4321 if big_endian else 1234}", "db_pagesize=4096",
             "HEADER=END"]
    for number, value in pairs:
        lines += [" " + struct.pack(order + "I", number).hex(), " " + value.hex()]
    prepare("db_load", "-f", _dump(path, lines), path)


def _dump(path, lines):
    dump = path + ".dump"
    with open(dump, "w", encoding="ascii") as out:
        out.write("\n".join([*lines, "DATA=END", ""]))
    return dump


def write_ndb(path, packages):
    """rpm's own form, as lib/backend/ndb/rpmpkg.c of rpm has it: Debian's rpm cannot write it.

    A page of slots with the file's header in the place of the first two, then the headers, each behind a head and before a
    tail with its checksum and size, all in blocks of 16 bytes. Every other slot stays free, as after removals."""
    page, block = 4096, 16
    slots, blobs, at = [], b"", page // block
    for number, header in packages:
        size = 16 + len(header) + 12
        blocks = -(-size // block)
        body = struct.pack("<4sIII", b"BlbS", number, 0x12345678, len(header)) + header
        body += b"\0" * (blocks * block - size)
        body += struct.pack("<III", zlib.adler32(body), len(header), int.from_bytes(b"BlbE", "little"))
        blobs += body
        slots += [struct.pack("<4sIII", b"Slot", number, at, blocks), struct.pack("<4sIII", b"Slot", 0, 0, 0)]
        at += blocks
    free = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    slots += [free] * (page // block - 2 - len(slots))
    head = struct.pack("<4sIIIIIII", b"RpmP", 0, 1, 1, max(number for number, _ in packages) + 1, 0, 0, 0)
    with open(path, "wb") as out:
        out.write(head + b"".join(slots) + blobs)
