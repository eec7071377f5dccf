"""The event loop's time for work that may wait: opening and closing the connections of guests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from gevent import get_hub
from greenlet import getcurrent, greenlet

from convoy.clock import clock_s

_AT_ONCE_S = 0.001
"""A fifth of what makes a message late by default. A step takes 0.1 to 0.2 ms."""


class LoopShare:
    """Bounds for how long the greenlets of one hub open connections before the loop polls again.

    After the far side has stood still for a moment, its answers come together: then dozens of
    guests leave and connect at once, and a message that falls due meanwhile would wait for all of
    them. Each calls `wait` before a step of that, which returns at once as long as there is time.
    Greenlets that have to wait go on after the next poll, in the order in which they came. Those
    in the midst of a connection (`has_begun`) go before those that are about to open one.
    """

    def __init__(self, clock: Callable[[], float] = clock_s) -> None:
        self._clock = clock
        self._hub = get_hub()
        self._after_poll = self._hub.loop.timer(0.0)
        self._poll: int | None = None
        self._ends_s = 0.0
        """Until when steps may begin after that poll."""
        self._begun: deque[greenlet] = deque()
        self._beginning: deque[greenlet] = deque()

    def wait(self, *, has_begun: bool = False) -> None:
        """Wait, where need be, until there is time for a step."""
        if self._has_time():
            return
        if not (self._begun or self._beginning):
            # A timer of no delay fires after the next poll, before most of what that finds, and
            # lets it return at once.
            self._after_poll.start(self._go_on, update=False)
        waiting, me = self._begun if has_begun else self._beginning, getcurrent()
        waiting.append(me)
        try:
            while self._hub.switch() is not self:
                pass
        finally:
            with suppress(ValueError):  # usual: it was taken out when it was its turn
                waiting.remove(me)

    def _has_time(self) -> bool:
        now_s, poll = self._clock(), self._hub.loop.iteration
        if poll != self._poll:
            self._poll, self._ends_s = poll, now_s + _AT_ONCE_S
        return now_s < self._ends_s

    def _go_on(self) -> None:
        self._after_poll.stop()
        while (waiting := self._begun or self._beginning) and self._has_time():
            waiting.popleft().switch(self)
        if self._begun or self._beginning:
            self._after_poll.start(self._go_on, update=False)
