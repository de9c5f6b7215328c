"""OpenMetrics: promtool, the reference parser, and that one value stands for each series, as GitLab's widget wants it."""
import json
import subprocess

import fetched
import reports
from reports import each, read

FAMILIES = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
text = sys.stdin.buffer.read().decode()
families = text_string_to_metric_families(text)
print(json.dumps([[sample.name, sample.labels, sample.value] for family in families for sample in family.samples]))
"""


class Metrics(reports.Case):
    def samples(self, kind):
        done = subprocess.run([fetched.python(), "-c", FAMILIES], input=read(kind, "metrics").encode(), capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        return json.loads(done.stdout)

    @each("metrics")
    def test_promtool(self, kind, form):
        promtool = fetched.debian("prometheus", "promtool")
        done = subprocess.run([promtool, "check", "metrics"], input=read(kind, form).encode(), capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))

    @each("metrics")
    def test_the_end(self, kind, form):
        self.assertTrue(read(kind, form).endswith("\n# EOF\n"))
        self.assertEqual(read(kind, form).count("# EOF\n"), 1)

    @each("metrics")
    def test_every_series_once(self, kind, _form):
        samples = self.samples(kind)
        self.assertTrue(samples)
        series = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples]
        self.assertEqual(len(series), len(set(series)))
        for name, labels, _ in samples:
            self.assertTrue(name.startswith("stella_"), name)
            for label in labels.values():
                self.assert_text(label, 1_024, least=0)
        # One series a finding would be too many for whoever keeps them.
        self.assertLess(len(samples), 1_000)
