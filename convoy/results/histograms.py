"""Histograms of durations: cheap counters while running, HdrHistogram for what is said of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

_HIGHEST_US = 3_600_000_000
_DIGITS = 3
_EXACT_BITS = 11
QUANTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


class Recorder:
    """Counts durations since the last `take`, each rounded down to HdrHistogram's own buckets.

    A value of a whole number of microseconds below 2,048 is exact, a larger one keeps its eleven
    leading bits (0.1 %), so handing the counts to a histogram loses nothing more.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def record(self, duration_s: float) -> None:
        value = int(duration_s * 1e6)
        shift = value.bit_length() - _EXACT_BITS
        if shift > 0:
            value = (value >> shift) << shift
        counts = self._counts
        counts[value] = counts.get(value, 0) + 1

    def take(self) -> list[tuple[int, int]]:
        """Return `(microseconds, count)` pairs recorded since the last call, and begin anew."""
        counts, self._counts = self._counts, {}
        return list(counts.items())


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile in milliseconds; `at_least` says that it lies within the censored mass."""

    ms: float
    at_least: bool

    def __str__(self) -> str:
        return f"{'≥ ' if self.at_least else ''}{self.ms:.1f} ms"


class Histogram:
    """Durations from a microsecond to an hour, true to 0.1 %.

    Censored durations are known to have lasted at least so long, not how long; a percentile at or
    above the smallest of them is a lower bound.
    """

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, _HIGHEST_US, _DIGITS)
        self.censored = 0
        self._smallest_censored_us: int | None = None

    @property
    def count(self) -> int:
        return int(self._hdr.get_total_count())

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add `(microseconds, count)` pairs as `Recorder.take` returns them."""
        for value_us, count in pairs:
            self._hdr.record_value(min(max(value_us, 0), _HIGHEST_US), count)

    def add_censored(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add durations that lasted at least so long."""
        for unbounded_us, count in pairs:
            value_us = min(unbounded_us, _HIGHEST_US)
            self.add([(value_us, count)])
            self.censored += count
            smallest = self._smallest_censored_us
            self._smallest_censored_us = value_us if smallest is None else min(smallest, value_us)

    def percentile(self, percent: float) -> Percentile:
        value_us = int(self._hdr.get_value_at_percentile(percent)) if self.count else 0
        return self._percentile_of(value_us)

    @property
    def max(self) -> Percentile:
        return self._percentile_of(int(self._hdr.get_max_value()) if self.count else 0)

    def quantiles(self) -> dict[str, Percentile]:
        """Return p50 to p99.9 and the maximum by the names that `summary.json` uses."""
        return {name: self.percentile(at) for name, at in QUANTILES.items()} | {"max": self.max}

    def _percentile_of(self, value_us: int) -> Percentile:
        smallest = self._smallest_censored_us
        return Percentile(value_us / 1000, smallest is not None and value_us >= smallest)
