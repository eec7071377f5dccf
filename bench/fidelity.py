"""Do messages start when they are due: at low rates, and near what Convoy can do on one core?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.capacity import search
from bench.contenders import CONNECTIONS, CONVOY
from bench.convoy import Load
from bench.convoy_runs import run_convoy
from bench.pairs import spread
from bench.runs import Range, measure

FIXED_RATES = (1.0, 100.0, 1000.0)
SHARE_OF_CAPACITY = 0.7


def measure_fidelity(
    place: Range, run_time_s: int, trial_s: int, halvings: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Find the capacity on schedule, then run at each rate; return the shares and send errors (ms).

    Raises BenchError when a run gives no figure.
    """

    def run(rate: float, seconds: int) -> dict[str, Any]:
        ended = run_convoy(Load(rate, seconds, CONNECTIONS), place)
        others = {"others_on_the_core": round(ended.others_share, 3)}
        found = fidelity_of(rate, ended.figures) | others
        error_ms = found["send_error_ms"]["p999"]
        say(f"{rate:,.0f}/s: {found['on_schedule']:.5f} on schedule, p99.9 {error_ms:.2f} ms off")
        return found

    flat_out_per_s = measure(CONVOY, place).messages_per_s
    capacity = search(flat_out_per_s, lambda rate: run(rate, trial_s), halvings)
    high = round(SHARE_OF_CAPACITY * capacity["on_schedule_per_s"])
    runs = [run(rate, run_time_s) for rate in (*FIXED_RATES, float(high)) if rate]
    return {
        "run_time_s": run_time_s,
        "capacity": capacity,
        "runs": runs,
        "lowest_on_schedule": min(run["on_schedule"] for run in runs),
        "send_error_ms_at_70_percent": runs[-1]["send_error_ms"] if high else None,
        "others_on_the_core": spread(
            [each["others_on_the_core"] for each in (*capacity["runs"], *runs)]
        ).to_json(3),
    }


def fidelity_of(rate: float, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the figures of a scenario say of its fidelity to the schedule."""
    scheduled = int(figures["scheduled"])
    missed = sum(figures["late"].values()) + sum(figures["not_sent"].values())
    error_ms = figures["send_error_ms"]
    return {
        "rate_per_s": rate,
        "scheduled": scheduled,
        "late": dict(figures["late"]),
        "not_sent": dict(figures["not_sent"]),
        "on_schedule": round((scheduled - missed) / scheduled, 6) if scheduled else 0.0,
        "send_error_ms": {name: error_ms[name] for name in ("p50", "p99", "p999", "max")},
    }
