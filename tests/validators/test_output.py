"""What is printed: no report moves a terminal's cursor or commands a runner that reads its log, whatever it is of."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import program
import reports
from reports import FORMS, STELLA, each, read, run

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Output(reports.Case):
    @each(*FORMS)
    def test_nothing_acts(self, kind, form):
        text = read(kind, form)
        self.assertTrue(text.endswith("\n"), "an empty or broken report")
        self.assertEqual(reports.acting(text, "\n"), [])
        self.assertEqual(reports.commands(text, annotations=form == "github")[:3], [])

    def test_the_rules_find_commands(self):
        for text in ["::error::x", "a\n  ::add-mask::x", "a\r::error::x", "x ##[error]y", "##vso[task.x]"]:
            self.assertTrue(reports.commands(text), text)
        self.assertEqual(reports.commands("a ::error::x\n# # [x]"), [])

    def test_the_same_bytes_again(self):
        for kind in ("demo", "hostile"):
            again = os.path.join(reports.work(), f"again-{kind}")
            os.makedirs(again, exist_ok=True)
            reports.convert(reports.path(kind, "json"), *(f"{form}={os.path.join(again, form)}" for form in FORMS))
            for form in FORMS:
                # How long a gate's run took is known only once its reports are written.
                if kind != "demo" or form not in ("json", "metrics"):
                    with self.subTest(kind=kind, form=form):
                        with open(os.path.join(again, form), encoding="utf-8", newline="") as text:
                            self.assertEqual(text.read(), read(kind, form))

    @each("table")
    def test_colours_are_all_that_a_coloured_table_adds(self, kind, _form):
        coloured, plain = (run(STELLA, "--color", when, "convert", reports.path(kind, "json")).stdout.decode()
                           for when in ("always", "never"))
        self.assertTrue(COLOUR.search(coloured))
        self.assertEqual(COLOUR.sub("", coloured), plain)
        # A log has the worst of very many findings, a file has all.
        cut = re.findall(r"^([0-9,]+) (?:less severe )?findings? left out: ", plain, re.MULTILINE)
        if cut:
            results = reports.read_json(kind, "json")["results"]
            found = sum(finding["action"] != "ignore" for result in results for finding in result["findings"])
            self.assertEqual(found - 3_000, sum(int(number.replace(",", "")) for number in cut))
            self.assertLess(len(plain.encode()), 4_000_000, "as much as GitLab keeps of a job's log")
        else:
            self.assertEqual(plain, read(kind, "table"))

    @each("table")
    def test_a_terminal(self, kind, _form):
        text = self.on_a_terminal(72, STELLA, "convert", reports.path(kind, "json"))
        self.assertEqual(reports.acting(COLOUR.sub("", text), "\n"), [])
        self.assertEqual(reports.commands(COLOUR.sub("", text))[:3], [])
        self.assertTrue(text)

    def on_a_terminal(self, columns, *command):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = program.environment(reports.work())
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
            os.close(theirs)
            text = b""
            while True:
                try:
                    some = os.read(ours, 1 << 16)
                except OSError:  # how Linux says that the other end is closed
                    break
                if not some:
                    break
                text += some
            process.stderr.read()
            self.assertEqual(process.wait(), 0)
        os.close(ours)
        return text.decode().replace("\r\n", "\n")

    def test_memory_is_bounded(self):
        """What all reports take is a part of what the kept report takes, which has to be in memory."""
        kept = reports.path("hostile", "json")
        peak = {}
        for forms in (["json"], FORMS):
            outputs = [word for form in forms for word in ("-o", f"{form}={self.target(form)}")]
            process = subprocess.Popen([STELLA, "convert", kept, *outputs], env=program.environment(reports.work()))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            peak[len(forms)] = usage.ru_maxrss * 1024
        self.assertLess(peak[len(FORMS)], 1.5 * peak[1], peak)

    @staticmethod
    def target(form):
        return os.path.join(reports.work(), f"memory-{form}")
