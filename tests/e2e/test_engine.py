"""A stand-in for the Docker engine, for what the real one cannot be made to do: lie, and count its exports."""
import gzip
import http.server
import io
import json
import os
import shutil
import socketserver
import tarfile
import threading
import unittest

import program
from program import DEMO, STELLA, call, environment

OPTIONS = ["--advisories", "demo"]


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Says of one image what `config` says, and exports `archive`."""
    daemon_threads = True

    def __init__(self, path, image_id, config, archive):
        super().__init__(path, Handler)
        self.image_id, self.config, self.archive, self.exports = image_id, config, archive, 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        engine, question = self.server, self.path.partition("?")[0].rsplit("/", 1)[1]
        answers = {
            "version": lambda: json.dumps({"ApiVersion": "1.41"}).encode(),
            "json": lambda: json.dumps({"Id": engine.image_id, "Os": engine.config["os"],
                                        "Architecture": engine.config["architecture"],
                                        "RootFS": {"Type": "layers", "Layers": engine.config["rootfs"]["diff_ids"]}}).encode(),
            "history": lambda: b"[]",
            "get": self.export,
        }
        body = answers[question]()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def export(self):
        self.server.exports += 1
        with open(self.server.archive, "rb") as archive:
            return archive.read()

    def log_message(self, *_):
        pass

    def address_string(self):
        return "engine"


class Source(program.Case):
    def engine(self, archive):
        """An engine that names the demo image and exports `archive`."""
        digest = program.manifest(DEMO)["config"]["digest"]
        with open(program.blob(DEMO, digest), encoding="utf-8") as config:
            engine = Engine(self.path("engine.sock"), digest, json.load(config), archive)
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        self.addCleanup(engine.server_close)
        self.addCleanup(engine.shutdown)
        return engine

    def gate(self, *arguments):
        report = self.path("report.json")
        variables = {**environment(self.work), "DOCKER_HOST": f"unix://{self.path('engine.sock')}",
                     "SOURCE_DATE_EPOCH": "1790000000"}
        done = call(STELLA, "gate", "docker:app:ci", *OPTIONS, "-o", f"json={report}", *arguments,
                    cwd=self.work, env=variables)
        if not os.path.exists(report):
            return done.returncode, None, done.stderr
        with open(report, encoding="utf-8") as text:
            return done.returncode, json.load(text), done.stderr

    def archive(self, layout):
        """What `docker save` writes of the layout's image, whatever its layers hold."""
        archive = self.path("export.tar")
        layers = program.manifest(layout)["layers"]
        with tarfile.open(archive, "w") as out:
            def add(name, data):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
            names = []
            for index, layer in enumerate(layers):
                with open(program.blob(layout, layer["digest"]), "rb") as blob:
                    add(f"{index}/layer.tar", gzip.decompress(blob.read()))
                names.append(f"{index}/layer.tar")
            digest = program.manifest(DEMO)["config"]["digest"]
            name = digest.removeprefix("sha256:") + ".json"
            with open(program.blob(DEMO, digest), "rb") as config:
                add(name, config.read())
            add("manifest.json", json.dumps([{"Config": name, "RepoTags": ["app:ci"], "Layers": names}]).encode())
        return archive

    def test_nothing_is_exported_when_all_is_known(self):
        engine = self.engine(self.archive(DEMO))
        code, first, said = self.gate()
        self.assertEqual((code, engine.exports), (1, 1), said)
        code, second, said = self.gate()
        self.assertEqual((code, engine.exports), (1, 1), said)
        self.assertEqual(second["run"]["layers"], {"hits": 7, "misses": 0})
        self.assertEqual({entry["proof"] for entry in second["run"]["ledger"]}, {"asserted-by-the-engine"})
        self.assertEqual(first["results"], second["results"])
        # Whoever does not believe the engine has everything read again.
        code, _, said = self.gate("--verify", "all")
        self.assertEqual((code, engine.exports), (1, 2), said)

    def test_an_engine_that_lies_is_refused_with_both_digests(self):
        layout = self.path("layout")
        shutil.copytree(DEMO, layout)
        layers = program.manifest(layout)["layers"]
        shutil.copy(program.blob(layout, layers[4]["digest"]), program.blob(layout, layers[6]["digest"]))
        engine = self.engine(self.archive(layout))
        code, report, said = self.gate()
        self.assertEqual(code, 3, said)
        self.assertEqual(report["results"], [])
        for index in (4, 6):
            self.assertIn(engine.config["rootfs"]["diff_ids"][index], said)
        # What was read before the lie was found poisons nothing: the honest engine is asked for it again.
        engine.archive = self.archive(DEMO)
        code, report, said = self.gate()
        self.assertEqual(code, 1, said)
        self.assertEqual(report["results"][0]["looked_at"]["packages"], {"deb": 101, "npm": 4, "pypi": 13})


if __name__ == "__main__":
    unittest.main()
