"""Stand-ins on loopback: a place of releases, a server that is busy."""
import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(handler):
    """A server of `handler`: gives its address."""
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def releases(files):
    """Serves these files: gives the address, and the paths that were asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")
    with serving(Handler) as address:
        yield address, asked


@contextlib.contextmanager
def busy():
    """A server of Stella's that has no time: gives the address, and pairs of what was asked and what it was asked with."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(503)
            self.end_headers()
    with serving(Handler) as address:
        yield address, asked
