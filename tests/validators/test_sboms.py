"""SBOMs: valid by the standards' own validators, whatever the image holds; of `stella sbom`, and of a gate beside what it found."""
import json
import os

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
