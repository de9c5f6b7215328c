"""RubyGems: Debian's Ruby with its default and bundled gems, and gems built here.

Gems are built with `gem build` and installed with `gem install --install-dir` (two versions of one, a prerelease, one for a
platform). Debian's directories of gems are copied beside them, without dpkg's database, and `gem list` is held against the
inventory of all of it: name and version of every gem.
"""
import json
import os
import re
import shutil
import unittest

from truth import Row, TruthCase, prepare

GEMS = [("truth-plain", "1.2.3", "ruby"), ("truth-plain", "2.0.0", "ruby"), ("truth-dash-1", "0.1.0.pre.rc1", "ruby"),
        ("truth_native", "3.1", "x86_64-linux")]


def packages(text):
    """The rows of `gem list`: `NAME (VERSION PLATFORM…, default: VERSION, …)`."""
    for line in text.splitlines():
        name, versions = re.fullmatch(r"(\S+) \((.*)\)", line).groups()
        for version in versions.split(", "):
            yield Row("gem", name, version.removeprefix("default: ").split()[0])


@unittest.skipUnless(shutil.which("gem"), "no gem here")
class Ruby(TruthCase):
    def test_installed_gems(self):
        installed = self.path("root/opt/gems")
        for name, version, platform in GEMS:
            spec = self.write(f"{name}.gemspec", "Gem::Specification.new do |s|\n"
                              f"  s.name = {json.dumps(name)}\n  s.version = {json.dumps(version)}\n"
                              f"  s.platform = {json.dumps(platform)}\n"
                              "  s.summary = 'x'\n  s.authors = ['a']\n  s.files = []\nend\n")
            gem = f"{spec}-{version}.gem"
            prepare("gem", "build", "--force", "--output", gem, spec)
            prepare("gem", "install", "--local", "--force", "--no-document", "--install-dir", installed, gem)
        places = prepare("gem", "environment", "gempath").strip().split(":")
        for place in places:
            if os.path.isdir(os.path.join(place, "specifications")):
                shutil.copytree(os.path.join(place, "specifications"),
                                os.path.join(self.work, "root", place.lstrip("/"), "specifications"))
        told = list(packages(prepare("gem", "list", "--local", "--quiet",
                                     env={**os.environ, "GEM_PATH": ":".join([installed, *places])})))
        self.assertLessEqual({Row("gem", name, version) for name, version, _ in GEMS}, set(told))
        self.assertTrue([row for row in told if row.name == "json"], "a default gem")
        self.assert_inventory(set(told), self.path("root"), "gem")


if __name__ == "__main__":
    unittest.main()
