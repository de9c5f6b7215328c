"""The Markdown summary: within GitHub's limit, and whatever names and versions hold, only our own tags and links."""
import gfm
import reports
from reports import each, read

# GitHub drops a summary that is larger, and says so in an annotation.
MOST_BYTES = 1024 * 1024


class Markdown(reports.Case):
    @each("markdown")
    def test_the_size(self, kind, form):
        text = read(kind, form)
        self.assertTrue(0 < len(text.encode()) < MOST_BYTES, len(text.encode()))
        self.assertEqual(reports.acting(text, "\n"), [])

    @each("markdown")
    def test_what_it_renders_to(self, kind, form):
        tags = gfm.check(self, read(kind, form))
        self.assertTrue({"h1", "h2", "h3"} & tags)
        if kind in ("demo", "hostile"):
            self.assertLessEqual({"table", "code"}, tags)

    def test_the_outcome_comes_first(self):
        words = {"demo": "FAIL", "clean": "PASS", "unfinished": "UNFINISHED", "hostile": "FAIL",
                 "nothing": "no image was looked at"}
        for kind, word in words.items():
            with self.subTest(kind):
                self.assertIn(word.lower(), "\n".join(read(kind, "markdown").splitlines()[:3]).lower())

    def test_the_check_finds_what_is_foreign(self):
        for text in ["<script>x</script>", "![x](https://evil.example/x.png)", "[x](https://evil.example)", "https://evil.example",
                     "<b onclick=x>x</b>", "by @octocat", "</details>", "<!-- x -->", "[x](javascript:alert(1))"]:
            with self.subTest(text):
                with self.assertRaises(AssertionError):
                    gfm.check(self, text)
        gfm.check(self, "## PASS\n\n| `@x` |\n| - |\n| [CVE-2024-1](https://nvd.nist.gov/vuln/detail/CVE-2024-1) |\n")
