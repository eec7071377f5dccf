"""The messages of the lanes that a process was granted, in the order in which they are due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from math import inf

from convoy.results.outcome import Phase

_AT_ONCE = 64
"""So many lanes are merged together: one by one it takes three times as long."""

LaneMessages = Iterator[tuple[float, int]]
"""The messages of a lane, `(due_s, k)` in order; times are seconds from T0."""
Entry = tuple[float, int, int, Phase]
"""When a message is due, its number, its lane and its phase."""
_Head = tuple[float, int, int, Phase, LaneMessages]
"""The first message of a lane that is not merged yet, and what follows it."""


class LaneQueue:
    """Merges lanes into one queue; everything that was not taken yet can be given up.

    Messages that are due at the same moment come in the order of their numbers.
    """

    def __init__(self) -> None:
        self.granted: set[int] = set()
        """The lanes that were granted and not given up."""
        self._heads: list[_Head] = []
        self._merged: deque[Entry] = deque()

    def grant(self, lanes: Mapping[int, LaneMessages], phase: Phase) -> None:
        """Take on the messages of one phase in some lanes."""
        self._unmerge()  # they may be due before messages that are merged already
        self.granted.update(lanes)
        for lane, messages in lanes.items():
            first = next(messages, None)
            if first is not None:
                self._heads.append((*first, lane, phase, messages))

    def release(self, lanes: Iterable[int]) -> dict[int, int | None]:
        """Give up lanes; return the first measured number not taken of each, None if there is none.

        Lanes that were never granted are left out.
        """
        leaving = self.granted.intersection(lanes)
        self.granted -= leaving
        self._unmerge()
        cursors: dict[int, int | None] = dict.fromkeys(leaving)
        cursors.update(
            (lane, k)
            for _, k, lane, phase, _ in self._heads
            if lane in leaving and phase is Phase.MEASURE
        )
        self._heads = [head for head in self._heads if head[2] not in leaving]
        return cursors

    @property
    def first(self) -> Entry | None:
        """The message that is next, None when there is none."""
        if not self._merged:
            self._merge()
        return self._merged[0] if self._merged else None

    def take(self, until_s: float = inf) -> Entry | None:
        """Take the message that is next, None when none is due until then."""
        merged = self._merged
        if not merged:
            self._merge()
        return merged.popleft() if merged and merged[0][0] <= until_s else None

    def upcoming(self, most: int) -> list[int]:
        """Return the numbers of the next measured messages, in order, as far as they are known."""
        if not self._merged:
            self._merge()
        following = islice(self._merged, most)
        return [k for _, k, _, phase in following if phase is Phase.MEASURE]

    def nth_due_s(self, number: int) -> float:
        """Return when the message is due that so many others come before; inf if not known yet."""
        return self._merged[number][0] if number < len(self._merged) else inf

    def due_until(self, at_s: float) -> float:
        """Return when the last of the next messages is due that are due by then; -inf for none."""
        last_s = -inf
        for due_s, *_ in self._merged:
            if due_s > at_s:
                break
            last_s = due_s
        return last_s

    def _merge(self) -> None:
        """Merge the lanes whose first messages are due first, up to the last of these messages.

        The lanes that are left out have none that is due before that.
        """
        self._heads.sort()
        batch, self._heads = self._heads[:_AT_ONCE], self._heads[_AT_ONCE:]
        if not batch:
            return
        until = batch[-1][:2]
        merged: list[Entry] = []
        for due_s, k, lane, phase, messages in batch:
            merged.append((due_s, k, lane, phase))
            for following in messages:
                if following > until:
                    self._heads.append((*following, lane, phase, messages))
                    break
                merged.append((*following, lane, phase))
        merged.sort()
        self._merged.extend(merged)

    def _unmerge(self) -> None:
        """Put what is merged back into its lanes."""
        if not self._merged:
            return
        parts: dict[tuple[int, Phase], list[tuple[float, int]]] = {}
        for due_s, k, lane, phase in self._merged:
            parts.setdefault((lane, phase), []).append((due_s, k))
        self._merged.clear()
        rests: dict[tuple[int, Phase], LaneMessages] = {}
        for due_s, k, lane, phase, messages in self._heads:
            parts.setdefault((lane, phase), []).append((due_s, k))
            rests[lane, phase] = messages
        self._heads = [
            (*first, *of, chain(following, rests.get(of, ())))
            for of, (first, *following) in parts.items()
        ]
