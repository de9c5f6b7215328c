"""Annotations of GitHub Actions, as the runner reads them (actions/runner: `ActionCommand.cs`, `ExecutionContext.cs`)."""
import collections
import re

import reports
from reports import each, read

COMMAND = re.compile(r"::(error|warning|notice)( (?P<properties>[^:]+))?::(?P<data>.+)")
PROPERTIES = {"file", "line", "endLine", "col", "endColumn", "title"}
# Of a step, and UTF-16 units of a message.
MOST_PER_TYPE, MOST_UNITS = 10, 4_096


def decoded(text, signs):
    """As the runner does it: a percent sign that encodes nothing stays."""
    for sign in signs:
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text


class Annotations(reports.Case):
    def annotations(self, kind):
        """Type, properties and message of each line; every line is one."""
        text = read(kind, "github")
        self.assertTrue(text.endswith("\n"))
        for line in re.split(r"\r\n|\r|\n", text[:-1]):
            found = COMMAND.fullmatch(line)
            self.assertTrue(found, line[:300])
            properties = {}
            for pair in filter(None, (found["properties"] or "").split(",")):
                name, _, value = pair.partition("=")
                self.assertNotIn(name, properties)
                self.assertFalse(re.search("%(?!0D|0A|3A|2C|25)", value), value)
                properties[name] = decoded(value, "\r\n:,%")
            self.assertFalse(re.search("%(?!0D|0A|25)", found["data"]), found["data"][:300])
            yield found[1], properties, decoded(found["data"], "\r\n%")

    @each("github")
    def test_every_line_is_an_annotation(self, kind, _form):
        types = collections.Counter()
        for name, properties, message in self.annotations(kind):
            types[name] += 1
            self.assertLessEqual(len(message.encode("utf-16-le")), 2 * MOST_UNITS)
            for said in message.split("\n"):
                self.assert_text(said, MOST_UNITS)
                self.assertEqual(reports.commands(said), [])
            self.assertLessEqual(set(properties), PROPERTIES)
            self.assert_text(properties.get("title", "-"), 1_024)
            self.assertRegex(properties.get("line", "1"), r"^[1-9]\d*$")
            self.assert_text(properties.get("file", "-"), 4_096)
            self.assertFalse("line" in properties and "file" not in properties)
        self.assertLessEqual(max(types.values()), MOST_PER_TYPE, types)

    def test_the_outcome_is_told(self):
        def types(kind):
            return {name for name, _, _ in self.annotations(kind)}
        for kind in ("demo", "unfinished", "hostile", "nothing"):
            self.assertIn("error", types(kind), kind)
        self.assertNotIn("error", types("clean"))

    def test_the_demo_is_annotated_on_its_dockerfile(self):
        files = {properties.get("file") for _, properties, _ in self.annotations("demo")}
        self.assertIn("tests/fixtures/demo-source/Dockerfile", files)
