"""dpkg: this machine's own packages.

Its database and os-release are copied into a directory, stanzas in every state that dpkg knows are added, and
`dpkg-query --admindir -W` on that copy is held against the inventory of the directory: name, version, architecture, source
package and its version of every package, and the sources inside it.
"""
import os
import shutil
import unittest

import of_dpkg as dpkg
from truth import TruthCase, inventory

ADMIN = "var/lib/dpkg"
STATES = [
    ("install ok installed", True), ("hold ok installed", True), ("install ok half-configured", True),
    ("install reinstreq half-installed", True), ("install ok unpacked", True), ("deinstall ok installed", True),
    ("install ok triggers-pending", True), ("install ok triggers-awaited", True), ("deinstall ok config-files", False),
    ("purge ok not-installed", False),
]


def stanza(name, status, more=""):
    triggers = {"triggers-pending": "Triggers-Pending: /x\n", "triggers-awaited": "Triggers-Awaited: state-0\n"}
    return (f"Package: {name}\nStatus: {status}\nMaintainer: a\nArchitecture: amd64\nVersion: 1:2.0-1\n"
            f"{more}{triggers.get(status.split()[-1], '')}Description: x\n\n")


@unittest.skipUnless(shutil.which("dpkg-query"), "no dpkg-query here")
class Dpkg(TruthCase):
    def setUp(self):
        super().setUp()
        self.root = self.path("root")
        shutil.copytree(f"/{ADMIN}/info", os.path.join(self.root, ADMIN, "info"))
        for path in (f"{ADMIN}/status", "etc/os-release"):
            os.makedirs(os.path.join(self.root, os.path.dirname(path)), exist_ok=True)
            shutil.copyfile(f"/{path}", os.path.join(self.root, path))
        os.makedirs(os.path.join(self.root, ADMIN, "updates"))

    def assert_as_dpkg_says(self):
        told = dpkg.packages(os.path.join(self.root, ADMIN))
        self.assert_same(told, [dpkg.of_stella(line) for line in inventory("dir:" + self.root, self.work, "deb")])
        return {row.name for row, _, _ in told}

    def assert_sources_inside(self):
        told = dpkg.sources_inside(os.path.join(self.root, ADMIN))
        lines = inventory("dir:" + self.root, self.work, "deb")
        self.assert_same(told, [(line["package"]["name"], source["name"], source["version"])
                                for line in lines for source in line.get("built_using", [])], "sources inside")

    def test_this_machine(self):
        self.assertGreater(len(self.assert_as_dpkg_says()), 50)

    def test_every_state(self):
        with open(os.path.join(self.root, ADMIN, "status"), "a", encoding="utf-8") as status:
            for at, (state, _) in enumerate(STATES):
                status.write(stanza(f"state-{at}", state))
            # A second architecture, and a source of another name and version.
            same = "Multi-Arch: same\n"
            status.write(stanza("two-architectures", "install ok installed", same))
            status.write(stanza("two-architectures", "install ok installed", same).replace("amd64", "i386"))
            status.write(stanza("of-source", "install ok installed", "Source: other (1:1.9-3)\n"))
            inside = "Built-Using: gcc-12 (= 12.2.0-14),\n golang-1.19 (= 1:1.19.8-2)\nStatic-Built-Using: rust-x (= 1)\n"
            status.write(stanza("of-parts", "install ok installed", inside))
        names = self.assert_as_dpkg_says()
        self.assert_sources_inside()
        self.assertEqual([f"state-{at}" in names for at in range(len(STATES))], [there for _, there in STATES])


if __name__ == "__main__":
    unittest.main()
