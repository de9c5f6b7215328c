"""Who asks a server, and over what: the variables of a job, an authority of one's own, a proxy. The server is a real one, behind a
relay that speaks TLS and stands in for what it has not: `/v1/token`, and the platform that vouches for a job."""
import contextlib
import json
import os
import sys
import unittest
import urllib.parse

import program
from program import DEMO, ROOT, STELLA, call, environment, gate, prepare

sys.path.append(os.path.join(ROOT, "tests", "registry"))
import registry  # noqa: E402
from registry import at  # noqa: E402

# A name of the certificate that leads nowhere, so that only a proxy finds it.
AWAY = "https://registry.test"


class Identity(program.Case):
    def setUp(self):
        super().setUp()
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        advisories = self.path("advisories")
        prepare(STELLA, "feeds", "import", program.ADVISORIES, "--advisories", advisories)
        address = stack.enter_context(program.server(self.work, "--advisories", advisories))
        self.upstream = address.removeprefix("http://")
        self.authority, *tls = registry.certificates(self.work)
        self.takes_words = True
        self.words = []
        self.relay = stack.enter_context(registry.relay(self.upstream, self.stand_in, tls))
        self.proxy = stack.enter_context(registry.proxy(at(self.relay)))
        self.address = f"https://{at(self.relay)}"

    def stand_in(self, request, _):
        """The platform, and a server that takes its word; all else is the real server's."""
        path, _, query = request.path.partition("?")
        if path == "/word":
            self.assertEqual(request.headers["Authorization"], "Bearer job")
            audience, = urllib.parse.parse_qs(query)["audience"]
            return 200, {}, json.dumps({"value": f"word for {audience}"}).encode()
        if path == "/v1/token" and self.takes_words:
            self.words.append(json.loads(request.body)["token"])
            return 200, {}, b'{"token": "short", "expires_in": 300}'
        return None

    def gate(self, *arguments, server=None, **variables):
        self.relay.requests.clear()
        options = ["--server", server or self.address, "--deadline", "10", *arguments]
        return gate(self.work, f"oci:{DEMO}", *options, variables={"STELLA_CA": self.authority, **variables})

    def asked(self):
        """What proved in each call of a scan who asks."""
        return {headers["Authorization"] for line, headers in self.relay.requests if line.split(" ")[1].startswith("/v1/scan")}

    def is_known_as(self, identity, authorization, *arguments, **more):
        code, report, said = self.gate(*arguments, **more)
        self.assertEqual((code, report and report["run"]["identity"]), (1, identity), said)
        self.assertEqual(self.asked(), {authorization}, said)
        return report, said

    # ---- the variables --------------------------------------------------------------------------------------------

    def test_by_the_variables_of_a_job(self):
        github = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.address}/word?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        token = {"STELLA_TOKEN": "mine"}
        for identity, authorization, variables in [
                ("oidc", "Bearer short", github),
                ("oidc", "Bearer short", {**github, **token}),
                ("oidc", "Bearer short", {"STELLA_ID_TOKEN": "given", **token}),
                ("oidc", "Bearer short", {"STELLA_ID_TOKEN": "given", **token, "STELLA_IDENTITY": "oidc"}),
                ("token", "Bearer mine", token),
                ("token", "Bearer mine", {**github, **token, "STELLA_IDENTITY": "token"}),
                ("anonymous", None, {**github, **token, "STELLA_IDENTITY": "anonymous"}),
                ("anonymous", None, {"STELLA_ID_TOKEN": "", "STELLA_TOKEN": ""})]:
            with self.subTest(variables):
                _, said = self.is_known_as(identity, authorization, **variables)
                self.assertIn(f"note: {self.address} is asked as {identity}", said)
        self.assertEqual(self.words, [f"word for {self.address}"] * 2 + ["given"] * 2)

    def test_nobody_is_another_who_wanted_the_platform_s_word(self):
        half = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.address}/word?v=1", "STELLA_TOKEN": "mine"}
        for variables in ({"STELLA_TOKEN": "mine", "STELLA_IDENTITY": "oidc"}, half, {**half, "STELLA_IDENTITY": "oidc"}):
            code, _, said = self.gate(**variables)
            self.assertEqual((code, self.relay.requests), (2, []), said)
        self.takes_words = False
        code, _, said = self.gate(STELLA_ID_TOKEN="given", STELLA_TOKEN="mine", STELLA_IDENTITY="oidc")
        self.assertEqual((code, self.asked()), (3, set()), said)
        self.assertIn("takes no word of a CI platform", said)

    def test_a_plugin_has_its_own(self):
        settings = {"PLUGIN_IMAGE": f"oci:{DEMO}", "PLUGIN_SERVER": self.address, "PLUGIN_CA": self.authority, "PLUGIN_OUTPUT": "dotenv",
                    "PLUGIN_TOKEN": "plugged", "PLUGIN_IDENTITY": "token"}
        done = call(STELLA, env={**environment(self.work), **settings}, cwd=self.work)
        self.assertEqual((done.returncode, self.asked()), (1, {"Bearer plugged"}), done.stderr)

    def test_nobody_is_anonymous_who_wanted_to_say_who_it_is(self):
        code, _, said = self.gate("--identity", "token", STELLA_ID_TOKEN="given")
        self.assertEqual((code, self.relay.requests), (2, []), said)
        self.assertIn("no token in STELLA_TOKEN", said)
        # Whom would it be told?
        code, _, said = gate(self.work, f"oci:{DEMO}", "--identity", "token", "--advisories", "demo")
        self.assertEqual(code, 1, said)

    def test_what_the_server_does_not_take_is_said(self):
        self.takes_words = False
        wanted = "warning: the server takes no word of a CI platform for who asks (it knows no /v1/token): it is asked as "
        for identity, authorization, variables in [("token", "Bearer mine", {"STELLA_TOKEN": "mine"}), ("anonymous", None, {})]:
            report, said = self.is_known_as(identity, authorization, STELLA_ID_TOKEN="given", **variables)
            self.assertEqual(said.count(wanted + identity), 1, said)
            self.assertIn((wanted + identity).removeprefix("warning: "), report["run"]["notes"])
        done = call(STELLA, "layers", f"oci:{DEMO}", "--server", self.address, "--ca", self.authority,
                    env={**environment(self.work), "STELLA_ID_TOKEN": "given"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(wanted + "anonymous", done.stderr)

    def test_also_where_nothing_comes_of_it(self):
        self.takes_words = False
        refuses = registry.relay(self.upstream, lambda request, _: (403, {}, b"") if request.path == "/v1/scan" else None)
        with refuses as relay:
            code, _, said = self.gate(server=f"http://{at(relay)}", STELLA_ID_TOKEN="given")
        self.assertEqual(code, 3, said)
        self.assertIn("it is asked as anonymous", said)

    # ---- the way there --------------------------------------------------------------------------------------------

    def test_an_authority_of_ones_own(self):
        code, report, said = self.gate(STELLA_CA="")
        self.assertEqual((code, report, self.relay.requests), (3, None, []), said)
        self.assertIn("certificate", said)
        self.is_known_as("anonymous", None, "--ca", self.authority, STELLA_CA="")
        code, _, said = self.gate("--ca", self.path("nowhere"))
        self.assertEqual(code, 2, said)
        self.assertIn(self.path("nowhere"), said)

    def test_by_a_proxy(self):
        through = {"HTTPS_PROXY": f"http://{at(self.proxy)}", "STELLA_TOKEN": "mine"}
        self.is_known_as("token", "Bearer mine", server=AWAY, **through)
        self.assertEqual(set(self.proxy.requests), {"registry.test:443"})
        # The platform's word too.
        self.proxy.requests.clear()
        word = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{AWAY}/word?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        self.is_known_as("oidc", "Bearer short", server=AWAY, **through, **word)
        self.assertEqual(self.words, [f"word for {AWAY}"])
        self.assertEqual(set(self.proxy.requests), {"registry.test:443"})
        # It knows its own machine, and not ours.
        self.proxy.requests.clear()
        self.is_known_as("token", "Bearer mine", **through)
        self.assertEqual(self.proxy.requests, [])

    def test_by_a_proxy_in_plain_words(self):
        with registry.relay(self.upstream) as proxy:
            away, through = "http://stella.test", {"HTTP_PROXY": f"http://{at(proxy)}"}
            code, report, said = self.gate(server=away, **through)
            self.assertEqual((code, report and report["run"]["degraded"]), (1, False), said)
            self.assertIn(f"POST {away}/v1/scan", [line for line, _ in proxy.requests])
            # Whoever listens there has no proof of anybody.
            proxy.requests.clear()
            code, _, said = self.gate(server=away, STELLA_TOKEN="mine", **through)
            self.assertEqual((code, proxy.requests), (3, []), said)
            self.assertIn("want https", said)


if __name__ == "__main__":
    unittest.main()
