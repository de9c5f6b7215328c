"""The trend's plot and page, made from twelve weeks of runs, read by a browser."""
import os
import re
import shutil
import unittest
import xml.etree.ElementTree

import synthetic
from harness import Case, call, read

SVG = "{http://www.w3.org/2000/svg}"


def browser(*arguments, work):
    program = shutil.which("chromium")
    if not program:
        raise unittest.SkipTest("no chromium: it comes from Debian's package chromium")
    return call(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--hide-scrollbars", f"--user-data-dir={work}/browser", *arguments)


class Trend(Case):
    def setUp(self):
        super().setUp()
        self.kept, self.public = (os.path.join(self.work, name) for name in ("bench-artifacts", "public"))

    def trend(self, *arguments, to=None):
        return self.assert_ends(self.perf("trend", "--from", self.kept, "--out", to or self.public,
                                          "--now", "2026-11-25", *arguments), 0)

    def panels(self):
        plot = xml.etree.ElementTree.parse(os.path.join(self.public, "trend.svg")).getroot()
        return {group.get("data-phase"): group for group in plot.iter(SVG + "g") if group.get("class") == "panel"}

    def test_twelve_weeks(self):
        synthetic.twelve_weeks(self.kept)
        said = self.trend().stderr
        page = read(self.public, "index.html")
        with self.subTest("the same input is the same bytes"):
            again = os.path.join(self.work, "again")
            self.trend(to=again)
            for name in ("index.html", "trend.svg"):
                self.assertEqual(read(again, name), read(self.public, name))
        with self.subTest("one panel per phase and variant"):
            panels = self.panels()
            want = [f"{phase}/{variant}" if variant else phase for phase, variant, *_ in synthetic.PHASES]
            self.assertEqual(list(panels), want)
        with self.subTest("lines are broken where figures cannot be compared"):
            lines = {name: len(panel.findall(f"{SVG}polyline[@class='p95']")) for name, panel in panels.items()}
            changes = {name: len(panel.findall(f"{SVG}line[@class='change']")) for name, panel in panels.items()}
            # START has no image: another machine only. DELTA_SBOM: other layers as well.
            self.assertEqual((lines["START"], changes["START"]), (2, 1))
            self.assertEqual((lines["DELTA_SBOM"], changes["DELTA_SBOM"]), (3, 2))
            self.assertEqual(lines["SBOM_FIRST"], 0)
            # Not possible for a while, and then with other layers.
            self.assertEqual((lines["DELTA_WAN/20ms"], changes["DELTA_WAN/20ms"]), (3, 2))
            gaps = {name: len(panel.findall(f".//{SVG}path[@class='gap']")) for name, panel in panels.items()}
            self.assertEqual({name for name, count in gaps.items() if count},
                             {"DELTA_WAN/20ms", "DELTA_WAN/50ms", "KNOWN_WAN/20ms", "KNOWN_WAN/50ms"})
            self.assertEqual(gaps["KNOWN_WAN/50ms"], 6)
            self.assertIn('id="machines"', page)
            self.assertRegex(page, r'id="layers">Figures of [^<]*DELTA_SBOM')
        with self.subTest("what is left out"):
            self.assertIn("2026-11-02.2", page)
            self.assertRegex(page, r"2026-11-04\.2: phase-stats\.json: schema 99")
            self.assertIn("left out 2026-11-02.2", said)
            self.assertRegex(page, r'id="planted">[^<]*2026-11-25\.2')
            self.assertNotIn("runs/2026-11-25.2", page)
            self.assertNotIn("runs/latest", page)
            # Thirteen weeks are kept, twelve are shown.
            self.assertNotIn("runs/2026-08-", page)
            self.assertNotIn(self.work, page)
        with self.subTest("each run's figures lie beside the page"):
            links = set(re.findall(r'href="(runs/[^"]*)"', page))
            self.assertGreater(len(links), 36)
            for link in links:
                name = link.split("/")[1]
                self.assertEqual(read(self.public, link), read(self.kept, name, "phase-stats.json"))
        with self.subTest("the browser sees it"):
            dom = self.assert_ends(browser("--dump-dom", f"file://{self.public}/index.html", work=self.work), 0).stdout
            self.assertEqual(len(re.findall(r'<g class="panel"', dom)), len(synthetic.PHASES))
            self.assertEqual(dom.count("<svg"), 1)
            self.assertIn("Another Processor 9 &lt;64&gt; &amp; more", dom)
            shot = os.path.join(os.environ.get("STELLA_PERF_SCREENSHOTS", self.work), "trend.png")
            self.assert_ends(browser(f"--screenshot={shot}", "--window-size=1280,3400",
                                     f"file://{self.public}/index.html", work=self.work), 0)
            self.assertGreater(os.path.getsize(shot), 100_000)

    def test_no_run_is_said(self):
        os.makedirs(self.kept)
        self.trend()
        self.assertIn("No run in this time", read(self.public, "trend.svg"))
        missing = self.perf("trend", "--from", os.path.join(self.work, "missing"), "--out", self.public)
        self.assertEqual(missing.returncode, 3, missing.stderr)

    def test_a_name_is_never_markup(self):
        evil = "</style><script>alert(1)</script>\"'&]]>"
        broke = synthetic.not_measured("failed", evil)
        results, samples = synthetic.run("2026-11-24T00:00:00Z", 1, instead={"START": broke}, cpu=evil, commit=evil,
                                         kernel=evil)
        synthetic.keep(os.path.join(self.kept, "2026-11-24"), results, samples)
        self.trend()
        page = read(self.public, "index.html")
        self.assertNotIn("<script", page)
        self.assertIn("broke: &lt;/style&gt;&lt;script&gt;", page)
        self.assertIn("START", self.panels())


if __name__ == "__main__":
    unittest.main()
