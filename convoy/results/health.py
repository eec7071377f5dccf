"""The generator's health, as each process with users measures it.

An answer counts as received when the event loop reads it, so a late loop adds its lag to every
latency. While messages are due, a process measures at a fixed pace how late the loop is; each
measurement is a beat. A process that stands still measures nothing. The beats that were due in that
time are entered afterwards, each with its own lateness, so that the share of late beats is a share
of the time.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from convoy.results.histograms import BucketCounts, Histogram, Recorder
from convoy.results.outcome import MOST_SECONDS, Second, Seconds

PACE_S = 0.02
_INTERVAL_S = 1.0
_SHORT = 0.9
"""An interval shorter than this part of a second has no say in which was the busiest."""
_LATEST_S = 0.25
"""A loop is late from here on, however late a message may be by the settings."""
_MOST_BEATS = 10_000
"""Of one standstill, 200 s of it, which take 10 ms to enter. After a night's suspension there are
millions, and messages would wait for seconds."""


def loop_late_after_s(late_after_s: float) -> float:
    """Return from which lag on the loop is late, where messages are from `late_after_s` on."""
    return min(late_after_s, _LATEST_S)


class Processor(NamedTuple):
    """What a process had of the processor since it began: seconds used, seconds waited for."""

    used_s: float
    waited_s: float


class HealthSecond(msgspec.Struct, frozen=True, array_like=True):
    """A worker in one second: its share of a core, and its longest lag in milliseconds."""

    cpu_share: Seconds
    loop_lag_ms: Seconds


class HealthReport(msgspec.Struct, frozen=True):
    """A worker's report on itself: totals so far, but `lag` and `seconds` since its last report.

    `cpu_share_max` is the share in its busiest second, 1 being a whole core; for `waited_s` it was
    ready to run, but had to wait for a processor.
    """

    measured_s: Seconds
    cpu_s: Seconds
    waited_s: Seconds
    cpu_share_max: Seconds
    late_s: Seconds
    lag: BucketCounts
    seconds: dict[Second, HealthSecond] = {}


class HealthRecorder:
    """Records the health of one process from `begin` to `ends_s`; all times are of one clock.

    `is_late` says whether the loop was late at the last beat.
    """

    def __init__(self, late_after_s: float) -> None:
        self._late_after_s = loop_late_after_s(late_after_s)
        self.is_late = False
        self._lag = Recorder()
        self._late_beats = 0
        self._cpu_share_max = 0.0
        self._longest_s = 0.0
        self._seconds: dict[int, HealthSecond] = {}
        self._from_s = self._to_s = self._next_s = self._ends_s = 0.0
        self._interval_from_s = 0.0
        self._from = self._to = self._interval_from = Processor(0.0, 0.0)

    def begin(
        self, now_s: float, processor: Processor, ends_s: float, t0_s: float | None = None
    ) -> float:
        """Begin to record; return when the first beat is due. Seconds count from T0, if not now."""
        self._t0_s = now_s if t0_s is None else t0_s
        self._from_s = self._to_s = self._interval_from_s = now_s
        self._from = self._to = self._interval_from = processor
        self._ends_s = ends_s
        self._next_s = now_s + PACE_S
        return self._next_s

    def beat(self, now_s: float, processor: Processor) -> float:
        """Record how late the beats due by now are; return when the next one is due."""
        last_s = min(now_s, self._ends_s)
        self._longest_s = max(self._longest_s, now_s - self._next_s)
        self.is_late = now_s - self._next_s > self._late_after_s
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
            self._end_interval(interval_s)
        return self._next_s

    def _end_interval(self, interval_s: float) -> None:
        """Enter the interval up to the last beat, and begin another."""
        share = (self._to.used_s - self._interval_from.used_s) / interval_s
        # Under the second that its middle lies in.
        second = int(self._to_s - interval_s / 2 - self._t0_s)
        self._seconds[second] = HealthSecond(share, self._longest_s * 1000)
        self._longest_s = 0.0
        self._interval_from_s, self._interval_from = self._to_s, self._to
        if interval_s > _SHORT * _INTERVAL_S:
            self._cpu_share_max = max(self._cpu_share_max, share)

    def report(self) -> HealthReport:
        interval_s = self._to_s - self._interval_from_s
        if interval_s > _INTERVAL_S / 2:  # the rest of the run, or nearly a second
            self._end_interval(interval_s)
        seconds, self._seconds = self._seconds, {}
        return HealthReport(
            measured_s=self._to_s - self._from_s,
            cpu_s=self._to.used_s - self._from.used_s,
            waited_s=self._to.waited_s - self._from.waited_s,
            cpu_share_max=self._cpu_share_max,
            late_s=self._late_beats * PACE_S,
            lag=self._lag.take(),
            seconds=seconds,
        )


class CpuShare(msgspec.Struct, frozen=True):
    """The share of a core that a process used, and its share in the busiest second."""

    mean: Seconds
    max: Seconds


class LoopLag(msgspec.Struct, frozen=True):
    """How late the event loop was, in milliseconds."""

    p50: Seconds
    p99: Seconds
    max: Seconds


class WorkerHealth(msgspec.Struct, frozen=True):
    """The health of a worker while messages were due, as the summary holds it.

    For `cpu_waited_s` it waited for a processor, and for `loop_late_s` of `measured_s` its event
    loop was late.
    """

    measured_s: Seconds
    cpu_share: CpuShare
    cpu_waited_s: Seconds
    loop_lag_ms: LoopLag
    loop_late_s: Seconds


class HealthAccount:
    """The sum of a worker's reports on itself."""

    def __init__(self) -> None:
        self._lag = Histogram()
        self._last = HealthReport(0.0, 0.0, 0.0, 0.0, 0.0, BucketCounts())

    def absorb(self, report: HealthReport) -> None:
        self._last = report
        self._lag.add(report.lag)

    def result(self) -> WorkerHealth:
        last, lag = self._last, self._lag
        # Whatever a worker reports, the record can hold it.
        mean = min(MOST_SECONDS, last.cpu_s / last.measured_s) if last.measured_s else 0.0
        p50, p99, longest = (
            min(MOST_SECONDS, round(lag.percentile(percent).ms, 3)) for percent in (50, 99, 100)
        )
        return WorkerHealth(
            measured_s=round(last.measured_s, 3),
            cpu_share=CpuShare(round(mean, 4), round(max(mean, last.cpu_share_max), 4)),
            cpu_waited_s=round(last.waited_s, 3),
            loop_lag_ms=LoopLag(p50, p99, longest),
            loop_late_s=round(last.late_s, 3),
        )
