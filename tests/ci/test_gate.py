"""Jobs with the action: what fails, what passes, what stands in the outputs and the summary, and what hostile inputs cannot do."""
import json
import os
import re

import samples
from runner import STELLA, Case
from stand_ins import busy, releases

POLICY = "version: 1\nrules:\n  - name: {0}\n    when: {{ {1} }}\n    action: {2}\n"
# Port 9 is for what is thrown away; nobody listens.
DOWN = {"server": "http://127.0.0.1:9", "deadline": "1"}


class Gate(Case):
    def policy(self, *rule):
        with open(os.path.join(self.checkout, "policy.yaml"), "w", encoding="utf-8") as out:
            out.write(POLICY.format(*rule))
        return "policy.yaml"

    def assert_ended(self, job, verdict, code, conclusion):
        self.assertEqual((job.outputs.get("verdict"), job.outputs.get("exit-code"), job.conclusion), (verdict, str(code), conclusion),
                         job.log[-3000:])
        self.assertEqual(job.code == 0, conclusion == "success")

    # ---- verdicts -------------------------------------------------------------------------------------------------

    def test_a_gate_that_fails_says_all_that_later_steps_need(self):
        job = self.gate(advisories="demo", sbom="true")
        self.assert_ended(job, "fail", 1, "failure")
        with open(job.outputs["json"], encoding="utf-8") as text:
            report = json.load(text)
        count = [one["action"] != "ignore" for one in report["results"][0]["findings"]].count(True)
        by_severity = [int(job.outputs[f"findings-{one}"])
                       for one in ("critical", "high", "medium", "low", "negligible", "unknown")]
        self.assertEqual(int(job.outputs["findings"]), count)
        self.assertEqual(sum(by_severity), count)
        self.assertGreater(by_severity[0], 0)
        self.assertEqual((job.outputs["new-layers"], job.outputs["cached-layers"]), ("7", "0"))
        self.assertEqual((job.outputs["skipped"], job.outputs["degraded"]), ("0", "false"))
        self.assertTrue(job.outputs["elapsed-ms"].isdigit())
        for name in ("sarif", "junit", "json", "markdown", "sbom"):
            self.assertTrue(os.path.getsize(job.outputs[name]), name)
        self.assertIn("FAIL", job.summary)
        self.assertIn("::error title=Stella%3A the gate failed", job.log)

    def test_a_gate_that_passes(self):
        job = self.gate(advisories="demo", policy=self.policy("one", "cve: CVE-2000-0001", "fail"))
        self.assert_ended(job, "pass", 0, "success")
        self.assertNotIn("sbom", [name for name, value in job.outputs.items() if value])

    def test_a_gate_that_warns(self):
        job = self.gate(advisories="demo", policy=self.policy("all", "severity_at_least: low", "warn"))
        self.assert_ended(job, "warn", 0, "success")

    def test_report_only_lets_the_job_go_on(self):
        job = self.gate(advisories="demo", report_only="true")
        self.assert_ended(job, "fail", 1, "success")

    def test_a_wrong_call_fails_the_step_even_so(self):
        job = self.gate(advisories="demo", report_only="true", fail_on="everything")
        self.assert_ended(job, "unfinished", 2, "failure")

    def test_an_empty_input_is_none(self):
        job = self.gate(advisories="demo", report_only="", summary="", annotations="", sbom="", working_directory="", name="")
        self.assert_ended(job, "fail", 1, "failure")
        self.assertIn("FAIL", job.summary)

    def test_a_wrong_word_switches_nothing_off(self):
        for name in ("verify-attestation", "report-only", "summary", "annotations", "sbom"):
            with self.subTest(name):
                script = "install.sh" if name == "verify-attestation" else "run.sh"
                own = {"INPUT_BINARY_PATH": STELLA, f"INPUT_{name.replace('-', '_').upper()}": "yes"}
                self.assertEqual(self.call(script, **own),
                                 (2, f"::error title=Stella::input {name} is 'yes': write 'true' or 'false'\n", {}))

    def test_a_program_that_gates_nothing_is_no_pass(self):
        for code in (0, 1, 101):
            job = self.gate(binary_path=self.script("other", f"exit {code}"), report_only="true")
            self.assert_ended(job, "unfinished", max(code, 3), "failure")

    def test_the_samples_gate(self):
        with samples.server(self.work) as server:
            for page in ("README.md", "action/README.md"):
                for sample in samples.samples(page):
                    for given in re.findall(r"/action@COMMIT\b.*\n(?:.*\n)*? *with:\n((?: +[\w-]+: \S+.*\n)+)", sample):
                        inputs = dict(re.findall(r"([\w-]+): (\S+)", given))
                        self.assertEqual(inputs["server"], samples.SERVER, sample)
                        job = self.gate(**{**inputs, "server": server, "image": "oci:image"})
                        self.assert_ended(job, "fail", 1, "success" if "report-only" in inputs else "failure")

    # ---- the server is down ---------------------------------------------------------------------------------------

    def test_without_server_and_advisories_the_gate_could_not_finish(self):
        job = self.gate(report_only="true", **DOWN)
        self.assert_ended(job, "unfinished", 3, "failure")
        self.assertIn("cannot be reached", job.log)
        self.assertNotIn("PASS", job.summary)

    def test_without_server_but_with_advisories_it_is_degraded(self):
        job = self.gate(advisories="demo", **DOWN)
        self.assert_ended(job, "fail", 1, "failure")
        self.assertEqual(job.outputs["degraded"], "true")

    def test_an_error_that_shall_only_warn(self):
        job = self.gate(on_error="warn", **DOWN)
        self.assert_ended(job, "unfinished", 0, "success")

    # ---- inputs ---------------------------------------------------------------------------------------------------

    def test_a_pull_request_of_a_fork_takes_no_token(self):
        fork = {"pull_request": {"number": 7, "base": {"ref": "main"},
                                 "head": {"ref": "mine", "repo": {"full_name": "somebody/app", "fork": True}}}}
        for variables, credentials in (({}, None), ({"STELLA_TOKEN": "secret"}, "Bearer secret")):
            with busy() as (url, asked):
                job = self.gate(event="pull_request", payload=fork, variables=variables, server=url, deadline="1", advisories="demo")
            self.assert_ended(job, "fail", 1, "failure")
            self.assertTrue(job.outputs["sarif"])
            # A token of the job's own, which no fork has, would have been noticed.
            self.assertEqual(set(asked), {("/v1/scan", credentials)})

    def test_summary_and_annotations_can_be_switched_off(self):
        job = self.gate(advisories="demo", summary="false", annotations="false")
        self.assert_ended(job, "fail", 1, "failure")
        self.assertEqual(job.summary, "")
        self.assertNotIn("the gate failed::", job.log)

    def test_more_reports_of_ones_own(self):
        job = self.gate(advisories="demo", output=f"table, spdx={self.work}/a.spdx.json\n  metrics={self.work}/metrics.txt \n")
        self.assert_ended(job, "fail", 1, "failure")
        for name in ("a.spdx.json", "metrics.txt"):
            self.assertTrue(os.path.getsize(self.path(name)), name)

    def test_a_report_is_no_flag(self):
        code, said, outputs = self.call("run.sh", STELLA_IMAGE="oci:image", STELLA_OUTPUT="--on-error=warn,--server=http://127.0.0.1:9")
        self.assertEqual((code, outputs["verdict"]), (2, "unfinished"), said)

    def test_a_variable_of_the_job_counts_where_there_is_no_input(self):
        job = self.gate(variables={"STELLA_ADVISORIES": "demo", "STELLA_FAIL_ON": "everything"}, fail_on="critical")
        self.assert_ended(job, "fail", 1, "failure")
        # Also of what has a default; but no variable turns errors off.
        for name in ("STELLA_IDENTITY", "STELLA_MAX_WAIT", "STELLA_ON_ERROR"):
            job = self.gate(variables={name: "nothing"}, advisories="demo")
            self.assert_ended(job, *(("fail", 1) if name == "STELLA_ON_ERROR" else ("unfinished", 2)), "failure")

    def test_a_working_directory(self):
        job = self.gate(image="oci:.", advisories="demo", working_directory="image")
        self.assert_ended(job, "fail", 1, "failure")
        code, said, outputs = self.call("run.sh", INPUT_WORKING_DIRECTORY="nowhere")
        self.assertEqual((code, outputs), (2, {}))
        self.assertIn("::error title=Stella::working-directory nowhere", said)

    def test_a_checkout_cannot_name_a_server(self):
        with releases({}) as (url, asked):
            with open(os.path.join(self.checkout, ".stella.yaml"), "w", encoding="utf-8") as out:
                out.write(f"server: {url}\non-error: warn\n")
            job = self.gate(advisories="demo")
            self.assertEqual((job.code, job.conclusion, asked), (1, "failure", []), job.log[-2000:])

    def test_no_input_becomes_a_command_or_an_output(self):
        marker = self.path("marker")
        hostile = f"$(touch {marker})`touch {marker}`';touch {marker};'\"\nverdict=pass\n::error::hostile"
        inputs = ("image", "name", "policy", "output", "fail-on", "dockerfile", "working-directory", "binary-path", "report-only")
        for name in inputs:
            with self.subTest(name):
                job = self.gate(**{"advisories": "demo", name.replace("-", "_"): hostile})
                self.assertFalse(os.path.exists(marker))
                self.assertNotEqual(job.outputs.get("verdict"), "pass")
                self.assertNotRegex(job.log, r"\|\s*::error::hostile")
