"""Turns to log in: how processes keep to one rate together, however late one of them joins.

Under an approval a guest takes one for each connection, too.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil, inf

import gevent
from gevent.lock import BoundedSemaphore
from gevent.queue import Empty, Queue

from convoy.remote.connection import Connection
from convoy.remote.in_transit import InTransit
from convoy.remote.pace import SECOND_S

_SPARE_S = 0.1
"""So much longer than a second is taken: what leaves a second apart may arrive closer together, and
a turn may be used `_LATEST_S` late."""
_LATEST_S = _SPARE_S / 2
_LEAD_S = 0.3
"""So long before its moment a turn is given, so that its worker has received it by then."""
_MOST_UNSURE_S = 5.0
"""Who knows a clock less well has no lease by then."""
_AHEAD_S = 2.0
"""For the turns of so long connections are made in advance: what connecting takes, and waiting for
a turn of the master's, delays nobody then, and no server has to keep an idle one for long."""


def apart_s(per_s: float | None) -> float:
    """Return how far turns are apart, 0 where there is no rate."""
    return (SECOND_S + _SPARE_S) / per_s if per_s else 0.0


class Turns:
    """The turns of this process: its own at a rate, or those that its master gives out.

    With `is_given` it takes a turn only from `give`; `wanted` counts how many it has ever waited
    for. A turn is for what is sent at once, so that the connection has to be open before. A
    greenlet takes a place before it connects; this process has as many places as its `share` of
    all turns needs. A turn is over `_LATEST_S` after its moment, because what is sent later would
    be too close to the next turn; then another one is waited for. So it is while what was sent at
    an earlier one is kept from arriving, because all would arrive at once. All moments are `clock`
    seconds.
    """

    def __init__(
        self,
        per_s: float | None,
        clock: Callable[[], float],
        *,
        is_given: bool = False,
        is_after_another: bool = False,
        share: float = 1.0,
    ) -> None:
        self.wanted = 0
        self._apart_s = apart_s(per_s)
        self._clock = clock
        self._given: Queue[float] | None = Queue() if is_given and per_s else None
        self._next_s = clock() + self._apart_s * is_after_another
        self._free_s = -inf
        self._in_transit = InTransit(clock, self._count_as_taken)
        self._has_ended = False
        self._places = BoundedSemaphore(max(1, ceil(per_s * share * _AHEAD_S))) if per_s else None

    def end(self) -> None:
        """Have nobody wait for a turn of the master's any longer: nothing leaves any more.

        Whoever took a turn asks for that before anything leaves.
        """
        self._has_ended = True
        if self._given is not None:
            self._given.put(-inf)

    def discard(self) -> None:
        """Reset the connections of what was sent at turns and has not arrived."""
        self._in_transit.discard()

    def give(self, turns: Iterable[float]) -> None:
        """Take in turns that the master gave to this process."""
        if self._given is not None:
            for turn_s in turns:
                self._given.put(turn_s)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place for the time of a with-block."""
        self.await_place()
        try:
            yield
        finally:
            self.leave_place()

    def await_place(self, deadline_s: float = inf) -> None:
        """Wait until a connection may be made; `leave_place` has to follow. Raises as `take`."""
        left_s = None if deadline_s == inf else max(0.0, deadline_s - self._clock())
        if self._places is not None and not self._places.acquire(timeout=left_s):
            raise _no_turn()

    def leave_place(self) -> None:
        if self._places is not None:
            self._places.release()

    def take(self, deadline_s: float = inf, connection: Connection | None = None) -> None:
        """Wait for a turn; raises TimeoutError where there is none by the deadline.

        What is sent at it is what is posted next on the connection.
        """
        if not self._apart_s:
            return
        if self._given is not None:
            self._take_given(self._given, deadline_s)
        else:
            self._take_own(deadline_s)
        if connection is not None:
            self._in_transit.add(connection, connection.given_bytes + 1)

    def _take_own(self, deadline_s: float) -> None:
        turn_s = max(self._clock(), self._next_s)
        self._check(turn_s, deadline_s)
        self._next_s = turn_s + self._apart_s
        self._sleep_until(turn_s)
        # After a pause of the whole process all turns have come at once.
        while not self._is_free():
            now_s = self._clock()
            free_s = self._free_s if self._free_s > now_s else now_s + _LATEST_S
            self._check(free_s, deadline_s)
            self._sleep_until(free_s)
        self._free_s = self._clock() + self._apart_s

    def _is_free(self) -> bool:
        """Return whether what was sent at earlier turns has arrived, and long enough ago."""
        self._in_transit.look()
        return self._clock() >= self._free_s and not self._in_transit.held

    def _count_as_taken(self, arrived: int) -> None:
        """Have the next turn come after as many as have just arrived.

        Where the master gives turns out, what others had held arrives now as well, and theirs go
        on: then it comes after a second.
        """
        after_s = arrived * self._apart_s
        if self._given is not None:
            after_s = max(after_s, SECOND_S + _SPARE_S)
        self._free_s = max(self._free_s, self._clock() + after_s)

    def _take_given(self, given: Queue[float], deadline_s: float) -> None:
        is_over = True
        while is_over:
            self.wanted += 1  # again for each turn that was missed: the master gives no more else
            left_s = None if deadline_s == inf else max(0.0, deadline_s - self._clock())
            try:
                turn_s = given.get(timeout=left_s)
            except Empty:
                turn_s = inf
            if self._has_ended:
                given.put(turn_s)  # for the next one that waits
                return
            self._check(turn_s, deadline_s)
            self._sleep_until(turn_s)
            is_over = self._clock() > turn_s + _LATEST_S or not self._is_free()

    def _check(self, turn_s: float, deadline_s: float) -> None:
        if turn_s > deadline_s:
            raise _no_turn()

    def _sleep_until(self, moment_s: float) -> None:
        if (left_s := moment_s - self._clock()) > 0:
            gevent.sleep(left_s)


def _no_turn() -> TimeoutError:
    return TimeoutError("the approved rate of logins left no turn for it by the deadline")


class TurnBook:
    """The turns that a master gives to its workers, `per_s` of all together; None for no rate.

    The first one is after `now_s`, when the master itself has logged in. A worker knows the
    master's clock to within `unsure_s`, and uses a turn up to so much earlier or later than its
    moment. So the turns of two workers are so much farther apart.
    """

    def __init__(self, per_s: float | None, now_s: float) -> None:
        self._apart_s = apart_s(per_s)
        self._next_s = now_s + self._apart_s
        self._latest = ("", 0.0)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._ahead: defaultdict[str, deque[float]] = defaultdict(deque)

    def give(
        self, worker: str, wanted: int, workers: int, now_s: float, unsure_s: float = 0.0
    ) -> list[float]:
        """Return the next turns of one of so many workers, which has `wanted` so many so far.

        Each has its part of a second's at most ahead of it, so that nobody waits long behind who
        wants a thousand, and what is given to one that is lost is little.
        """
        if not self._apart_s:
            return []
        unsure_s = min(max(0.0, unsure_s), _MOST_UNSURE_S)
        ahead = self._ahead[worker]
        while ahead and ahead[0] <= now_s:
            ahead.popleft()
        most = max(1, ceil(SECOND_S / self._apart_s / workers))
        given = []
        while self._counts[worker] < wanted and len(ahead) < most:
            # One that knows the clock better than before is as good as another worker.
            is_another = self._latest != (worker, unsure_s)
            between_s = self._latest[1] + unsure_s if is_another else 0.0
            turn_s = max(self._next_s + between_s, now_s + _LEAD_S + unsure_s)
            self._next_s, self._latest = turn_s + self._apart_s, (worker, unsure_s)
            self._counts[worker] += 1
            ahead.append(turn_s)
            given.append(turn_s)
        return given
