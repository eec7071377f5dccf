"""The generator's health: what each process that holds users notes of itself.

An answer counts as received when the event loop gets round to it, so a loop that is late adds as
much to every latency. While messages are due, a process beats at a fixed pace and notes how late
each beat is; a beat that a standstill swallowed is as late as it would have been, so the share of
late beats is a share of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from convoy.results.histograms import Histogram, Recorder

PACE_S = 0.02
_INTERVAL_S = 1.0
_MOST_BEATS = 10_000


class Processor(NamedTuple):
    """What a process had of the processor since it began: seconds used, seconds waited for."""

    used_s: float
    waited_s: float


class HealthRecorder:
    """What one process notes of itself between `begin` and `ends_s`; all times are its clock's."""

    def __init__(self, late_after_s: float) -> None:
        self._late_after_s = late_after_s
        self._lag = Recorder()
        self._late_beats = 0
        self._cpu_share_max = 0.0
        self._from_s = self._to_s = self._next_s = self._ends_s = 0.0
        self._interval_from_s = 0.0
        self._from = self._to = self._interval_from = Processor(0.0, 0.0)

    def begin(self, now_s: float, processor: Processor, ends_s: float) -> float:
        """Begin to note; return when the first beat is due."""
        self._from_s = self._to_s = self._interval_from_s = now_s
        self._from = self._to = self._interval_from = processor
        self._ends_s = ends_s
        self._next_s = now_s + PACE_S
        return self._next_s

    def beat(self, now_s: float, processor: Processor) -> float:
        """Note how late the beats are that were due by now; return when the next one is due."""
        last_s = min(now_s, self._ends_s)
        for _ in range(_MOST_BEATS):
            if self._next_s > last_s:
                break
            lag_s = now_s - self._next_s
            self._lag.record(lag_s)
            self._late_beats += lag_s > self._late_after_s
            self._next_s += PACE_S
        else:
            self._next_s = now_s + PACE_S
        self._to_s, self._to = now_s, processor
        interval_s = now_s - self._interval_from_s
        if interval_s >= _INTERVAL_S:
            share = (processor.used_s - self._interval_from.used_s) / interval_s
            self._cpu_share_max = max(self._cpu_share_max, share)
            self._interval_from_s, self._interval_from = now_s, processor
        return self._next_s

    def report(self) -> dict[str, Any]:
        """Return what the master has to absorb: all so far, but the lags since last time."""
        return {
            "measured_s": self._to_s - self._from_s,
            "cpu_s": self._to.used_s - self._from.used_s,
            "waited_s": self._to.waited_s - self._from.waited_s,
            "cpu_share_max": self._cpu_share_max,
            "late_s": self._late_beats * PACE_S,
            "lag": self._lag.take(),
        }


@dataclass(slots=True)
class WorkerHealth:
    """What a worker has told of itself; `cpu_share_max` is its busiest second's, 1 a whole core.

    For `waited_s` it could have run, but others had the processor.
    """

    measured_s: float = 0.0
    cpu_s: float = 0.0
    waited_s: float = 0.0
    cpu_share_max: float = 0.0
    late_s: float = 0.0
    lag: Histogram = field(default_factory=Histogram)

    def absorb(self, report: Mapping[str, Any]) -> None:
        """Take in the next report, in the form of `HealthRecorder.report`."""
        self.measured_s = float(report["measured_s"])
        self.cpu_s = float(report["cpu_s"])
        self.waited_s = float(report["waited_s"])
        self.cpu_share_max = float(report["cpu_share_max"])
        self.late_s = float(report["late_s"])
        self.lag.add(report["lag"])

    @property
    def cpu_share(self) -> float:
        return self.cpu_s / self.measured_s if self.measured_s else 0.0

    @property
    def longest_s(self) -> float:
        return self.lag.max.ms / 1000

    def to_plain(self) -> dict[str, Any]:
        """Return the health as `summary.json` holds it."""
        lag_ms = {"p50": self.lag.percentile(50), "p99": self.lag.percentile(99)}
        lag_ms["max"] = self.lag.max
        highest = max(self.cpu_share, self.cpu_share_max)
        return {
            "measured_s": round(self.measured_s, 3),
            "cpu_share": {"mean": round(self.cpu_share, 4), "max": round(highest, 4)},
            "cpu_waited_s": round(self.waited_s, 3),
            "loop_lag_ms": {name: round(value.ms, 3) for name, value in lag_ms.items()},
            "loop_late_s": round(self.late_s, 3),
        }
