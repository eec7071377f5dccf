"""What Convoy has set itself to reach, and what of it the latest results show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reach:
    """One figure with its goal and its floor; `path` is where it stands in the results."""

    what: str
    path: tuple[str, ...]
    goal: float
    floor: float
    is_less_better: bool = False

    def state(self, value: float | None) -> str:
        """Say in a word or two where a value stands."""
        if value is None:
            return "not measured"
        if self._meets(value, self.goal):
            return "goal"
        return "floor" if self._meets(value, self.floor) else "BELOW FLOOR"

    def _meets(self, value: float, limit: float) -> bool:
        return value <= limit if self.is_less_better else value >= limit


REACHES = (
    Reach(
        "messages/s ÷ FastHttpUser", ("throughput", "ratio_to", "fast_http_user", "median"), 7, 5
    ),
    Reach("same over TLS", ("tls", "ratio_to", "fast_http_user", "median"), 8, 5),
    Reach("messages/s ÷ hey", ("throughput", "ratio_to", "hey", "median"), 1, 0.7),
    Reach(
        "messages/s ÷ bare raw-socket user",
        ("throughput", "ratio_to", "raw_user", "median"),
        0.8,
        0.65,
    ),
    Reach("simulator alone, messages/s", ("simulator", "messages_per_s", "median"), 15_000, 8_000),
    Reach("lowest share on schedule", ("fidelity", "lowest_on_schedule"), 1, 0.999),
    Reach("on schedule ÷ flat out", ("fidelity", "capacity", "share_of_flat_out"), 0.8, 0.6),
    Reach(
        "send error at 70 %, p99 in ms",
        ("fidelity", "send_error_ms_at_70_percent", "p99"),
        0.5,
        2,
        is_less_better=True,
    ),
    Reach(
        "send error at 70 %, p99.9 in ms",
        ("fidelity", "send_error_ms_at_70_percent", "p999"),
        1,
        5,
        is_less_better=True,
    ),
    Reach(
        "target frozen: off the arithmetic",
        ("freeze", "largest_deviation"),
        0.02,
        0.05,
        is_less_better=True,
    ),
    Reach(
        "percentiles: off the exact list",
        ("percentiles", "largest_deviation"),
        0.001,
        0.01,
        is_less_better=True,
    ),
    Reach(
        "memory at the end ÷ after a minute", ("memory", "growth"), 1.01, 1.05, is_less_better=True
    ),
    Reach("guests: KiB of memory each", ("many", "kib_per_guest"), 40, 60, is_less_better=True),
    Reach("guests: not matched once", ("many", "not_matched_once"), 0, 0, is_less_better=True),
    Reach(
        "guests: send error, p99 in ms",
        ("many", "send_error_ms", "p99"),
        5,
        10,
        is_less_better=True,
    ),
    Reach(
        "round trips ÷ Locust user, by CPU",
        ("round_trips", "cpu_ratio_to", "locust_user", "median"),
        3,
        2.5,
    ),
    Reach(
        "own copies ÷ Locust user, by CPU",
        ("own_copies", "cpu_ratio_to", "locust_user", "median"),
        3,
        2.5,
    ),
    Reach(
        "reconnects: not matched once",
        ("reconnects", "not_matched_once"),
        0,
        0,
        is_less_better=True,
    ),
    Reach(
        "reconnects: greenlets left", ("reconnects", "greenlets_left"), 0, 0, is_less_better=True
    ),
    Reach("reconnects: sockets left", ("reconnects", "sockets_left"), 0, 0, is_less_better=True),
    Reach("connects: late elsewhere", ("connects", "late_elsewhere"), 0, 0, is_less_better=True),
)


def value_at(results: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """Return the figure at a path, None where the results have none."""
    found: Any = results
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


def reach_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of goals, floors and what was measured, for the parts in the results."""
    yield f"{'what':<36}{'goal':>10}{'floor':>10}{'measured':>12}   reached"
    for reach in REACHES:
        if reach.path[0] not in results:
            continue
        value = value_at(results, reach.path)
        measured = "" if value is None else f"{value:,.6g}"
        limits = f"{reach.goal:>10,g}{reach.floor:>10,g}"
        yield f"{reach.what:<36}{limits}{measured:>12}   {reach.state(value)}"
