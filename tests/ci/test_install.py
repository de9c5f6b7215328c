"""What the action lets run: the bytes that its table names, and nothing else."""
import hashlib
import os
import shutil
import time

from runner import STELLA, Case
from stand_ins import releases

TARGETS = {
    ("Linux", "X64"): "x86_64-unknown-linux-gnu",
    ("Linux", "ARM64"): "aarch64-unknown-linux-gnu",
    ("macOS", "X64"): "x86_64-apple-darwin",
    ("macOS", "ARM64"): "aarch64-apple-darwin",
    ("Windows", "X64"): "x86_64-pc-windows-msvc",
}
VERSION = "7.8.9"


def asset(system, target):
    return f"stella-{VERSION}-{target}{'.exe' if system == 'Windows' else ''}"


class Install(Case):
    def setUp(self):
        super().setUp()
        self.action = os.path.join(self.checkout, "action")
        self.good = f"#!/bin/sh\nexec '{STELLA}' \"$@\"\n".encode()
        self.bad = f"#!/bin/sh\ntouch '{self.path('marker')}'\n".encode()
        self.release(self.good)

    def release(self, data):
        """Makes the copy of the action one of a release where each program is these bytes."""
        with open(os.path.join(self.action, "version"), "w", encoding="utf-8") as out:
            out.write(f"{VERSION}\n")
        with open(os.path.join(self.action, "checksums.txt"), "w", encoding="utf-8") as out:
            out.write("# a comment\n")
            for (system, _), target in TARGETS.items():
                out.write(f"{hashlib.sha256(data).hexdigest()}  {asset(system, target)}\n")

    def served(self, data):
        return {f"/v{VERSION}/{asset(system, target)}": data for (system, _), target in TARGETS.items()}

    def install(self, system="Linux", processor="X64", variables=None, **inputs):
        """Exit code, what was said, and the program that would be run."""
        given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        code, said, outputs = self.call("install.sh", RUNNER_OS=system, RUNNER_ARCH=processor, **(variables or {}), **given)
        return code, said, outputs.get("path", "")

    def assert_refused(self, said, *words):
        code, log, path = said
        self.assertEqual((code, path), (3, ""), log)
        for word in words:
            self.assertIn(word, log)
        self.assertFalse(os.path.exists(self.path("marker")))

    def left(self):
        """Every file in the tool cache."""
        return [os.path.join(where, name) for where, _, names in os.walk(self.path("tools")) for name in names]

    def cached(self):
        [path] = [path for path in self.left() if not path.endswith(".complete")]
        return path

    def tamper(self):
        """What another job may do at any time."""
        with open(self.cached(), "wb") as out:
            out.write(self.bad)

    @staticmethod
    def bytes_of(path):
        with open(path, "rb") as data:
            return data.read()

    # ---- downloads ------------------------------------------------------------------------------------------------

    def test_every_runner_has_its_program_which_is_downloaded_once(self):
        for (system, processor), target in TARGETS.items():
            with self.subTest(target), releases(self.served(self.good)) as (url, asked):
                for _ in range(2):
                    code, log, path = self.install(system, processor, download_url=url)
                    self.assertEqual((code, log), (0, ""))
                    self.assertEqual(self.bytes_of(path), self.good)
                    self.assertTrue(os.access(path, os.X_OK))
                self.assertEqual(asked, [f"/v{VERSION}/{asset(system, target)}"])
            shutil.rmtree(self.path("tools"))

    def test_other_runners_are_told_so(self):
        for system, processor in (("Linux", "ARM"), ("Windows", "ARM64"), ("", "")):
            self.assert_refused(self.install(system, processor), "binary-path")

    def test_a_changed_download_is_refused_before_anything_runs(self):
        good, bad = (hashlib.sha256(one).hexdigest() for one in (self.good, self.bad))
        with releases(self.served(self.bad)) as (url, _):
            self.assert_refused(self.install(download_url=url), good, bad, "Nothing of it ran")
            self.assertEqual(self.left(), [])
            self.assertEqual([name for name in os.listdir(self.work) if name.startswith("stella-program")], [])
            job = self.job(image="oci:image", advisories="demo", download_url=url)
        self.assertEqual((job.code, job.conclusion, job.outputs.get("verdict", "")), (1, "failure", ""), job.log)
        self.assertFalse(os.path.exists(self.path("marker")))

    def test_a_job_with_a_download_gates(self):
        with releases(self.served(self.good)) as (url, _):
            job = self.job(image="oci:image", advisories="demo", download_url=url)
        self.assertEqual((job.code, job.outputs.get("verdict")), (1, "fail"), job.log)

    def test_a_changed_cache_is_none(self):
        with releases(self.served(self.good)) as (url, asked):
            self.install(download_url=url)
            self.tamper()
            code, log, path = self.install(download_url=url)
            self.assertEqual((code, self.bytes_of(path), self.bytes_of(self.cached())), (0, self.good, self.good), log)
            for word in ("::warning title=Stella::", "tool cache", hashlib.sha256(self.bad).hexdigest(), "downloaded again"):
                self.assertIn(word, log)
            # And the next job is well again.
            self.assertEqual(self.install(download_url=url)[:2], (0, ""))
            self.assertEqual(len(asked), 2)

    def test_a_changed_cache_and_a_changed_download_are_refused(self):
        with releases(self.served(self.good)) as (url, _):
            self.install(download_url=url)
        self.tamper()
        with releases(self.served(self.bad)) as (url, _):
            self.assert_refused(self.install(download_url=url), "tool cache", url, "Nothing of it ran")

    def test_what_runs_is_what_was_checked(self):
        with releases(self.served(self.good)) as (url, _):
            for _ in range(2):
                code, log, path = self.install(download_url=url)
                self.assertEqual(code, 0, log)
                # Another job has its turn between the two steps.
                self.tamper()
                self.assertFalse(path.startswith(self.path("tools")))
                code, log, outputs = self.call("run.sh", PROGRAM=path, STELLA_IMAGE="oci:image", STELLA_ADVISORIES="demo")
                self.assertEqual((code, outputs["verdict"]), (1, "fail"), log)
                self.assertFalse(os.path.exists(self.path("marker")))

    def test_half_a_cache_is_none(self):
        with releases(self.served(self.good)) as (url, _):
            self.install(download_url=url)
            os.remove(os.path.dirname(self.cached()) + ".complete")
            self.tamper()
            self.assertEqual(self.install(download_url=url)[:2], (0, ""))
            self.assertEqual(self.bytes_of(self.cached()), self.good)

    def test_a_cache_that_takes_nothing_is_none(self):
        with open(self.path("tools"), "w", encoding="utf-8"):
            pass
        with releases(self.served(self.good)) as (url, _):
            code, log, path = self.install(download_url=url)
        self.assertEqual((code, self.bytes_of(path)), (0, self.good), log)
        self.assertIn("::warning title=Stella::cannot write to the runner's tool cache", log)

    def test_what_cannot_be_downloaded(self):
        with releases({}) as (url, _):
            self.assert_refused(self.install(download_url=url), url, "could not download")
        self.assertEqual(self.left(), [])

    def test_plain_http_is_for_this_machine(self):
        with releases(self.served(self.good)) as (url, asked):
            port = url.rsplit(":", 1)[1]
            # The host of the second is what stands behind the `@`; none of them is asked.
            for other in ("http://stella.invalid", f"http://127.0.0.1:{port}@stella.invalid", f"http://127.0.0.2:{port}",
                          "file:///etc", "ftp://127.0.0.1"):
                self.assert_refused(self.install(download_url=other), "could not download")
            self.assertEqual(asked, [])

    # ---- the table ------------------------------------------------------------------------------------------------

    def test_a_commit_without_a_release_says_so(self):
        with open(os.path.join(self.action, "checksums.txt"), "w", encoding="utf-8") as out:
            out.write("# nothing yet\n")
        self.assert_refused(self.install(), "this commit has no release", "binary-path")

    def test_a_table_that_is_not_whole_is_none(self):
        for line in ("", f"{'0' * 63}  {asset('Linux', TARGETS['Linux', 'X64'])}", f"{'0' * 64}  {asset('Linux', 'other')}"):
            with open(os.path.join(self.action, "checksums.txt"), "w", encoding="utf-8") as out:
                out.write(f"{'0' * 64}  another\n{line}\n")
            self.assert_refused(self.install(), "has no SHA-256 of")

    def test_the_table_is_for_any_program_that_can_make_a_digest(self):
        tools = self.path("bin")
        os.makedirs(tools)
        needed = ("bash", "sh", "curl", "cp", "mkdir", "mktemp", "mv", "rm", "chmod")
        for name in needed:
            os.symlink(shutil.which(name), os.path.join(tools, name))
        with releases(self.served(self.good)) as (url, _):
            self.assert_refused(self.install(download_url=url, variables={"PATH": tools}), "no openssl, sha256sum or shasum")
            for name in ("openssl", "sha256sum", "shasum"):
                with self.subTest(name):
                    if not shutil.which(name):
                        self.skipTest(f"no {name} here")
                    link = os.path.join(tools, name)
                    os.symlink(shutil.which(name), link)
                    code, log, _ = self.install(download_url=url, variables={"PATH": tools})
                    self.assertEqual(code, 0, log)
                    os.remove(link)
                    shutil.rmtree(self.path("tools"))

    # ---- a program of one's own, and attestations -----------------------------------------------------------------

    def test_a_program_of_ones_own_takes_no_network(self):
        mine = self.script("mine", "exit 0")
        self.assertEqual(self.install(binary_path=mine)[::2], (0, mine))
        self.assertEqual(self.install(binary_path="action/run.sh")[::2], (0, os.path.join(self.checkout, "action/run.sh")))
        code, log, path = self.install(binary_path="nowhere")
        self.assertEqual((code, path), (2, ""))
        self.assertIn("binary-path nowhere: there is no such file", log)

    def test_an_attestation_is_asked_for_each_time(self):
        tools = self.path("bin")
        os.makedirs(tools)
        gh = self.script("gh", f"""printf '%s\\n' "$*" >>'{self.path("asked")}'; exit "${{GH_SAYS:-0}}" """)
        os.rename(gh, os.path.join(tools, "gh"))
        path = f"{tools}:{os.environ['PATH']}"
        with releases(self.served(self.good)) as (url, _):
            wanted = []
            for _ in range(2):
                code, log, program_path = self.install(download_url=url, verify_attestation="true", variables={"PATH": path})
                self.assertEqual(code, 0, log)
                wanted.append(f"attestation verify {program_path} --repo owner/name "
                              "--signer-workflow owner/name/.github/workflows/release.yml --source-ref refs/heads/main")
            with open(self.path("asked"), encoding="utf-8") as text:
                self.assertEqual(text.read().splitlines(), wanted)
            self.assert_refused(self.install(download_url=url, verify_attestation="true", variables={"PATH": path, "GH_SAYS": "1"}),
                                "has no attestation")

    # ---- time -----------------------------------------------------------------------------------------------------

    def test_what_the_action_adds_to_the_program(self):
        """Under 100 ms: the fastest of many, so that a busy machine does not fail it."""
        # As large as the program may be, in the cache and held against the table; what is run does nothing.
        data = os.urandom(12_000_000)
        self.release(data)
        nothing = self.script("nothing", "exit 0")
        samples = []
        with releases(self.served(data)) as (url, _):
            self.install(download_url=url)
            for _ in range(20):
                began = time.perf_counter()
                self.assertEqual(self.install(download_url=url)[0], 0)
                self.call("run.sh", PROGRAM=nothing)
                samples.append((time.perf_counter() - began) * 1000)
        self.assertLess(min(samples), 100)
