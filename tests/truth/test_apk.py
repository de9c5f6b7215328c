"""apk: the two Alpine images of the suites beside this checkout, archives of `docker save`.

The golden that came with the first (another program's listing: name, version, architecture, origin) is held against the
inventory; for both, so is the database as `of_files.apk` reads it. Skipped where the suites are not there.
"""
import json
import os
import subprocess
import tarfile
import unittest

import of_files
from truth import SHARED, TruthCase, inventory, row

SUITE = os.path.join(SHARED, "suites", "image-trivy.tar.zst")
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

    def listing(self, name):
        lines = inventory(f"docker-archive:{self.archive(name)}", self.work)
        self.assertEqual({line["package"]["ecosystem"] for line in lines}, {"apk"})
        return [of_stella(line) for line in lines]

    def test_golden(self):
        with open(os.path.join(self.images, "fanal-integration/goldens/packages/alpine-310.json.golden"), encoding="utf-8") as text:
            told = [(("apk", entry["Name"], entry["Version"], entry["Arch"]), entry["SrcName"]) for entry in json.load(text)]
        self.assert_same(told, self.listing("alpine-310"))

    def test_databases(self):
        for name in ("alpine-310", "alpine-311"):
            with self.subTest(name), tarfile.open(self.archive(name)) as image:
                for layer in (member for member in image if member.name.endswith("layer.tar")):
                    with tarfile.open(fileobj=image.extractfile(layer)) as files:
                        database = self.write("installed", files.extractfile(DATABASE).read().decode())
                self.assert_same(of_files.apk(database), self.listing(name), name)


if __name__ == "__main__":
    unittest.main()
