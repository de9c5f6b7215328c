"""apk: the two Alpine images of the suites beside this checkout, archives of `docker save`.

The golden that came with the first (another program's listing: name, version, architecture, origin) is held against the
inventory, but for four packages: it was taken of an older build of the same tag. For both, so is the database as
`of_files.apk` reads it, to the package. Skipped where the suites are not there.
"""
import json
import os
import subprocess
import tarfile
import unittest

import of_files
from truth import SHARED, Row, TruthCase, inventory, row

SUITE = os.path.join(SHARED, "suites", "image-trivy.tar.zst")
# What the golden says and the database does not: each pair is checked against the database itself.
OLDER = {"busybox": ("1.30.1-r2", "1.30.1-r3"), "ssl_client": ("1.30.1-r2", "1.30.1-r3"),
         "libcrypto1.1": ("1.1.1c-r0", "1.1.1d-r2"), "libssl1.1": ("1.1.1c-r0", "1.1.1d-r2")}
GOLDEN = "fanal-integration/goldens/packages/alpine-310.json.golden"
DATABASE = "lib/apk/db/installed"


def of_stella(line):
    package = line["package"]
    return row(package), package.get("source", package)["name"]


@unittest.skipUnless(os.path.exists(SUITE), "the suites are not beside this checkout")
class Apk(TruthCase):
    def setUp(self):
        super().setUp()
        subprocess.run(["tar", "--zstd", "-xf", SUITE, "-C", self.work], check=True)
        self.images = self.path("image-trivy")

    def archive(self, name):
        path = os.path.join(self.images, name + ".tar")
        if not os.path.exists(path):
            subprocess.run(["gzip", "-dk", path + ".gz"], check=True)
        return path

    def database(self, name):
        """The database in the image's only layer."""
        with tarfile.open(self.archive(name)) as image:
            (layer,) = (member for member in image if member.name.endswith("layer.tar"))
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                return self.write(f"{name}-installed", files.extractfile(DATABASE).read().decode())

    def listing(self, name):
        lines = inventory(f"docker-archive:{self.archive(name)}", self.work)
        self.assertEqual({line["package"]["ecosystem"] for line in lines}, {"apk"})
        return [of_stella(line) for line in lines]

    def test_golden(self):
        with open(os.path.join(self.images, GOLDEN), encoding="utf-8") as text:
            golden = json.load(text)
        database = {row.name: row.version for row, _ in of_files.apk(self.database("alpine-310"))}
        for name, (older, newer) in OLDER.items():
            self.assertIn((name, older), [(entry["Name"], entry["Version"]) for entry in golden])
            self.assertEqual(database[name], newer)
        told = [(Row("apk", entry["Name"], OLDER.get(entry["Name"], (0, entry["Version"]))[1], entry["Arch"]), entry["SrcName"])
                for entry in golden]
        self.assert_same(told, self.listing("alpine-310"))

    def test_databases(self):
        for name in ("alpine-310", "alpine-311"):
            with self.subTest(name):
                self.assert_same(of_files.apk(self.database(name)), self.listing(name))


if __name__ == "__main__":
    unittest.main()
