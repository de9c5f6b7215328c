"""The dashboard: each of its expressions is one, and finds series in what Prometheus scraped of a run that was pushed."""
import contextlib
import json
import os
import re
import unittest
import urllib.parse

import synthetic
import tools
from harness import ROOT, Case, call, read, read_json
from tools import free_port, get_json, running, wait_for

GRAFANA = os.path.join(ROOT, "perf", "grafana")
DASHBOARD = os.path.join(GRAFANA, "dashboards", "stella-perf.json")
# Reads YAML as compose does, with merge keys; prints JSON.
YAML = "import json, sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(open(sys.argv[1]))))"


def targets():
    """Panel, and expression with its variables filled in."""
    chosen = {"phase": ".*", "machine": ".*", "histogram": "DELTA_SBOM"}
    for panel in read_json(DASHBOARD)["panels"]:
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$(\w+)", lambda name: chosen[name[1]], target["expr"])


class Dashboard(Case):
    def yaml(self, *path):
        return json.loads(self.assert_ends(call(tools.python(), "-c", YAML, os.path.join(GRAFANA, *path)), 0).stdout)

    def test_the_dashboard_is_whole(self):
        dashboard = read_json(DASHBOARD)
        self.assertEqual((dashboard["uid"], dashboard["title"]), ("stella-perf", "Stella-Perf"))
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        cells = set()
        for panel in dashboard["panels"]:
            self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
            self.assertTrue(panel["targets"], panel["title"])
            place = panel["gridPos"]
            own = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                   for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(own & cells, f"{panel['title']} lies on another panel")
            self.assertLessEqual(place["x"] + place["w"], 24)
            cells |= own
        variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard["panels"])))
        self.assertEqual(used, set(variables))
        source, = self.yaml("provisioning", "datasources", "prometheus.yaml")["datasources"]
        self.assertEqual(variables["datasource"]["current"]["value"], source["uid"])

    def test_every_expression_is_one(self):
        rules = {"groups": [{"name": "dashboard", "rules": [
            {"record": f"dashboard:expression:{number}", "expr": expression}
            for number, (_, expression) in enumerate(targets())]}]}
        path = self.write("rules.yml", json.dumps(rules))
        said = self.assert_ends(call(tools.debian("prometheus", "promtool"), "check", "rules", path), 0).stdout
        self.assertIn(f"SUCCESS: {len(list(targets()))} rules found", said)

    def test_compose(self):
        path = os.path.join(GRAFANA, "compose.yaml")
        self.assert_ends(call(tools.python("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path), 0)
        self.assert_ends(call(tools.debian("prometheus", "promtool"), "check", "config",
                              os.path.join(GRAFANA, "prometheus.yml")), 0)
        services = self.yaml("compose.yaml")["services"]
        self.assertEqual(set(services), {"prometheus", "pushgateway", "grafana"})
        for name, service in services.items():
            self.assertRegex(service["image"], r"^[\w./-]+:v?\d+\.\d+\.\d+$", name)
            for port in service["ports"]:
                self.assertRegex(port, r"^127\.0\.0\.1:", name)
            for volume in service["volumes"]:
                if volume.startswith("."):
                    self.assertTrue(os.path.exists(os.path.join(GRAFANA, volume.split(":")[0])), volume)
            self.assertIn("healthcheck", service, name)
        self.assertNotIn("password", read(path).lower())
        provider, = self.yaml("provisioning", "dashboards", "stella-perf.yaml")["providers"]
        self.assertIn(f"./dashboards:{provider['options']['path']}:ro", services["grafana"]["volumes"])

    @contextlib.contextmanager
    def prometheus(self):
        """A Pushgateway and a Prometheus that scrapes it as configured, only more often; gives both addresses."""
        gateway_program = tools.debian("prometheus-pushgateway", "prometheus-pushgateway")
        prometheus_program = tools.debian("prometheus", "prometheus")
        gateway, prometheus = (f"127.0.0.1:{free_port()}" for _ in range(2))
        config = self.write("prometheus.yml", read(GRAFANA, "prometheus.yml").replace("pushgateway:9091", gateway)
                            .replace("15s", "1s"))
        with contextlib.ExitStack() as stack:
            stack.enter_context(running(os.path.join(self.work, "gateway.log"), gateway_program,
                                        f"--web.listen-address={gateway}"))
            stack.enter_context(running(os.path.join(self.work, "prometheus.log"), prometheus_program,
                                        f"--config.file={config}", f"--web.listen-address={prometheus}",
                                        f"--storage.tsdb.path={self.work}/tsdb"))
            # It answers with no results as soon as it listens.
            wait_for("Prometheus", lambda: get_json(f"http://{prometheus}/api/v1/status/buildinfo"))
            wait_for("the Pushgateway", lambda: get_json(f"http://{gateway}/api/v1/status"))
            yield f"http://{gateway}", f"http://{prometheus}"

    def test_every_expression_finds_series(self):
        latest, full = self.path("out/latest/phase-stats.json"), self.path("full")
        synthetic.keep(full, *synthetic.run("2026-11-24T02:00:00Z", 7))
        with self.prometheus() as (gateway, prometheus):
            def ask(expression):
                answer = get_json(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
                return answer["data"]["result"]
            self.assert_ends(self.measure("--phase", "START", "--samples", "20", "--push", gateway), 0)
            found, = wait_for("the scrape of a real run", lambda: ask('stella_perf_phase_p95_seconds{phase="START"}'))
            row, = read_json(latest)["phases"]
            self.assertAlmostEqual(float(found["value"][1]), row["p95_ms"] / 1e3)
            self.assertEqual(found["metric"]["job"], "stella-perf")
            machine = read_json(latest)["machine"]
            self.assertEqual(found["metric"]["instance"], f"{machine['cores']} x {machine['cpu']}")
            self.assert_ends(self.perf("export", "--from", full, "--push", gateway), 0)
            wait_for("the scrape of every phase", lambda: ask('stella_perf_step_p95_seconds{phase="DELTA_SBOM"}'))
            for title, expression in targets():
                with self.subTest(title, expression=expression):
                    self.assertTrue(ask(expression))
            with self.subTest("two kinds of machine stand side by side"):
                self.assertEqual(len(ask('stella_perf_phase_p95_seconds{phase="START"}')), 2)
            with self.subTest("gates are states"):
                gates = next(expression for title, expression in targets() if title == "Gates")
                states = {(one["metric"]["phase"], one["metric"].get("variant")): float(one["value"][1])
                          for one in ask(gates.replace('instance=~".*"', 'instance=~".*Some.*"'))}
                # In the order of the mappings: pass 1, warn 2.
                self.assertEqual(states["POLICY_EVAL", None], 1)
                self.assertEqual(states["QUOTA_WAIT", "hard"], 2)
                self.assertEqual(len(states), len(synthetic.PHASES))


if __name__ == "__main__":
    unittest.main()
