"""Progress on a terminal: nothing before half a second, then what is done and how far it is; nothing at all on a pipe."""
import fcntl
import http.server
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
import unittest

import program
from program import DEMO, STELLA

PATIENCE_S = 0.5


class Registry(http.server.ThreadingHTTPServer):
    """Gives the demo image; its largest blob drips for `slow_s` seconds."""
    daemon_threads = True

    def __init__(self, slow_s):
        super().__init__(("127.0.0.1", 0), Handler)
        self.slow_s = slow_s
        self.manifest = program.manifest(DEMO)
        self.largest = max(self.manifest["layers"], key=lambda layer: layer["size"])["digest"]

    def handle_error(self, request, client_address):
        """A caller that goes away is no error of the test's."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        drips = 1
        if "/manifests/" in self.path:
            with open(os.path.join(DEMO, "index.json"), encoding="utf-8") as index:
                of_image = json.load(index)["manifests"][0]
            if name not in ("ci", of_image["digest"]):
                self.answer(404, b"{}", "application/json")
                return
            name, kind = of_image["digest"], of_image["mediaType"]
        elif "/blobs/" in self.path:
            kind = "application/octet-stream"
            drips = 20 if name == self.server.largest and self.server.slow_s else 1
        else:
            self.answer(404 if "/referrers/" in self.path else 200, b"{}", "application/json")
            return
        with open(program.blob(DEMO, name), "rb") as blob:
            self.answer(200, blob.read(), kind, drips)

    do_HEAD = do_GET

    def answer(self, status, body, kind, drips=1):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        step = -(-len(body) // drips) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start:start + step])
            if drips > 1:
                time.sleep(self.server.slow_s / drips)


class Progress(program.Case):
    def registry(self, slow_s):
        server = Registry(slow_s)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"registry:127.0.0.1:{server.server_address[1]}/app:ci"

    def start(self, image, *arguments, stderr, **variables):
        environment = {**program.environment(self.work), "TERM": "xterm", **variables}
        return subprocess.Popen([STELLA, "gate", image, "--advisories", "demo", "--no-cache", *arguments], cwd=self.work,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment)

    def drawn(self, image, *arguments, **variables):
        """What a gate draws on a terminal: pairs of seconds since it began, and text; and how long it took."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        began = time.monotonic()
        process = self.start(image, *arguments, stderr=theirs, **variables)
        os.close(theirs)
        drawn = []
        while True:
            try:
                text = os.read(ours, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                break
            if not text:
                break
            drawn.append((time.monotonic() - began, text.decode()))
        os.close(ours)
        self.assertEqual(process.wait(program.TIMEOUT_S), 1, drawn)
        return drawn, time.monotonic() - began

    def test_a_bar_with_its_total_from_half_a_second_on(self):
        drawn, _ = self.drawn(self.registry(1.3), NO_COLOR="1")
        text = "".join(text for _, text in drawn)
        bars = re.findall(r"[|/\\-] reading layers (\d)/7 \[(=*>? *)\] ([\d.]+ [kM]?B)/([\d.]+ [kM]B), [\d.]+ [kM]?B/s, \d+s left",
                          text)
        self.assertGreater(len(bars), 2, text)
        self.assertLess(len(bars), 15, "some ten times a second at most")
        size = sum(layer["size"] for layer in program.manifest(DEMO)["layers"])
        self.assertEqual({total for _, _, _, total in bars}, {f"{size / 1e3:.2f} kB"})
        done = [int(done) for done, _, _, _ in bars]
        self.assertEqual(done, sorted(done))
        self.assertGreater(max(len(bar.rstrip()) for _, bar, _, _ in bars), min(len(bar.rstrip()) for _, bar, _, _ in bars))
        first = next(at for at, text in drawn if "reading layers" in text)
        self.assertGreaterEqual(first, PATIENCE_S)
        # It clears itself: behind the last bar the line is empty, and only then the verdict is said.
        behind = text[text.rindex("left"):]
        self.assertRegex(behind, r"^left *\r?(\x1b\[\d*[A-Z])*\r?\x1b\[2?K")
        self.assertIn("gate FAILED", behind)
        # NO_COLOR takes colours only.
        self.assertNotRegex(text, r"\x1b\[[\d;]*m")

    def test_nothing_is_drawn_of_what_is_quick(self):
        for _ in range(10):
            drawn, took = self.drawn(f"oci:{DEMO}")
            if took < PATIENCE_S:
                break
        self.assertLess(took, PATIENCE_S, "this machine is too busy to tell")
        text = "".join(text for _, text in drawn)
        self.assertIn("gate FAILED", text)
        self.assertNotIn("reading", text)
        self.assertNotRegex(text, r"\x1b\[\d*[A-LN-Z]", "no cursor is moved")

    def test_nothing_is_drawn_on_a_pipe_or_when_quiet(self):
        image = self.registry(0.7)
        process = self.start(image, stderr=subprocess.PIPE)
        quiet, _ = self.drawn(image, "--quiet")
        piped = process.communicate(timeout=program.TIMEOUT_S)[1].decode()
        for text in ("".join(text for _, text in quiet), piped):
            self.assertIn("gate FAILED", text)
            self.assertNotIn("reading layers", text)
        self.assertNotIn("\x1b", piped)


if __name__ == "__main__":
    unittest.main()
