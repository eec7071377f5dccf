"""Histograms of durations: counters in buckets so narrow that a value is known to 0.05 %.

A bucket holds the durations whose binary floating-point form (IEEE 754, 64 bits) begins with the
same 22 bits, sign, exponent and the first ten of the mantissa, and stands for its middle. So any
number of histograms merge by adding their counters, in any order and without loss; the idea is that
of HdrHistogram and DDSketch (https://arxiv.org/abs/1908.10693, read 2026-11-22).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import ceil
from struct import pack, unpack

import msgspec

QUANTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
_BITS_LEFT_OUT = 42
_NO_TIME = 0
_FIRST_NEGATIVE = 1 << 21
"""The bucket of -0.0: the sign is the highest bit."""

_INFINITE = 0x7FF << 10
"""The first bucket that is no duration: the exponent of infinity and NaN."""
_ABSURD = (0x3FF + 30) << 10
"""The bucket of 2**30 s, of which reports could not make milliseconds or nanoseconds further on."""
_HIGHEST_COUNT = 2**32 - 1
_MOST_BYTES = 2**20
"""Of pairs: those of every bucket from 2**-98 s to the absurd."""


class BucketCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Pairs of a bucket's number and how many durations fell into it, as iterating returns them.

    They are `packed`, four bytes each number: pair by pair, the thousands that a report holds take
    ten milliseconds to travel, and messages wait meanwhile. Raises ValueError for bytes that are
    none.
    """

    packed: bytes = b""

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> BucketCounts:
        """Return these pairs; a bucket below 2**32, at most so many durations in it."""
        return cls(array("I", chain.from_iterable(pairs)).tobytes())

    def __post_init__(self) -> None:
        if len(self.packed) % 8 or len(self.packed) > _MOST_BYTES:
            raise ValueError("half a pair of bucket and count, or too many")
        values = memoryview(self.packed).cast("I")
        if max(values[::2], default=0) >= _ABSURD or min(values[1::2], default=1) == 0:
            raise ValueError("a bucket of no duration")

    def __iter__(self) -> Iterator[tuple[int, int]]:
        values = iter(memoryview(self.packed).cast("I"))
        return zip(values, values, strict=True)

    def __bool__(self) -> bool:
        return bool(self.packed)


class Recorder:
    """Counts durations since the last `take`; a negative one counts as 0.

    Negative ones occur because a message sent a little early can be answered before it is due.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def record(self, duration_s: float, count: int = 1) -> None:
        self._counts[_buckets((duration_s,))[0]] += count

    def record_all(self, durations_s: Sequence[float]) -> None:
        """Count durations as `record` does, in a fraction of the time."""
        self._counts.update(_buckets(durations_s))

    def take(self) -> BucketCounts:
        """Return what was counted since the last call, and begin anew."""
        counts, self._counts = self._counts, Counter()
        if max(counts, default=0) >= _FIRST_NEGATIVE:
            negative = [bucket for bucket in counts if bucket >= _FIRST_NEGATIVE]
            counts[_NO_TIME] += sum(counts.pop(bucket) for bucket in negative)
        return BucketCounts.of(counts.items())


def _buckets(durations_s: Sequence[float]) -> list[int]:
    # All of them in one call; a logarithm of each takes twice as long.
    bits = memoryview(array("d", durations_s)).cast("B").cast("Q")
    return [each >> _BITS_LEFT_OUT for each in bits]


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile in milliseconds.

    `at_least` says that it is only a lower bound, `is_ours` that our own lag may have made it.
    """

    ms: float
    at_least: bool
    is_ours: bool = False


class Histogram:
    """Durations of any length, each true to 0.05 %.

    Censored durations are known to have lasted at least so long, not how long; a percentile at or
    above the smallest of them is a lower bound.
    """

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._censored: defaultdict[int, int] = defaultdict(int)
        """Those of the counts that are censored."""

    @property
    def count(self) -> int:
        return sum(self._counts.values())

    @property
    def total_s(self) -> float:
        """The sum of all durations, true to 0.05 %."""
        return sum(duration_s * count for duration_s, count in self.durations())

    @property
    def censored(self) -> int:
        return sum(self._censored.values())

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add durations as `Recorder.take` returns them."""
        counts = self._counts
        for bucket, count in pairs:
            counts[bucket] += count

    def add_censored(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add durations that lasted at least so long."""
        for bucket, count in pairs:
            self._counts[bucket] += count
            self._censored[bucket] += count

    def merge(self, other: Histogram) -> None:
        """Add the durations of another histogram."""
        for bucket, count in other._counts.items():
            self._counts[bucket] += count
        for bucket, count in other._censored.items():
            self._censored[bucket] += count

    def subtract(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Take durations out that were added before."""
        _subtract(self._counts, pairs)

    def subtract_censored(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Take durations out that were added by `add_censored`."""
        for each in pairs:
            _subtract(self._counts, (each,))
            _subtract(self._censored, (each,))

    def copy(self) -> Histogram:
        """Return the durations by now; what is added later is not in it."""
        copied = Histogram()
        copied._counts.update(self._counts)
        copied._censored.update(self._censored)
        return copied

    def pairs(self) -> tuple[BucketCounts, BucketCounts]:
        """Return the durations as `add` and `add_censored` take them, in rising order."""
        known = dict(self._counts)
        _subtract(known, self._censored.items())
        return BucketCounts.of(_pairs(known)), BucketCounts.of(_pairs(self._censored))

    def durations(self) -> Iterator[tuple[float, int]]:
        """Yield each duration in seconds with how often it was counted, in rising order."""
        for bucket, count in sorted(self._counts.items()):
            yield _middle_s(bucket), count

    def percentile(self, percent: float, touched: int = 0) -> Percentile:
        """Return the shortest duration that at least `percent` of all do not exceed; 0 if none.

        Our own lag made `touched` of the durations longer, the longest in the worst case.
        """
        [found] = self.percentiles((percent,), touched)
        return found

    def percentiles(self, percents: Iterable[float], touched: int = 0) -> Iterator[Percentile]:
        """Yield what `percentile` returns for each of them, in a fraction of the time."""
        buckets = sorted(self._counts)
        up_to = list(accumulate(map(self._counts.__getitem__, buckets)))
        count = up_to[-1] if up_to else 0
        from_bucket = min(self._censored, default=_INFINITE)
        for percent in percents:
            if not count:
                yield Percentile(0.0, False)
                continue
            # Rounded, because floating point can make the product a little too large.
            rank = max(1, ceil(round(percent * count / 100, 6)))
            bucket = buckets[bisect_left(up_to, rank)]
            ms = _middle_s(bucket) * 1000
            yield Percentile(ms, at_least=bucket >= from_bucket, is_ours=rank > count - touched)

    @property
    def max(self) -> Percentile:
        return self.percentile(100)

    def quantiles(self, touched: int = 0) -> dict[str, Percentile]:
        """Return p50 to p99.9 and the maximum by the names that `summary.json` uses."""
        percents = {**QUANTILES, "max": 100.0}
        return dict(zip(percents, self.percentiles(percents.values(), touched), strict=True))


def _middle_s(bucket: int) -> float:
    """Return the duration that a bucket stands for."""
    if bucket == _NO_TIME:
        return 0.0
    middle_s: float
    (middle_s,) = unpack("=d", pack("=Q", (2 * bucket + 1) << (_BITS_LEFT_OUT - 1)))
    return middle_s


def _pairs(counts: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield pairs that `BucketCounts` can hold, in rising order; several of a bucket with more."""
    for bucket, count in sorted(counts.items()):
        while count > _HIGHEST_COUNT:
            yield bucket, _HIGHEST_COUNT
            count -= _HIGHEST_COUNT
        yield bucket, count


def _subtract(counts: dict[int, int], pairs: Iterable[tuple[int, int]]) -> None:
    for bucket, count in pairs:
        counts[bucket] -= count
        if not counts[bucket]:
            del counts[bucket]
