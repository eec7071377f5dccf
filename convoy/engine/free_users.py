"""The users of a dispatcher that have no message: idle, or resting until they may have one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

from greenlet import greenlet

from convoy.results.outcome import Cause

ReadyAt = Callable[[float], float]
"""Takes the present moment, returns when a user's limits allow it to send: now or later."""

FreeUser = tuple[greenlet, ReadyAt]
"""The greenlet of a user that waits for its next message, and its limits."""


def always_ready(now_s: float) -> float:
    """Return the present moment: for a user without limits."""
    return now_s


class FreeUsers:
    """The idle users by greenlet, the one that is idle longest first, and the resting ones.

    Everyone may look into `idle`; only the methods change it. All times are clock seconds.
    """

    def __init__(self) -> None:
        self.idle: OrderedDict[greenlet, FreeUser] = OrderedDict()
        self._resting: list[tuple[float, int, FreeUser, bool]] = []
        self._limited = 0
        self._tie_breaks = count()
        self._idle_from_s = self._idle_to_s = -inf
        self._rested_until_s = -inf
        self.limited_s = 0.0
        """How long limits held users, all together, in the time that `measure_limited` names."""
        self._measured_to_s = self._measures_until_s = inf

    def measure_limited(self, from_s: float, until_s: float) -> None:
        """Begin to add up how long limits hold users between two moments."""
        self._measured_to_s, self._measures_until_s = from_s, until_s

    def look(self, now_s: float) -> None:
        """Bring `limited_s` up to now, or to when the next one has rested.

        Called before the number of those changes whom limits hold. That nobody looked at who has
        rested since is no matter of limits.
        """
        until_s = min(now_s, self._measures_until_s, self.first_ready_s)
        if until_s > self._measured_to_s:
            self.limited_s += self._limited * (until_s - self._measured_to_s)
            self._measured_to_s = until_s

    @property
    def first_ready_s(self) -> float:
        """When the first resting user has rested; infinity when none rests."""
        return self._resting[0][0] if self._resting else inf

    def add(self, user: FreeUser, since_s: float) -> None:
        """Take on a user that is idle from now on."""
        if not self.idle:
            self._idle_from_s, self._idle_to_s = since_s, inf
        self.idle[user[0]] = user

    def pop(self, now_s: float) -> FreeUser:
        """Give away the user that is idle longest; there has to be one."""
        _, user = self.idle.popitem(last=False)
        if not self.idle:
            self._idle_to_s = now_s
        return user

    def rest(
        self, user: FreeUser, now_s: float, until_s: float, *, is_limited: bool = True
    ) -> None:
        """Take on a user that may not send before a moment, held by its limits or in a pause."""
        self.look(now_s)
        self._limited += is_limited
        # Of two that rest equally long the heap would compare greenlets, which have no order.
        heappush(self._resting, (until_s, next(self._tie_breaks), user, is_limited))

    def end_rests(self, now_s: float) -> None:
        """Make the users idle that have rested by now."""
        while self._resting and self._resting[0][0] <= now_s:
            self.look(now_s)
            self._rested_until_s, _, user, is_limited = heappop(self._resting)
            self._limited -= is_limited
            self.add(user, self._rested_until_s)
        self.look(now_s)

    def remove(self, waiting: greenlet, now_s: float) -> None:
        """Give up the user of this greenlet, if it waits."""
        if self.idle.pop(waiting, None) is not None:
            if not self.idle:
                self._idle_to_s = now_s
        else:
            self.look(now_s)
            self._resting = [place for place in self._resting if place[2][0] is not waiting]
            heapify(self._resting)
            self._limited = sum(place[3] for place in self._resting)

    def late_cause(self, due_s: float) -> Cause:
        """Return why a message due then was kept waiting: with a user free it is our own fault."""
        if self._idle_from_s <= due_s < self._idle_to_s:
            return Cause.GENERATOR
        if self._resting or due_s < self._rested_until_s:
            return Cause.LIMITS
        return Cause.TARGET
