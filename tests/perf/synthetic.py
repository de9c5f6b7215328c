"""Runs that never took place, with every phase, from a seed: what the figures are made of, not what they are."""
import datetime
import hashlib
import json
import math
import os
import random
import statistics

EDGES_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000]
# Phase, variant, median in ms, target, goal, gate.
PHASES = [
    ("SBOM_FIRST", None, 820, 5000, None, "hard"), ("IMAGE_UNPACK", None, 1350, 10000, 2000, "soft"),
    ("DELTA_SBOM", None, 82, 1000, 100, "hard"), ("POLICY_EVAL", None, 3.1, 50, 10, "hard"),
    ("QUOTA_WAIT", "hard", 60004, 60000, None, "hard"), ("QUOTA_WAIT", "soft", 4400, 5000, None, "hard"),
    ("SCHED_RESCAN", None, 9100, 30000, None, "soft"), ("FEED_MERGE", "cold", 5200, 60000, 6000, "soft"),
    ("FEED_MERGE", "unchanged", 420, 60000, 500, "soft"),
    ("FEED_LOOKUP", "open", 0.03, 10, 2, "hard"), ("FEED_LOOKUP", "packages", 3.2, 25, 5, "hard"),
    ("API_P95", None, 6.2, 200, 50, "hard"), ("COLD_GATE", None, 910, 5000, 1500, "hard"),
    ("KNOWN_GATE", None, 24, 200, 50, "hard"), ("LAYERS_MISSING", None, 0.21, 50, 5, "hard"),
    ("REPORTS", None, 12, 20, None, "hard"), ("REPORTS_MANY", None, 310, 500, None, "hard"), ("START", None, 1.3, 50, 15, "hard"),
    ("DELTA_WAN", "20ms", 176, 1000, 250, "hard"), ("DELTA_WAN", "50ms", 371, 1000, 400, "hard"),
    ("KNOWN_WAN", "20ms", 97, 500, 150, "hard"), ("KNOWN_WAN", "50ms", 214, 500, 250, "hard"),
]
STEPS = {"DELTA_SBOM": {"missing": 0.1, "analyse": 0.6, "upload": 0.2, "match": 0.1},
         "QUOTA_WAIT": {"check": 0.001, "wait": 0.999}}
WITHOUT_IMAGE = {"POLICY_EVAL", "QUOTA_WAIT", "FEED_MERGE", "FEED_LOOKUP", "REPORTS", "REPORTS_MANY", "START"}
MACHINE = {"cpu": "Some Processor 3000", "cores": 2, "memory_bytes": 16 << 30, "kernel": "Linux 6.1.0",
           "disk": "ext4 on /dev/vda", "work": "tmpfs on tmpfs", "commit": "0123456789abcdef0123456789abcdef01234567"}


def diff_ids(image):
    return ["sha256:" + hashlib.sha256(f"{image} {n}".encode()).hexdigest() for n in range(7)]


def summary(samples):
    ranked = sorted(samples)

    def rank(percent):
        return ranked[max(math.ceil(len(ranked) * percent / 100), 1) - 1]
    return {"samples": len(ranked), "mean_ms": statistics.fmean(ranked),
            "standard_deviation_ms": statistics.stdev(ranked),
            "p50_ms": rank(50), "p50_interval": {"lower_ms": rank(37), "upper_ms": rank(63)},
            "p95_ms": rank(95), "p95_interval": {"lower_ms": rank(88), "upper_ms": None},
            "p99_ms": rank(99), "min_ms": ranked[0], "max_ms": ranked[-1]}


def not_measured(state, why=None):
    """A phase without figures, and what the gates make of it."""
    message = {"not_built": "not built yet", "not_possible": f"not possible here: {why}", "failed": f"broke: {why}"}
    outcome = "fail" if state == "failed" else "not_judged"
    judgement = {"outcome": outcome, "reasons": [{"about": "measurement", "outcome": outcome,
                                                 "message": message[state]}]}
    return {"state": state, **({"why": why} if why is not None else {}), "comparison": None,
            "judgement": judgement}


def run(started, seed, slower=None, instead=None, image="v1", **machine):
    """Results and samples of a run; `slower`: times by phase, `instead`: states by phase."""
    dice = random.Random(seed)
    phases, series = [], {}
    for phase, variant, median, target, goal, gate in PHASES:
        row = {"phase": phase, "variant": variant, "target": {"target_p95_ms": target, "gate": gate,
                                                              **({"goal_p95_ms": goal} if goal else {})}}
        if phase in (instead or {}):
            if variant in (None, "20ms"):
                phases.append({**row, **instead[phase], "variant": None})
            continue
        middle = median * (slower or {}).get(phase, 1)
        # What is slow only by waiting hardly varies.
        spread = 0.0002 if phase == "QUOTA_WAIT" else 0.08
        drift = dice.gauss(0, spread / 3)
        samples = [round(middle * math.exp(dice.gauss(drift, spread)), 6) for _ in range(60)]
        floor = [round(middle * 0.7 * math.exp(dice.gauss(0, 0.02)), 6) for _ in range(60)]
        of, floor_of = summary(samples), summary(floor)
        edges = [10, 20, 40, 50] if phase == "POLICY_EVAL" else EDGES_MS
        buckets = [{"le_ms": edge, "samples": sum(sample <= edge for sample in samples)} for edge in edges]
        layers = [] if phase in WITHOUT_IMAGE else diff_ids(image)
        phases.append({
            **row, "state": "measured", "source": f"oci:{image}, seeded" if layers else "the corpus",
            "diff_ids": layers, "warm_up": 2, **of,
            "histogram": {"buckets": buckets, "samples": len(samples), "sum_ms": sum(samples)},
            "floor": {"what": "the least work", "p50_ms": floor_of["p50_ms"], "p95_ms": floor_of["p95_ms"],
                      "ratio_p50": of["p50_ms"] / floor_of["p50_ms"], "ratio_p95": of["p95_ms"] / floor_of["p95_ms"]},
            "steps": [{"name": name, "p50_ms": of["p50_ms"] * part, "p95_ms": of["p95_ms"] * part}
                      for name, part in STEPS.get(phase, {}).items()],
            "cpu_p50_ms": of["p50_ms"] * 0.9, "peak_bytes": 40 << 20,
            "facts": {"requests_per_second": 100.0} if phase == "API_P95" else {},
            "comparison": None, "judgement": judged(of["p95_ms"], target, goal, gate)})
        series[f"{phase}/{variant}" if variant else phase] = {"diff_ids": layers, "samples_ms": samples, "floor_ms": floor}
    return ({"schema": 1, "started": started, "machine": {**MACHINE, **machine}, "baseline": None,
             "phases": phases},
            {"schema": 1, "phases": series})


def judged(p95_ms, target, goal, gate):
    if p95_ms > 3 * target:
        outcome, about = ("fail" if gate == "hard" else "warn"), "target"
    elif p95_ms > target:
        outcome, about = "warn", "target"
    elif goal and p95_ms > goal:
        outcome, about = "warn", "goal"
    else:
        return {"outcome": "pass", "reasons": []}
    message = f"P95 {p95_ms:.1f} ms misses its {about}"
    return {"outcome": outcome, "reasons": [{"about": about, "outcome": outcome, "message": message}]}


def keep(directory, results, samples):
    os.makedirs(directory)
    for name, value in (("phase-stats.json", results), ("samples.json", samples)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as out:
            json.dump(value, out)


def twelve_weeks(root, last=datetime.date(2026, 11, 25)):
    """Three runs a week, and everything that a trend has to cope with."""
    first = last - datetime.timedelta(weeks=13)
    for number, days in enumerate(range(0, 7 * 13 + 1, 2)):
        day = first + datetime.timedelta(days=days)
        started = f"{day}T02:00:00Z"
        week = days / 7
        slower = {"COLD_GATE": 1 + 0.05 * week, "REPORTS": 0.7 if week > 8 else 1,
                  "KNOWN_GATE": 32 if 58 <= days < 61 else 1, "DELTA_SBOM": 1.25 if 40 <= days < 56 else 1}
        instead = {"SBOM_FIRST": not_measured("not_built")}
        if 30 < days < 44:
            instead.update({name: not_measured("not_possible", "no network namespaces: needs CAP_SYS_ADMIN")
                            for name in ("DELTA_WAN", "KNOWN_WAN")})
        machine = {"cpu": "Another Processor 9 <64> & more", "cores": 4} if week > 10.5 else {}
        results, samples = run(started, number, slower, instead, image="v1" if week < 5 else "v2", **machine)
        keep(os.path.join(root, str(day)), results, samples)
    results, samples = run(f"{last}T05:00:00Z", 1000, {"START": 100})
    keep(os.path.join(root, f"{last}.2"), {**results, "planted": ["START=4x"]}, samples)
    keep(os.path.join(root, "latest"), results, samples)
    keep(os.path.join(root, "baseline"), results, samples)
    os.makedirs(os.path.join(root, "2026-11-02.2"))
    os.makedirs(os.path.join(root, "2026-11-04.2"))
    with open(os.path.join(root, "2026-11-04.2", "phase-stats.json"), "w", encoding="utf-8") as out:
        out.write('{"schema": 99}')
