"""Writes statistics.json: what other libraries say of seeded random samples, for the harness's own statistics to match.

Needs numpy==2.2.6 and scipy==1.15.3 (Python 3.11):

    python3 -m venv V && V/bin/pip install numpy==2.2.6 scipy==1.15.3
    V/bin/python perf/reference/statistics.py > perf/reference/statistics.json

The same versions write the same bytes; a test reads them (src/statistics/reference.rs).
"""

import json
import sys

import numpy
import scipy
from scipy.stats import binom, mannwhitneyu

SEED = 20250701
SETS = 200
LARGEST = 500
CONFIDENCE = 0.95
PERCENTILES = (50, 95, 99)
# Beyond the sizes of the sets: every small one, and those of phases that take many samples.
RANK_SIZES = [*range(1, 131), 200, 500, 1000, 2000, 5000, 20000]


def normal(random, size):
    return random.normal(50, 5, size)


def long_tailed(random, size):
    return random.lognormal(3, 1, size)


def heavy_tailed(random, size):
    return 10 + random.pareto(1.2, size)


def two_modes(random, size):
    return numpy.where(random.random(size) < 0.8, random.normal(20, 1, size), random.normal(60, 3, size))


def tied(random, size):
    return random.integers(1, 6, size) / 4


def one_value(random, size):
    return numpy.full(size, 12.5)


def drifting(random, size):
    return 30 + numpy.linspace(0, 10, size) + random.exponential(2, size)


DISTRIBUTIONS = [normal, long_tailed, heavy_tailed, two_modes, tied, one_value, drifting]


def confidence_ranks(size, quantile):
    """Ranks, from 1, of the order statistics that enclose the quantile; None where no sample can.

    Each end errs with at most half of what the confidence leaves: the number of samples below the quantile is binomial.
    """
    half = (1 - CONFIDENCE) / 2
    below = binom.cdf(numpy.arange(size + 1), size, quantile)
    above = binom.sf(numpy.arange(size + 1) - 1, size, quantile)
    lower = [rank for rank in range(1, size + 1) if below[rank - 1] <= half]
    upper = [rank for rank in range(1, size + 1) if above[rank] <= half]
    return [max(lower, default=None), min(upper, default=None)]


def summary(samples):
    return {
        "mean": float(numpy.mean(samples)),
        "standard_deviation": float(numpy.std(samples, ddof=1)) if len(samples) > 1 else None,
        "percentiles": [float(numpy.percentile(samples, p, method="inverted_cdf")) for p in PERCENTILES],
    }


def comparison(baseline, current):
    greater = mannwhitneyu(
        current, baseline, alternative="greater", method="asymptotic", use_continuity=True
    )
    differences = numpy.subtract.outer(current, baseline).ravel()
    return {
        "u": float(greater.statistic),
        "p_greater": float(greater.pvalue),
        "shift": float(numpy.median(differences)),
    }


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    sets = []
    for index in range(SETS):
        distribution = DISTRIBUTIONS[index % len(DISTRIBUTIONS)]
        sizes = [round(float(numpy.exp(random.uniform(0, numpy.log(LARGEST))))) for _ in range(2)]
        baseline, current = (numpy.round(distribution(random, size), 3) for size in sizes)
        current = numpy.round(current * random.choice([1, 1.02, 1.1, 0.9]), 3)
        sets.append({
            "distribution": distribution.__name__,
            "baseline": baseline.tolist(),
            "current": current.tolist(),
            "summary": summary(baseline),
            "comparison": comparison(baseline, current),
        })
    ranks = [[size, *confidence_ranks(size, 0.5), *confidence_ranks(size, 0.95)] for size in RANK_SIZES]
    head = {"numpy": numpy.__version__, "scipy": scipy.__version__, "confidence_ranks": ranks}
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in sets)
    sys.stdout.write(json.dumps(head, separators=(",", ":"))[:-1] + ',"sets":[\n' + lines + "\n]}\n")


main()
