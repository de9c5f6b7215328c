"""Where the checkout asks for what was found: in a lock file, or in the Dockerfile's instruction."""
import json
import os
import shutil
import unittest

import line_hash
import program
from program import DEMO, gate
from test_base import DOCKERFILE, OPTIONS, demo_layers

PIN_LINE = 10  # of lodash@4.17.4 in DOCKERFILE


def copying(path):
    """DOCKERFILE, with something of the checkout at hand for a command."""
    return DOCKERFILE.replace("RUN pip install", f"RUN --mount=type=bind,source={path},target=requirements.txt pip install")


class Asked(program.Case):
    def setUp(self):
        super().setUp()
        self.checkout = self.path("checkout")
        os.makedirs(os.path.join(self.checkout, ".git"))

    def write(self, name, text):
        path = os.path.join(self.checkout, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def gate(self, image=f"oci:{DEMO}", *arguments, directory=""):
        """Where each package is asked for, by name; and the places of the SARIF's results, by rule."""
        sarif = self.path("out.sarif")
        code, report, said = gate(self.work, image, *OPTIONS, "-o", f"sarif={sarif}", *arguments,
                                  cwd=os.path.join(self.checkout, directory))
        self.assertIn(code, (0, 1), said)
        asked = {finding["package"]["name"]: finding.get("asked") for finding in report["results"][0]["findings"]}
        with open(sarif, encoding="utf-8") as text:
            results = json.load(text)["runs"][0]["results"]
        self.results, self.said = results, said
        places = {result["ruleId"]: self.place(result) for result in results}
        self.message = {result["ruleId"]: result["message"]["text"] for result in results}
        return asked, places

    @staticmethod
    def place(result):
        place = result["locations"][0]["physicalLocation"]
        return place["artifactLocation"]["uri"], place["region"]["startLine"]

    def alerts(self, rule):
        """The places of all results of a rule."""
        return [self.place(result) for result in self.results if result["ruleId"] == rule]

    def test_a_lock_file_and_a_pin(self):
        self.write("service/Dockerfile", DOCKERFILE)
        self.write("service/requirements.txt", "# what we need\nJinja2==2.10\nrequests[socks]==2.19.1\n")
        # A file of the same name, farther away, and one of what was installed, ask for it too.
        self.write("other/requirements.txt", "requests==2.19.1\n")
        self.write("service/node_modules/x/package-lock.json", "{}")
        asked, places = self.gate(directory="service")
        self.assertEqual({key: asked["requests"][key] for key in ("file", "line")},
                         {"file": "service/requirements.txt", "line": 3})
        self.assertEqual(places["CVE-2023-32681-requests"], ("service/requirements.txt", 3))
        self.assertIn("in service/requirements.txt:3.", self.message["CVE-2023-32681-requests"])
        # A pin is said; the finding's place stays the instruction's line.
        self.assertEqual(asked["lodash"]["pin"], "lodash@4.17.4")
        self.assertEqual(asked["lodash"]["line"], PIN_LINE)
        lodash = next(rule for rule in places if rule.endswith("-lodash"))
        self.assertEqual(places[lodash], ("service/Dockerfile", PIN_LINE))
        self.assertRegex(self.message[lodash], r"Change lodash@4\.17\.4 to lodash@4\.17\.\d+ in service/Dockerfile:10\b")
        # What the base image brought, and what a command brought without naming it, nobody asks for.
        self.assertIsNone(asked["libc6"])
        self.assertIsNone(asked["curl"])
        self.assertEqual(places["CVE-2023-4911-libc6"], ("service/Dockerfile", 2))
        self.assertIn("base image debian:12, by the default of RELEASE (service/Dockerfile:1)",
                      self.message["CVE-2023-4911-libc6"])

    def test_an_argument_that_names_the_base_image_is_the_line_to_change(self):
        for line, base, words in [
            ("ARG RELEASE=12.4", "debian:${RELEASE}", "debian than 12.4, the default of RELEASE (Dockerfile:1)"),
            ("ARG BASE", "${BASE:-debian:12.4}", "debian than 12.4, the default of BASE (Dockerfile:2)"),
            ("ARG X=1", "debian:12.4", "debian than 12.4 (Dockerfile:2)"),
            # What was found is Debian 12.
            ("ARG RELEASE=11", "debian:${RELEASE}",
             "Build on a newer base image than the build was given as RELEASE (Dockerfile:1)"),
        ]:
            text = DOCKERFILE.replace("ARG RELEASE=12", line).replace("debian:${RELEASE}", base)
            self.write("Dockerfile", text)
            _, places = self.gate()
            self.assertIn(words, self.message["CVE-2023-4911-libc6"])
            # It is still the FROM that brought it.
            self.assertEqual(places["CVE-2023-4911-libc6"], ("Dockerfile", 2))

    def test_the_words_of_the_instruction_come_first(self):
        self.write("Dockerfile", DOCKERFILE)
        lock_file = {"lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "4.17.4"}}}
        self.write("package-lock.json", json.dumps(lock_file))
        asked, places = self.gate()
        self.assertEqual((asked["lodash"]["file"], asked["lodash"]["pin"]), ("Dockerfile", "lodash@4.17.4"))
        lodash = next(rule for rule in places if rule.endswith("-lodash"))
        self.assertEqual(places[lodash], ("Dockerfile", PIN_LINE))

    def test_what_lies_beside_counts_where_it_is_named(self):
        self.write("Dockerfile", DOCKERFILE)
        self.write("docs/requirements.txt", "requests==2.19.1\n")
        self.write("tests/fixtures/requirements.txt", "requests==2.19.1\n")
        asked, places = self.gate()
        self.assertIsNone(asked["requests"])
        self.assertEqual(places["CVE-2023-32681-requests"][0], "Dockerfile")
        self.write("Dockerfile", copying("docs/requirements.txt"))
        self.assertEqual(self.gate()[0]["requests"]["file"], "docs/requirements.txt")

    def test_what_is_copied_comes_before_what_is_nearer(self):
        for name in ("service", "web"):
            self.write(f"{name}/requirements.txt", "requests==2.19.1\n")
        rest = copying("requirements.txt").removeprefix("ARG RELEASE=12\n").replace("${RELEASE}", "12")
        other_image = "FROM scratch AS other\nCOPY web/requirements.txt /\n" + rest
        for dockerfile, file in ((DOCKERFILE, "service/requirements.txt"), (copying("web/requirements.txt"), "web/requirements.txt"),
                                 (other_image, "service/requirements.txt")):
            self.write("service/Dockerfile", dockerfile)
            self.assertEqual(self.gate(directory="service")[0]["requests"]["file"], file)

    def test_what_merely_lies_around_asks_for_nothing(self):
        self.write("service/Dockerfile", DOCKERFILE)
        self.write("other/requirements.txt", "requests==2.19.1\n")
        asked, places = self.gate(directory="service")
        self.assertIsNone(asked["requests"])
        self.assertEqual(places["CVE-2023-32681-requests"][0], "service/Dockerfile")

    def test_of_equally_near_lock_files_the_copied_one_asks(self):
        self.write("build/Dockerfile", DOCKERFILE)
        for name in ("api", "web"):
            self.write(f"{name}/requirements.txt", "requests==2.19.1\n")
        dockerfile = ("--dockerfile", "build/Dockerfile")
        # Neither is known to be copied: the instruction stands for both.
        asked, places = self.gate(f"oci:{DEMO}", *dockerfile)
        self.assertIsNone(asked["requests"])
        self.assertEqual(places["CVE-2023-32681-requests"][0], "build/Dockerfile")
        # Either may be meant.
        self.write("build/Dockerfile", copying("requirements.txt"))
        self.assertIsNone(self.gate(f"oci:{DEMO}", *dockerfile)[0]["requests"])
        self.write("build/Dockerfile", copying("web/requirements.txt"))
        asked, places = self.gate(f"oci:{DEMO}", *dockerfile)
        self.assertEqual(asked["requests"]["file"], "web/requirements.txt")
        self.assertEqual(places["CVE-2023-32681-requests"], ("web/requirements.txt", 1))

    def test_one_version_ends_all_findings_of_a_package(self):
        self.write("Dockerfile", DOCKERFILE)
        self.gate()
        lodash = [message for rule, message in self.message.items() if rule.endswith("-lodash")]
        self.assertGreater(len(lodash), 3)
        for message in lodash:
            self.assertIn("Change lodash@4.17.4 to lodash@4.17.21 in Dockerfile:10", message)
        self.assertIn("(this is fixed in 4.17.12).", self.message["CVE-2019-10744-lodash"])

    def test_another_image_asks_for_nothing_here(self):
        self.write("requirements.txt", "requests==2.19.1\n")
        asked, places = self.gate()
        self.assertEqual(set(asked.values()), {None})
        self.assertFalse([uri for uri, _ in places.values() if uri == "requirements.txt"])

    def test_an_image_of_no_dockerfile_is_of_the_one_that_is_named(self):
        self.write("build/Dockerfile", "FROM scratch\nCOPY another /\n")
        self.write("build/requirements.txt", "requests==2.19.1\n")
        # One that only lies about may be another image's, and so may the one that the checkout's settings name.
        self.assertEqual(set(self.gate(directory="build")[0].values()), {None})
        self.write(".stella.yaml", "dockerfile: build/Dockerfile\n")
        self.assertEqual(set(self.gate()[0].values()), {None})
        asked, places = self.gate(f"oci:{DEMO}", "--dockerfile", "build/Dockerfile")
        self.assertEqual(places["CVE-2023-32681-requests"], ("build/requirements.txt", 1))
        self.assertIsNone(asked["lodash"])

    def test_an_sbom_says_which_lock_file_it_was_read_from(self):
        self.write("requirements.txt", "flask==0.12\nrequests==2.19.1\n")
        sbom = self.path("sbom.json")
        write_sbom = lambda image: program.prepare(
            program.STELLA, "sbom", image, "-o", f"cyclonedx={sbom}", cwd=self.checkout,
            env=program.environment(self.work))
        write_sbom("dir:.")
        _, places = self.gate(f"sbom:{sbom}")
        self.assertEqual(places["CVE-2023-32681-requests"], ("requirements.txt", 2))
        # Of an image's SBOM the same lock file asks for nothing.
        write_sbom(f"oci:{DEMO}")
        self.assertEqual(set(self.gate(f"sbom:{sbom}")[0].values()), {None})

    def test_an_sbom_of_a_directory_places_nothing_in_another(self):
        def placed(of, directory="", meanwhile=lambda: None):
            """The files of the checkout in which an SBOM's gate finds what was read."""
            sbom = self.path("sbom.json")
            program.prepare(program.STELLA, "sbom", of, "-o", f"cyclonedx={sbom}", cwd=self.checkout, env=program.environment(self.work))
            meanwhile()
            if self.gate(f"sbom:{sbom}", directory=directory)[0]["requests"] is None:
                return []
            return sorted(file for file, _ in self.alerts("CVE-2023-32681-requests"))

        app = "app/requirements.txt"
        self.write(app, "requests==2.19.1\n")
        self.write("requirements.txt", "\nrequests==2.19.1\n")
        for directory in ("", "app"):
            self.assertEqual(placed("dir:app", directory), [app])
        self.assertEqual(placed("dir:."), [app, "requirements.txt"])
        # The checkout is called `checkout`, and so is this directory in it: either may be meant.
        self.write("checkout/requirements.txt", "requests==2.19.1\n")
        self.assertEqual(placed("dir:checkout"), [])
        # Nor is another's file taken for one that is gone.
        self.assertEqual(placed("dir:app", meanwhile=lambda: os.remove(os.path.join(self.checkout, app))), [])

    def test_the_line_is_that_of_the_version(self):
        entry = '  "packages": {\n    "node_modules/lodash": {\n      "version": "4.17.4"\n    }\n  }\n'
        self.write("app/package-lock.json", '{\n  "lockfileVersion": 3,\n' + entry + "}\n")
        self.write("app/poetry.lock", '[[package]]\nname = "requests"\nversion = "2.19.1"\n')
        asked, places = self.gate("dir:app", "--allow-skipped", "no-packages")
        self.assertEqual((asked["lodash"]["file"], asked["lodash"]["line"]), ("app/package-lock.json", 5))
        self.assertEqual(places["CVE-2023-32681-requests"], ("app/poetry.lock", 3))

    def test_a_directory_is_its_own_checkout(self):
        self.write("app/requirements.txt", "flask==0.12\nrequests==2.19.1\n")
        asked, places = self.gate("dir:app", "--allow-skipped", "no-packages")
        self.assertEqual((asked["requests"]["file"], asked["requests"]["line"]), ("app/requirements.txt", 2))
        self.assertEqual(places["CVE-2023-32681-requests"], ("app/requirements.txt", 2))

    def test_each_lock_file_of_a_directory_has_its_alert(self):
        for name in ("app/api", "app/web"):
            self.write(f"{name}/requirements.txt", "requests==2.19.1\n" if name == "app/api" else "\nrequests==2.19.1\n")
        places = [(f"app/{name}/requirements.txt", line) for name, line in (("api", 1), ("web", 2))]
        asked, _ = self.gate("dir:app", "--allow-skipped", "no-packages")
        self.assertEqual(asked["requests"]["file"], places[0][0])
        self.assertEqual(self.alerts("CVE-2023-32681-requests"), places)
        self.assertIn("in app/api/requirements.txt:1, app/web/requirements.txt:2.", self.message["CVE-2023-32681-requests"])
        # And of an SBOM of it.
        sbom = self.path("sbom.json")
        program.prepare(program.STELLA, "sbom", "dir:.", "-o", f"cyclonedx={sbom}", cwd=self.checkout, env=program.environment(self.work))
        self.gate(f"sbom:{sbom}")
        self.assertEqual(self.alerts("CVE-2023-32681-requests"), places)

    def test_a_file_of_a_directory_is_a_file_of_the_checkout(self):
        installed = "app/lib/python3.11/site-packages/requests-2.19.1.dist-info/METADATA"
        text = "Metadata-Version: 2.1\nName: requests\nVersion: 2.19.1\n"
        self.write(installed, text)
        for directory, image in (("", "dir:app"), ("app", "dir:."), ("app/lib", "dir:..")):
            asked, places = self.gate(image, "--allow-skipped", "no-packages", directory=directory)
            self.assertIsNone(asked["requests"])
            self.assertEqual(places["CVE-2023-32681-requests"], (installed, 1))
            hashes = {result["partialFingerprints"]["primaryLocationLineHash"] for result in self.results}
            self.assertEqual(hashes, {line_hash.line_hashes(text)[0]})
        # Of a directory of elsewhere, its name is all that is known.
        elsewhere = self.path("elsewhere")
        shutil.copytree(os.path.join(self.checkout, "app"), os.path.join(elsewhere, "app"))
        _, places = self.gate(f"dir:{elsewhere}/app", "--allow-skipped", "no-packages")
        self.assertEqual(places["CVE-2023-32681-requests"][0], installed.replace("2.19.1", "VERSION").replace("3.11", "VERSION"))

    def test_a_lock_file_asks_for_nothing_that_came_before_it(self):
        self.write("requirements.txt", "requests==2.19.1\n")
        pip = "RUN pip install --no-cache-dir "
        for index, (words, copy, place) in enumerate((("-r requirements.txt", "COPY .", ("requirements.txt", 1)),
                                                      ("requests", "COPY .", ("Dockerfile", 9)),
                                                      ("requests", "COPY requirements.txt", ("Dockerfile", 9)))):
            history = DOCKERFILE.replace(pip + "-r requirements.txt", pip + words).replace("COPY .", copy)
            self.write("Dockerfile", history)
            layers, entries = demo_layers()
            for entry in entries:
                entry["created_by"] = entry["created_by"].replace("-r requirements.txt", words).replace("COPY .", copy)
            image = program.write_layout(self.path(f"image-{index}"), layers, history=entries)
            self.assertEqual(self.gate(f"oci:{image}")[1]["CVE-2023-32681-requests"], place)

    def test_of_a_directory_no_dockerfile_says_anything(self):
        self.write("requirements.txt", "requests==2.19.1\n")
        for text in (DOCKERFILE, "not a Dockerfile\n"):
            self.write("Dockerfile", text)
            self.gate("dir:.", "--allow-skipped", "no-packages")
            self.assertNotIn("Dockerfile", self.said)
            self.gate("dir:.", "--allow-skipped", "no-packages", "--dockerfile", "Dockerfile")
            self.assertIn("Dockerfile", self.said)

    def test_links_of_a_checkout_are_not_followed(self):
        self.write("Dockerfile", DOCKERFILE)
        secret = self.path("requirements.txt")
        with open(secret, "w", encoding="utf-8") as out:
            out.write("requests==2.19.1\n")
        os.symlink(secret, os.path.join(self.checkout, "requirements.txt"))
        os.symlink(self.work, os.path.join(self.checkout, "deps"))
        self.assertIsNone(self.gate()[0]["requests"])


if __name__ == "__main__":
    unittest.main()
