"""What has left this process and may not have arrived: an outage has all of it arrive at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

import gevent
from gevent import Greenlet

from convoy.remote.connection import Connection

_ARRIVES_WITHIN_S = 0.5
"""What was not received by then is kept from arriving: a round trip to any region takes less."""
_LOOKS_EVERY_S = 0.02
"""So often it is asked whether what is kept from arriving has arrived."""
_AWAY_S = 0.3
"""Who has not looked for so long does not know when what has arrived did."""


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

    As long as there is any, one looks for it again and again, and `arrives` is called with how much
    has arrived, or was discarded, after it was held. So it is with what arrived while nobody could
    look. Moments are `clock` seconds.
    """

    def __init__(self, clock: Callable[[], float], arrives: Callable[[int], None]) -> None:
        self._clock = clock
        self._arrives = arrives
        self._sent: deque[_Sent] = deque()
        self._held: list[_Sent] = []
        self._is_cut = False
        """Whether something was long on its way, and nothing has arrived since."""
        self._looked_s = -inf
        self._looking: Greenlet[..., None] | None = None

    @property
    def held(self) -> int:
        """How much is kept from arriving, as far as is known."""
        return len(self._held)

    def has_arrived(self, left_by_s: float) -> bool:
        """Return whether all that had left by then was received, or discarded."""
        in_transit = (*self._held, *self._sent)
        return not any(each.is_held for each in in_transit if each.left_s <= left_by_s)

    def add(self, connection: Connection, end: int) -> None:
        """Take note of what has just left on a connection, up to that byte."""
        now_s = self._clock()
        if self._looking is None or self._looking.dead:
            self._looked_s = now_s
            self._looking = gevent.spawn(self._keep_looking)
        self._sent.append(_Sent(now_s, connection, end))

    def _keep_looking(self) -> None:
        while self._sent or self._held:
            gevent.sleep(_LOOKS_EVERY_S)
            self.look()

    def look(self) -> None:
        """Find what is held, and what is so no more."""
        now_s, sent = self._clock(), self._sent
        if now_s < self._looked_s + _LOOKS_EVERY_S:
            return
        was_away, self._looked_s = now_s > self._looked_s + _AWAY_S, now_s
        long_ago_s = now_s - _ARRIVES_WITHIN_S
        gone = [each for each in self._held if not each.is_held]
        # What has left since arrives with it. Only with what was long on its way: on a long way
        # there always is something that left since, and each would take the next along for ever.
        if was_away or self._is_cut or any(each.left_s <= long_ago_s for each in gone):
            gone += [each for each in sent if not each.is_held]
            self._held += sent
            sent.clear()
        while sent and sent[0].left_s <= long_ago_s:
            if sent[0].is_held:
                self._held.append(sent[0])
            sent.popleft()
        if gone:
            over = set(gone)
            self._held = [each for each in self._held if each not in over]
            self._arrives(len(gone))
        # Where the connection was reset meanwhile, after the timeout of a request, nothing arrived.
        if any(each.connection.is_open or each.left_s > long_ago_s for each in gone):
            self._is_cut = False
        elif any(each.left_s <= long_ago_s for each in self._held):
            self._is_cut = True

    def discard(self) -> None:
        """Reset the connections of what has left and not arrived."""
        for each in (*self._held, *self._sent):
            if each.is_held:
                each.connection.reset()
