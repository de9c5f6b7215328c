"""pip: a virtual environment with a package in each form that is installed.

Pinned wheels from PyPI (some with names that are normalised), and projects made here: an `.egg-info` from `setup.py install`
with a record, one as a single file, an editable one by pip, one by `setup.py develop`, an egg as directory and a zipped egg.
`pip list` of the environment is held against the inventory of the directory that holds the environment and the projects:
name and version of every distribution.
"""
import os
import unittest

import of_pip as pip
from truth import TruthCase, fetch, prepare

WHEELS = ["setuptools==65.5.0", "wheel==0.45.1", "six==1.16.0", "MarkupSafe==2.1.5", "zope.interface==6.4",
          "ruamel.yaml==0.18.6", "charset_normalizer==3.3.2"]


class Pip(TruthCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.realpath(self.path("root"))
        self.python = os.path.join(self.root, "venv", "bin", "python")
        prepare("python3", "-m", "venv", os.path.join(self.root, "venv"))

    def project(self, name, version, zip_safe=False):
        directory = os.path.join(self.root, "src", name)
        self.write(f"root/src/{name}/setup.py", "from setuptools import setup\n"
                   f"setup(name={name!r}, version={version!r}, py_modules=['m'], zip_safe={zip_safe})\n")
        self.write(f"root/src/{name}/m.py", "")
        return directory

    def setup(self, directory, *arguments):
        prepare(self.python, "setup.py", "-q", *arguments, cwd=directory)

    def test_every_form(self):
        # What every environment starts with.
        self.assert_as_pip_says(2)
        fetch(self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *WHEELS)
        recorded = ("install", "--single-version-externally-managed", "--record", "record.txt")
        self.setup(self.project("Truth_Egg.Info", "1.0"), *recorded)
        self.setup(self.project("truth-develop", "2.0rc1"), "develop")
        self.setup(self.project("truth-egg-directory", "3.0"), "install")
        self.setup(self.project("truth-egg-zip", "4.0", zip_safe=True), "install")
        prepare(self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
                "--no-index", "-e", self.project("truth-editable", "5.0"))
        # As distutils did it: the metadata is one file.
        site = prepare(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        with open(os.path.join(site, "truth_single_file-6.0-py3.11.egg-info"), "w", encoding="utf-8") as out:
            out.write("Metadata-Version: 1.0\nName: truth-single-file\nVersion: 6.0\n")
        kinds = {os.path.splitext(name)[1] for name in os.listdir(site)}
        self.assertLessEqual({".dist-info", ".egg-info", ".egg", ".egg-link"}, kinds)
        self.assert_as_pip_says(14)

    def assert_as_pip_says(self, least):
        # One that is on the path twice, as eggs are, is listed twice.
        told = set(pip.packages(prepare(self.python, *pip.LIST)))
        self.assertGreaterEqual(len(told), least)
        self.assert_inventory(told, self.root, "pypi")


if __name__ == "__main__":
    unittest.main()
