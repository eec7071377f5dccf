"""The generator's health: whether what was measured is the target's doing or Convoy's own.

An answer counts as received when the event loop gets round to it, so a loop that is late adds as
much to every latency. Each process that holds users beats at a fixed pace while messages are due
and notes how late each beat is; a beat that a standstill swallowed is as late as it would have
been, so the share of late beats is a share of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convoy.results.counts import Counts
from convoy.results.histograms import Histogram, Recorder
from convoy.results.outcome import Cause
from convoy.results.verdict import is_too_often

PACE_S = 0.02
DOUBTFUL_SHARE = 0.05
"""Late for more of the time than this, a loop distorts even the 95th percentile."""
NOTABLE_SHARE = 0.01
TOLERATED_LATE_S = 0.25
"""So much of a run may be late whatever its length: a short one would be judged by one pause."""
BUSY_SHARE = 0.9
"""From this share of a core on a worker is close to what one process can do."""
STANDSTILL_S = 0.5
_INTERVAL_S = 1.0
_MOST_BEATS = 10_000


class HealthRecorder:
    """What one process notes of itself between `begin` and `ends_s`; all times are its clock's."""

    def __init__(self, late_after_s: float) -> None:
        self._late_after_s = late_after_s
        self._lag = Recorder()
        self._late_beats = 0
        self._cpu_share_max = 0.0
        self._from_s = self._to_s = self._next_s = self._ends_s = 0.0
        self._from_cpu_s = self._to_cpu_s = 0.0
        self._interval_from_s = self._interval_from_cpu_s = 0.0

    def begin(self, now_s: float, cpu_s: float, ends_s: float) -> float:
        """Begin to note, at `cpu_s` of processor time; return when the first beat is due."""
        self._from_s = self._to_s = self._interval_from_s = now_s
        self._from_cpu_s = self._to_cpu_s = self._interval_from_cpu_s = cpu_s
        self._ends_s = ends_s
        self._next_s = now_s + PACE_S
        return self._next_s

    def beat(self, now_s: float, cpu_s: float) -> float:
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
        self._to_s, self._to_cpu_s = now_s, cpu_s
        interval_s = now_s - self._interval_from_s
        if interval_s >= _INTERVAL_S:
            share = (cpu_s - self._interval_from_cpu_s) / interval_s
            self._cpu_share_max = max(self._cpu_share_max, share)
            self._interval_from_s, self._interval_from_cpu_s = now_s, cpu_s
        return self._next_s

    def report(self) -> dict[str, Any]:
        """Return what the coordinator has to absorb: all so far, but the lags since last time."""
        return {
            "measured_s": self._to_s - self._from_s,
            "cpu_s": self._to_cpu_s - self._from_cpu_s,
            "cpu_share_max": self._cpu_share_max,
            "late_s": self._late_beats * PACE_S,
            "lag": self._lag.take(),
        }


@dataclass(slots=True)
class WorkerHealth:
    """What a worker has told of itself; `cpu_share_max` is its busiest second's, 1 a whole core."""

    measured_s: float = 0.0
    cpu_s: float = 0.0
    cpu_share_max: float = 0.0
    late_s: float = 0.0
    lag: Histogram = field(default_factory=Histogram)

    def absorb(self, report: Mapping[str, Any]) -> None:
        """Take in the next report, in the form of `HealthRecorder.report`."""
        self.measured_s = float(report["measured_s"])
        self.cpu_s = float(report["cpu_s"])
        self.cpu_share_max = float(report["cpu_share_max"])
        self.late_s = float(report["late_s"])
        self.lag.add(report["lag"])

    @property
    def cpu_share(self) -> float:
        return self.cpu_s / self.measured_s if self.measured_s else 0.0

    @property
    def longest_s(self) -> float:
        return self.lag.max.ms / 1000

    def is_late_for(self, share: float) -> bool:
        """Say whether the loop was late for more than this share of the time."""
        return self.late_s > max(TOLERATED_LATE_S, share * self.measured_s)

    def to_plain(self) -> dict[str, Any]:
        """Return the health as `summary.json` holds it."""
        lag_ms = {"p50": self.lag.percentile(50), "p99": self.lag.percentile(99)}
        lag_ms["max"] = self.lag.max
        highest = max(self.cpu_share, self.cpu_share_max)
        return {
            "measured_s": round(self.measured_s, 3),
            "cpu_share": {"mean": round(self.cpu_share, 4), "max": round(highest, 4)},
            "loop_lag_ms": {name: round(value.ms, 3) for name, value in lag_ms.items()},
            "loop_late_s": round(self.late_s, 3),
        }


@dataclass(frozen=True, slots=True)
class GeneratorJudgement:
    """What the workers' health says of a run.

    `state` is `ok`, `strained`, `too slow`, `flat out`, or `not measured`; `doubts` are reasons why
    the figures are not the target's, `warnings` what is worth knowing.
    """

    state: str
    doubts: tuple[str, ...]
    warnings: tuple[str, ...]


def judge_generator(
    healths: Mapping[str, WorkerHealth],
    counts: Iterable[Counts],
    *,
    late_after_s: float,
    is_flat_out: bool,
) -> GeneratorJudgement:
    """Judge the workers by their health and each scenario's counts.

    In a run that sends as fast as it can, a busy loop is what was asked for and raises no doubt.
    """
    measured = {name: health for name, health in healths.items() if health.measured_s}
    warnings = [
        _stood_still(name, each) for name, each in measured.items() if each.longest_s > STANDSTILL_S
    ]
    if is_flat_out:
        return GeneratorJudgement("flat out", (), tuple(warnings))
    doubts = []
    for name, health in measured.items():
        if health.is_late_for(DOUBTFUL_SHARE):
            doubts.append(_doubt(name, health, late_after_s))
        elif health.is_late_for(NOTABLE_SHARE):
            warnings.append(_late(name, health, late_after_s))
        if health.cpu_share >= BUSY_SHARE:
            warnings.append(_busy(name, health))
    if doubts or any(is_too_often(each, Cause.GENERATOR) for each in counts):
        state = "too slow"
    elif not measured:
        state = "not measured"
    else:
        state = "strained" if warnings else "ok"
    return GeneratorJudgement(state, tuple(doubts), tuple(warnings))


def _doubt(name: str, health: WorkerHealth, late_after_s: float) -> str:
    return (
        f"the latencies are the generator's own: {_late(name, health, late_after_s)} "
        f"({DOUBTFUL_SHARE:.0%} is tolerated); use more workers or a lower rate, and let nothing "
        "block in users and listeners"
    )


def _late(name: str, health: WorkerHealth, late_after_s: float) -> str:
    p99_ms, longest_ms = health.lag.percentile(99).ms, health.lag.max.ms
    return (
        f"the event loop of worker {name} was more than {late_after_s * 1000:g} ms late for "
        f"{health.late_s / health.measured_s:.1%} of the time, p99 {p99_ms:,.0f} ms, longest "
        f"{longest_ms:,.0f} ms"
    )


def _busy(name: str, health: WorkerHealth) -> str:
    return (
        f"worker {name} used {health.cpu_share:.0%} of a core, and no process can use more than "
        "one; use more workers or a lower rate"
    )


def _stood_still(name: str, health: WorkerHealth) -> str:
    return (
        f"worker {name} stood still for {health.longest_s:.1f} s: it was stopped, starved of "
        "processor time, or something in it blocked"
    )
