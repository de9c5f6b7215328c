"""The image, built by a real engine of a static program, and run in each of its roles: read-only, without rights, without a
network. The program is slow to build, so this is for whoever names one: `tests/run.sh --full`, and a release, of what it ships."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import program
from program import DEMO, ROOT, call, environment, prepare

STATIC = os.environ.get("STELLA_STATIC", "")
# As Docker calls the processor.
PROCESSOR = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
NAMES = {"bare": "stella-test/image:bare", "shell": "stella-test/image:shell"}
LOCKED = ("--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
# The last two are what BuildKit says itself.
ARGUMENTS = [word for argument in (
    "SHELL_IMAGE=stella-test/busybox", "VERSION=1.2.3", f"MADE_ON=linux/{PROCESSOR}", f"TARGETARCH={PROCESSOR}")
    for word in ("--build-arg", argument)]
MB = 1_000_000


def docker(*words, **more):
    return call("docker", *words, env={**os.environ, "DOCKER_BUILDKIT": "0"}, **more)


# Nothing else is skipped: what a release names was looked at, or it failed.
@unittest.skipUnless(STATIC, "STELLA_STATIC names no static program: tests/run.sh --full builds one")
class Image(program.Case):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as context:
            shutil.copy(os.path.join(ROOT, "image", "Dockerfile"), context)
            shutil.copy(STATIC, os.path.join(context, f"stella-{PROCESSOR}"))
            shutil.copy(AUTHORITIES, os.path.join(context, "ca-certificates.crt"))
            # No image can be pulled here: the shell is Debian's static busybox.
            shell = os.path.join(context, "shell")
            os.makedirs(os.path.join(shell, "bin"))
            shutil.copy(shutil.which("busybox"), os.path.join(shell, "bin", "busybox"))
            with open(os.path.join(shell, "Dockerfile"), "w", encoding="utf-8") as out:
                out.write("FROM scratch\nCOPY bin /bin\n")
            for words in (("-t", "stella-test/busybox", shell),
                          *((*ARGUMENTS, "--target", target, "-t", name, context) for target, name in NAMES.items())):
                done = docker("build", *words)
                if done.returncode:
                    raise RuntimeError(done.stdout + done.stderr)

    @classmethod
    def tearDownClass(cls):
        docker("image", "rm", "--force", *NAMES.values(), "stella-test/busybox")

    def run_image(self, *words, image=NAMES["bare"], locked=LOCKED):
        return docker("run", *locked, *words[:words.index("--")], image, *words[words.index("--") + 1:])

    def test_sizes(self):
        size = int(prepare("docker", "image", "inspect", "--format", "{{.Size}}", NAMES["bare"], env=os.environ))
        self.assertLess(os.path.getsize(STATIC), 12 * MB)
        self.assertLess(size, 15 * MB)

    def test_nobody_without_a_home_on_a_machine_that_has_libraries(self):
        words = [STATIC, "gate", f"oci:{DEMO}", "--advisories", "demo"]
        if os.geteuid() == 0:
            words = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", *words]
        done = program.call(*words, env={"PATH": os.environ["PATH"]}, cwd="/")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("gate FAILED", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "a file of the machine is replaced, in a mount namespace")
    def test_no_library_of_the_machine_is_asked_for_a_name(self):
        # Whoever opens it waits for a writer, who never comes.
        os.mkfifo(self.path("libnss_nobody.so.2"))
        with open(self.path("nsswitch.conf"), "w", encoding="utf-8") as out:
            out.write("hosts: nobody dns\n")
        there = {"PATH": os.environ["PATH"], "HOME": self.work, "LD_LIBRARY_PATH": self.work, "DOCKER_HOST": "tcp://name.invalid:1"}
        done = program.call("timeout", "10", "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/nsswitch.conf && exec "$@"', self.path("nsswitch.conf"),
                            STATIC, "gate", "docker:app:1", "--advisories", "demo", env=there, cwd=self.work)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("name.invalid", done.stderr)

    def test_it_starts_at_once(self):
        samples_ms = []
        for _ in range(50):
            began = time.perf_counter()
            subprocess.run([STATIC, "--version"], stdout=subprocess.DEVNULL, check=True)
            samples_ms.append((time.perf_counter() - began) * 1000)
        # The fastest, so that a busy machine does not fail it.
        self.assertLess(min(samples_ms), 5)

    def test_who_it_says_it_is(self):
        for name in NAMES.values():
            config = json.loads(prepare("docker", "image", "inspect", name, env=os.environ))[0]["Config"]
            self.assertEqual(config["User"], "65532:65532")
            labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
            self.assertEqual((labels["title"], labels["version"], labels["licenses"]), ("Stella", "1.2.3", "Apache-2.0"))
            for key in ("description", "source", "documentation", "revision", "created"):
                self.assertIn(key, labels)

    def test_a_command(self):
        for image in NAMES.values():
            done = self.run_image("-v", f"{DEMO}:/image:ro", "--", "gate", "oci:/image", "--advisories", "demo", "-o", "dotenv", image=image)
            self.assertEqual((done.returncode, done.stdout.splitlines()[:1]), (1, ["STELLA_VERDICT=fail"]), done.stderr)

    def test_a_generator(self):
        core, out = self.path("core/sbom"), self.path("out")
        os.makedirs(os.path.join(core, "var/lib/dpkg"))
        os.makedirs(out)
        os.chmod(out, 0o777)
        with open(os.path.join(core, "var/lib/dpkg/status"), "w", encoding="utf-8") as text:
            text.write("Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.9-1\n\n")
        done = self.run_image("-v", f"{self.path('core')}:/run/src/core:ro", "-v", f"{out}:/run/out", "-e", "BUILDKIT_SCAN_DESTINATION=/run/out/",
                              "-e", "BUILDKIT_SCAN_SOURCE=/run/src/core/sbom", "--")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(out), ["sbom.spdx.json"])
        with open(os.path.join(out, "sbom.spdx.json"), encoding="utf-8") as text:
            self.assertEqual(json.load(text)["predicateType"], "https://spdx.dev/Document")

    def test_a_plugin(self):
        done = self.run_image("-v", f"{DEMO}:/image:ro", "-e", "PLUGIN_IMAGE=oci:/image", "-e", "PLUGIN_ADVISORIES=demo", "-e", "PLUGIN_OUTPUT=dotenv", "--")
        self.assertEqual((done.returncode, done.stdout.splitlines()[:1]), (1, ["STELLA_VERDICT=fail"]), done.stderr)

    def test_a_plugin_as_the_recipes_have_it_writes_nothing_into_a_workspace_of_somebody_else_s(self):
        for recipe in ("drone", "woodpecker"):
            with open(os.path.join(ROOT, "docs", "recipes", f"{recipe}.md"), encoding="utf-8") as text:
                settings = dict(re.findall(r"^      ([\w-]+): (.+)$", text.read(), re.MULTILINE))
            # There is no network here, so no server.
            del settings["server"]
            settings |= {"image": "oci:/image", "advisories": "demo"}
            variables = [word for name, value in settings.items() for word in (
                "-e", f"PLUGIN_{name.upper().replace('-', '_')}={value.strip('[]').replace(', ', ',')}")]
            workspace = self.path(recipe)
            os.mkdir(workspace, 0o755)
            done = self.run_image("-v", f"{DEMO}:/image:ro", "-v", f"{workspace}:/workspace", "-w", "/workspace", *variables, "--")
            self.assertEqual((done.returncode, "cannot be written" in done.stderr), (1, False), done.stderr)
            self.assertIn("gate FAILED", done.stdout)

    def test_the_engine_s_images_by_its_socket(self):
        socket = os.environ.get("DOCKER_HOST", "/var/run/docker.sock").removeprefix("unix://")
        group = str(os.stat(socket).st_gid)
        done = self.run_image("-v", f"{socket}:/var/run/docker.sock", "--group-add", group, "--", "layers", NAMES["bare"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_job_of_gitlab_has_a_shell(self):
        done = self.run_image("--entrypoint", "", "--", "sh", "-c", "stella --version && command -v awk", image=NAMES["shell"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.run_image("--entrypoint", "", "--", "sh", "-c", "true").returncode, 0)

    def test_a_job_of_circleci_has_a_place_to_work_in(self):
        # Its agent makes ~/project, unpacks the workspace there and runs each command by a shell, as the image's user.
        script = """set -eo pipefail
            [ "$(stat -c %a /tmp)" = 1777 ]
            [ "$HOME" = /tmp ]
            mkdir ~/project && cd ~/project
            echo held >app && tar -cf app.tar app && gzip app.tar && rm app && tar -xzf app.tar.gz && cat app
            [ -s /etc/ssl/certs/ca-certificates.crt ]
            stella gate oci:/image --advisories demo -o table -o junit=stella/stella.xml >/dev/null"""
        done = self.run_image("-v", f"{DEMO}:/image:ro", "--entrypoint", "", "--", "/bin/sh", "-c", script, image=NAMES["shell"],
                              locked=("--rm", "--network", "none"))
        self.assertEqual((done.returncode, done.stdout), (1, "held\n"), done.stderr)

    def test_names_are_resolved_without_a_library(self):
        # A static program has no name service of its C library; the name leads to nobody, and that is found out.
        done = self.run_image("--", "gate", "registry:registry.invalid/a", "--advisories", "demo", "--deadline", "5")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("registry.invalid", done.stderr)


if __name__ == "__main__":
    unittest.main()
