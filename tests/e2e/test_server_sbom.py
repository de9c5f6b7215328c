"""SBOMs and a server: the same answer as on this machine, in one round trip; and what a hostile one costs."""
import base64
import json
import os
import socket
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

import program
from program import DEMO, STELLA, gate, prepare, server, server_process

PURL = "pkg:deb/debian/libssl3@3.0.8-1?upstream=openssl&distro=debian-12"
MOST_OBJECTS = 300_000


def cyclonedx(*components):
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components)}


def library(name, purl):
    return {"type": "library", "name": name, "purl": purl}


BOM = cyclonedx({"type": "operating-system", "name": "debian", "version": "12"}, library("libssl3", PURL),
                {"type": "library", "name": "nameless"})
FORMS = {
    "cyclonedx.json": BOM,
    "statement.json": {"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicate": BOM,
                       "predicateType": "https://cyclonedx.org/bom"},
    "marked.json": "\ufeff" + json.dumps(BOM),
    "spdx.json": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": [
        {"name": "libssl3", "SPDXID": "SPDXRef-1", "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": PURL}]}]},
    "bom.spdx": "SPDXVersion: SPDX-2.2\nPackageName: libssl3\nSPDXID: SPDXRef-1\n"
                f"ExternalRef: PACKAGE-MANAGER purl {PURL}\n",
    "syft.json": {"schema": {"version": "16.0.1"}, "distro": {"id": "debian", "versionID": "12"}, "artifacts": [
        {"id": "1", "name": "libssl3", "version": "3.0.8-1", "type": "deb", "purl": PURL}]},
    "trivy.json": {"SchemaVersion": 2, "Metadata": {"OS": {"Family": "debian", "Name": "12"}}, "Results": [
        {"Target": "a", "Class": "os-pkgs", "Type": "debian", "Packages": [
            {"Name": "libssl3", "Version": "3.0.8-1", "Identifier": {"PURL": PURL}}]}]},
}


class ServerSbom(program.Case):
    def setUp(self):
        super().setUp()
        self.advisories = ["--advisories", self.path("advisories")]
        prepare(STELLA, "feeds", "import", program.ADVISORIES, *self.advisories)
        os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
        self.addCleanup(os.environ.pop, "SOURCE_DATE_EPOCH")

    def write(self, name, value):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(value if isinstance(value, str) else json.dumps(value))
        return f"sbom:{path}"

    def assert_same(self, address, image, *options):
        """Gates on this machine and with the server; gives exit code and result."""
        want, alone, said = gate(self.work, image, *options, *self.advisories)
        self.assertIsNotNone(alone, said)
        code, report, said = gate(self.work, image, *options, "--server", address)
        self.assertEqual(code, want, said)
        self.assertFalse(report["run"]["degraded"], said)
        self.assertEqual(report["run"]["round_trips"], 1)
        self.assertEqual(json.dumps(report["results"]), json.dumps(alone["results"]))
        return code, report["results"][0]

    # ---- the same answer ------------------------------------------------------------------------------------------

    def test_every_form_is_answered_alike(self):
        with server(self.work, *self.advisories) as address:
            for name, value in FORMS.items():
                with self.subTest(name):
                    image = self.write(name, value)
                    code, result = self.assert_same(address, image)
                    self.assertEqual((code, result["looked_at"]["packages"]), (1, {"deb": 1}))
                    self.assertTrue(result["looked_at"]["inventory"].startswith(f"given by the caller: {image}, "))
                    self.assertTrue(result["findings"])
            for output in ("cyclonedx", "cyclonedx-1.5", "spdx"):
                with self.subTest(output):
                    path = self.path(f"{output}.json")
                    prepare(STELLA, "sbom", f"oci:{DEMO}", "-o", f"{output}={path}", env=program.environment(self.work))
                    _, result = self.assert_same(address, f"sbom:{path}")
                    self.assertEqual(len(result["image"]["layers"]), 7)

    def test_options_are_answered_alike(self):
        policy = self.path("policy.yaml")
        with open(policy, "w", encoding="utf-8") as out:
            out.write("version: 1\nrules:\n- {name: known, when: {package: libssl3}, action: warn}\n")
        nameless = cyclonedx(library("a", "pkg:npm/a@1"), {"type": "library", "name": "nameless"})
        with server(self.work, *self.advisories) as address:
            image = self.write("b.json", BOM)
            code, result = self.assert_same(address, image, "--policy", policy, "--allow-skipped", "sbom:no-purl")
            self.assertEqual((code, result["verdict"]["outcome"]), (0, "warn"))
            code, result = self.assert_same(address, self.write("nameless.json", nameless))
            self.assertEqual((code, result["verdict"]["outcome"]), (3, "unfinished"))
            code, _ = self.assert_same(address, self.write("empty.json", cyclonedx()))
            self.assertEqual(code, 3)

    # ---- what is wrong --------------------------------------------------------------------------------------------

    def test_what_is_no_sbom_is_said_as_on_this_machine(self):
        with server(self.work, *self.advisories) as address:
            for name, value in {"xml": "<bom/>", "cut": '{"bomFormat":', "other": "{}", "nothing": ""}.items():
                with self.subTest(name):
                    image = self.write(name, value)
                    alone = gate(self.work, image, *self.advisories)
                    self.assertEqual(alone[:2], (3, None))
                    self.assertEqual(gate(self.work, image, "--server", address), alone)

    def test_more_than_the_server_takes(self):
        config = self.path("config.yaml")
        image = self.write("b.json", cyclonedx(*(library(os.urandom(50).hex(), "pkg:npm/a@1") for _ in range(100))))
        for limit in ("sbom_bytes", "request_bytes"):
            with open(config, "w", encoding="utf-8") as out:
                out.write(f"limits: {{ {limit}: 5000 }}\n")
            with server(self.work, *self.advisories, "--config", config) as address:
                code, report, said = gate(self.work, image, "--server", address)
                self.assertEqual((code, report), (3, None), said)
                for words in ("413", f"`{limit}`", "5000"):
                    self.assertIn(words, said)

    def test_a_server_that_is_not_there(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        image, options = self.write("b.json", BOM), ("--server", f"http://127.0.0.1:{port}", "--deadline", "2")
        code, report, said = gate(self.work, image, *options, "--advisories", self.path("none"))
        self.assertEqual((code, report), (3, None), said)
        code, report, said = gate(self.work, image, *options, *self.advisories)
        self.assertEqual((code, report["run"]["degraded"]), (1, True), said)
        _, alone, _ = gate(self.work, image, *self.advisories)
        self.assertEqual(report["results"], alone["results"])

    # ---- what it costs --------------------------------------------------------------------------------------------

    def test_the_largest_ones_leave_the_server_alive_and_small(self):
        wide = "y" * 110
        documents = {
            "packages": cyclonedx(*(library(f"a{at}", f"pkg:npm/a{at}@1?x={wide}") for at in range(MOST_OBJECTS - 2))),
            "skips": cyclonedx(*({"type": "library", "name": f"a{at}{wide}"} for at in range(MOST_OBJECTS - 2))),
            "files": cyclonedx({**library("a", "pkg:npm/a@1"), "properties": [
                {"name": f"syft:location:{at}:path", "value": f"/{at}/{wide}"} for at in range(MOST_OBJECTS - 3)]}),
            "syft": {"schema": {"version": "16.0.1"}, "artifacts": [
                {"name": f"a{at}", "version": "1", "purl": f"pkg:npm/a{at}@1", "locations": [{"path": f"/{at}/{wide}"}]}
                for at in range(MOST_OBJECTS // 2 - 3)]},
            "nothing": '{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],"a":"' + "y" * (60 << 20) + '"}',
            "lines": "SPDXVersion: SPDX-2.3\n" + "".join(
                f"PackageName: a{at}{wide}\nSPDXID: SPDXRef-{at}\n" for at in range(MOST_OBJECTS - 10)),
        }
        for name, value in documents.items():
            with self.subTest(name):
                document = (value if isinstance(value, str) else json.dumps(value)).encode()
                packed = subprocess.run(["zstd", "-q"], input=document, capture_output=True, check=True).stdout
                with server_process(self.work, *self.advisories) as (address, process):
                    answers, slowest = [], 0.0
                    asked = threading.Thread(target=lambda: answers.append(post(address, packed)))
                    asked.start()
                    while asked.is_alive():
                        began = time.monotonic()
                        with urllib.request.urlopen(address + "/healthz", timeout=20) as answer:
                            self.assertEqual(answer.status, 200)
                        slowest = max(slowest, time.monotonic() - began)
                        asked.join(0.02)
                    self.assertEqual([(status, answer["state"]) for status, answer in answers], [(200, "done")])
                    self.assertLess(slowest, 2)
                    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
                        peak_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
                    self.assertLess(peak_kb, 300 << 10)
                    with urllib.request.urlopen(address + "/metrics", timeout=20) as answer:
                        self.assertIn('stella_scans_total{outcome="sbom"} 1', answer.read().decode())

    def test_a_bomb_is_no_sbom(self):
        zeros = subprocess.run(["zstd", "-q"], input=bytes(200_000_000), capture_output=True, check=True).stdout
        with server(self.work, *self.advisories) as address:
            status, problem = post(address, zeros)
            self.assertEqual(status, 413)
            self.assertIn("`sbom_bytes`", problem["detail"])
            # As a caller without the program may: the plain document, and nothing that speaks of layers.
            status, answer = post(address, json.dumps(BOM).encode())
            self.assertEqual((status, answer["result"]["verdict"]["outcome"]), (200, "fail"))


def post(address, document):
    """Status and JSON of a scan of an SBOM, asked for without the program."""
    body = json.dumps({"reference": "x", "sbom": base64.b64encode(document).decode()}).encode()
    request = urllib.request.Request(address + "/v1/scan", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=program.TIMEOUT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


if __name__ == "__main__":
    unittest.main()
