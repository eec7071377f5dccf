"""The pace of an approval: no more than so many messages leave a process in any second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from math import inf

import gevent
from greenlet import getcurrent, greenlet

SECOND_S = 1.0


class Pace:
    """Lets at most `most` messages leave in any second that ends now, whoever sends them.

    Everything that is written in a message's name passes `wait`: warm-up and canary messages, what
    is sent again, what a step posts. All times are `clock` seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most = most
        self._clock = clock
        self._left: deque[float] = deque()
        self._waiting = 0
        self._promised: set[greenlet] = set()
        self.ends_s = inf
        """Nothing leaves from then on: the lease of this process has ended, or the run."""

    def allow(self, most: int, *, others_may_have_sent: bool) -> None:
        """Set how many may leave in a second; what comes on top may have been used by others.

        It waits for a second then, because the one who had it may have sent just now.
        """
        if others_may_have_sent and most > self._most:
            self._left.extend([self._clock()] * (most - self._most))
        self._most = most

    def ready_at(self, now_s: float) -> float:
        """Return when another message may be handed out: `now_s` when that is now.

        What was handed out and is not written yet comes first. It is `inf` where none may leave any
        more.
        """
        return self._free_at(now_s, self._waiting + len(self._promised))

    def promise(self, user: greenlet) -> None:
        """Keep room for the message that a user was handed, which may have to connect first."""
        self._promised.add(user)

    def forget(self, user: greenlet) -> None:
        """Keep no room any longer for a user, whose message has ended, or was written."""
        self._promised.discard(user)

    def wait(self, deadline_s: float) -> None:
        """Wait as the calling greenlet until a message may leave, and count it as leaving now.

        Raises TimeoutError where that is not before the deadline.
        """
        self.forget(getcurrent())
        before = self._waiting
        while (free_s := self._free_at(now_s := self._clock(), before)) > now_s:
            if free_s > deadline_s:
                raise TimeoutError("the approved rate left no room for it by the deadline")
            self._waiting += 1
            try:
                gevent.sleep(free_s - now_s)
            finally:
                self._waiting -= 1
            before = 0  # whoever waits now has come later, or is woken next
        self._left.append(now_s)

    def _free_at(self, now_s: float, before: int) -> float:
        """Return when there is room for one more after so many that come before it."""
        left = self._left
        while left and left[0] <= now_s - SECOND_S:
            left.popleft()
        too_many = len(left) + before - self._most
        if now_s >= self.ends_s or self._most == 0:
            return inf
        if too_many < 0:
            return now_s
        # Of more than there is room for in a second, the rest asks again by then.
        return left[min(too_many, len(left) - 1)] + SECOND_S if left else now_s + SECOND_S
