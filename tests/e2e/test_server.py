"""A server that fails, one that is killed, and one that answers like the program alone."""
import contextlib
import gzip
import http.server
import json
import os
import signal
import socket
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import program
from program import DEMO, STELLA, gate, prepare, server_process


class Server(program.Case):
    def setUp(self):
        super().setUp()
        self.advisories = self.path("advisories")

    def compile(self):
        prepare(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", self.advisories)
        return ["--advisories", self.advisories]

    def stand_in(self, answer):
        """A stand-in for the fault only: `answer(handler)` does what it likes with each request."""
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer(self)

            do_PUT = do_POST

            def log_message(self, *_):
                pass
        stand_in = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        stand_in.daemon_threads = True
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        self.addCleanup(stand_in.server_close)
        self.addCleanup(stand_in.shutdown)
        return f"http://127.0.0.1:{stand_in.server_address[1]}"

    def faulty(self, address, *words):
        """Without advisories the gate ends with 3; with them it analyses itself and says that it is degraded."""
        options = ["--server", address, "--deadline", "2"]
        code, report, said = gate(self.work, f"oci:{DEMO}", *options)
        self.assertEqual(code, 3, said)
        self.assertIsNone(report)
        for word in (address, *words):
            self.assertIn(word, said)
        code, report, said = gate(self.work, f"oci:{DEMO}", *options, "--advisories", "demo")
        self.assertEqual(code, 1, said)
        self.assertTrue(report["run"]["degraded"])
        self.assertIn("warning: server", said)
        code, report, said = gate(self.work, f"oci:{DEMO}", *options, "--on-error=warn")
        self.assertEqual(code, 0, said)
        self.assertIn("NOT GATED", said)

    def test_a_server_that_answers_500(self):
        self.faulty(self.stand_in(lambda handler: handler.send_error(500)), "500")

    def test_a_server_that_hangs(self):
        wait = threading.Event()
        self.addCleanup(wait.set)
        self.faulty(self.stand_in(lambda handler: wait.wait(60)), "did not answer within")

    def test_a_server_that_speaks_of_something_else(self):
        def page(handler):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"<html>hello</html>")
        self.faulty(self.stand_in(page), "not Stella's")

    def test_a_server_that_lies(self):
        arguments = self.compile()
        layer = program.tar([("etc/other", b"x")])
        other = program.write_layout(self.path("other"), [(gzip.compress(layer), layer)])
        _, report, _ = gate(self.work, f"oci:{other}", *arguments, "--allow-skipped", "no-packages")
        _, honest, _ = gate(self.work, f"oci:{DEMO}", *arguments)
        passed = report["results"][0]
        found = honest["results"][0]["findings"]
        asked = {**honest["results"][0], "findings": []}
        asked["verdict"] = {**passed["verdict"], "allowed": []}

        asked["looked_at"]["skipped"] = []
        asked["now"] = "2023-11-14T22:13:20Z"
        os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
        self.addCleanup(os.environ.pop, "SOURCE_DATE_EPOCH")

        def answers(lie):
            result = json.loads(json.dumps(asked))
            lie(result)
            body = json.dumps({"state": "done", "scan": "1", "result": result,
                               "timings_ms": honest["run"]["timings_ms"]}).encode()

            def answer(handler):
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)
            return self.stand_in(answer)

        # The stand-in's pass counts where it is one for what was asked: what follows is refused for the lie alone.
        code, _, said = gate(self.work, f"oci:{DEMO}", "--server", answers(lambda result: None))
        self.assertEqual(code, 0, said)
        image = {**passed["image"], "reference": asked["image"]["reference"]}
        milder = {**asked["verdict"], "policies": [{"origin": "default", "digest": program.sha256(b"milder")}]}
        for lie, words in [
                (lambda result: result.update(passed), "reference"),
                (lambda result: result.update(image=image), "digest"),
                (lambda result: result["image"]["layers"].pop(), "layers"),
                (lambda result: result["image"].update(platform="linux/arm64"), "platform"),
                (lambda result: result.update(verdict=milder), "was not applied"),
                (lambda result: result.update(findings=found), "does not follow"),
                (lambda result: result.update(now="2001-01-01T00:00:00Z"), "moment")]:
            with self.subTest(words):
                self.faulty(answers(lie), "not Stella's", words)

    def test_nobody_there(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.faulty(f"http://127.0.0.1:{port}", "cannot be reached")
        # The deadline is for a server that works: the fall-back does not wait for one that is not there.
        began = time.monotonic()
        code, report, said = gate(self.work, f"oci:{DEMO}", "--server", f"http://127.0.0.1:{port}", "--advisories", "demo")
        self.assertEqual((code, report["run"]["degraded"]), (1, True), said)
        self.assertLess(time.monotonic() - began, 20)

    def test_half_requests_take_nobodys_turn(self):
        head = (b"POST /v1/scan HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n{")
        with program.server(self.work, *self.compile()) as address:
            port = int(address.rsplit(":", 1)[1])
            with contextlib.ExitStack() as slow:
                for _ in range(600):
                    peer = slow.enter_context(socket.create_connection(("127.0.0.1", port)))
                    peer.sendall(head)
                code, report, said = gate(self.work, f"oci:{DEMO}", "--server", address, "--deadline", "10")
        self.assertEqual(code, 1, said)
        self.assertFalse(report["run"]["degraded"], said)

    # ---- killed ---------------------------------------------------------------------------------------------------

    def killed(self, after_answers, after_bytes):
        """Gates through a relay that kills the server; gives the layers that were acknowledged before."""
        acknowledged = []
        arguments = self.compile()
        with server_process(self.work, *arguments) as (address, process):
            port = int(address.rsplit(":", 1)[1])
            relay = Relay(port, process, after_answers, after_bytes, acknowledged)
            self.addCleanup(relay.close)
            code, report, said = gate(self.work, f"oci:{DEMO}", "--server", relay.address, "--deadline", "3")
            self.assertEqual(code, 3, said)
            self.assertIsNone(report)
            self.assertEqual(process.wait(10), -signal.SIGKILL)
        with server_process(self.work, *arguments) as (address, _):
            if acknowledged:
                asked = json.dumps({**relay.made_by, "diff_ids": acknowledged}).encode()
                request = urllib.request.Request(address + "/v1/layers/missing", asked,
                                                 {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=20) as answer:
                    self.assertEqual(json.load(answer)["missing"], [])
            code, healed, said = gate(self.work, f"oci:{DEMO}", "--server", address)
            self.assertEqual(code, 1, said)
            self.assertGreaterEqual(healed["run"]["layers"]["hits"], len(acknowledged))
            code, known, said = gate(self.work, f"oci:{DEMO}", "--server", address)
            self.assertEqual(known["run"]["layers"], {"hits": 7, "misses": 0})
        _, alone, _ = gate(self.work, f"oci:{DEMO}", *arguments, "--no-cache")
        for key in ("looked_at", "findings", "verdict", "snapshot"):
            self.assertEqual(healed["results"][0][key], alone["results"][0][key])
        return acknowledged

    def test_killed_after_uploads_were_acknowledged(self):
        self.assertEqual(len(self.killed(after_answers=2, after_bytes=None)), 2)

    def test_killed_in_the_middle_of_an_upload(self):
        self.killed(after_answers=None, after_bytes=150)

    # ---- the disk --------------------------------------------------------------------------------------------------

    def test_a_full_disk_is_said_and_outlived(self):
        data = self.path("server")
        os.makedirs(data)
        if program.call("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data).returncode != 0:
            self.skipTest("a small disk to fill: this user may not mount a tmpfs")
        self.addCleanup(program.prepare, "umount", data)
        files = [(f"srv/{os.urandom(12).hex()}", b"") for _ in range(20000)]
        other = program.write_layout(self.path("other"), [(gzip.compress(program.tar(files)), program.tar(files))])
        ballast = os.path.join(data, "ballast")

        with server_process(self.work, *self.compile()) as (address, process):
            def other_gate():
                return gate(self.work, f"oci:{other}", "--server", address, "--deadline", "3",
                            "--allow-skipped", "no-packages")

            def demo_hits():
                code, report, said = gate(self.work, f"oci:{DEMO}", "--server", address)
                self.assertEqual(code, 1, said)
                return report["run"]["layers"]["hits"]
            self.assertEqual(demo_hits(), 0)
            for _ in range(2):
                with open(ballast, "wb", buffering=0) as full, self.assertRaises(OSError):
                    while True:
                        full.write(b"x" * 4096)
                for _ in range(2):
                    code, _, said = other_gate()
                    self.assertEqual(code, 3, said)
                    for words in ("507", "disk is full", data):
                        self.assertIn(words, said)
                    status, problem = ask(address, "/readyz")
                    self.assertEqual(status, 503)
                    self.assertIn(f"{data} is full", problem)
                    self.assertEqual(demo_hits(), 7, "what is known can be read")
                os.remove(ballast)
                self.assertEqual(ask(address, "/readyz"), (200, "ready\n"))
                self.assertEqual(demo_hits(), 7)
            self.assertIn('stella_store_errors_total{kind="full"}', ask(address, "/metrics")[1])
            code, report, said = other_gate()
            self.assertEqual((code, report["run"]["layers"]["misses"]), (0, 1), said)
            process.kill()
            process.wait()
        with server_process(self.work, *self.compile()) as (address, _):
            self.assertEqual(demo_hits(), 7)
            self.assertEqual(other_gate()[1]["run"]["layers"]["hits"], 1)

    def test_a_damaged_store_ends_the_start_with_the_way_out(self):
        with server_process(self.work, *self.compile()) as (address, _):
            gate(self.work, f"oci:{DEMO}", "--server", address)
        store = self.path("server/stella.redb")
        with open(store, "r+b") as file:
            file.seek(4096)
            file.write(os.urandom(240 << 10))
        done = program.call(program.STELLA_SERVER, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.path("server"),
                            env=program.environment(self.work))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, f"^error: {store} is damaged.*move it away")

    # ---- the same answer ------------------------------------------------------------------------------------------

    def test_the_same_bytes_from_everywhere(self):
        arguments = self.compile()
        os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
        self.addCleanup(os.environ.pop, "SOURCE_DATE_EPOCH")
        results = {}

        def ask(name, *options):
            code, report, said = gate(self.work, f"oci:{DEMO}", *options)
            self.assertEqual(code, 1, said)
            results[name] = json.dumps(report["results"])
            return report["run"]
        ask("alone", *arguments, "--no-cache", "--threads", "1")
        ask("four threads", *arguments, "--no-cache", "--threads", "4")
        ask("cold cache", *arguments)
        ask("warm cache", *arguments)
        ask("verify all", *arguments, "--verify", "all")
        with server_process(self.work, *arguments) as (address, _):
            ask("server cold", "--server", address)
            run = ask("server known", "--server", address)
            self.assertEqual((run["round_trips"], run["bytes_read"]), (1, 0))
            run = ask("server verify", "--server", address, "--verify", "all")
            self.assertEqual({entry["proof"] for entry in run["ledger"]}, {"verified-now"})
        for name, result in results.items():
            self.assertEqual(result, results["alone"], name)


def ask(address, path):
    """Status and text of one GET."""
    try:
        with urllib.request.urlopen(address + path, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Relay:
    """Passes bytes between the program and the server, and kills the server at a point of its uploads."""

    def __init__(self, port, process, after_answers, after_bytes, acknowledged):
        self.port, self.process = port, process
        self.after_answers, self.after_bytes, self.acknowledged = after_answers, after_bytes, acknowledged
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.port), 5)
        except OSError:
            client.close()
            return
        with client, server:
            while self.exchange(client, server):
                pass

    def exchange(self, client, server):
        """One request and its answer; false when the connection is over."""
        head, body = self.message(client)
        if head is None:
            return False
        upload = head.startswith(b"PUT ")
        if upload and self.after_bytes is not None:
            server.sendall(head + body[:self.after_bytes])
            self.process.kill()
            return False
        server.sendall(head + body)
        answer, body = self.message(server)
        if answer is None:
            return False
        client.sendall(answer + body)
        if upload and b" 200 " in answer.split(b"\r\n", 1)[0] + b" ":
            url = urllib.parse.urlsplit(head.split(b" ", 2)[1].decode())
            query = urllib.parse.parse_qs(url.query)
            self.made_by = {"schema": int(query["schema"][0]), "analyzer": query["analyzer"][0]}
            self.acknowledged.append(urllib.parse.unquote(url.path.rsplit("/", 1)[1]))
            if len(self.acknowledged) == self.after_answers:
                self.process.kill()
                return False
        return True

    @staticmethod
    def message(peer):
        """Head and body of one HTTP message; `(None, b"")` at the end."""
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                part = peer.recv(65536)
                if not part:
                    return None, b""
                data += part
            head, body = data.split(b"\r\n\r\n", 1)
            lengths = [line.split(b":", 1)[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while lengths and len(body) < int(lengths[0]):
                part = peer.recv(65536)
                if not part:
                    return None, b""
                body += part
            return head + b"\r\n\r\n", body
        except OSError:
            return None, b""


if __name__ == "__main__":
    unittest.main()
