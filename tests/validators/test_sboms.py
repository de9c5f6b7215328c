"""SBOMs: valid by the standards' own validators, whatever the image holds."""
import os

import documents
import hostile
import reports
from reports import DEMO, STELLA, tar, write_layout


class Sboms(reports.Case):
    def check(self, image, code):
        for form in documents.PROGRAMS:
            with self.subTest(image=image, form=form):
                path = os.path.join(reports.work(), form)
                reports.run(STELLA, "sbom", image, "-o", f"{form}={path}", code=code)
                self.assertEqual(documents.wrong(path, form), "")
                with open(path, encoding="utf-8", newline="") as text:
                    self.assertEqual(reports.acting(text.read(), "\n"), [])

    def test_the_demo(self):
        self.check(f"oci:{DEMO}", 0)

    def test_a_hostile_image(self):
        texts = [text.replace("\n", " ").replace("\x00", " ") for text in hostile.TEXTS if text.strip()]
        texts += [hostile.long(unit) for unit in ("A", "<script>")]
        status = "".join(f"Package: {text}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {text}\n\n" for text in texts)
        entries = [reports.DEBIAN, ("var/lib/dpkg/status", status)]
        for number, text in enumerate(texts):
            folder = "".join(c for c in text if c not in "/\0")[:80] or "x"
            package = "{" + f'"name": {hostile.json.dumps(text)}, "version": {hostile.json.dumps(text)}' + "}"
            entries.append((f"srv/{number}/{folder}/node_modules/p{number}/package.json", package))
        layer = tar(entries)
        layout = write_layout(os.path.join(reports.work(), "hostile-image"), [(layer, layer)], history=[{"created_by": "".join(hostile.TEXTS)}])
        self.check(f"oci:{layout}", 3)
