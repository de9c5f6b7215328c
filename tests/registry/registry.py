"""A real registry on loopback, with a password, tokens or TLS as a test wants it, and a relay that has faults."""
import base64
import contextlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import program

PROGRAM = shutil.which("docker-registry")
USER, PASSWORD = "bob", "correct-horse:battery"
KIND = "application/vnd.oci.image."


@contextlib.contextmanager
def registry(work, auth=None, tls=None):
    """Debian's docker-registry with its data in `work`; gives its host and port, and its data directory."""
    data = os.path.join(work, "registry-data")
    config = {"version": "0.1", "log": {"level": "info", "formatter": "text", "accesslog": {"disabled": True}},
              "storage": {"filesystem": {"rootdirectory": data}},
              "http": {"addr": "127.0.0.1:0", **({"tls": tls} if tls else {})}, **({"auth": auth} if auth else {})}
    path, log_path = os.path.join(work, "registry.json"), os.path.join(work, "registry.log")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(config, out)  # JSON is YAML
    with program.listening([PROGRAM, "serve", path], log_path, r"listening on (127\.0\.0\.1:\d+)",
                           env={"PATH": os.environ["PATH"]}) as (address, _):
        yield address, data


def htpasswd(work):
    """The registry's own list of one user."""
    path = os.path.join(work, "htpasswd")
    with open(path, "w", encoding="utf-8") as out:
        out.write(program.prepare("htpasswd", "-nbB", USER, PASSWORD))
    return {"htpasswd": {"realm": "test", "path": path}}


def certificates(work):
    """An authority of our own and a certificate of it for loopback: paths of the authority, the certificate, its key."""
    def at(name):
        return os.path.join(work, name)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    program.prepare("openssl", "req", "-x509", *curve, "-keyout", at("ca.key"), "-out", at("ca.crt"), "-days", "2",
                    "-subj", "/CN=test authority")
    program.prepare("openssl", "req", *curve, "-keyout", at("tls.key"), "-out", at("tls.csr"), "-subj", "/CN=registry")
    with open(at("san"), "w", encoding="utf-8") as out:
        out.write("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test\nbasicConstraints=CA:FALSE\n")
    program.prepare("openssl", "x509", "-req", "-in", at("tls.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"),
                    "-CAcreateserial", "-days", "2", "-extfile", at("san"), "-out", at("tls.crt"))
    return at("ca.crt"), at("tls.crt"), at("tls.key")


class Threaded(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A caller that goes away is no error of the test's."""


@contextlib.contextmanager
def serving(handler, tls=None):
    """A server of `handler` on a free port, by TLS with a certificate and its key; gives it."""
    server = Threaded(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at(server):
    return f"127.0.0.1:{server.server_address[1]}"


class Stall:
    """A relay says so many bytes of a body (of 0, not even the head) and then nothing until `done`."""

    def __init__(self, after, done):
        self.after, self.done = after, done


@contextlib.contextmanager
def relay(upstream, fault=None, tls=None):
    """Forwards to the registry, or another server; `fault(request, count)` may answer itself, where `count` is how often the path
    was asked for: `(status, headers, body)`, a number of bytes after which the connection is cut, or a `Stall`; `request.body` is
    what was sent. Gives the relay; its `requests` are pairs of method with path, and headers."""
    class Relay(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.server.requests.append((f"{self.command} {self.path}", self.headers))
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            count = sum(one == f"{self.command} {self.path}" for one, _ in self.server.requests)
            wrong = fault(self, count) if fault else None
            if isinstance(wrong, tuple):
                status, headers, body = wrong
                self.give(status, headers, body)
                return
            connection = http.client.HTTPConnection(upstream, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, self.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            dropped = ("transfer-encoding", "connection", "content-length")
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
            self.give(answer.status, headers, body, cut=wrong, length=length)

        do_HEAD = do_POST = do_PUT = do_GET

        def give(self, status, headers, body, cut=None, length=None):
            stall = cut if isinstance(cut, Stall) else None
            if stall and not stall.after:
                stall.done.wait(60)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body if cut is None else body[:stall.after if stall else cut])
            self.wfile.flush()
            if stall:
                stall.done.wait(60)
            self.close_connection = cut is not None or self.close_connection

    with serving(Relay, tls) as server:
        server.requests = []
        yield server


@contextlib.contextmanager
def proxy(upstream):
    """A proxy that connects whomever it is asked for to `upstream`; gives it, its `requests` are whom it was asked for."""
    class Proxy(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_CONNECT(self):
            self.server.requests.append(self.path)
            host, port = upstream.split(":")
            with socket.create_connection((host, int(port)), timeout=30) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=self.pump, args=(there, self.connection), daemon=True)
                back.start()
                self.pump(self.connection, there)
                back.join()

        @staticmethod
        def pump(source, target):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

    with serving(Proxy) as server:
        server.requests = []
        yield server


@contextlib.contextmanager
def token_server(work, repository):
    """A server of tokens for a registry's `auth: token`: for `USER` and `PASSWORD`, and for nobody else. Gives it, and
    the registry's part of the configuration; its `requests` are what was asked for."""
    authority, certificate, key = certificates(work)
    der = program.prepare("openssl", "x509", "-in", certificate, "-outform", "PEM")
    chain = "".join(line for line in der.splitlines() if "-----" not in line)

    def sign(claims):
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
        head = {"typ": "JWT", "alg": "ES256", "x5c": [chain]}
        signed = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), check=True,
                             capture_output=True, timeout=20).stdout
        # ECDSA in DER is two integers; a token has them as 32 bytes each.
        numbers, rest = b"", der[2:]
        for _ in range(2):
            length = rest[1]
            numbers += rest[2:2 + length].lstrip(b"\0").rjust(32, b"\0")
            rest = rest[2 + length:]
        return f"{signed}.{part(numbers)}"

    class Tokens(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.server.requests.append(self.path)
            want = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != want:
                self.send_response(401)
                self.end_headers()
                self.wfile.write(b'{"details": "who are you?"}')
                return
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            now = int(time.time())
            access = [{"type": "repository", "name": repository, "actions": ["pull", "push"]}]
            token = sign({"iss": "test", "sub": USER, "aud": query["service"][0], "iat": now, "nbf": now - 10,
                          "exp": now + 60, "jti": uuid.uuid4().hex, "access": access})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"token": token}).encode())

    with serving(Tokens) as server:
        server.requests = []
        yield server, {"token": {"realm": f"http://{at(server)}/token", "service": "registry", "issuer": "test",
                                 "rootcertbundle": authority}}


def push(image, target, *arguments):
    program.skopeo(image, f"docker://{target}", "--dest-tls-verify=false", *arguments)


class Repository:
    """Puts blobs and manifests into a repository one by one: what no tool would push."""

    def __init__(self, host, name):
        self.base = f"http://{host}/v2/{name}"

    def call(self, method, address, data=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, data=data, method=method, headers=named)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers

    def get(self, descriptor):
        with urllib.request.urlopen(f"{self.base}/blobs/{descriptor['digest']}", timeout=30) as answer:
            return answer.read()

    def get_manifest(self, descriptor):
        request = urllib.request.Request(f"{self.base}/manifests/{descriptor['digest']}", headers={"Accept": descriptor["mediaType"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def blob(self, data):
        place = self.call("POST", f"{self.base}/blobs/uploads/", b"")["Location"]
        place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": program.sha256(data)})
        self.call("PUT", place, data, Content_Type="application/octet-stream")
        return {"digest": program.sha256(data), "size": len(data)}

    def manifest(self, document, reference=None):
        data = json.dumps(document).encode()
        reference = reference or program.sha256(data)
        self.call("PUT", f"{self.base}/manifests/{reference}", data, Content_Type=document["mediaType"])
        return {"mediaType": document["mediaType"], "digest": program.sha256(data), "size": len(data)}

    def image(self, architecture, layers):
        """Pairs of blob and uncompressed tar."""
        config = {"os": "linux", "architecture": architecture,
                  "rootfs": {"type": "layers", "diff_ids": [program.sha256(tar) for _, tar in layers]}}
        descriptor = self.manifest({
            "schemaVersion": 2, "mediaType": KIND + "manifest.v1+json",
            "config": {"mediaType": KIND + "config.v1+json", **self.blob(json.dumps(config).encode())},
            "layers": [{"mediaType": KIND + "layer.v1.tar+gzip", **self.blob(stored)} for stored, _ in layers]})
        return {**descriptor, "platform": {"os": "linux", "architecture": architecture}}

    def statement(self, subject, predicate_type, predicate):
        """A blob that states something of `subject`, a descriptor."""
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type,
                     "subject": [{"name": "_", "digest": {"sha256": subject["digest"].removeprefix("sha256:")}}],
                     "predicate": predicate}
        return {"mediaType": "application/vnd.in-toto+json", **self.blob(json.dumps(statement).encode()),
                "annotations": {"in-toto.io/predicate-type": predicate_type}}
