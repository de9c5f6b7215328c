"""npm: a small pinned tree.

`npm install` of versions that need each other's duplicates (nested), a scoped package, an alias, a package with a bundled
dependency, a linked directory and an optional package of another system. `npm ls --all --json` is held against the inventory
of the directory: place, name and version of every package. The project itself is not installed and not counted.
"""
import json
import os
import shutil
import unittest

import of_npm as npm
from truth import TruthCase, fetch, inventory, places, prepare

DEPENDENCIES = {"debug": "2.6.9", "send": "0.18.0", "@sindresorhus/is": "4.6.0", "old-ms": "npm:ms@1.0.0",
                "@truth/bundler": "file:../bundler/truth-bundler-1.0.0.tgz", "truth-linked": "file:../linked"}


@unittest.skipUnless(shutil.which("npm"), "no npm here")
class Npm(TruthCase):
    def test_small_tree(self):
        root = os.path.realpath(self.path("root"))
        self.write("root/linked/package.json", '{"name": "truth-linked", "version": "0.2.0"}')
        bundler = {"name": "@truth/bundler", "version": "1.0.0", "bundleDependencies": ["truth-inner"],
                   "dependencies": {"truth-inner": "0.1.0"}}
        self.write("root/bundler/package.json", json.dumps(bundler))
        self.write("root/bundler/node_modules/truth-inner/package.json", '{"name": "truth-inner", "version": "0.1.0"}')
        prepare("npm", "pack", "--silent", cwd=os.path.join(root, "bundler"))
        shutil.rmtree(os.path.join(root, "bundler", "node_modules"))
        self.write("root/app/package.json", json.dumps({
            "name": "app", "version": "1.0.0", "dependencies": DEPENDENCIES, "optionalDependencies": {"fsevents": "2.3.3"}}))
        app = os.path.join(root, "app")
        fetch("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=app)

        told = npm.packages(app)
        by_name = {}
        for _, name, version in told:
            by_name.setdefault(name, set()).add(version)
        self.assertEqual(by_name["ms"], {"1.0.0", "2.0.0", "2.1.3"}, "nested and behind an alias")
        self.assertLessEqual({"@sindresorhus/is", "@truth/bundler", "truth-inner", "truth-linked"}, set(by_name))
        # What a lock file says is counted in a directory too, beside what is installed.
        found = [(os.path.realpath(os.path.join(root, os.path.dirname(path))), name, version)
                 for path, name, version in places(inventory("dir:" + root, self.work, "npm"))
                 if os.path.basename(path) == npm.FILE]
        self.assert_same(told, found)


if __name__ == "__main__":
    unittest.main()
