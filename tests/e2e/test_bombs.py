"""What costs far more than it looks like: each ends in a named limit or in time, within 200 MiB, and never in a crash."""
import functools
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import zipfile
import zlib

import program
from program import STELLA, environment, tar, write_layout

PEAK_KIB = 200 << 10
SECONDS = 60
# A process counts the memory of whoever made it until it becomes another program: a small one stands between.
MEASURE = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as out:
    out.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")
"""
FULL = os.environ.get("STELLA_TEST_FULL") == "1"


def jar(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


@functools.cache
def zeros(size):
    """So many zero bytes deflated, and their CRC-32: made without holding them, once, because gigabytes take a quarter of a minute."""
    deflate, packed, crc, chunk = zlib.compressobj(9, zlib.DEFLATED, -15), [], 0, bytes(1 << 20)
    for _ in range(size >> 20):
        packed.append(deflate.compress(chunk))
        crc = zlib.crc32(chunk, crc)
    return b"".join([*packed, deflate.flush()]), crc


def zeros_in_a_jar(name, size):
    """A jar of one entry of `size` zero bytes."""
    data, crc = zeros(size)
    sizes = min(size, 0xFFFFFFFE)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(data), sizes, len(name), 0)
    local = b"PK\3\4" + common + name + data
    central = b"PK\1\2\x14\0" + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def empty_files(letter, count):
    """A layer of so many empty files, and its diff ID: made without holding it."""
    header = bytearray(tarfile.TarInfo(f"{letter}0000000").tobuf(tarfile.USTAR_FORMAT))
    base = sum(header) - sum(header[148:156]) + 8 * 32 - sum(header[1:8])
    packed, hasher, parts = zlib.compressobj(1, zlib.DEFLATED, 31), program.hashlib.sha256(), []
    for number in range(count):
        name = b"%07d" % number
        header[1:8] = name
        header[148:156] = b"%06o\0 " % (base + sum(name))
        hasher.update(header)
        parts.append(packed.compress(bytes(header)))
    hasher.update(bytes(1024))
    parts += [packed.compress(bytes(1024)), packed.flush()]
    return b"".join(parts), "sha256:" + hasher.hexdigest()


class Bombs(program.Case):
    def gated(self, image, *words, arguments=(), packages=None, peak_kib=PEAK_KIB):
        """Gates `image`, holds time and memory, and finds each of `words` in what was said or skipped; `packages` are those
        that it must have, by ecosystem."""
        report = self.path("report.json")
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, self.path("measured"), STELLA, "gate", image, "--advisories", "demo", "--no-cache",
             "-o", f"json={report}", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(self.work), timeout=10 * SECONDS, check=True)
        text = done.stderr.decode()
        with open(self.path("measured"), encoding="utf-8") as measured:
            code, used_kib = map(int, measured.read().split())
        if os.path.exists(report):
            with open(report, encoding="utf-8") as file:
                written = file.read()
            os.remove(report)
            text += written
        if packages is None:
            self.assertEqual(code, 3, text[-2000:])
        else:
            self.assertEqual(json.loads(written)["results"][0]["looked_at"]["packages"], packages)
        self.assertLess(used_kib, peak_kib)
        self.assertLess(time.monotonic() - begun, SECONDS)
        for word in words:
            self.assertIn(word, text)

    def layer(self, entries):
        content = tar(entries)
        layout = tempfile.mkdtemp(dir=self.work)
        return "oci:" + write_layout(layout, [(gzip.compress(content, 1), content)])

    def test_a_jar_whose_metadata_is_endless(self):
        for name in (b"META-INF/maven/g/a/pom.properties", b"META-INF/MANIFEST.MF", b"lib/a.jar"):
            with self.subTest(name=name):
                self.gated(self.layer([("opt/a.jar", zeros_in_a_jar(name, 3 << 30))]), "opt/a.jar", "limit")

    def test_jars_in_jars_in_jars(self):
        data = jar([("META-INF/MANIFEST.MF", "")])
        for depth in range(100):
            data = jar([("META-INF/MANIFEST.MF", ""), (f"lib/{depth}.jar", data)])
        self.gated(self.layer([("opt/a.jar", data)]), "archive depth")

    def test_a_jar_that_lies_about_sizes(self):
        data = bytearray(zeros_in_a_jar(b"META-INF/maven/g/a/pom.properties", 64 << 20))
        at = data.rindex(b"PK\1\2") + 24
        data[at:at + 4] = struct.pack("<I", 100)
        self.gated(self.layer([("opt/a.jar", bytes(data))]), "opt/a.jar")

    def test_a_jar_of_a_million_jars(self):
        inner = jar([("META-INF/MANIFEST.MF", "Implementation-Title: a\nImplementation-Version: 1\n")])
        local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(inner), len(inner), len(inner), 5, 0)
        # Every entry of the directory is the same file.
        entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 33, zlib.crc32(inner), len(inner),
                            len(inner), 5, 0, 0, 0, 0, 0, 0) + b"a.jar"
        count = 1_000_000
        start = len(local) + 5 + len(inner)
        zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entry) * count, start)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(entry) * count, 1)
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        data = local + b"a.jar" + inner + entry * count + zip64 + locator + end
        self.gated(self.layer([("opt/a.jar", data)]), "opt/a.jar")

    def test_databases_over_the_limit(self):
        stanza = b"Package: a%07d\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nDescription: x\n\n"
        status = b"".join(stanza % number for number in range(2_300_000))
        self.assertGreater(len(status), 200 << 20)
        image = self.layer([("etc/os-release", b"ID=debian\nVERSION_ID=12\n"), ("var/lib/dpkg/status", status)])
        self.gated(image, "var/lib/dpkg/status", "database size")

    def directory(self, path, data):
        root = tempfile.mkdtemp(dir=self.work)
        whole = os.path.join(root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "wb") as file:
            file.write(data)
        return f"dir:{root}"

    def test_files_that_name_too_many_packages(self):
        stanza = b"Package: a%06d\nStatus: install ok installed\nVersion: 1\n\n"
        purl = b'{"referenceType":"purl","referenceLocator":"pkg:bitnami/a%06d@1"}'
        status, limit = "var/lib/dpkg/status", "`packages of a file`, 75000"
        for path, ecosystem, head, one, between, end in (
            ("app/a.deps.json", "nuget", b'{"libraries":{', b'"a%06d/1":{"type":"package"}', b",", b"}}"),
            ("srv/vendor/composer/installed.json", "composer", b'{"packages":[', b'{"name":"a/%06d","version":"1"}', b",", b"]}"),
            ("opt/bitnami/a/.spdx-a.spdx", "bitnami", b'{"spdxVersion":"2","packages":[{"externalRefs":[', purl, b",", b"]}]}"),
            ("lib/apk/db/installed", "apk", b"", b"P:a%06d\nV:1\n", b"\n", b"\n"),
            (status, "deb", b"", stanza, b"", b""),
            (status, None, stanza[:-1] % 0 + b"Built-Using: ", b"a%06d (= 1)", b",", b"\n"),
            ("requirements.txt", "pypi", b"", b"a%06d==1", b"\n", b"\n"),
            ("package-lock.json", "npm", b'{"packages":{', b'"node_modules/a%06d":{"version":"1"}', b",", b"}}"),
            ("Gemfile.lock", "gem", b"GEM\n", b"    a%06d (1)", b"\n", b"\n"),
        ):
            text = lambda count: head + between.join(one % number for number in range(count)) + end
            with self.subTest(path=path, ecosystem=ecosystem):
                # What is built of others counts as the package itself does.
                few = {ecosystem: 75_000} if ecosystem else {"deb": 1}
                self.gated(self.directory(path, text(75_000 if ecosystem else 74_999)), packages=few)
                self.gated(self.directory(path, text(75_001)), path, limit)

    def test_files_that_cost_more_than_their_size(self):
        size = 64 << 20
        lock = size // 2
        long = "`text of packages`"
        stanza = b"Package: a\nStatus: install ok installed\nVersion: "
        attributes = b"".join(b" %c%c=''" % (97 + number // 26, 97 + number % 26) for number in range(64))
        for path, data, words in (
            ("app/a.deps.json", b'{"targets":{"n":{"a/1":{"runtime":{' + b'"_._":0,' * (size // 8 - 20) + b'"_._":0}}}},"libraries":{}}', ()),
            ("opt/bitnami/a/.spdx-a.spdx", b'{"spdxVersion":"2","packages":[' + b"{}," * (size // 3 - 20) + b"{}]}", ()),
            ("opt/conda-meta/a.json", b'{"version":"1","name":"\\n' + b"a" * (size - 99) + b'"}', ("`JSON text`",)),
            ("var/lib/dpkg/status", stanza + b"1" * (size - 99) + b"\n", (long,)),
            ("var/lib/dpkg/status", stanza + b"1\nBuilt-Using: " + b"a(=1)," * (size // 6 - 20) + b"\n", (long,)),
            ("var/lib/dpkg/status", stanza + b"1\nDescription: " + b"\n \xff" * (size // 3 - 40), ()),
            ("etc/os-release", b"ID=debian\nVERSION_ID=" + b"1" * (size - 99), ("`os-release value`",)),
            ("requirements.txt", b"a==1\n" * (lock // 5), ("`lock file parts`",)),
            ("package-lock.json", b'{"packages":{"a":{"resolved":[' + b"[]," * (lock // 3 - 20) + b"0]}}}", None),
            ("Cargo.lock", b'package = "' + b"\xc2\x80" * (lock // 4 - 20) + b'"', ("Cargo.lock",)),
            ("pom.xml", b"<project>" + (b"<a" + attributes + b"/>") * (lock // 400) + b"</project>", ("`XML elements`",)),
            ("go.mod", b"module a\nx " + b"a " * (lock // 2 - 20) + b"\n", ("64 words",)),
        ):
            with self.subTest(path=path, words=words):
                # The one that is read to its end without anything to say of it.
                packages = {"npm": 1} if words is None else None
                self.gated(self.directory(path, data), *words or (), packages=packages)

    def test_sparse_files_of_ten_gigabytes(self):
        root = self.path("root")
        for path in ("opt/a.jar", "usr/bin/tool", "var/lib/rpm/rpmdb.sqlite", "srv/node_modules/a/package.json", "a.bin"):
            whole = os.path.join(root, path)
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "wb") as sparse:
                sparse.write(b"\x7fELF\2\1\1" if path == "usr/bin/tool" else b"PK\3\4" if path.endswith("jar") else b"{")
                sparse.truncate(10 << 30)
        self.gated(f"dir:{root}", "opt/a.jar", "file size", "srv/node_modules/a/package.json", "database size",
                   arguments=["--limit", "layer-size=100GB"])

    def test_a_sparse_file_in_a_tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            entry = tarfile.TarInfo("a")
            entry.type = tarfile.GNUTYPE_SPARSE
            archive.addfile(entry)
        content = out.getvalue()
        self.gated("oci:" + write_layout(self.path("layout"), [(gzip.compress(content), content)]), "sparse")

    def test_nesting(self):
        deep = 1_000_000
        image = self.layer([
            ("srv/node_modules/a/package.json", b'{"name":' + b"[" * deep),
            ("srv/vendor/composer/installed.json", b"[" * deep),
            ("srv/package-lock.json", b'{"packages":' * deep),
            ("srv/pnpm-lock.yaml", b"packages: " + b"{a: " * deep),
            ("srv/Cargo.lock", b"a = " + b"[" * deep),
            ("srv/pom.xml", b"<project>" * deep),
        ])
        self.gated(image, "srv/node_modules/a/package.json", "srv/vendor/composer/installed.json")

    @unittest.skipUnless(FULL, "a layer of gigabytes: with STELLA_TEST_FULL=1")
    def test_three_million_empty_files(self):
        self.gated("oci:" + write_layout(self.path("layout"), [empty_files("f", 3_000_000)]), "layer entries")

    @unittest.skipUnless(FULL, "layers of gigabytes: with STELLA_TEST_FULL=1")
    def test_millions_of_empty_files_in_many_layers(self):
        layers = [empty_files(letter, 400_000) for letter in "abcdefghijkl"]
        self.gated("oci:" + write_layout(self.path("layout"), layers), "image entries", peak_kib=400 << 10)

    @unittest.skipUnless(FULL, "a layer of gigabytes: with STELLA_TEST_FULL=1")
    def test_ten_gigabytes_of_zeros(self):
        packed, hasher, chunk = zlib.compressobj(1, zlib.DEFLATED, 31), program.hashlib.sha256(), bytes(1 << 20)
        info = tarfile.TarInfo("a.jar")
        info.size = 10 << 30
        header = info.tobuf(tarfile.GNU_FORMAT)
        parts = [packed.compress(header)]
        hasher.update(header)
        for _ in range(10 << 10):
            parts.append(packed.compress(chunk))
            hasher.update(chunk)
        parts += [packed.compress(bytes(1024)), packed.flush()]
        hasher.update(bytes(1024))
        layout = write_layout(self.path("layout"), [(b"".join(parts), "sha256:" + hasher.hexdigest())])
        self.gated(f"oci:{layout}", "a.jar", "file size")


if __name__ == "__main__":
    unittest.main()
