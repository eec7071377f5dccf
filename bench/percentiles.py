"""How far Convoy's percentiles are from those of the exact sorted list of the same samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from random import Random
from typing import Any

from convoy.results.histograms import QUANTILES, Histogram, Recorder

_SEED = 20261122
_SHORTEST_S, _LONGEST_S = 1e-6, 600.0
_SHAPES: Mapping[str, Callable[[Random], float]] = {
    "lognormal around 1 ms": lambda rng: rng.lognormvariate(-6.9, 1.0),
    "lognormal around 200 ms": lambda rng: rng.lognormvariate(-1.6, 0.6),
    "even from 0 to 1 s": lambda rng: rng.uniform(0, 1),
    "a tenth at 30 s": lambda rng: rng.choice([rng.gauss(0.02, 0.002)] * 9 + [30.0]),
}


def exact_percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value of a sorted list that `percent` of the values do not exceed."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def measure_percentiles(samples: int) -> dict[str, Any]:
    """Compare p50 to p99.9 of so many samples of each shape; return the largest deviation."""
    rng = Random(_SEED)
    deviations = {
        shape: _largest_deviation(
            [min(max(draw(rng), _SHORTEST_S), _LONGEST_S) for _ in range(samples)]
        )
        for shape, draw in _SHAPES.items()
    }
    return {
        "samples": samples,
        "deviations": {shape: round(value, 7) for shape, value in deviations.items()},
        "largest_deviation": round(max(deviations.values()), 7),
    }


def _largest_deviation(durations_s: Sequence[float]) -> float:
    recorder, histogram = Recorder(), Histogram()
    for duration_s in durations_s:
        recorder.record(duration_s)
    histogram.add(recorder.take())
    ordered = sorted(durations_s)
    return max(
        abs(histogram.percentile(at).ms / 1000 / exact_percentile(ordered, at) - 1)
        for at in QUANTILES.values()
    )
