"""The total of an approval: how many messages a process may still send, in a whole run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf
from weakref import WeakKeyDictionary

from gevent.event import Event
from greenlet import getcurrent, greenlet

from convoy.clock import clock_s
from convoy.remote.wire_faults import TotalUsedUpError


@dataclass(eq=False, repr=False)
class Total:
    """What this process may still send: `left` messages, and what was planned for its users.

    Whatever leaves is taken from it: a user that was handed a message has what the plan counted for
    that one, and all else (first words of later guests, what is sent again, what a step sends more
    than was planned) is taken from what is left. With `is_led` the master gives more of that. A
    process wants as many in advance as it has taken so far, at most `most_ahead`. All times are
    `clock` seconds.
    """

    left: int
    is_led: bool = False
    most_ahead: int = 0
    clock: Callable[[], float] = clock_s

    def __post_init__(self) -> None:
        # Weak, so that a user that has ended leaves nothing here.
        self._planned: WeakKeyDictionary[greenlet, int] = WeakKeyDictionary()
        self._is_used_up = not self.is_led
        self._waiting = 0
        self.taken = 0
        """How many messages have left, or are about to, that were not planned for a user."""
        self._has_news = Event()

    @property
    def wanted(self) -> int:
        """How many messages beyond its plan this process has ever wanted."""
        return self.taken + self._waiting + min(self.taken, self.most_ahead)

    def plan(self, user: greenlet, count: int) -> None:
        """Let a user send so many messages more: what it is handed is in the plan."""
        self._planned[user] = self._planned.get(user, 0) + count

    def give(self, count: int, *, is_used_up: bool) -> None:
        """Take in what the master gives beyond the plan, and whether there is nothing more."""
        self.left += count
        self._is_used_up = is_used_up
        self._has_news.set()

    def take(self, deadline_s: float) -> None:
        """Count a message of the calling greenlet, which may have to wait for the master.

        Raises TotalUsedUpError where nothing is left, or the master gives nothing by the deadline.
        """
        user = getcurrent()
        if planned := self._planned.get(user, 0):
            self._planned[user] = planned - 1
            return
        self._waiting += 1
        try:
            self._await_more(deadline_s)
        finally:
            self._waiting -= 1
        self.left -= 1
        self.taken += 1

    def put_back(self) -> None:
        """Count a message no longer: it will not leave."""
        self.left += 1
        self.taken = max(0, self.taken - 1)  # one that was planned had not been taken

    def reserve(self, count: int) -> None:
        """Leave so many messages to others, however few are left then."""
        self.left -= count

    def _await_more(self, deadline_s: float) -> None:
        while self.left <= 0:
            left_s = deadline_s - self.clock()
            if self._is_used_up or left_s <= 0:
                raise TotalUsedUpError("the approved total leaves no message for it")
            self._has_news.clear()
            self._has_news.wait(None if left_s == inf else left_s)


class TotalBook:
    """What a master lets its workers send beyond their plans, of `most` in all; None for no bound.

    `planned` is how many messages the plans have at most, with what else is certain to leave.
    """

    def __init__(self, most: int | None) -> None:
        self.planned = 0
        self.given = 0
        self.is_short = False
        """True once a worker got less than it wanted."""
        self._most = most
        self._counts: defaultdict[str, int] = defaultdict(int)

    @property
    def is_used_up(self) -> bool:
        return self._left <= 0

    def give(self, worker: str, wanted: int, workers: int) -> int:
        """Return how many one of so many workers may send more, which wanted `wanted` so far.

        Of what is left none gets more than its part, so that little is lost with a worker.
        """
        if self._most is None:
            return 0
        short = wanted - self._counts[worker]
        count = max(0, min(short, ceil(self._left / workers)))
        self.is_short = self.is_short or (count < short and self.is_used_up)
        self._counts[worker] += count
        self.given += count
        return count

    @property
    def _left(self) -> float:
        return inf if self._most is None else self._most - self.planned - self.given
