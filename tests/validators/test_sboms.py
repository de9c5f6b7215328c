"""SBOMs: valid by the standards' own validators, whatever the image holds; of `stella sbom`, and of a gate beside what it found."""
import json
import os
import subprocess

import documents
import hostile
import reports
from reports import DEMO, STELLA, tar, write_layout

# Of a source with advisories, so that findings are of these names.
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl (3.0.8-1)\nVersion: {}\n\n"


class Sboms(reports.Case):
    def check(self, command, image, code):
        for form in documents.PROGRAMS:
            with self.subTest(command=command, form=form):
                path = os.path.join(reports.work(), f"{form}.json")
                reports.run(STELLA, command, *image, "-o", f"{form}={path}", code=code)
                self.assertEqual(documents.wrong(path, form), "")
                with open(path, encoding="utf-8", newline="") as text:
                    self.assertEqual(reports.acting(text.read(), "\n"), [])

    def test_the_demo(self):
        self.check("sbom", [f"oci:{DEMO}"], 0)
        self.check("gate", reports.image("demo"), 1)

    def test_a_hostile_image(self):
        texts = [text for text in (text.replace("\n", " ").replace("\x00", " ") for text in hostile.TEXTS) if text.strip()]
        texts += [hostile.long(unit) for unit in ("A", "<script>")]
        status = "".join(STATUS.format(text, text) for text in texts)
        entries = [reports.DEBIAN, ("var/lib/dpkg/status", status)]
        for number, text in enumerate(texts):
            folder = "".join(c for c in text if c not in "/\0")[:80] or "x"
            package = json.dumps({"name": text, "version": text})
            entries.append((f"srv/{number}/{folder}/node_modules/p{number}/package.json", package))
        layer = tar(entries)
        layout = write_layout(os.path.join(reports.work(), "hostile-image"), [(layer, layer)],
                              history=[{"created_by": "".join(hostile.TEXTS)}])
        self.check("sbom", [f"oci:{layout}"], 0)
        self.check("gate", [f"oci:{layout}", "--advisories", "demo"], 1)

    def test_what_buildkit_gets(self):
        """The role of a generator: a mounted root file system, and those of other stages beside it."""
        names = {"core/sbom": "sbom", "extras/sbom-build": "sbom-build", "extras/sbom-context": "sbom-context"}
        work = os.path.join(reports.work(), "buildkit")
        for place, name in names.items():
            status = os.path.join(work, place, "var/lib/dpkg/status")
            os.makedirs(os.path.dirname(status))
            with open(status, "w", encoding="utf-8") as out:
                out.write(STATUS.format(name, "1.0-1") if name != "sbom-context" else "")
            with open(os.path.join(work, place, "requirements.txt"), "w", encoding="utf-8") as out:
                out.write("flask==2.0.0\n" if name == "sbom-context" else "flask>=2\n")
        for extras in (False, True):
            out = os.path.join(work, f"out-{extras}")
            os.makedirs(out)
            variables = {"BUILDKIT_SCAN_DESTINATION": out, "BUILDKIT_SCAN_SOURCE": os.path.join(work, "core/sbom")}
            if extras:
                variables["BUILDKIT_SCAN_SOURCE_EXTRAS"] = os.path.join(work, "extras")
            done = subprocess.run([STELLA], env=variables, cwd="/", capture_output=True, text=True, check=False, timeout=reports.TIMEOUT_S)
            self.assertEqual(done.returncode, 0, done.stderr)
            found = sorted(os.listdir(out))
            self.assertEqual(len(found), 3 if extras else 1)
            for name in found:
                path = os.path.join(out, name)
                with open(path, encoding="utf-8") as text:
                    predicate = json.load(text)["predicate"]
                with open(path, "w", encoding="utf-8") as text:
                    json.dump(predicate, text)
                self.assertEqual(documents.wrong(path, "spdx"), "")
