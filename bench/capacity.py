"""The capacity on schedule: the highest rate at which messages still start when they are due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ON_SCHEDULE = 0.999
SEND_ERROR_P999_MS = 5.0
"""What a rate has to reach: this share of messages on schedule, this send error at the most."""
_LOWEST_SHARE = 0.3
"""Of flat out, where the search begins; it ends at flat out itself."""
_TRIES = 2

Try = Callable[[float], dict[str, Any]]
"""Runs Convoy at a rate, and returns what `fidelity_of` says of it."""


def holds(fidelity: dict[str, Any]) -> bool:
    """Return whether a run was on schedule."""
    is_on_time = float(fidelity["send_error_ms"]["p999"]) <= SEND_ERROR_P999_MS
    return is_on_time and float(fidelity["on_schedule"]) >= ON_SCHEDULE


def search(flat_out_per_s: float, try_rate: Try, halvings: int) -> dict[str, Any]:
    """Return the highest rate that holds, and every run on the way to it.

    The stretch from three tenths of flat out to flat out is halved so many times. A rate fails when
    two runs fail, because what others do on the machine only ever makes a run worse. The rate is 0
    when none held.
    """
    low, high, found = _LOWEST_SHARE * flat_out_per_s, flat_out_per_s, 0.0
    runs: list[dict[str, Any]] = []
    for _ in range(halvings):
        rate = float(round((low + high) / 2))
        for _ in range(_TRIES):
            runs.append(try_rate(rate))
            if holds(runs[-1]):
                low = found = rate
                break
        else:
            high = rate
    return {
        "flat_out_per_s": round(flat_out_per_s),
        "on_schedule_per_s": round(found),
        "share_of_flat_out": round(found / flat_out_per_s, 3),
        "runs": runs,
    }
