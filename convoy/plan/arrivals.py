"""The arrivals: when the messages of each lane are due, and how many there are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, count
from math import inf, log

from convoy.plan.draws import draw, stream_key
from convoy.plan.lanes import LANES, first_number
from convoy.plan.rate_curve import RateCurve

ENDLESS = 1 << 62
"""A message number that no run reaches."""


class EvenArrivals:
    """Message `k` is due where the summed rate is k + ½; at most `most` messages.

    Times are in seconds from the start.
    """

    def __init__(self, curve: RateCurve, most: int | None = None) -> None:
        self._curve = curve
        self._count = curve.count if most is None else min(curve.count, most)
        is_cut = self._count < curve.count
        self.duration_s = curve.when_s(self._count) if is_cut else curve.duration_s

    def lane(self, lane: int, from_k: int = 0) -> Iterator[tuple[float, int]]:
        """Yield `(due_s, k)` of one lane in order, from message number `from_k` on."""
        due_s = self._curve.due_s
        for k in range(first_number(lane, from_k), self._count, LANES):
            yield due_s(k), k

    def lane_end(self, lane: int) -> int:
        """Return the first number of the lane that is not in the plan."""
        return first_number(lane, self._count)

    def first_due_after(self, lane: int, at_s: float) -> int:
        """Return the first number of the lane that is not due before `at_s`."""
        return first_number(lane, min(self._count, self._curve.count_until(at_s)))

    def due_before(self, moments_s: Sequence[float]) -> list[int]:
        """Return how many messages are due before each of these rising moments."""
        return [min(self._count, self._curve.count_until(at_s)) for at_s in moments_s]


class PoissonArrivals:
    """Independent arrivals: each lane is a Poisson process of its own, their sum is the whole.

    The gaps are exponential in the summed rate, so the process follows stages as well. With `most`
    only the first so many messages of all lanes are in the plan.
    """

    def __init__(self, curve: RateCurve, seed: int, scenario: str, most: int | None = None) -> None:
        self._curve = curve
        self._keys = [stream_key(seed, scenario, f"arrivals of lane {n}") for n in range(LANES)]
        self._ends_at = curve.messages
        self.duration_s = curve.duration_s
        if most is not None:
            self._cut_after(most)

    def lane(self, lane: int, from_k: int = 0) -> Iterator[tuple[float, int]]:
        for turn, position in enumerate(self._positions(lane)):
            k = lane + turn * LANES
            if k >= from_k:
                yield self._curve.when_s(position), k

    def lane_end(self, lane: int) -> int:
        return lane + LANES * sum(1 for _ in self._positions(lane))

    def first_due_after(self, lane: int, at_s: float) -> int:
        return next((k for due_s, k in self.lane(lane) if due_s >= at_s), self.lane_end(lane))

    def due_before(self, moments_s: Sequence[float]) -> list[int]:
        between = [0] * (len(moments_s) + 1)
        for lane in range(LANES):
            for due_s, _ in self.lane(lane):
                between[bisect_right(moments_s, due_s)] += 1
        return list(accumulate(between[:-1]))

    def _positions(self, lane: int) -> Iterator[float]:
        """Where on the summed rate the messages of a lane are due."""
        key, position = self._keys[lane], 0.0
        for turn in count():
            # Half more, because the draw 0 would have no logarithm.
            position -= LANES * log((draw(key, turn) + 0.5) / 2**64)
            if position >= self._ends_at:
                return
            yield position

    def _cut_after(self, most: int) -> None:
        everything = sorted(chain.from_iterable(map(self._positions, range(LANES))))
        if most < len(everything):
            self._ends_at = everything[most]
            self.duration_s = self._curve.when_s(self._ends_at)


class ClosedArrivals:
    """No schedule: every number is due at once, and authors take them at their own pace.

    Due times are minus infinity: a message is due at the moment at which a user takes it.
    """

    def __init__(self, duration_s: float, most: int | None = None) -> None:
        self.duration_s = duration_s
        self._most = ENDLESS if most is None else most

    def lane(self, lane: int, from_k: int = 0) -> Iterator[tuple[float, int]]:
        return ((-inf, k) for k in range(first_number(lane, from_k), self._most, LANES))

    def lane_end(self, lane: int) -> int:
        return first_number(lane, self._most)

    def first_due_after(self, lane: int, at_s: float) -> int:
        return lane if at_s <= 0 else self.lane_end(lane)

    def due_before(self, moments_s: Sequence[float]) -> list[int]:
        return []


Arrivals = EvenArrivals | PoissonArrivals | ClosedArrivals
"""The due times of one scenario, lane by lane."""
