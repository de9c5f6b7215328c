"""An HTTP server that answers each path as a test says: well, or in one of the ways in which servers misbehave."""
import http.server
import socket
import threading
import time


class Server(http.server.ThreadingHTTPServer):
    """Gives each request for a path the next of its answers, and the last one for ever. It keeps what was asked."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.lock = {}, [], threading.Lock()

    def handle_error(self, request, client_address):
        """A caller that goes away is no error of the test's."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def to(self, path):
        return [headers for asked, headers in self.asked if asked == path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, path = self.server, self.path.lstrip("/")
        with server.lock:
            server.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
            answers = server.answers.get(path, [status(404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def do_CONNECT(self):
        self.server.asked.append((self.path, {}))
        self.send_error(403)

    def reply(self, code, body=b"", cut=None, **headers):
        self.send_response(code)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


def status(code, **headers):
    return lambda request: request.reply(code, **headers)


def plain(body, **headers):
    """The file, whatever is asked; `cut` breaks the connection off after so many bytes."""
    return lambda request: request.reply(200, body, **headers)


def polite(body, etag='"1"'):
    """The file as a server should give it: not again where the caller has it, and the rest where it has the beginning."""
    def answer(request):
        asked = request.headers
        if asked.get("If-None-Match") == etag:
            request.reply(304, content_length=None, etag=etag)
        elif "Range" in asked and asked.get("If-Range", etag) == etag:
            first = int(asked["Range"].removeprefix("bytes=").removesuffix("-"))
            request.reply(206, body[first:], etag=etag, content_range=f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            request.reply(200, body, etag=etag)
    return answer


def cut(body, etag='"1"', at=100_000):
    return plain(body, cut=at, etag=etag)


def stalled(seconds):
    def answer(request):
        request.reply(200, b"PK", content_length="1000")
        time.sleep(seconds)
        request.close_connection = True
    return answer


def dripping(request):
    request.reply(200, content_length="1000")
    for _ in range(100):
        request.wfile.write(b"P")
        request.wfile.flush()
        time.sleep(0.1)


def chunked(size):
    def answer(request):
        request.reply(200, content_length=None, transfer_encoding="chunked")
        for _ in range(size // 1000):
            request.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        request.wfile.write(b"0\r\n\r\n")
    return answer
