"""The pool in use: which conversations this process has retired, and which are taken right now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gevent.event import Event

from convoy.clock import clock_s
from convoy.results.account import PoolReport


class PoolUse:
    """State of a scenario's pool in one process, by index of the conversation.

    With `is_exclusive` a conversation takes one message at a time. No other process writes to the
    same conversations then, so this one knows enough.
    """

    def __init__(self, is_exclusive: bool) -> None:
        self.retired: dict[int, str] = {}
        self.redirected = 0
        self._unreported: dict[int, str] = {}
        self.is_exclusive = is_exclusive
        self._taken: dict[int, tuple[Event, int]] = {}
        self._busy: Counter[int] = Counter()

    def take(self, index: int, lane: int, timeout_s: float) -> bool:
        """Wait until the conversation is free and take it for a message of this lane.

        False if it is not free in time.
        """
        if not self.is_exclusive:
            return True
        deadline_s = clock_s() + timeout_s
        self._busy[lane] += 1
        try:
            # An event wakes all that wait for it, and only the first of them finds it free.
            while (taken := self._taken.get(index)) is not None:
                if not taken[0].wait(max(0.0, deadline_s - clock_s())):
                    self._busy[lane] -= 1
                    return False
        except BaseException:  # the user is stopped meanwhile
            self._busy[lane] -= 1
            raise
        self._taken[index] = Event(), lane
        return True

    def is_busy(self, lanes: Iterable[int]) -> bool:
        """True while a conversation is taken, or waited for, by a message of these lanes."""
        return any(self._busy[lane] > 0 for lane in lanes)

    def is_taken(self, index: int) -> bool:
        """True while another message to this conversation is out; never without `is_exclusive`."""
        return index in self._taken

    def give_back(self, index: int) -> None:
        taken = self._taken.pop(index, None)
        if taken is not None:
            event, lane = taken
            self._busy[lane] -= 1
            event.set()

    def retire(self, index: int, reason: str) -> None:
        """Use a conversation no more; `reason` is the error code that it answered."""
        if index not in self.retired:
            self.retired[index] = self._unreported[index] = reason

    def report(self) -> PoolReport:
        retired, self._unreported = self._unreported, {}
        return PoolReport(retired, self.redirected)
