"""`stella build`: real builders run, and what they built is gated. Debian has no buildx: a script stands in for it where it
would write an archive, and the registry that is pushed to is a real one; tests/ci/test_buildkit.py runs a real buildx."""
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

import program
from program import DEMO, ROOT, STELLA, call, environment, prepare

sys.path.insert(0, os.path.join(ROOT, "tests", "registry"))
import registry

OS = 'ID=debian\nVERSION_ID="12"\n'
PACKAGE = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.9-1\n\n"
DOCKERFILE = "FROM scratch AS base\nCOPY os-release /etc/os-release\nFROM base AS app\nCOPY status /var/lib/dpkg/status\n"


class Case(program.Case):
    def setUp(self):
        super().setUp()
        self.app = self.path("app")
        os.makedirs(self.app)
        for name, text in (("Dockerfile", DOCKERFILE), ("os-release", OS), ("status", PACKAGE)):
            self.write(os.path.join(self.app, name), text)

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def waiver(self):
        path = self.path("policy.yaml")
        self.write(path, "version: 1\nrules:\n  - name: all-fine\n    when: {severity: [critical]}\n    action: warn\n")
        return path

    def build(self, *command, options=("--advisories", "demo"), variables=None):
        """Exit code, JSON report or None, stdout, stderr."""
        report = self.path("report.json")
        if os.path.exists(report):
            os.remove(report)
        done = call(STELLA, "build", *options, "-o", f"json={report}", "--", *command, cwd=self.app,
                    env={**environment(self.work), "DOCKER_BUILDKIT": "0", **(variables or {})})
        said = None
        if os.path.exists(report):
            with open(report, encoding="utf-8") as text:
                said = json.load(text)
        return done.returncode, said, done.stdout, done.stderr

    def assert_gated(self, built, name):
        code, report, _, said = built
        self.assertEqual(code, 1, said)
        result = report["results"][0]
        self.assertEqual((result["image"]["reference"], result["image"]["called"]), (name, name))
        finding = next(found for found in result["findings"] if found["id"] == "CVE-2023-5363")
        layer = result["image"]["layers"][finding["layer"]["index"]]
        return finding, layer.get("written")


@unittest.skipUnless(shutil.which("docker") and os.environ.get("DOCKER_HOST"), "no Docker engine")
class Docker(Case):
    def tearDown(self):
        call("docker", "image", "rm", "--force", "stella-test/app:1", "stella-test/app:2", "stella-test-app", env=os.environ)

    def test_what_was_built_is_gated(self):
        for verb in (("build",), ("image", "build"), ("builder", "build")):
            built = self.build("docker", *verb, "-t", "stella-test/app:1", ".")
            _, written = self.assert_gated(built, "stella-test/app:1")
            self.assertEqual((written["file"], written["line"]), ("Dockerfile", 4))
            self.assertIn("Successfully tagged stella-test/app:1", built[2])
        # Where the flags come last, too: a directory of the image's name is not what is built from.
        name = "stella-test-app"
        os.makedirs(os.path.join(self.app, name))
        self.write(os.path.join(self.app, name, "Dockerfile"), "FROM scratch\nCOPY status /x\n")
        _, written = self.assert_gated(self.build("docker", "build", ".", "-t", name), name)
        self.assertEqual((written["file"], written["line"]), ("Dockerfile", 4))

    def test_the_build_s_own_words_count(self):
        self.write(os.path.join(self.app, "other.Dockerfile"), "#\n" + DOCKERFILE + "FROM scratch\nCOPY status /x\n")
        mine = self.path("id")
        built = self.build("docker", "build", "--file=other.Dockerfile", "--target", "app", "--iidfile", mine, "-t", "stella-test/app:2", ".")
        _, written = self.assert_gated(built, "stella-test/app:2")
        self.assertEqual((written["file"], written["line"]), ("other.Dockerfile", 5))
        with open(mine, encoding="utf-8") as text:
            self.assertEqual(text.read().strip(), built[1]["results"][0]["image"]["config_digest"])
        # A flag beats them.
        built = self.build("docker", "build", "-t", "stella-test/app:2", ".", options=("--advisories", "demo", "--name", "team/a"))
        self.assertEqual(built[1]["results"][0]["image"]["called"], "team/a")

    def test_a_build_that_fails_keeps_its_code(self):
        self.write(os.path.join(self.app, "Dockerfile"), "FROM scratch\nCOPY missing /\n")
        code, report, _, said = self.build("docker", "build", ".")
        why = "the build failed with 1: nothing was gated"
        self.assertEqual((code, report["results"], report["stopped"]["why"]), (1, [], why), said)
        self.assertIn(why, said)

    def test_a_wrong_call_is_said_before_the_build(self):
        code, report, out, said = self.build("docker", "build", "-t", "team/app:1", ".", options=("--fail-on", "much"))
        self.assertEqual((code, out), (2, ""), said)
        self.assertIn("much", report["stopped"]["why"])
        self.assertEqual(report["stopped"]["image"], "team/app:1")
        for words in (("build", "-t", "docker://r.example/app", "."), ("build", "--some", "--other", "."), ("ps",)):
            code, report, out, said = self.build("docker", *words)
            self.assertEqual((code, out, report["results"]), (2, "", []), said)
            self.assertIn(report["stopped"]["why"].split(";")[0], said)

    def test_an_engine_of_docker_s_own_flags(self):
        host = os.environ["DOCKER_HOST"]
        built = self.build("docker", "--host", host, "build", "-t", "stella-test/app:1", ".",
                           variables={"DOCKER_HOST": f"unix://{self.path('nobody')}"})
        self.assert_gated(built, "stella-test/app:1")

    def test_a_plugin_of_docker(self):
        config = self.path("config")
        os.makedirs(os.path.join(config, "cli-plugins"))
        shutil.copy(STELLA, os.path.join(config, "cli-plugins", "docker-stella"))
        prepare("docker", "build", "-t", "stella-test/app:1", ".", cwd=self.app, env={**os.environ, "DOCKER_BUILDKIT": "0"})
        docker = ["docker", "--config", config]
        listed = call(*docker, "--help", env=environment(self.work))
        self.assertIn("stella*", listed.stdout)
        for before in (docker, [*docker, "--host", os.environ["DOCKER_HOST"]]):
            done = call(*before, "stella", "gate", "stella-test/app:1", "--advisories", "demo", "-o", "dotenv", env=environment(self.work))
            self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (1, "STELLA_VERDICT=fail"), done.stderr)


class OwnStore:
    """Builders with a store of their own, which is the test's own here."""

    def store(self):
        return ["--storage-driver", "vfs", "--root", self.path("store"), "--runroot", self.path("run"), *self.flags()]

    def flags(self):
        return []

    def built(self, *words, **how):
        return self.build(self.tool, *self.store(), "build", "--isolation", "chroot", *words, ".", **how)

    def images(self):
        return prepare(self.tool, *self.store(), "images", "--quiet", "--no-trunc", env=environment(self.work)).split()

    def test_what_was_built_is_gated(self):
        finding, written = self.assert_gated(self.built("--layers", "-t", "team/app:1"), "team/app:1")
        self.assertEqual((finding["package"]["name"], written["line"]), ("openssl", 4))

    def test_the_build_s_own_words_count(self):
        self.write(os.path.join(self.app, "other.Dockerfile"), "#\n" + DOCKERFILE + "FROM scratch\nCOPY status /x\n")
        mine = self.path("id")
        waived = ("--advisories", "demo", "--policy", self.waiver())
        code, report, _, said = self.built("--file=other.Dockerfile", "--target", "app", "--iidfile", mine, "-t", "team/app:2", options=waived)
        self.assertEqual(code, 0, said)
        finding = next(found for found in report["results"][0]["findings"] if found["id"] == "CVE-2023-5363")
        layer = report["results"][0]["image"]["layers"][finding["layer"]["index"]]
        self.assertEqual((layer["written"]["file"], layer["written"]["line"]), ("other.Dockerfile", 5))
        with open(mine, encoding="utf-8") as text:
            self.assertEqual(text.read().strip(), report["results"][0]["image"]["config_digest"])

    def test_a_build_that_fails_keeps_its_code(self):
        self.write(os.path.join(self.app, "Dockerfile"), "FROM scratch\nCOPY missing /\n")
        code, report, _, said = self.built()
        self.assertEqual(report["results"], [], said)
        self.assertIn(f"the build failed with {code}: nothing was gated", said)

    def test_nothing_is_written_elsewhere_before_the_gate(self):
        out = self.path("out")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            push = f"docker://127.0.0.1:{server.getsockname()[1]}/app"
            for tag in (f"dir:{out}", f"oci:{out}", f"oci-archive:{out}", f"docker-archive:{out}", push):
                code, _, _, said = self.built("--tls-verify=false", "-t", tag, options=("--advisories", "demo", "--name", "app"))
                self.assertEqual(code, 2, said)
                self.assertIn(f"--tag {tag}: the build would write the image there before the gate", said)
                self.assertFalse(os.path.exists(out), tag)
            with self.assertRaises(TimeoutError, msg="somebody asked the registry"):
                server.accept()
        self.assertEqual(self.images(), [])

    def test_no_platform_goes_unlooked(self):
        for words in (("--platform", "linux/amd64,linux/arm64"), ("--all-platforms",)):
            code, _, _, said = self.built(*words, "-t", "team/app:1")
            self.assertEqual(code, 2, said)
            self.assertIn("only one of them could be gated", said)
        self.assertEqual(self.images(), [])


@unittest.skipUnless(shutil.which("buildah"), "no buildah")
class Buildah(OwnStore, Case):
    tool = "buildah"


@unittest.skipUnless(shutil.which("podman"), "no podman")
class Podman(OwnStore, Case):
    tool = "podman"

    def flags(self):
        # No systemd, no journal.
        return ["--tmpdir", self.path("libpod"), "--cgroup-manager", "cgroupfs", "--events-backend", "file"]


BUILDX = """#!/bin/sh
case "$*" in *--help) echo "--metadata-file string"; exit 0 ;; esac
printf '%s\\n' "$*" >> "$STAND_IN_LOG"
case "$1 $2" in
'buildx inspect') echo "Driver:          ${STAND_IN_DRIVER:-docker-container}"; exit 0 ;;
'buildx build'|'buildx b') ;;
'image inspect')
    # Known by its ID, and by the names that the build gave it.
    for name; do :; done
    [ "$name" = "$(cat "$STAND_IN_ID")" ] || grep -q -e "--tag=$name " "$STAND_IN_LOG" || exit 1
    cat "$STAND_IN_ID"; exit 0 ;;
*) exit "${STAND_IN_EXIT:-0}" ;;
esac
for word; do
    case "$word" in
    --output=type=oci,dest=*) cp "$STAND_IN_OCI" "${word#*dest=}" ;;
    --output=type=docker,dest=*) cp "$STAND_IN_DOCKER" "${word#*dest=}" ;;
    --iidfile=*) cp "${STAND_IN_CONFIG:-$STAND_IN_ID}" "${word#*=}" ;;
    --metadata-file=*) [ -z "$STAND_IN_METADATA" ] || cp "$STAND_IN_METADATA" "${word#*=}" ;;
    esac
done
exit "${STAND_IN_EXIT:-0}"
"""


class StandIn(Case):
    def setUp(self):
        super().setUp()
        stand_in = self.path("bin/docker")
        os.makedirs(self.path("bin"))
        self.write(stand_in, BUILDX)
        os.chmod(stand_in, os.stat(stand_in).st_mode | stat.S_IXUSR)
        self.log = self.path("log")
        self.variables = {"PATH": f"{self.path('bin')}:{os.environ['PATH']}", "STAND_IN_LOG": self.log,
                          "STAND_IN_ID": self.path("id")}

    def buildx(self, *words, options=("--advisories", "demo"), **variables):
        if os.path.exists(self.log):
            os.remove(self.log)
        built = self.build("docker", "buildx", *words, options=options, variables={**self.variables, **variables})
        with open(self.log, encoding="utf-8") as log:
            return (*built, log.read().splitlines())


class Buildx(StandIn):
    def setUp(self):
        super().setUp()
        oci, docker = self.path("oci.tar"), self.path("docker.tar")
        program.skopeo(f"oci:{DEMO}:demo", f"oci-archive:{oci}")
        program.skopeo(f"oci:{DEMO}:demo", f"docker-archive:{docker}:team/demo:1")
        self.id = program.manifest(DEMO)["config"]["digest"]
        self.write(self.path("id"), self.id)
        self.variables.update(STAND_IN_OCI=oci, STAND_IN_DOCKER=docker)

    @unittest.skipUnless(registry.PROGRAM, "no docker-registry")
    def test_nothing_is_pushed_before_the_gate(self):
        with registry.registry(self.work, auth=registry.htpasswd(self.work)) as (host, _):
            name = f"{host}/team/app:1"
            login = self.path("docker-config")
            os.makedirs(login)
            self.write(os.path.join(login, "config.json"), json.dumps({"auths": {host: {
                "auth": registry.base64.b64encode(f"{registry.USER}:{registry.PASSWORD}".encode()).decode()}}}))
            words = ("build", "--push", "-t", name, "-t", f"{host}/team/app:2", ".")
            code, report, _, said, log = self.buildx(*words, DOCKER_CONFIG=login)
            self.assertEqual((code, report["results"][0]["image"]["called"]), (1, name), said)
            self.assertIn("the gate is closed: the image was not published", said)
            self.assertNotIn("--push", log[-1])
            credentials = f"{registry.USER}:{registry.PASSWORD}"
            inspect = ("skopeo", "inspect", "--raw", "--tls-verify=false", "--creds", credentials)
            self.assertNotEqual(call(*inspect, f"docker://{name}").returncode, 0)
            waived = ("--advisories", "demo", "--on-error", "warn", "--policy", self.waiver())
            code, _, _, said, _ = self.buildx(*words, options=waived, DOCKER_CONFIG=login)
            self.assertEqual(code, 0, said)
            with open(os.path.join(DEMO, "index.json"), encoding="utf-8") as index:
                digest = json.load(index)["manifests"][0]["digest"]
            self.assertIn(f"pushed {name}: {digest}", said)
            for tag in (name, f"{host}/team/app:2"):
                raw = prepare(*inspect, f"docker://{tag}")
                self.assertEqual(program.sha256(raw.encode()), digest)
            # All of it came, and it is what was gated.
            code, report, said = program.gate(self.work, f"registry:{name}", "--advisories", "demo", "--no-cache",
                                              variables={"DOCKER_CONFIG": login})
            self.assertEqual(code, 1, said)
            self.assertEqual(report["results"][0]["image"]["digest"], digest)
            # Again: nothing is sent twice, and a wrong password is said.
            self.assertEqual(self.buildx(*words, options=waived, DOCKER_CONFIG=login)[0], 0)
            code, _, _, said, _ = self.buildx(*words, options=waived)
            self.assertEqual(code, 3, said)
            self.assertIn("docker login", said)

    def test_the_archive_that_was_gated_is_loaded(self):
        code, _, _, said, log = self.buildx("build", "--load", "-t", "team/app:1", ".")
        self.assertEqual(code, 1, said)
        self.assertFalse(any(line.startswith("load") for line in log))
        code, report, _, said, log = self.buildx("build", "--load", "-t", "team/app:1", ".",
                                                 options=("--advisories", "demo", "--policy", self.waiver()))
        self.assertEqual(code, 0, said)
        self.assertRegex(log[-1], "^load --input .*image.tar$")
        self.assertEqual(report["results"][0]["image"]["config_digest"], self.id)

    def test_the_name_of_an_exporter_is_kept(self):
        code, report, _, said, log = self.buildx("build", "-o", "type=docker,name=team/app:1", ".")
        self.assertEqual((code, report["results"][0]["image"]["called"]), (1, "team/app:1"), said)
        self.assertIn(" --tag=team/app:1 ", log[-1])

    def test_a_build_that_leaves_no_image(self):
        for words, driver in ((["build", "."], "docker-container"), (["build", "-o", "out", "."], "docker")):
            code, _, _, said, log = self.buildx(*words, STAND_IN_DRIVER=driver) if driver != "docker" else (*self.build(
                "docker", "buildx", *words, variables={**self.variables, "STAND_IN_DRIVER": driver}), [])
            self.assertEqual(code, 2, said)
            self.assertIn("leaves no image", said)
            self.assertIn("add --load, or --push", said)
            self.assertFalse(any(line.startswith("buildx build") for line in log), "it was not even built")

    def test_no_platform_goes_out_unlooked(self):
        both = ("build", "--platform", "linux/amd64,linux/arm64", "-t", "team/app:1", ".")
        one = ("--advisories", "demo", "--platform", "linux/amd64")
        pushed = (*both, "--push")
        for words, options, variables, why in (
            (pushed, one, {}, "gates only some of what this build pushes"),
            (pushed, ("--advisories", "demo"), {"STELLA_PLATFORM": "linux/amd64"}, "leave it away"),
            # An engine's store.
            (both, one, {"STAND_IN_DRIVER": "docker"}, "only one of them could be gated"),
            (("build", "."), one, {"STAND_IN_DRIVER": "docker", "DOCKER_DEFAULT_PLATFORM": "linux/amd64,linux/arm64"}, "build for one at a time"),
        ):
            with self.subTest(why):
                code, _, _, said, log = self.buildx(*words, options=options, **variables)
                self.assertEqual(code, 2, said)
                self.assertIn(why, said)
                self.assertFalse(any(line.startswith("buildx build") for line in log), "it was not even built")

    def test_what_is_pushed_is_not_loaded_in_silence(self):
        for words in (("--push", "--load"), ("-o", "type=registry", "-o", "type=docker")):
            code, _, _, said, log = self.buildx("build", *words, "-t", "team/app:1", ".")
            self.assertEqual(code, 2, said)
            self.assertIn("docker pull it after the gate", said)
            self.assertFalse(any(line.startswith("buildx build") for line in log), "it was not even built")

    def test_the_exit_code_of_the_build(self):
        code, report, _, said, _ = self.buildx("build", "--load", ".", STAND_IN_EXIT="17")
        self.assertEqual((code, report["results"]), (17, []), said)


@unittest.skipUnless(shutil.which("docker") and os.environ.get("DOCKER_HOST"), "no Docker engine")
class BuildxOfTheEngine(StandIn):
    """The engine's own builder, whose images the engine itself is asked for."""

    def setUp(self):
        super().setUp()
        built = ("docker", "build", "--quiet", self.app)
        self.id = prepare(*built, env={**os.environ, "DOCKER_BUILDKIT": "0"}).strip()
        self.write(self.path("id"), self.id)
        self.variables["STAND_IN_DRIVER"] = "docker"

    def tearDown(self):
        call("docker", "image", "rm", "--force", self.id, env=os.environ)

    def test_it_is_pushed_by_the_name_of_its_exporter(self):
        waived = ("--advisories", "demo", "--policy", self.waiver())
        words = ("build", "-o", "type=image,name=team/app:1,push=true", ".")
        code, report, _, said, log = self.buildx(*words, options=waived)
        self.assertEqual((code, report["results"][0]["image"]["config_digest"]), (0, self.id), said)
        self.assertIn("push team/app:1", log)
        self.assertNotIn("push=true", log[1])

    def test_an_image_that_the_engine_knows_by_its_manifest(self):
        """As Docker has it that keeps images in containerd: what buildx calls the image is unknown there."""
        config, metadata = "sha256:" + 64 * "1", self.path("said.json")
        self.write(self.path("config"), config)
        of_config = {"STAND_IN_CONFIG": self.path("config"), "STAND_IN_METADATA": metadata}
        for said_config, expected in ((config, 1), ("sha256:" + 64 * "2", 3)):
            self.write(metadata, json.dumps({"containerimage.config.digest": said_config, "containerimage.digest": self.id,
                                             "buildx.build.ref": "a/b/c"}))
            code, report, _, said, _ = self.buildx("build", "-t", "team/app:1", ".", **of_config)
            # What is said of another image does not count.
            self.assertEqual(code, expected, said)
            if expected == 1:
                self.assertEqual(report["results"][0]["image"]["config_digest"], self.id)
            else:
                self.assertIn(config, said)


# Nothing but the build is heard.
QUIET = ("--advisories", "demo", "-o", "json=report.json")


class Child(Case):
    """The build is run as if it were run by itself."""

    def stand_in(self, text):
        os.makedirs(self.path("bin"))
        path = self.path("bin/docker")
        self.write(path, "#!/bin/sh\ncase \"$*\" in buildx*|*--help) exit 1 ;; esac\n" + text)
        os.chmod(path, 0o755)
        return {**environment(self.work), "PATH": f"{self.path('bin')}:{os.environ['PATH']}"}

    def test_input_and_output_are_the_build_s(self):
        variables = self.stand_in("cat; echo to-stderr >&2; exit 5\n")
        done = call(STELLA, "build", *QUIET, "--", "docker", "build", "-", input="FROM x\n", env=variables, cwd=self.app)
        self.assertEqual((done.returncode, done.stdout), (5, "FROM x\n"))
        self.assertIn("to-stderr", done.stderr)

    def test_signals_are_the_build_s(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(number):
                shutil.rmtree(self.path("bin"), ignore_errors=True)
                variables = self.stand_in("trap 'exit 9' TERM HUP INT\ntouch ready\nwhile :; do sleep 0.05; done\n")
                with subprocess.Popen([STELLA, "build", *QUIET, "--", "docker", "build", "."], env=variables, cwd=self.app,
                                      stderr=subprocess.PIPE, start_new_session=True) as process:
                    ready = os.path.join(self.app, "ready")
                    deadline = time.monotonic() + 20
                    while not os.path.exists(ready) and time.monotonic() < deadline:
                        time.sleep(0.02)
                    os.remove(ready)
                    process.send_signal(number)
                    said = process.communicate(timeout=20)[1]
                self.assertEqual(process.returncode, 9, said)

    def test_a_signal_while_the_gate_looks_ends_it(self):
        """Nothing is published after somebody said stop, and nothing is left behind."""
        variables = self.stand_in(
            "for word; do case $word in --iidfile=*) printf sha256:%064d 0 > \"${word#*=}\" ;; esac; done\n"
            "[ \"$1\" != push ] || touch pushed\n")
        os.makedirs(self.path("tmp"))
        with socket.create_server(("127.0.0.1", 0)) as mute:
            variables.update(DOCKER_HOST=f"tcp://127.0.0.1:{mute.getsockname()[1]}", TMPDIR=self.path("tmp"))
            command = [STELLA, "build", "--advisories", "demo", "--on-error", "warn", "--", "docker", "build", "--push", "-t", "a", "."]
            for number in (signal.SIGTERM, signal.SIGINT):
                with subprocess.Popen(command, env=variables, cwd=self.app, stderr=subprocess.PIPE, start_new_session=True) as process:
                    asked, _ = mute.accept()
                    process.send_signal(number)
                    said = process.communicate(timeout=20)[1]
                    asked.close()
                self.assertEqual(process.returncode, 128 + number, said)
                self.assertEqual(os.listdir(self.path("tmp")), [])
        self.assertFalse(os.path.exists(os.path.join(self.app, "pushed")))

    def test_the_engine_of_docker_s_flags_is_the_build_s_too(self):
        variables = self.stand_in("echo \"$DOCKER_HOST $DOCKER_CONFIG\"; exit 5\n")
        plugin = self.path("docker-stella")
        os.symlink(STELLA, plugin)
        done = call(plugin, "--host", "unix:///x", "--config", "/y", "stella", "build", *QUIET, "--", "docker", "build", ".",
                    env=variables, cwd=self.app)
        self.assertEqual((done.returncode, done.stdout), (5, "unix:///x /y\n"), done.stderr)

    def test_what_is_no_build(self):
        for words in (["docker", "push", "a"], ["make"], ["docker"]):
            done = call(STELLA, "build", *QUIET, "--", *words, env=environment(self.work), cwd=self.app)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("docker buildx build", done.stderr)
        done = call(STELLA, "build", *QUIET, "--", "/nowhere/docker", "build", ".", env=environment(self.work), cwd=self.app)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("/nowhere/docker cannot be run", done.stderr)
