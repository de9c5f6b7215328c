"""The GitLab components: held to the program, run by gitlab-ci-local, and read by linters of others."""
import json
import os
import re
import shutil
import stat
import sys
import unittest
import xml.etree.ElementTree

import components
import gitlab
import samples
import settings
from program import ROOT

sys.path.append(os.path.join(ROOT, "tests", "registry"))
import registry  # noqa: E402

ALL_REPORTS = {"junit": "junit.xml", "codequality": "gl-code-quality-report.json", "sarif": "stella.sarif",
               "container-scanning": "gl-container-scanning-report.json", "cyclonedx": "gl-sbom.cdx.json"}
DEMO = {"image": "oci:image", "advisories": "demo"}
# Writes the variables that it is called with, in place of the program.
RECORDER = """#!/bin/sh
[ "$1" != gate ] || env -0 >"$HOME/seen"
"""


def include(component="gate", /, **inputs):
    """A pipeline that is one component; `_` stands for `-` in the name of an input."""
    inputs = {key.replace("_", "-"): value for key, value in inputs.items()}
    address = f"$CI_SERVER_FQDN/$CI_PROJECT_PATH/{component}@$CI_COMMIT_SHA"
    return json.dumps({"include": [{"component": address, "inputs": inputs}]})


class Made(unittest.TestCase):
    """What no generator looks after; `test_files` holds what it made."""

    def test_every_setting_is_an_input_of_its_name_help_and_default(self):
        inputs = components.inputs(settings.read(components.GATE))
        for setting in settings.settings():
            one = inputs[setting.name]
            self.assertEqual(one["description"], setting.help)
            self.assertEqual(one["default"], False if setting.switch else setting.default)
            self.assertTrue(set(setting.values) <= set(one.get("options", setting.values)), setting.name)

    def test_an_input_is_described_and_has_a_default(self):
        for name in (components.GATE, components.BENCHMARK):
            template = settings.read(name)
            for key, one in components.inputs(template).items():
                self.assertTrue(one["description"], key)
                self.assertIn("default", one, key)
                self.assertIn(f"$[[ inputs.{key} ]]", components.split(template)[1], f"{key} is not used")

    def test_only_components_are_where_gitlab_looks_for_them(self):
        self.assertEqual(sorted(os.listdir(os.path.join(ROOT, "templates"))), ["README.md", "benchmark.yml", "gate.yml"])

    def test_the_image_of_the_jobs_is_named_once(self):
        image = components.inputs(settings.read(components.GATE))["runner-image"]["default"].split(":")[0]
        self.assertEqual(settings.read(components.GATE).count(image), 1)
        # Which the release pushes to.
        self.assertEqual(image, f"ghcr.io/{settings.repository()}")


class Lint(gitlab.Case):
    def jobs(self, name):
        """The jobs of a component as a file of their own, with the default of every input."""
        return self.write(f"{os.path.basename(name)}", components.with_defaults(settings.read(name)))

    def files(self):
        return [self.jobs(components.GATE), self.jobs(components.BENCHMARK), os.path.join(ROOT, components.CLASSIC),
                os.path.join(ROOT, ".gitlab-ci.yml")]

    def test_the_schema_of_gitlab(self):
        self.does(gitlab.python("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", *self.files())

    def test_yaml(self):
        rules = {"extends": "default", "rules": {
            "document-start": "disable", "line-length": "disable", "braces": {"max-spaces-inside": 0},
            # The last line of a header belongs to it, whatever the next document begins with.
            "comments-indentation": "disable", "comments": {"min-spaces-from-content": 1}}}
        files = [os.path.join(ROOT, name) for name in (components.GATE, components.BENCHMARK)]
        self.does(gitlab.python("yamllint"), "--strict", "-d", json.dumps(rules), *files, *self.files())

    def test_scripts(self):
        for file in self.files()[:2]:
            jobs = gitlab.from_yaml(file)
            for name, job in jobs.items():
                script = "\n".join(["#!/bin/sh", "set -e", *job.get("script", [])])
                self.does(gitlab.python("shellcheck"), "--severity=style", self.write("script.sh", script + "\n"))
                self.assertNotRegex(script, r"\$\[\[", f"{name}: an input in a script")

    def test_scripts_want_no_more_than_the_image_of_the_jobs_has(self):
        # Nothing but busybox and the program, and the options that a runner sets.
        busybox = shutil.which("busybox")
        for applet in self.does(busybox, "--list").split():
            if not os.path.lexists(self.path("programs", applet)):
                os.symlink(busybox, self.path("programs", applet))
        jobs = gitlab.from_yaml(self.jobs(components.GATE))
        variables = {"PATH": self.path("programs"), "HOME": self.work, "XDG_CACHE_HOME": self.path("cache"),
                     "STELLA_IMAGE": f"oci:{gitlab.DEMO}", "STELLA_ADVISORIES": "demo", "CI_REGISTRY": "registry.example",
                     "CI_REGISTRY_USER": "job", "CI_REGISTRY_PASSWORD": "secret " * 20, "DOCKER_AUTH_CONFIG": "{}",
                     "STELLA_CONTAINER_SCANNING": "=stella-reports/gl.json", "STELLA_SCHEMA_VERSION": "15.2", "CI_PIPELINE_ID": "7"}
        for job, code in (("scan", 0), ("gate", 1)):
            script = "\n".join(["set -eo pipefail", *jobs[f"stella:{job}"]["script"]])
            done = gitlab.call(busybox, "sh", "-c", script, cwd=self.work, env=variables)
            self.assertEqual((done.returncode, "not found" in done.stderr), (code, False), done.stderr)
        self.assertTrue(os.path.getsize(self.path("stella-reports", "gl.json")))

    def run_script(self, job, **variables):
        """Runs the script of a job by itself, on the demo."""
        jobs = gitlab.from_yaml(self.jobs(components.GATE))
        script = "\n".join(["set -e", *jobs[f"stella:{job}"]["script"]])
        return gitlab.call("sh", "-c", script, cwd=self.work, env={
            **self.environment, "CI_PIPELINE_ID": "7", "STELLA_IMAGE": f"oci:{gitlab.DEMO}", "STELLA_ADVISORIES": "demo", **variables})

    def test_what_an_earlier_pipeline_left_is_no_verdict(self):
        self.assertEqual(self.run_script("scan").returncode, 0)
        self.assertEqual(self.run_script("gate").returncode, 1)
        # Another pipeline's, half of one, and a directory.
        for left in (None, "", "0\n", "0", "0\n\n", "0\n7\n", "0 8\n", "\n8\n", ()):
            if left == ():
                os.remove(self.path("stella-reports", "exit-code"))
                self.write("stella-reports/exit-code/0", "0\n8\n")
            elif left is not None:
                self.write("stella-reports/exit-code", left)
            done = self.run_script("gate", CI_PIPELINE_ID="8")
            self.assertEqual((done.returncode, done.stdout), (3, ""), left)
            self.assertIn("no verdict of this pipeline", done.stderr)

    def test_the_verdict_is_replayed_whatever_reports_the_project_wants(self):
        # An SBOM cannot be made of a report.
        wanted = {"STELLA_OUTPUT": "table,spdx=bom.json"}
        self.assertEqual(self.run_script("scan", **wanted).returncode, 0)
        done = self.run_script("gate", **wanted)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("gate FAILED", done.stdout)

    def test_who_asks_is_never_nobody_where_it_shall_be_proved(self):
        jobs = gitlab.from_yaml(self.jobs(components.GATE))
        self.assertEqual(jobs[".stella:oidc:true"]["id_tokens"], {"STELLA_ID_TOKEN": {"aud": "$STELLA_SERVER"}})
        script = "\n".join(["set -e", *jobs["stella:scan"]["script"]])
        variables = {**self.environment, **jobs[".stella:oidc:true"]["variables"]}
        for given, why in (({}, "set the input server"), ({"STELLA_SERVER": "https://stella.example"}, "gave this job no token")):
            done = gitlab.call("sh", "-c", script, cwd=self.work, env={**variables, **given})
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(why, done.stderr)
            self.assertFalse(os.path.exists(self.path("stella-reports")))

    def test_of_inputs_only_the_prefix_of_names_meets_a_shell(self):
        jobs = gitlab.from_yaml(self.write("jobs.yml", components.split(settings.read(components.GATE))[1]))
        for name, job in jobs.items():
            met = set(re.findall(r"inputs\.([a-z-]+)", "\n".join(job.get("script", []))))
            self.assertLessEqual(met, {"job-prefix"}, name)


class Project(gitlab.Pipeline):
    def jobs(self, text):
        """The pipeline as it comes to be, with all that is included and extended."""
        done = self.run_pipeline(text, "--preview")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return gitlab.from_yaml(self.write("preview.yml", done.stdout))

    def refused(self, component, inputs, why):
        """Whether these inputs, of which the first is wrong, never become a pipeline."""
        done = self.run_pipeline(include(component, **inputs), "--list")
        said = done.stdout + done.stderr
        self.assertNotEqual(done.returncode, 0, inputs)
        self.assertRegex(said, f"{next(iter(inputs))}.*", said)
        self.assertRegex(said, {"options": "allowed options", "regex": "RegEx|regex"}.get(why, f"not an? {why}"), inputs)


class Gate(Project):
    def commit(self):
        self.does("git", "-C", self.path("project"), "add", "--all")
        self.does("git", "-C", self.path("project"), "commit", "--quiet", "--message", "More")

    def policy(self, text):
        self.write("project/policy.yaml", text)
        self.commit()

    def reports(self, prefix="stella"):
        """What the scan uploaded, by name."""
        directory = self.path("project", ".gitlab-ci-local", "artifacts", f"{prefix}Ogscan", f"{prefix}-reports")
        found = {}
        for name in os.listdir(directory) if os.path.isdir(directory) else []:
            with open(os.path.join(directory, name), encoding="utf-8") as text:
                found[name] = text.read()
        return found

    def ends(self, done, code, scan, gate):
        """What the pipeline and its jobs came to."""
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        for job, state in (("stella:scan", scan), ("stella:gate", gate)):
            found = re.findall(rf"^ *(PASS|FAIL|WARN)\s+{job}\b", done.stdout, re.MULTILINE)
            self.assertEqual(found, [state] if state else [], said)
        return said

    # ---- verdicts -------------------------------------------------------------------------------------------------

    def test_the_gate_fails_and_the_scan_does_not_and_the_reports_are_there(self):
        done = self.run_pipeline(include(**DEMO, **dict.fromkeys((name.replace("-", "_") for name in ALL_REPORTS), True)))
        said = self.ends(done, 1, "PASS", "FAIL")
        self.assertIn("stella:gate > gate FAILED: 41 findings by rule severe-with-fix", said)
        reports = self.reports()
        self.assertEqual(sorted(reports), sorted([*ALL_REPORTS.values(), "exit-code", "report.json", "stella.env"]))
        self.assertIn("STELLA_VERDICT=fail\n", reports["stella.env"])
        self.assertTrue(json.loads(reports["gl-container-scanning-report.json"])["vulnerabilities"])
        self.assertTrue(json.loads(reports["stella.sarif"])["runs"][0]["results"])

    def test_the_pipeline_goes_on_where_a_failure_is_allowed(self):
        self.ends(self.run_pipeline(include(**DEMO, allow_failure=True)), 0, "PASS", "WARN")

    def test_the_gate_passes_with_and_without_warnings(self):
        for severity, verdict in (("{ severity_at_least: high }", "warn"), ("{ cve: CVE-1999-0001 }", "pass")):
            self.policy(f"version: 1\nrules:\n  - name: some\n    when: {severity}\n    action: warn\n")
            said = self.ends(self.run_pipeline(include(**DEMO, policy="policy.yaml")), 0, "PASS", "PASS")
            self.assertIn(f"STELLA_VERDICT={verdict}\n", self.reports()["stella.env"], said)

    def test_what_could_not_be_looked_at_is_not_clean(self):
        done = self.run_pipeline(include(image="oci:nothing", advisories="demo", sarif=True, container_scanning=True))
        said = self.ends(done, 1, "WARN", "FAIL")
        self.assertIn("stella:gate > gate UNFINISHED", said)
        reports = self.reports()
        self.assertRegex(reports["exit-code"], r"\A3\n\d+\n\Z")
        self.assertTrue(list(xml.etree.ElementTree.fromstring(reports["junit.xml"]).iter("error")))
        self.assertEqual(json.loads(reports["gl-container-scanning-report.json"])["scan"]["status"], "failure")
        self.assertTrue(json.loads(reports["gl-code-quality-report.json"]))

    def test_a_gate_that_lets_errors_pass_says_so_and_closes_no_alert(self):
        done = self.run_pipeline(include(image="oci:nothing", advisories="demo", on_error="warn"))
        said = self.ends(done, 0, "WARN", "PASS")
        self.assertIn("NOT GATED", said)

    def test_a_wrong_call_fails_the_scan_and_is_no_verdict(self):
        done = self.run_pipeline(include(**DEMO, policy="nothing.yaml"))
        # gitlab-ci-local takes any exit code for one that is allowed, and runs the gate; GitLab does not. It fails all the same.
        said = self.ends(done, 1, "FAIL", "FAIL")
        self.assertIn("policy nothing.yaml cannot be read", said)
        self.assertIn("no verdict of this pipeline in stella-reports: the log of stella:scan says why", said)

    def test_a_gate_without_a_scan_is_no_pass(self):
        done = self.run_pipeline(include(**DEMO), "--no-artifacts-to-source", "stella:gate")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no verdict of this pipeline in stella-reports", done.stdout + done.stderr)

    def test_a_checkout_that_brings_a_verdict_is_not_heeded(self):
        self.write("project/stella-reports/exit-code", "0\n")
        self.write("project/.stella.yaml", "output: [json=stella-reports/report.json]\n")
        self.commit()
        self.ends(self.run_pipeline(include(**DEMO)), 1, "PASS", "FAIL")

    def test_a_link_in_place_of_the_directory_of_reports_leads_nowhere(self):
        self.write("elsewhere/kept", "")
        os.symlink(self.path("elsewhere"), self.path("project", "stella-reports"))
        self.commit()
        self.ends(self.run_pipeline(include(**DEMO)), 1, "PASS", "FAIL")
        self.assertEqual(os.listdir(self.path("elsewhere")), ["kept"])

    # ---- inputs ---------------------------------------------------------------------------------------------------

    def recorder(self):
        """Puts a program in place of Stella that only keeps the variables that it got."""
        program = self.path("programs", "stella")
        os.remove(program)
        os.chmod(self.write("programs/stella", RECORDER), stat.S_IRWXU)

    def seen(self):
        with open(self.path("seen"), encoding="utf-8") as text:
            return dict(line.split("=", 1) for line in text.read().split("\0") if line)

    def test_every_setting_reaches_the_program_and_no_shell(self):
        self.recorder()
        inputs, wanted = {}, {}
        for one in settings.settings():
            declared = components.inputs(settings.read(components.GATE))[one.name]
            if one.switch:
                inputs[one.name] = True
            elif "options" in declared:
                inputs[one.name] = declared["options"][-1]
            elif "regex" in declared:
                inputs[one.name] = "7"
            else:
                inputs[one.name] = one.name + "; touch pwned `touch pwned` \"'(touch pwned)' \\ # & | > *"
            wanted[one.variable] = "true" if one.switch else inputs[one.name]
        done = self.run_pipeline(include(**inputs), "stella:scan")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        seen = self.seen()
        # The component's own reports stand behind those that are asked for.
        output, own = seen["STELLA_OUTPUT"].split(",json=", 1)
        self.assertEqual(own, "stella-reports/report.json,dotenv=stella-reports/stella.env,junit=stella-reports/junit.xml,"
                         "codequality=stella-reports/gl-code-quality-report.json")
        self.assertEqual({**seen, "STELLA_OUTPUT": output} | wanted, {**seen, "STELLA_OUTPUT": output})
        self.assertFalse([name for _, _, names in os.walk(self.work) for name in names if name == "pwned"])

    def test_a_hostile_branch_stays_a_word(self):
        self.recorder()
        branch = "a\";touch${IFS}pwned;'`touch${IFS}pwned`$(touch${IFS}pwned)"
        done = self.run_pipeline(include(image="registry:app:$THE_BRANCH", name="$THE_BRANCH"), "stella:scan",
                                 variables=(f"THE_BRANCH={branch}",))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("touch", self.seen()["STELLA_IMAGE"])
        self.assertFalse([name for _, _, names in os.walk(self.work) for name in names if name == "pwned"])

    def test_the_projects_registry_is_logged_in_to(self):
        self.recorder()
        registry = ("CI_REGISTRY=registry.example", "CI_REGISTRY_USER=job", "CI_REGISTRY_PASSWORD=a\"b")
        self.run_pipeline(include(), "stella:scan", variables=registry)
        self.assertEqual(json.loads(self.seen()["DOCKER_AUTH_CONFIG"]), {"auths": {"registry.example": {"auth": "am9iOmEiYg=="}}})
        self.run_pipeline(include(), "stella:scan", variables=(*registry, "DOCKER_AUTH_CONFIG={}"))
        self.assertEqual(self.seen()["DOCKER_AUTH_CONFIG"], "{}")

    def test_inputs_of_the_jobs(self):
        jobs = self.jobs(json.dumps({"stages": ["look"], **json.loads(include(
            stage="look", job_prefix="app", runner_image="registry.example/stella@sha256:0123", version="7.8.9-rc.1",
            tags=["a", "b"], allow_failure=True, rules=[{"if": "$ONLY_HERE"}]))}))
        for name in ("app:scan", "app:gate"):
            self.assertEqual(jobs[name]["stage"], "look")
            self.assertEqual(jobs[name]["image"]["name"], "registry.example/stella@sha256:0123")
            self.assertEqual(jobs[name]["image"]["entrypoint"], [""])
            self.assertEqual(jobs[name]["tags"], ["a", "b"])
            self.assertEqual(jobs[name]["variables"]["STELLA_VERSION"], "7.8.9-rc.1")
            self.assertIn({"if": "$ONLY_HERE"}, [{"if": rule["if"]} for rule in jobs[name]["rules"]])
        self.assertEqual(jobs["app:gate"]["allow_failure"], True)
        self.assertEqual(jobs["app:scan"]["artifacts"]["paths"], ["app-reports/"])

    def test_a_report_that_is_not_wanted_is_not_named(self):
        for report in ALL_REPORTS:
            for on in (True, False):
                inputs = {**dict.fromkeys(ALL_REPORTS, not on), report: on}
                named = self.jobs(include(**inputs))["stella:scan"]["artifacts"]["reports"]
                self.assertEqual(report.replace("-", "_") in named, on, (report, named))

    def test_an_id_token_is_for_whom_it_is_wanted(self):
        for on in (True, False):
            scan = self.jobs(include(oidc=on, server="https://stella.example"))["stella:scan"]
            self.assertEqual("id_tokens" in scan, on)
            self.assertEqual(scan["variables"]["STELLA_OIDC"], "true" if on else "")
        self.refused("gate", {"oidc": "maybe"}, "boolean")

    def test_versions_of_the_schema(self):
        for version in ("15.0", "15.1", "15.2"):
            self.run_pipeline(include(**DEMO, container_scanning=True, schema_version=version), "stella:scan")
            report = json.loads(self.reports()["gl-container-scanning-report.json"])
            self.assertTrue(report["version"].startswith(f"{version}."), report["version"])

    def test_wrong_inputs_are_refused(self):
        for inputs, why in (({"fail-on": "severe"}, "options"), ({"on-error": "pass"}, "options"), ({"verify": "some"}, "options"),
                            ({"schema-version": "14.0"}, "options"), ({"job-prefix": "a b"}, "regex"),
                            ({"job-prefix": "../a"}, "regex"), ({"job-prefix": "a;b"}, "regex"), ({"version": "latest"}, "regex"),
                            ({"threads": "many"}, "regex"), ({"deadline": "-1"}, "regex"), ({"junit": "maybe"}, "boolean"),
                            ({"allow-failure": "x"}, "boolean"), ({"no-cache": "x"}, "boolean"), ({"tags": "a"}, "array"),
                            ({"rules": "x"}, "array")):
            self.refused("gate", inputs, why)

    # ---- GitLab's conventions -------------------------------------------------------------------------------------

    def test_the_image_is_the_one_that_gitlabs_scanners_look_at(self):
        if not registry.PROGRAM:
            self.skipTest("no docker-registry")
        with registry.registry(self.work) as (address, _):
            image = f"{address}/team/app:ci"
            self.does("skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", f"oci:{gitlab.DEMO}",
                      f"docker://{image}")
            done = self.run_pipeline(include(advisories="demo"), variables=("GITLAB_CI=true", f"DOCKER_IMAGE={image}"))
        self.ends(done, 1, "PASS", "FAIL")
        self.assertIn("STELLA_VERDICT=fail\n", self.reports()["stella.env"])

    def test_the_projects_registry_is_logged_in_to_beside_those_that_it_names(self):
        if not registry.PROGRAM:
            self.skipTest("no docker-registry")
        others = '{"auths": {"registry.example": {"auth": "am9iOmEiYg=="}}}'
        with registry.registry(self.work, auth=registry.htpasswd(self.work)) as (address, _):
            registry.push(f"oci:{gitlab.DEMO}", f"{address}/team/app:ci", "--dest-creds", f"{registry.USER}:{registry.PASSWORD}")
            done = self.run_pipeline(include(**{**DEMO, "image": f"registry:{address}/team/app:ci"}), variables=(
                f"DOCKER_AUTH_CONFIG={others}", f"CI_REGISTRY={address}", f"CI_REGISTRY_USER={registry.USER}",
                f"CI_REGISTRY_PASSWORD={registry.PASSWORD}"))
        self.ends(done, 1, "PASS", "FAIL")

    def test_scanning_can_be_turned_off(self):
        for value in ("true", "1"):
            done = self.run_pipeline(include(**DEMO), "--list-json", variables=(f"CONTAINER_SCANNING_DISABLED={value}",))
            self.assertEqual({job["when"] for job in json.loads(done.stdout[done.stdout.index("["):])}, {"never"})

    def test_two_images_in_one_pipeline(self):
        both = [json.loads(include(**DEMO, job_prefix=prefix, fail_on=fail_on))["include"][0]
                for prefix, fail_on in (("one", ""), ("two", "low"))]
        done = self.run_pipeline(json.dumps({"include": both}))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for prefix in ("one", "two"):
            self.assertRegex(self.reports(prefix)["exit-code"], r"\A1\n\d+\n\Z")

    # ---- what the documentation shows -----------------------------------------------------------------------------

    def test_the_samples_gate(self):
        with samples.server(self.work) as server:
            for page in ("README.md", components.README):
                for sample in samples.samples(page):
                    if "include:" not in sample:
                        continue
                    here = sample.replace(samples.SERVER, server).replace("oci-archive:app.tar", "oci:image")
                    here = re.sub(r"\S+/gate@\S+", "$CI_SERVER_FQDN/$CI_PROJECT_PATH/gate@$CI_COMMIT_SHA", here)
                    here = here.replace("local: ", f"local: {os.path.dirname(components.CLASSIC)}/")
                    # The one of the classic include lets the pipeline go on.
                    code, gate = (0, "WARN") if "allow_failure" in sample else (1, "FAIL")
                    self.ends(self.run_pipeline(here), code, "PASS", gate)
                    self.assertIn("STELLA_VERDICT=fail\n", self.reports()["stella.env"])

    # ---- the classic include --------------------------------------------------------------------------------------

    def test_the_classic_include_does_the_same(self):
        local = {"include": [{"local": components.CLASSIC}],
                 "variables": {"STELLA_IMAGE": "oci:image", "STELLA_ADVISORIES": "demo"}}
        self.ends(self.run_pipeline(json.dumps(local)), 1, "PASS", "FAIL")
        plain = self.reports()
        self.assertNotIn("stella.sarif", plain)
        more = {"stella:scan": {"extends": [".stella", ".stella:junit:true", ".stella:sarif:true"]},
                "stella:gate": {"allow_failure": True}}
        self.ends(self.run_pipeline(json.dumps(local | more)), 0, "PASS", "WARN")
        self.assertIn("stella.sarif", self.reports())


class Benchmark(Project):
    """What tests/perf/test_job.py, which measures, does not look at: the inputs."""

    def pipeline(self, **inputs):
        return json.dumps({"stages": ["benchmark", "publish", "measure", "show"], **json.loads(include("benchmark", **inputs))})

    def test_every_input_has_its_place(self):
        self.write("project/Cargo.lock", "")
        jobs = self.jobs(self.pipeline(
            stage="measure", publish_stage="show", job_prefix="perf:", runner_image="rust:1", tags=["quiet"], phases="START,REPORTS",
            merge_request_phases="START", samples="20", timeout="1 hour", resource_group="perf"))
        measures, shows = jobs["perf:benchmark"], jobs["perf:pages"]
        self.assertEqual((measures["stage"], shows["stage"]), ("measure", "show"))
        self.assertEqual(shows["needs"][0]["job"], "perf:benchmark")
        for job in (measures, shows):
            self.assertEqual((job["image"], job["tags"]), ({"name": "rust:1"}, ["quiet"]))
        self.assertEqual((measures["timeout"], measures["resource_group"]), ("1 hour", "perf"))
        self.assertEqual(measures["variables"]["STELLA_PERF_SAMPLES"], "20")
        phases = [rule["variables"].get("STELLA_PERF_PHASE") for rule in measures["rules"] if "variables" in rule]
        self.assertEqual(phases, ["START,REPORTS", "START,REPORTS", "START", None])

    def test_wrong_inputs_are_refused(self):
        for inputs, why in (({"job-prefix": "perf"}, "regex"), ({"phases": "a;b"}, "regex"), ({"merge-request-phases": ""}, "regex"),
                            ({"samples": "many"}, "regex"), ({"tags": "a"}, "array")):
            self.refused("benchmark", inputs, why)


if __name__ == "__main__":
    unittest.main()
