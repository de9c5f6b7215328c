"""Markdown as GitHub renders it, and what of it may come from us."""
import html.parser
import re
import subprocess
import urllib.parse

import fetched

# Without the filter that hides scripts: what would have to be hidden must not be there at all.
RENDER = """
import sys
from cmarkgfm.cmark import Options, markdown_to_html_with_extensions as render
options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
text = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(render(text, options, ["table", "autolink", "strikethrough", "tasklist"]).encode())
"""
TAGS = {"h1", "h2", "h3", "h4", "p", "strong", "em", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details",
        "summary", "ul", "ol", "li", "a", "br", "hr", "blockquote", "sub", "del"}
ATTRIBUTES = {"a": {"href"}, "th": {"align"}, "td": {"align"}, "details": {"open"}, "code": {"class"}, "ol": {"start"}}
# Without an end.
VOID = {"br", "hr"}
# Where advisories are read.
HOSTS = {"nvd.nist.gov", "www.cve.org", "cve.org", "osv.dev", "github.com", "security-tracker.debian.org", "ubuntu.com",
         "security.alpinelinux.org", "access.redhat.com", "rustsec.org", "pkg.go.dev"}
# Of what GitHub or GitLab makes a link, or a message to somebody: people, issues, merge requests, labels.
MENTION = re.compile(r"(?<![\w`/.])@[A-Za-z0-9]|(?<![\w&])#\d|\bGH-\d|(?<!\w)![0-9]|(?<!\w)~[A-Za-z\"]")


def render(text):
    done = subprocess.run([fetched.python(), "-c", RENDER], input=text.encode(), capture_output=True, check=False, timeout=600)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode()[-2000:])
    return done.stdout.decode()


class Reader(html.parser.HTMLParser):
    """Collects what stands in a page that is none of ours."""

    def __init__(self, mentions):
        super().__init__(convert_charrefs=True)
        self.mentions = mentions
        self.foreign, self.tags, self.open = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in TAGS or not {name for name, _ in attributes} <= ATTRIBUTES.get(tag, set()):
            self.foreign.append(self.get_starttag_text()[:200])
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "href" and not is_known(value) and (self.mentions or not value.startswith("mailto:")):
                self.foreign.append(f"link to {value!r}"[:200])

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.foreign.append(f"</{tag}> that closes nothing")

    def handle_data(self, data):
        if self.mentions and not {"code", "pre", "a"} & set(self.open):
            for found in MENTION.finditer(data):
                self.foreign.append(f"mention in {data[max(found.start() - 40, 0):found.end() + 40]!r}")

    def handle_comment(self, data):
        self.foreign.append(f"comment {data!r}"[:200])

    def handle_decl(self, decl):
        self.foreign.append(f"declaration {decl!r}"[:200])

    def unknown_decl(self, data):
        self.handle_decl(data)

    def handle_pi(self, data):
        self.foreign.append(f"instruction {data!r}"[:200])


def is_known(address):
    """Whether a link leads to an advisory, or to another place of the same page."""
    parts = urllib.parse.urlsplit(address or "")
    return parts.scheme == "https" and parts.netloc in HOSTS and re.fullmatch(r"[A-Za-z0-9\-._~/:@%?=&]+", address) is not None


def check(case, text, mentions=True):
    """Fails the test where the text renders to something foreign; gives the tags that there are. With `mentions`, people, issues
    and addresses for mail are foreign too."""
    reader = Reader(mentions)
    reader.feed(render(text))
    reader.close()
    case.assertEqual(reader.foreign[:5], [], f"{len(reader.foreign)} in all")
    case.assertEqual(reader.open, [], "left open")
    return reader.tags
