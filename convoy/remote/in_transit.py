"""What has left this process and may not have arrived: an outage has all of it arrive at once."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import NamedTuple

from convoy.remote.connection import Connection

_ARRIVES_WITHIN_S = 0.5
"""What was not received by then is kept from arriving: a round trip to any region takes less."""
_LOOKS_EVERY_S = 0.02
"""So often it is asked whether what is kept from arriving has arrived."""


class _Sent(NamedTuple):
    """What left at a moment, and where it ends in the bytes of its connection."""

    left_s: float
    connection: Connection
    end: int

    @property
    def is_held(self) -> bool:
        """True while it may still arrive."""
        return self.connection.holds(self.end)


class InTransit:
    """What has left, each for half a second, and then as long as it is kept from arriving.

    Moments are seconds of any one clock.
    """

    def __init__(self) -> None:
        self._sent: deque[_Sent] = deque()
        self._held: list[_Sent] = []
        self._looked_s = -inf

    @property
    def held(self) -> int:
        """How much was kept from arriving when one looked last."""
        return len(self._held)

    def add(self, now_s: float, connection: Connection, end: int) -> None:
        """Take note of what has just left on a connection, up to that byte."""
        self._sent.append(_Sent(now_s, connection, end))

    def look(self, now_s: float) -> int:
        """Find what is held; return how much of that has arrived, or been discarded, just now."""
        sent, arrived = self._sent, 0
        if self._held and now_s >= self._looked_s + _LOOKS_EVERY_S:
            self._looked_s = now_s
            before, self._held = self._held, [each for each in self._held if each.is_held]
            if len(self._held) < len(before):
                # What has left since arrives with it.
                before += sent
                self._held += [each for each in sent if each.is_held]
                sent.clear()
            arrived = len(before) - len(self._held)
        while sent and sent[0].left_s <= now_s - _ARRIVES_WITHIN_S:
            first = sent.popleft()
            if first.is_held:
                self._held.append(first)
        return arrived

    def discard(self) -> None:
        """Reset the connections of what has left and not arrived."""
        for each in (*self._held, *self._sent):
            if each.is_held:
                each.connection.reset()
