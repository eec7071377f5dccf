"""Does a frozen target show in response times as arithmetic says it must?"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.contenders import CONNECTIONS, CONVOY
from bench.convoy import Load
from bench.convoy_runs import run_convoy
from bench.open_arrivals import response_times_s
from bench.percentiles import exact_percentile
from bench.runs import Range, measure

RATE = 200.0
PERCENTS = {"p95": 95.0, "p99": 99.0, "p999": 99.9}
_MAX_LATENESS_S = 20.0


@dataclass(frozen=True, slots=True)
class Freeze:
    """A run of `run_time_s`, and in it a freeze of `for_s`, `after_s` from its first messages."""

    run_time_s: int
    after_s: float
    for_s: float


def measure_freeze(place: Range, freeze: Freeze) -> dict[str, Any]:
    """Freeze nginx in the middle of a run, and compare the percentiles with the arithmetic.

    Raises BenchError when a run gives no figure.
    """
    spacing_s = 1 / measure(CONVOY, place).messages_per_s
    frozen_for_s = 0.0

    def watch(process: subprocess.Popen[bytes]) -> None:
        nonlocal frozen_for_s
        time.sleep(freeze.after_s)
        frozen_for_s = place.nginx.freeze(freeze.for_s)

    load = Load(RATE, freeze.run_time_s, CONNECTIONS, {"max_lateness_s": f"{_MAX_LATENESS_S:g}"})
    figures = run_convoy(load, place, flowing=int(RATE), watch=watch).figures
    service_s = figures["service_time_ms"]["p50"] / 1000
    expected = response_times_s(
        *(RATE, freeze.run_time_s, CONNECTIONS, service_s),
        *(freeze.after_s, frozen_for_s, _MAX_LATENESS_S),
        spacing_s=spacing_s,
    )
    return {"frozen_for_s": round(frozen_for_s, 4)} | comparison(figures, expected)


def comparison(figures: Mapping[str, Any], expected_s: Sequence[float]) -> dict[str, Any]:
    """Return observed and expected percentiles in ms, and how far apart they are at most."""
    ordered = sorted(expected_s)
    expected = {name: exact_percentile(ordered, at) * 1000 for name, at in PERCENTS.items()}
    observed = {name: float(figures["response_time_ms"][name]) for name in PERCENTS}
    deviations = [abs(observed[name] / expected[name] - 1) for name in PERCENTS]
    return {
        "observed_ms": observed,
        "expected_ms": {name: round(value, 3) for name, value in expected.items()},
        "largest_deviation": round(max(deviations), 5),
    }
