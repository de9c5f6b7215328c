"""Packages that run must be found or spoken of: never unseen behind exit code 0. And ordinary images raise no alarm."""
import gzip
import io
import json
import os
import resource
import tempfile
import unittest
import zipfile

from program import DIRECTORY, gate, hard_link, link, tar, write_layout

DEBIAN = ("etc/os-release", 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
INFO, SITE, MODULES = "var/lib/dpkg/info/", "usr/lib/python3.11/site-packages/", "app/node_modules/"
WHEEL = "Metadata-Version: 2.1\nName: Werkzeug\nVersion: 0.15.2\n\n"
# importlib.metadata does not mind the order.
SHUFFLED = "Name: Werkzeug\nVersion: 0.15.2\nMetadata-Version: 2.1\n\n"
HASHES = "d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/a\n"
FILLER = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\n\n"


def stanza(name, version, status="install ok installed"):
    return f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: {version}\n\n"


def status(*stanzas):
    return "var/lib/dpkg/status", "".join(stanzas)


def release(distribution, version):
    return "etc/os-release", f"ID={distribution}\nVERSION_ID={version}\n"


def npm(path, name="lodash", version="4.17.4"):
    return path, json.dumps({"name": name, "version": version})


def packed(*files):
    """A zip archive of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return out.getvalue()


BASE, SSL = stanza("base-files", "12.4"), stanza("libssl3", "3.0.8-1\nSource: openssl")
OWN = npm(MODULES + "ok/package.json", "ok-harmless", "1.0.0")
SYSTEM = [DEBIAN, status(BASE), OWN]

# name: (layers, exit code, what is found or what the skips say). A case of exit code 0 or 1 has no skips at all.
CASES = {
    # ---- Node ---------------------------------------------------------------------------------------------------------
    "npm: a package": ([SYSTEM + [npm(MODULES + "lodash/package.json")]], 1, "lodash"),
    "npm: a linked package": ([SYSTEM + [npm("opt/l/package.json"), (MODULES + "lodash", link("/opt/l"))]], 1, "lodash"),
    "npm: a linked scope": ([SYSTEM + [npm("opt/s/lodash/package.json"), (MODULES + "@s", link("/opt/s"))]], 1, "lodash"),
    "npm: a link in a linked scope in linked modules":
        ([SYSTEM + [npm("opt/l/package.json"), ("opt/s/lodash", link("../l")), ("opt/m/@s", link("../s")),
                    ("srv/node_modules", link("/opt/m"))]], 1, "lodash"),
    "npm: pnpm": ([SYSTEM + [npm(MODULES + ".pnpm/lodash@4.17.4/node_modules/lodash/package.json"),
                             (MODULES + "lodash", link(".pnpm/lodash@4.17.4/node_modules/lodash"))]], 1, "lodash"),
    "npm: hard-linked from a store": ([SYSTEM + [npm("store/00"), (MODULES + "l/package.json", hard_link("store/00"))]], 1, "lodash"),
    "npm: linked metadata": ([SYSTEM + [npm("opt/l.json"), (MODULES + "l/package.json", link("/opt/l.json"))]], 1, "lodash"),
    "npm: linked metadata that says nothing":
        ([SYSTEM + [("opt/l.json", "[]"), (MODULES + "l/package.json", link("/opt/l.json"))]], 3, "package-metadata"),
    "npm: metadata that leads nowhere": ([SYSTEM + [(MODULES + "l/package.json", link("/opt/none"))]], 3, "package-metadata"),
    "npm: empty metadata": ([SYSTEM + [(MODULES + "l/package.json", "")]], 3, "package-metadata"),
    "npm: no name": ([SYSTEM + [(MODULES + "l/package.json", '{"version": "1.0.0"}')]], 3, "package-metadata"),
    "npm: no version": ([SYSTEM + [(MODULES + "lodash/package.json", '{"name": "lodash"}')]], 3, "unknown-version-order"),
    "npm: a workspace without version":
        ([SYSTEM + [("packages/own/package.json", '{"name": "@acme/own", "private": true}'),
                    ("node_modules/@acme/own", link("../../packages/own"))]], 0, ""),
    "npm: no places": ([SYSTEM + [(MODULES + "ok/dist/esm/package.json", '{"type":"module"}'),
                                  (MODULES + ".package-lock.json", "{}"), (MODULES + ".cache/x", ""),
                                  (MODULES + ".vite/package.json", '{"type":"module"}'), (MODULES + ".bin/ok", link("../ok/cli.js")),
                                  (MODULES + "gone", link("../../packages/gone")), ("app/package.json", "{}")]], 0, ""),
    "npm: Yarn Plug'n'Play":
        ([SYSTEM + [("app/.pnp.cjs", ""), ("app/.yarn/cache/lodash-npm-4.17.4-0.zip",
                                           packed(npm("node_modules/lodash/package.json")))]], 1, "lodash"),
    "npm: Deno's cache": ([SYSTEM + [npm("deno-dir/npm/registry.npmjs.org/lodash/4.17.4/package.json")]], 1, "lodash"),
    "npm: a copy in another package": ([SYSTEM + [npm(MODULES + "ok/dist/compiled/lodash/package.json")]], 1, "lodash"),
    "npm: broken for a test": ([SYSTEM + [(MODULES + "ok/test/node_modules/l/package.json", "{")]], 0, ""),
    # ---- Python -------------------------------------------------------------------------------------------------------
    "pip: a wheel": ([SYSTEM + [(SITE + "Werkzeug-0.15.2.dist-info/METADATA", WHEEL)]], 1, "werkzeug"),
    "pip: capitals": ([SYSTEM + [(SITE + "Werkzeug-0.15.2.DIST-INFO/METADATA", WHEEL)]], 1, "werkzeug"),
    "pip: another order, linked":
        ([SYSTEM + [("opt/x/METADATA", SHUFFLED), (SITE + "Werkzeug-0.15.2.dist-info", link("/opt/x"))]], 1, "werkzeug"),
    "pip: another order, hard-linked":
        ([SYSTEM + [("a/b", SHUFFLED), (SITE + "W-1.dist-info/METADATA", hard_link("a/b"))]], 3, "package-metadata"),
    "pip: linked site-packages": ([SYSTEM + [("opt/sp/W-1.dist-info/METADATA", WHEEL), (SITE[:-1], link("/opt/sp"))]], 1, "werkzeug"),
    "pip: a linked egg-info": ([SYSTEM + [("opt/w", WHEEL), (SITE + "W.egg-info", link("/opt/w"))]], 1, "werkzeug"),
    "pip: empty metadata": ([SYSTEM + [(SITE + "W-1.dist-info/METADATA", "")]], 3, "package-metadata"),
    "pip: an empty egg-info": ([SYSTEM + [(SITE + "W-1.egg-info", "")]], 3, "package-metadata"),
    "pip: files without metadata": ([SYSTEM + [(SITE + "W-1.dist-info/RECORD", "w.py,,\n")]], 3, "package-metadata"),
    "pip: left over": ([SYSTEM + [(SITE + "W-1.dist-info", DIRECTORY), (SITE + "pip/_vendor/vendor.txt", "six==1.0\n"),
                                  ("src/W/PKG-INFO", ""), (SITE + "pkg_resources/tests/x.egg", "PK"), ("venv/lib64", link("lib"))]], 0, ""),
    "pip: a zip application": ([SYSTEM + [("usr/bin/w", b"#!/usr/bin/env python3\n" + packed(("W-1.dist-info/METADATA", WHEEL)))]],
                               1, "werkzeug"),
    "pip: a zipped egg": ([SYSTEM + [(SITE + "W-1.egg", "PK")]], 3, "package-metadata"),
    # ---- dpkg ---------------------------------------------------------------------------------------------------------
    "dpkg: a package": ([[DEBIAN, status(BASE, SSL)]], 1, "libssl3"),
    "dpkg: blanks before the colon": ([[DEBIAN, status(BASE, SSL.replace(":", " :"))]], 1, "libssl3"),
    "dpkg: a stanza behind a blank of another kind": ([[DEBIAN, status(BASE, "\v" + SSL)]], 3, "package-database"),
    "dpkg: a second version": ([[DEBIAN, status(BASE, SSL[:-1] + "Version: 9\n\n")]], 3, "package-database"),
    "dpkg: a second status": ([[DEBIAN, status(BASE, SSL[:-1] + "Status: deinstall ok config-files\n\n")]], 3, "package-database"),
    "dpkg: emptied": ([[DEBIAN, status(), OWN]], 3, "package-database"),
    "dpkg: emptied above": ([[DEBIAN, status(BASE), OWN], [status(), ("etc/os-release", "ID=own\n")]], 3, "layer 0 still had"),
    "dpkg: cut": ([SYSTEM + [(INFO + "base-files.list", ""), (INFO + "libssl3:amd64.list", "")]], 3, "libssl3:amd64"),
    "dpkg: whole": ([[DEBIAN, status(BASE, stanza("jq", "1", "deinstall ok config-files")), OWN, ("usr/bin/dpkg", ""),
                      ("etc/debian_version", "12.4\n"), (INFO + "format", "1\n"), (INFO + "base-files.list", ""),
                      (INFO + "base-files.md5sums", ""), (INFO + "jq.list", ""), ("var/lib/dpkg/updates", DIRECTORY),
                      ("var/lib/dpkg/status-old", SSL)]], 0, ""),
    "dpkg: said to be removed": ([[DEBIAN, status(BASE, stanza("jq", "1", "deinstall ok config-files")), OWN,
                                   (INFO + "jq.list", ""), (INFO + "jq.md5sums", "")]], 3, "jq"),
    "dpkg: gone, its files left": ([[OWN, (INFO + "libssl3:amd64.list", "")]], 3, "libssl3:amd64"),
    "dpkg: gone, its program left": ([[OWN, ("usr/bin/dpkg", "")]], 3, "usr/bin/dpkg"),
    "dpkg: an applet": ([[OWN, ("bin/busybox", ""), ("usr/bin/dpkg", link("/bin/busybox"))]], 0, ""),
    "dpkg: gone, the system left": ([[OWN, ("etc/debian_version", "12.4\n")]], 3, "debian 12.4"),
    "dpkg: another kind than the system's": ([[DEBIAN, OWN, ("lib/apk/db/installed", FILLER)]], 3, "package-database"),
    "dpkg: changes at hand": ([SYSTEM + [("var/lib/dpkg/updates/0001", SSL)]], 3, "var/lib/dpkg/updates"),
    "dpkg: distroless": ([[DEBIAN, OWN, ("etc/debian_version", "12.4\n"), ("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n"),
                           ("var/lib/dpkg/status.d/base.md5sums", HASHES)]], 0, ""),
    "dpkg: a package among the hashes": ([SYSTEM + [("var/lib/dpkg/status.d/x.md5sums", "\n" + SSL)]], 1, "libssl3"),
    "dpkg: hashes and more": ([SYSTEM + [("var/lib/dpkg/status.d/x.md5sums", HASHES + SSL)]], 3, "package-database"),
    "dpkg: an empty file of status.d": ([SYSTEM + [("var/lib/dpkg/status.d/x", "")]], 3, "package-database"),
    # ---- other systems ------------------------------------------------------------------------------------------------
    "apk: emptied": ([[release("alpine", "3.18.4"), ("lib/apk/db/installed", ""), OWN]], 3, "package-database"),
    "apk: a second name": ([[release("alpine", "3.18.4"), ("lib/apk/db/installed", FILLER.replace("V:", "P:zlib\nV:"))]], 3, "comes twice"),
    "apk: gone, the system left": ([[OWN, ("etc/alpine-release", "3.18.4\n")]], 3, "alpine 3.18.4"),
    "rpm: elsewhere": ([SYSTEM + [("usr/share/rpm/rpmdb.sqlite-wal", "")]], 3, "package-database"),
    "rpm: ndb's index": ([SYSTEM + [("var/lib/rpm/Index.db", "")]], 3, "package-database"),
    "rpm: only a directory": ([SYSTEM + [("var/lib/rpm", DIRECTORY)]], 0, ""),
    "chisel: no manifest": ([SYSTEM + [("var/lib/chisel/x", "")]], 3, "var/lib/chisel"),
    # ---- os-release ---------------------------------------------------------------------------------------------------
    "release: another": ([[release("debian", 11), status(BASE, SSL)]], 3, "os-release"),
    "release: another, in capitals": ([[release("Debian", 11), status(BASE, SSL)]], 3, "os-release"),
    "release: the packages' marks": ([[release("debian", 11), status(stanza("tar", "1.34-1+deb12u1"))]], 3, "os-release"),
    "release: marks of the release before": ([[DEBIAN, OWN, status(BASE, stanza("tar", "1.34-1+deb11u1"))]], 0, ""),
    "release: Alpine": ([[release("alpine", "3.18.4"), ("lib/apk/db/installed", FILLER.replace("musl", "alpine-release").replace("1.2.4", "3.19.1"))]], 3, "os-release"),
    # ---- what is not opened -------------------------------------------------------------------------------------------
    "broken: a jar": ([SYSTEM + [("opt/b.jar", "PK\3\4")]], 3, "opt/b.jar"),
    "broken: a jar by its link": ([SYSTEM + [("opt/a", "PK"), ("opt/a.jar", link("a"))]], 3, "opt/a.jar"),
    "broken: a jar removed above": ([SYSTEM + [("opt/b.jar", "PK\3\4")], [("opt/.wh.b.jar", "")]], 0, ""),
    "broken: no jars": ([SYSTEM + [("opt/b.jar", ""), ("opt/a.war", "see elsewhere\n")]], 0, ""),
    "broken: a gem": ([SYSTEM + [("g/specifications/default/rack-1.gemspec", "")]], 3, "package-metadata"),
    "broken: Composer": ([SYSTEM + [("srv/vendor/composer/installed.json", "{}")]], 3, "package-metadata"),
    "broken: Composer, elsewhere": ([SYSTEM + [("srv/3rdparty/composer/installed.json", "{}")]], 3, "package-metadata"),
    "broken: .NET": ([SYSTEM + [("app/web.deps.json", '{"libraries": 1}')]], 3, "package-metadata"),
    "broken: Conda": ([SYSTEM + [("opt/conda-meta/zlib-1.json", "{}")]], 3, "package-metadata"),
    "unread: none": ([SYSTEM + [("a/jar", ""), ("g/rack.gemspec", ""), ("srv/installed.json", "{}"), ("a/x.json", "{}"),
                                ("a/d.jar", DIRECTORY), ("a/loop.jar", link("loop.jar"))]], 0, ""),
}


def links(size):
    """Many links to one directory of many."""
    many = range(size * 2000)
    return [SYSTEM + [(f"opt/m/p{n}", DIRECTORY) for n in many] + [(f"a/d{n}/node_modules", link("/opt/m")) for n in many]]


def status_files(files, layers):
    """Many files of status.d under many layers, of which each brings another."""
    def status(name):
        return f"var/lib/dpkg/status.d/{name}", f"Package: {name}\nVersion: 1\n"
    return [SYSTEM + [status(f"p{n}") for n in range(files * 9000)]] + [[status(f"q{n}")] for n in range(layers * 30)]


class Unseen(unittest.TestCase):
    def gate(self, layers):
        with tempfile.TemporaryDirectory() as work:
            tars = [tar(entries) for entries in layers]
            layout = write_layout(os.path.join(work, "layout"), [(gzip.compress(one, 1), one) for one in tars])
            return gate(work, f"oci:{layout}", "--advisories", "demo", "--no-cache")

    def test_nothing_runs_unseen(self):
        for name, (layers, want, words) in CASES.items():
            with self.subTest(name):
                code, report, said = self.gate(layers)
                self.assertEqual(code, want, said)
                result = report["results"][0]
                skipped = result["looked_at"]["skipped"]
                if want == 3:
                    self.assertTrue(any(words in " ".join(one.values()) for one in skipped), skipped)
                else:
                    self.assertEqual(skipped, [])
                    self.assertTrue(not words or any(one["package"]["name"] == words for one in result["findings"]))

    def test_the_work_is_linear(self):
        # Of four times as much of something: four times the work, seven where it no longer fits the caches, and not sixteen. Counted as
        # the processors' time, which a busy machine changes little; the start of the program is in both. (A database is read again after each layer that changes it, which has the
        # limit `merge steps`.)
        for name, one, four in (("links", links(1), links(4)), ("files", status_files(1, 1), status_files(4, 1)),
                                ("layers", status_files(1, 1), status_files(1, 4))):
            with self.subTest(name):
                self.assertLess(self.work_s(four) / self.work_s(one), 10)

    def work_s(self, layers):
        """The less of two runs."""
        def children_s():
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return used.ru_utime + used.ru_stime
        runs = []
        for _ in range(2):
            before_s = children_s()
            code, _, said = self.gate(layers)
            self.assertEqual(code, 0, said)
            runs.append(children_s() - before_s)
        return min(runs)


if __name__ == "__main__":
    unittest.main()
