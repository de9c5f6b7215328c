#!/usr/bin/env python3
"""Compares Stella's merged listing of odd images with what a real Docker engine makes of them.

    run.py --stella PROGRAM [--engine] [--only PATTERN]    compare; with --engine also ask the engine again
    run.py --record                                         ask the engine and write engine.jsonl

The engine (DOCKER_HOST, or the default socket) loads each image and exports a container of it that never ran. What it
said is kept in engine.jsonl, so that the comparison also works without an engine.

    same        Stella lists what the engine exports
    refused     Stella ends with exit code 3 and says why, and the file `refused` says that it should
    beyond      the engine refuses the image and Stella reads it: recorded
    both        both refuse
    DIFFERENT   Stella lists something else, or ends in another way: the run fails
    CAUTIOUS    Stella refuses what is not in `refused`: the run fails, or soon nothing would be compared
    CHANGED     the engine says something else than engine.jsonl does: the run fails

Exit code 1 when a case is DIFFERENT, CAUTIOUS or CHANGED.
"""
import argparse
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
REFUSED = os.path.join(HERE, "refused")
RECORD = os.path.join(HERE, "engine.jsonl")
TIMEOUT_S = 120
# An image without a surprise: what an export of it holds beside its file is the engine's own.
PLAIN = "pax-size-equal"
PLAIN_PATHS = {"a", "after"}

sys.path.insert(0, HERE)
import make_odd_tars  # noqa: E402


def run(*command):
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)


def text(name):
    """A name as a listing writes it: a byte that is no UTF-8 is \\xNN, a backslash is doubled."""
    raw = os.fsencode(name).replace(b"\\", b"\\\\")
    return raw.decode("utf-8", "backslashreplace")


def export(path):
    """The entries of a container's exported tar: path -> (kind, link target)."""
    entries = {}
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            name = text(member.name).strip("/")
            if member.isdir():
                entry = ("directory", "")
            elif member.issym():
                entry = ("link", text(member.linkname))
            elif member.islnk():
                entry = entries[text(member.linkname).strip("/")]  # of a link too: link(2) does not follow
            elif member.isreg():
                entry = ("file", "")
            else:
                entry = ("device", "")
            if name:
                entries[name] = entry
    return entries


def engine(archive, name):
    """What the engine makes of an image: entries, or the reason of its refusal."""
    image = f"stella-odd/{name}:1"
    try:
        done = run("docker", "load", "--quiet", "--input", archive)
        if done.returncode != 0:
            return reason(done.stderr)
        created = run("docker", "create", image)
        if created.returncode != 0:
            return reason(created.stderr)
        container = created.stdout.decode().strip()
        with tempfile.NamedTemporaryFile(suffix=".tar") as out:
            done = run("docker", "export", "--output", out.name, container)
            run("docker", "rm", "--force", container)
            return reason(done.stderr) if done.returncode != 0 else export(out.name)
    finally:
        run("docker", "rmi", "--force", image)


def reason(stderr):
    """An engine's message without what differs between runs."""
    said = text(stderr.decode("utf-8", "surrogateescape")).strip().splitlines()
    line = re.sub(r"/\S*/(?=docker-import-|overlay2/)", "", said[-1] if said else "no reason given")
    line = re.sub(r"docker-import-\d+", "docker-import-N", line)
    return re.sub(r"\b[0-9a-f]{12,64}\b", "ID", line)[:160]


def ask(directory, names):
    """What the engine makes of each image, its own files left out."""
    own = engine(os.path.join(directory, PLAIN + ".tar"), PLAIN)
    if isinstance(own, str):
        sys.exit(f"the engine refuses a plain image: {own}")
    own = {path: entry for path, entry in own.items() if path not in PLAIN_PATHS}
    answers = {}
    for name in names:
        entries = engine(os.path.join(directory, name + ".tar"), name)
        if not isinstance(entries, str):
            entries = {path: entry for path, entry in entries.items() if own.get(path) != entry}
        answers[name] = entries
    return answers


def read_record():
    answers = {}
    with open(RECORD, encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            answers[one["case"]] = one["refused"] if "refused" in one else {
                path: (kind, target) for path, kind, target in one["entries"]}
    return answers


def write_record(answers):
    with open(RECORD, "w", encoding="utf-8") as out:
        for name, answer in answers.items():
            if isinstance(answer, str):
                one = {"case": name, "refused": answer}
            else:
                one = {"case": name, "entries": [[path, *entry] for path, entry in sorted(answer.items())]}
            out.write(json.dumps(one, ensure_ascii=True) + "\n")


def stella(program, image):
    """What Stella makes of an image: entries, or the reason of its refusal; another end is an error."""
    done = run(program, "debug", "listing", image)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == 3 and said:
        return said[-1]
    if done.returncode != 0:
        raise ValueError(f"exit code {done.returncode}: {said[-1] if said else 'nothing on stderr'}")
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    entries = {one["path"]: (one["kind"], one.get("target") or "") for one in listed}
    if len(entries) != len(listed):
        raise ValueError("a path is listed twice")
    return entries


def difference(want, got):
    for path in sorted({*want, *got}):
        if want.get(path) != got.get(path):
            yield f"{path[:80]!r}: engine {want.get(path, 'nothing')}, Stella {got.get(path, 'nothing')}"


def judge(program, image, want, refusable):
    try:
        got = stella(program, image)
    except (ValueError, KeyError, subprocess.TimeoutExpired) as error:
        return "DIFFERENT", [str(error)]
    if isinstance(got, str):
        if isinstance(want, str):
            return "both", [got]
        return ("refused" if refusable else "CAUTIOUS"), [got]
    if isinstance(want, str):
        return "beyond", [want]
    lines = list(difference(want, got))
    return ("DIFFERENT", lines) if lines else ("same", [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stella", help="the program")
    parser.add_argument("--engine", action="store_true", help="ask the engine again, and compare with what it said")
    parser.add_argument("--record", action="store_true", help="write engine.jsonl")
    parser.add_argument("--only", default="*", help="names of cases, a glob")
    arguments = parser.parse_args()
    if not arguments.record and not arguments.stella:
        parser.error("name the program with --stella, or --record")
    with tempfile.TemporaryDirectory() as directory:
        make_odd_tars.main(directory)
        names = fnmatch.filter(make_odd_tars.CASES, arguments.only)
        if arguments.record:
            write_record(ask(directory, names))
            return 0
        record = read_record()
        with open(REFUSED, encoding="utf-8") as lines:
            # `case: reason`, one a line: caution without a reason is refused itself.
            refused = dict(line.rstrip("\n").split(": ", 1) for line in lines)
        unknown = [name for name in names if name not in record]
        if unknown or not names:
            sys.exit(f"engine.jsonl says nothing of: {' '.join(unknown) or arguments.only} (run.py --record)")
        now = ask(directory, names) if arguments.engine else record
        counts = collections.Counter()
        for name in names:
            if now[name] != record[name]:
                counts["CHANGED"] += 1
                print(f"CHANGED    {name}\n           was {record[name]}\n           is  {now[name]}")
            for image in (f"docker-archive:{directory}/{name}.tar", f"oci:{directory}/{name}"):
                outcome, why = judge(arguments.stella, image, record[name], name in refused)
                counts[outcome] += 1
                shown = f"{outcome:10} {image.split(':')[0]:14} {name}"
                print("\n             ".join([shown, *why[:8]]))
    print("odd images:", ", ".join(f"{counts[key]} {key}" for key in sorted(counts)))
    return 1 if any(counts[bad] for bad in ("DIFFERENT", "CAUTIOUS", "CHANGED")) else 0


if __name__ == "__main__":
    sys.exit(main())
