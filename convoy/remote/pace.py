"""The pace of an approval: how many messages leave a process in any second, and in all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import cast

import gevent
from greenlet import getcurrent, greenlet

from convoy.clock import clock_s
from convoy.remote.approved_total import Total
from convoy.remote.connection import Connection
from convoy.remote.in_transit import InTransit
from convoy.remote.kill_switch import RunSwitch
from convoy.remote.wire_faults import StoppedError

SECOND_S = 1.0
OVER = "the run was stopped, or this worker has lost its master"
_LONGEST_WAIT_S = 60.0
"""Of what is posted by who knows no deadline."""
SPARE_S = 0.02
"""A second is taken so much longer where the plan leaves room for it, because what leaves a second
apart may arrive closer together. Where it leaves none, a message that is woken late by at most so
much counts from when it might have left. Otherwise each second would begin later than the one
before, and a plan at the approved rate would fall back."""


@dataclass(eq=False, repr=False)
class Pace:
    """Lets at most `most` messages leave in any second, whoever sends them.

    Each message passes `wait` before it is written, and so do warm-up and canary messages, what is
    sent again, and what a step posts. After that it may be held up while others are rendered. Until
    `has_left` is called for it, or `keep` where it will not leave, it counts as leaving at the
    present moment. So does what the system has taken and an outage, or a server that takes nothing,
    keeps from arriving: it arrives at once afterwards. Where there is a `total`, a message is taken
    from that. All times are `clock` seconds.
    """

    most: int
    clock: Callable[[], float] = clock_s
    total: Total | None = None

    def __post_init__(self) -> None:
        self._left: deque[float] = deque()
        self._leaving = 0
        self._in_transit = InTransit(self.clock, self._count_as_gone)
        self._counted: deque[float] = deque(maxlen=self.most)
        self._second_s = SECOND_S + SPARE_S
        self._waiting = 0
        self._promised: set[greenlet] = set()
        self.ends_s = inf
        """Nothing leaves from then on: the lease of this process has ended, or the run."""

    @property
    def is_over(self) -> bool:
        """True where nothing may leave any more, unless the lease is renewed."""
        return self.clock() >= self.ends_s

    def has_arrived(self, left_by_s: float) -> bool:
        """Return whether all that had left by then was received, or will not be."""
        return self._in_transit.has_arrived(left_by_s)

    def discard(self) -> None:
        """Reset the connections of what has left and not arrived."""
        self._in_transit.discard()

    def allow(self, most: int, planned: float) -> None:
        """Set how many may leave in a second, and how many the plan has at most, 0 without one.

        What comes on top waits for a second, because the one who had it may have sent just now.
        """
        # Half of the room is left for catching up; a plan at the approved rate itself has none.
        room_s = (most / planned - 1) / 2 if planned else SPARE_S
        self._second_s = SECOND_S + max(0.0, min(SPARE_S, room_s))
        self._left.extend([self.clock()] * (most - self.most))
        self.most = most
        self._counted = deque(self._counted, maxlen=most)

    def ready_at(self, now_s: float) -> float:
        """Return when another message may be handed out: `now_s` when that is now.

        What was handed out and is not written yet comes first. It is `inf` where none may leave any
        more.
        """
        return self._free_at(now_s, self._waiting + len(self._promised))

    def promise(self, user: greenlet, requests: int) -> None:
        """Keep room for the message that a user was handed, which may have to connect first.

        The plan has so many `requests` for it, with what follows it.
        """
        self._promised.add(user)
        if self.total is not None:
            self.total.plan(user, requests)

    def forget(self, user: greenlet) -> None:
        """Keep no room any longer for a user, whose message has ended, or was written."""
        self._promised.discard(user)

    def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
        """Wait as the calling greenlet until a message may leave, and count it as leaving.

        `has_left` or `keep` has to follow. Raises TimeoutError where it may not leave before the
        deadline, TotalUsedUpError where the total has none left. What only reads is no message, and
        is taken from no total.
        """
        self.forget(getcurrent())
        total = self.total if is_message else None
        if total is not None:
            total.take(deadline_s)
        try:
            self._wait_for_room(deadline_s)
        except BaseException:
            if total is not None:
                total.put_back()
            raise
        self._leaving += 1

    def _wait_for_room(self, deadline_s: float) -> None:
        before = self._waiting
        while (free_s := self._free_at(now_s := self.clock(), before)) > now_s:
            if free_s == inf and now_s < self.ends_s:
                free_s = now_s + SECOND_S  # this process has no lanes, and may get some by then
            if free_s > deadline_s:
                raise TimeoutError("the approved rate left no room for it by the deadline")
            self._waiting += 1
            try:
                gevent.sleep(free_s - now_s)
            finally:
                self._waiting -= 1
            before = 0  # whoever waits now has come later, or is woken next

    def leaves_now(self, connection: Connection | None = None) -> bool:
        """Count what need not leave as gone now, where there is room; return whether there is.

        Messages that were handed out come first. It is in no total, and posted next on the
        connection.
        """
        now_s = self.clock()
        has_room = self.ready_at(now_s) <= now_s
        if has_room:
            self._leaving += 1
            self.has_left()
            if connection is not None:
                self._in_transit.add(connection, connection.given_bytes + 1)
        return has_room

    def has_left(self, connection: Connection | None = None) -> None:
        """Count a message as gone now: the kernel has just taken its first byte.

        It is the latest one of its connection; None for what may arrive at any time.
        """
        self._leaving -= 1
        now_s = self.clock()
        self._left.append(self._counted_s(now_s))
        self._counted.append(self._left[-1])
        if connection is not None:
            self._in_transit.add(connection, connection.message_end)

    def _count_as_gone(self, arrived: int) -> None:
        """Count so many messages as gone now, which have just arrived."""
        self._left.extend([self.clock()] * arrived)

    def _counted_s(self, now_s: float) -> float:
        """Return from when on a message counts that has left now."""
        late_s, counted = SECOND_S + SPARE_S - self._second_s, self._counted
        if late_s <= 0 or not counted or len(counted) < self.most:
            return now_s
        might_leave_s = counted[0] + self._second_s
        # Only where messages are spread. Of a burst all would count from before they left, and the
        # next burst would follow within less than a second.
        before_s = counted[-min(len(counted), 1 + int(2 * self.most * late_s))]
        is_spread = before_s <= might_leave_s - late_s
        return might_leave_s if is_spread and now_s <= might_leave_s + late_s else now_s

    def keep(self, *, is_message: bool = True) -> None:
        """Count a message no longer: it will not leave."""
        self._leaving -= 1
        if self.total is not None and is_message:
            self.total.put_back()

    def _free_at(self, now_s: float, before: int) -> float:
        """Return when there is room for one more after so many that come before it."""
        left, second_s = self._left, self._second_s
        while left and left[0] <= now_s - second_s:
            left.popleft()
        self._in_transit.look()
        too_many = len(left) + self._in_transit.held + self._leaving + before - self.most
        if now_s >= self.ends_s or self.most == 0:
            return inf
        if too_many < 0:
            return now_s
        # Of more than there is room for in a second, the rest asks again by then.
        return left[min(too_many, len(left) - 1)] + second_s if left else now_s + second_s


class Departures:
    """What one sender is about to send: each is counted at the pace until the kernel has taken it.

    It is waited for before it is posted, by who knows a deadline, or by the connection. Where
    nothing had to be approved there is no `pace`, and only the kill switch is asked.
    """

    __slots__ = ("_announced", "_kill_switch", "_leaving", "pace")

    def __init__(self, pace: Pace | None, kill_switch: RunSwitch) -> None:
        self.pace = pace
        self._kill_switch = kill_switch
        self._leaving: list[bool | None] = []
        """Whether each is a message; None for what has had a turn of its own."""
        self._announced = 0
        """How many of them, the last ones, are not posted yet."""

    @property
    def stop_reason(self) -> str:
        """Why nothing may leave any more, "" where it may."""
        is_over = self.pace is not None and self.pace.is_over
        return self._kill_switch.reason or OVER * is_over

    def check(self) -> None:
        """Raise StoppedError where nothing may leave any more."""
        if reason := self.stop_reason:
            self.take_back()
            raise StoppedError(reason)

    def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
        """Wait until the pace has room, and count one more; raises TimeoutError, and as `check`."""
        if self.pace is not None:
            self.pace.wait(deadline_s, is_message=is_message)
            self._leaving.append(is_message)
            self._announced += 1
        self.check()

    def announce_login(self) -> None:
        """Have what is posted next not counted: it has had a turn of its own."""
        if self.pace is not None:
            self._leaving.append(None)
            self._announced += 1

    @property
    def is_announced(self) -> bool:
        """True where what is posted next was waited for."""
        return self._announced > 0

    def let_leave(self, seal: Callable[[], bytes]) -> bytes:
        """Wait for what is posted, unless that was done, and return it as `seal` does.

        Raises as `wait`; where `seal` raises, nothing is leaving.
        """
        if self.pace is not None and not self._announced:
            self.wait(self.pace.clock() + _LONGEST_WAIT_S)
        try:
            sealed = seal()
        except BaseException:
            self.take_back()
            raise
        self._announced = max(0, self._announced - 1)
        return sealed

    def has_left(self, connection: Connection) -> None:
        """Count all that was posted on a connection as gone."""
        while len(self._leaving) > self._announced:
            if self._leaving.pop(0) is not None:
                cast(Pace, self.pace).has_left(connection)

    def take_back(self) -> None:
        """Have the pace count no longer what was waited for, because it will not be posted."""
        while self._announced:
            self._announced -= 1
            self._keep(self._leaving.pop())

    def keep(self) -> None:
        """Have the pace count no longer what has not left, because it will not."""
        self._announced = 0
        while self._leaving:
            self._keep(self._leaving.pop())

    def _keep(self, is_message: bool | None) -> None:
        if is_message is not None:
            cast(Pace, self.pace).keep(is_message=is_message)
