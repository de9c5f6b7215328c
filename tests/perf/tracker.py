"""A stand-in for the issue APIs of GitLab and GitHub: as much of both as tickets need, and their faults.

From the documentation: GitLab `GET/POST /projects/:id/issues`, header PRIVATE-TOKEN, `iid`, `description`, labels as strings;
GitHub `GET/POST /repos/OWNER/NAME/issues`, `Authorization: Bearer`, `number`, `body`, labels as objects, and pull requests
among the issues. Both give at most `per_page` issues a page and an empty list past the last one.
"""
import contextlib
import http.server
import json
import ssl
import sys
import threading
import urllib.parse

TOKEN = "glpat-a-secret-of-the-test"
LABEL = "stella-perf"
PATHS = {"/api/v4/projects/42/issues": "gitlab", "/repos/stella/stella/issues": "github"}


class Tracker:
    """What the server knows, and how it answers."""

    def __init__(self):
        self.issues = []      # dicts: number, text, title, labels, open, and pull_request where it is one
        self.requests = []    # (method, path with query, headers)
        self.faults = []      # taken from the front, one a request: a function of the handler
        self.drop_labels = False
        self.address = ""

    def add(self, text="", labels=(LABEL,), is_open=True, **more):
        issue = {"number": len(self.issues) + 1, "title": "t", "text": text, "labels": list(labels), "open": is_open, **more}
        self.issues.append(issue)
        return issue

    def count(self, method):
        return sum(1 for request in self.requests if request[0] == method)


def shown(kind, issue):
    if kind == "gitlab":
        return {"id": 9000 + issue["number"], "iid": issue["number"], "title": issue["title"],
                "description": issue["text"], "labels": issue["labels"],
                "state": "opened" if issue["open"] else "closed"}
    return {"id": 9000 + issue["number"], "number": issue["number"], "title": issue["title"], "body": issue["text"],
            "labels": [{"name": label} for label in issue["labels"]], "state": "open" if issue["open"] else "closed",
            **({"pull_request": {"url": "u"}} if issue.get("pull_request") else {})}


def answer(handler, status, body, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        handler.wfile.write(body)


def fault(status, body=None, **headers):
    """Answers so; the body holds the token, as a careless server's would."""
    return lambda handler: answer(handler, status, {"message": f"{TOKEN} said\n::error::no"} if body is None else body,
                                  **headers)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tracker = None

    def do_GET(self):
        self.handle_request()

    def do_POST(self):
        self.handle_request()

    def handle_request(self):
        tracker, url = self.tracker, urllib.parse.urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        tracker.requests.append((self.command, self.path, dict(self.headers)))
        if tracker.faults:
            fail = tracker.faults.pop(0)
            if fail:
                return fail(self)
        kind = PATHS.get(url.path)
        if kind is None:
            return answer(self, 404, {"message": "404 Not Found"})
        given = self.headers.get("PRIVATE-TOKEN") if kind == "gitlab" else self.headers.get("Authorization")
        if given != (TOKEN if kind == "gitlab" else "Bearer " + TOKEN):
            return answer(self, 401, {"message": "401 Unauthorized"})
        if self.command == "GET":
            return self.list(kind, {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()})
        new = json.loads(sent)
        labels = new["labels"].split(",") if kind == "gitlab" else new["labels"]
        issue = tracker.add(new["description" if kind == "gitlab" else "body"],
                            [] if tracker.drop_labels else labels)
        issue["title"] = new["title"]
        return answer(self, 201, shown(kind, issue))

    def list(self, kind, query):
        assert query["state"] == ("opened" if kind == "gitlab" else "open"), query
        found = [issue for issue in self.tracker.issues if issue["open"] and query["labels"] in issue["labels"]]
        page, size = int(query["page"]), int(query["per_page"])
        return answer(self, 200, [shown(kind, issue) for issue in found[(page - 1) * size:page * size]])

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that gave up is what some tests are about.
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve(certificate=None):
    """A tracker on a free port of loopback; with a PEM file of key and certificate, over TLS."""
    tracker = Tracker()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"tracker": tracker}))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    tracker.address = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield tracker
    finally:
        server.shutdown()
        server.server_close()
