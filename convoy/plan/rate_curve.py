"""The rate over time, from it the due time of every message, and its changes in mid-run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, sqrt
from typing import NamedTuple


class Stage(NamedTuple):
    """A stretch of `for_s` seconds in which the rate goes linearly from one value to another."""

    rate_from: float
    rate_to: float
    for_s: float

    @property
    def messages(self) -> float:
        return (self.rate_from + self.rate_to) / 2 * self.for_s


class RateCurve:
    """Messages per second over `[0, duration_s)`; `k` is due where the summed rate is k + ½.

    So a constant rate gives `due_k = (k + ½) / rate`, and a stage boundary moves no message.
    """

    def __init__(self, stages: Iterable[tuple[float, float, float]]) -> None:
        self.stages = tuple(map(Stage._make, stages))
        self._starts_s = [0.0, *accumulate(stage.for_s for stage in self.stages)]
        self._sums = [0.0, *accumulate(stage.messages for stage in self.stages)]
        self.duration_s = self._starts_s[-1]
        self.messages = self._sums[-1]
        is_constant = len(self.stages) == 1 and self.stages[0].rate_from == self.stages[0].rate_to
        self._only_rate = self.stages[0].rate_from if is_constant else 0.0
        self.count = self.count_until(self.duration_s)

    def rate_at(self, at_s: float) -> float:
        """Return the rate (messages per second) at a moment of the run."""
        if not 0 <= at_s < self.duration_s:
            return 0.0
        stage, into_s = self._stage_at(at_s)
        return stage.rate_from + (stage.rate_to - stage.rate_from) * into_s / stage.for_s

    @property
    def highest_rate(self) -> float:
        return max((max(each.rate_from, each.rate_to) for each in self.stages), default=0.0)

    def between(self, from_s: float, to_s: float) -> list[Stage]:
        """Return the stages of a part of the curve; those that it cuts end or begin at the cut."""
        part = []
        for stage, starts_s in zip(self.stages, self._starts_s, strict=False):
            begins_s, ends_s = max(from_s, starts_s), min(to_s, starts_s + stage.for_s)
            if begins_s >= ends_s:
                continue
            if from_s <= starts_s and stage.for_s <= to_s - starts_s:
                part.append(stage)  # as it is: rounding would change the plan's fingerprint
                continue
            slope = (stage.rate_to - stage.rate_from) / stage.for_s
            rate_from = stage.rate_from + slope * (begins_s - starts_s)
            rate_to = stage.rate_from + slope * (ends_s - starts_s)
            part.append(Stage(rate_from, rate_to, ends_s - begins_s))
        return part

    def count_until(self, at_s: float) -> int:
        """Return how many messages are due before `at_s`."""
        if at_s <= 0 or not self.stages:
            return 0
        stage, into_s = self._stage_at(min(at_s, self.duration_s))
        slope = (stage.rate_to - stage.rate_from) / stage.for_s
        before = self._sums[self._index_at(min(at_s, self.duration_s))]
        return max(0, ceil(before + (stage.rate_from + slope * into_s / 2) * into_s - 0.5))

    def most_within(self, window_s: float) -> int:
        """Return how many messages are due in the fullest window of such a length.

        Only windows that begin or end with a stage are looked at, so that of a ramp up and down
        within one it may be a little less.
        """
        moments_s = [*self._starts_s, *(each - window_s for each in self._starts_s)]
        return max(self.count_until(at_s + window_s) - self.count_until(at_s) for at_s in moments_s)

    def due_s(self, k: int) -> float:
        """Return when message `k` of `0 … count - 1` is due, in seconds from the start."""
        return (k + 0.5) / self._only_rate if self._only_rate else self.when_s(k + 0.5)

    def when_s(self, position: float) -> float:
        """Return when so many messages (a fraction, below `messages`) have fallen due."""
        index = min(bisect_right(self._sums, position), len(self.stages)) - 1
        stage = self.stages[index]
        wanted = position - self._sums[index]
        if wanted <= 0:  # 0 / 0 below, where the stage begins with rate 0
            return self._starts_s[index]
        slope = (stage.rate_to - stage.rate_from) / stage.for_s
        # The usual solution divides by the slope, which is 0 for a constant rate, and loses digits
        # where it is small. Where a ramp ends at 0, rounding can make the square negative.
        root = sqrt(max(0.0, stage.rate_from**2 + 2 * slope * wanted))
        return self._starts_s[index] + 2 * wanted / (stage.rate_from + root)

    def _index_at(self, at_s: float) -> int:
        return min(bisect_right(self._starts_s, at_s), len(self.stages)) - 1

    def _stage_at(self, at_s: float) -> tuple[Stage, float]:
        index = self._index_at(at_s)
        return self.stages[index], at_s - self._starts_s[index]


@dataclass(frozen=True, slots=True)
class LiveCurve:
    """A curve with its changes so far; `rest` is the part that the present pause has put off.

    Moments are in seconds from the start, rates in messages per second. After a pause `rest`
    follows from its beginning, and is cut at the end of the curve.
    """

    curve: RateCurve
    rest: RateCurve | None = None

    def with_rate(self, at_s: float, rate: float) -> LiveCurve:
        """Return a curve of constant rate from a moment on, or from the end of its pause."""
        constant = RateCurve([Stage(rate, rate, self.curve.duration_s - at_s)])
        if self.rest is not None:
            return replace(self, rest=constant)
        return LiveCurve(self._until(at_s, constant))

    def paused(self, at_s: float) -> LiveCurve:
        """Return a curve with nothing due from a moment on."""
        ends_s = self.curve.duration_s
        nothing = RateCurve([Stage(0.0, 0.0, ends_s - at_s)])
        rest = RateCurve(self.curve.between(at_s, ends_s))
        return LiveCurve(self._until(at_s, nothing), rest)

    def resumed(self, at_s: float) -> LiveCurve:
        """Return a curve whose pause ends at a moment; without a pause the same curve."""
        return self if self.rest is None else LiveCurve(self._until(at_s, self.rest))

    def _until(self, at_s: float, then: RateCurve) -> RateCurve:
        left_s = self.curve.duration_s - at_s
        return RateCurve([*self.curve.between(0.0, at_s), *then.between(0.0, left_s)])
