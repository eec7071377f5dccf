"""The dispatcher: in each process and for each scenario it hands every due message to one user.

Open arrivals: a message goes out when it is due, whatever became of the ones before it. A free user
takes what is already due without a greenlet switch; waiting users are woken by one alarm in the
event loop, the one idle longest first. No message is assigned ahead of its time, so that lanes and
rate can change at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from time import perf_counter

import msgspec
from gevent import get_hub
from greenlet import getcurrent, greenlet

from convoy.engine.alarm import make_alarm, weak_callback
from convoy.engine.lane_queue import Entry, LaneMessages, LaneQueue
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase

EARLY_S = 0.0002
"""How much ahead of its time a message may start, so that those due together go out together."""

_MEASURE = Phase.MEASURE
_GENERATOR, _LIMITS, _TARGET = Cause.GENERATOR, Cause.LIMITS, Cause.TARGET
"""Looking a member up in its class takes longer than most lines here."""

ReadyAt = Callable[[float], float]
"""Takes the present moment, returns when a user's limits allow it to send: now or later."""


def always_ready(now_s: float) -> float:
    """Return the present moment: for a user without limits."""
    return now_s


# A structure, and untracked by the collector: one is made per message.
class DueMessage(msgspec.Struct, frozen=True, gc=False):
    """A message handed to a user, at `handed_s` when it was due at `due_s` (clock seconds).

    `late_cause` says why, if that was late.
    """

    k: int
    due_s: float
    phase: Phase
    epoch: int
    late_cause: Cause
    handed_s: float


_Waiter = tuple[greenlet, ReadyAt]
"""The greenlet of a user that waits for its next message, and its limits."""


class Dispatcher:
    """Hands out the messages of the lanes it was granted, each once.

    Times given to it are seconds from T0 for messages, and `clock` seconds everywhere else.
    """

    def __init__(
        self,
        recorder: ScenarioRecorder,
        *,
        max_lateness_s: float,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._recorder = recorder
        self._max_lateness_s = max_lateness_s
        self._clock = clock
        self._t0_s: float | None = None
        self._epoch = 0
        self._queue = LaneQueue()
        self._idle: deque[_Waiter] = deque()
        self._resting: list[tuple[float, int, _Waiter]] = []
        self._tie_breaks = count()
        self._idle_from_s = self._idle_to_s = -inf
        self._rested_until_s = -inf
        self._lease_ends_s = inf
        self._hub = get_hub()
        self._alarm = make_alarm(weak_callback(self._on_alarm))
        self._alarm_at_s = inf
        self._armed_for: Entry | None = None

    def start(self, t0_s: float) -> None:
        """Set T0 on this process's clock; messages go out from then on."""
        self._t0_s, self._armed_for = t0_s, None
        self._arm()

    def grant(
        self, lanes: Mapping[int, LaneMessages], epoch: int, phase: Phase = Phase.MEASURE
    ) -> None:
        """Take on the messages of lanes, by lane; warm-up ones are due before 0."""
        self._epoch = max(self._epoch, epoch)
        self._queue.grant(lanes, phase)
        self._armed_for = None
        self._arm()

    def release(self, lanes: Iterable[int]) -> dict[int, int | None]:
        """Give up lanes; return the first number not handed out of each, None for a finished lane.

        What was handed out before stays with this process; lanes that were never granted are left
        out of the result.
        """
        return self._queue.release(lanes)

    def upcoming(self, most: int) -> list[int]:
        """Return the numbers of the next measured messages, in order, as far as they are known."""
        return self._queue.upcoming(most)

    def hold_lease_until(self, ends_s: float) -> None:
        """Hand out nothing after `ends_s`, unless this is called again with a later time."""
        self._lease_ends_s = ends_s
        self._arm()

    @property
    def has_lost_lease(self) -> bool:
        """True when the lease ran out: the lanes may have gone to others by now."""
        return self._clock() > self._lease_ends_s

    def take(self, ready_at: ReadyAt = always_ready) -> DueMessage:
        """Wait as the calling greenlet for the next due message.

        `ready_at` is asked again before the message is handed over, since users may share their
        limits. A greenlet that is killed while it waits takes no message with it.
        """
        now_s = self._clock()
        ready_at_s = ready_at(now_s)
        if ready_at_s <= now_s and not self._idle:
            due = self._next_due(now_s)
            if due is not None:
                return due
        waiter = getcurrent(), ready_at
        if ready_at_s > now_s:
            self._rest(waiter, ready_at_s)
        else:
            self._add_idle(waiter, now_s)
        if self._armed_for is None:
            self._arm()
        try:
            handed: DueMessage = self._hub.switch()
        except BaseException:
            self._remove(waiter)
            raise
        return handed

    def expire(self) -> None:
        """Count the messages that are too late to be sent as given up."""
        if self._t0_s is None:
            return
        too_late_s = self._clock() - self._t0_s - self._max_lateness_s
        while (entry := self._queue.take(too_late_s)) is not None:
            self._give_up(entry, self._late_cause(self._t0_s + entry[0]), self._max_lateness_s)

    def stop(self) -> None:
        """Hand out nothing more; what was due by now and not sent is given up as stopped."""
        self._lease_ends_s = -inf
        if self._t0_s is None:
            return
        elapsed_s = self._clock() - self._t0_s
        while (entry := self._queue.take(elapsed_s)) is not None:
            self._give_up(entry, Cause.STOPPED, elapsed_s - entry[0])

    @property
    def is_exhausted(self) -> bool:
        """True when every message of every granted lane was handed out or given up."""
        return self._queue.first is None

    def _rest(self, waiter: _Waiter, until_s: float) -> None:
        heappush(self._resting, (until_s, next(self._tie_breaks), waiter))

    def _add_idle(self, waiter: _Waiter, since_s: float) -> None:
        if not self._idle:
            self._idle_from_s, self._idle_to_s = since_s, inf
        self._idle.append(waiter)

    def _pop_idle(self, now_s: float) -> _Waiter:
        waiter = self._idle.popleft()
        if not self._idle:
            self._idle_to_s = now_s
        return waiter

    def _remove(self, waiter: _Waiter) -> None:
        if waiter in self._idle:
            self._idle.remove(waiter)
            if not self._idle:
                self._idle_to_s = self._clock()
        else:
            self._resting = [place for place in self._resting if place[2] is not waiter]
            heapify(self._resting)

    def _next_due(self, now_s: float) -> DueMessage | None:
        """Take the next message if its time has come."""
        t0_s, queue = self._t0_s, self._queue
        if t0_s is None or now_s > self._lease_ends_s:
            return None
        until_s = now_s - t0_s + EARLY_S
        while (entry := queue.take(until_s)) is not None:
            _, k, _, phase = entry
            due_s = t0_s + entry[0]
            cause = self._late_cause(due_s)
            if phase is _MEASURE:
                if now_s - due_s > self._max_lateness_s:
                    self._give_up(entry, cause, self._max_lateness_s)
                    continue
                self._recorder.schedule()
            elif now_s >= t0_s:
                continue
            return DueMessage(k, due_s, phase, self._epoch, cause, now_s)
        return None

    def _give_up(self, entry: Entry, cause: Cause, lateness_s: float) -> None:
        if entry[3] is _MEASURE:
            self._recorder.schedule()
            self._recorder.give_up(cause, lateness_s)

    def _late_cause(self, due_s: float) -> Cause:
        """Return why a message due then would be late: with a user free it is our own fault."""
        if self._idle_from_s <= due_s < self._idle_to_s:
            return _GENERATOR
        if self._resting or due_s < self._rested_until_s:
            return _LIMITS
        return _TARGET

    def _arm(self) -> None:
        """Set the alarm for whatever comes next, unless it is set for something earlier."""
        first, now_s = self._queue.first, self._clock()
        at_s = self._resting[0][0] if self._resting else inf
        if first is not self._armed_for and self._idle and now_s < self._lease_ends_s:
            at_s = min(at_s, self._round_s(first))
            self._armed_for = first
        if at_s < self._alarm_at_s:
            self._alarm_at_s = at_s
            self._alarm.set(at_s - now_s)

    def _round_s(self, first: Entry | None) -> float:
        """Return when to hand out what comes next, in clock time.

        That is the middle of the messages that may go together, so that none is far from its time.
        """
        if first is None or self._t0_s is None:
            return inf
        due_s = first[0]
        return self._t0_s + (due_s + self._queue.due_until(due_s + 2 * EARLY_S)) / 2

    def _on_alarm(self) -> None:
        """Return the rested users to the idle ones, and hand out what is due by now."""
        self._alarm_at_s, self._armed_for = inf, None
        now_s = self._clock()
        while self._resting and self._resting[0][0] <= now_s:
            self._rested_until_s, _, waiter = heappop(self._resting)
            self._add_idle(waiter, self._rested_until_s)
        while self._idle and self._is_due(now_s):
            waiter = self._pop_idle(now_s)
            user, ready_at = waiter
            ready_at_s = ready_at(now_s)
            if ready_at_s > now_s:
                self._rest(waiter, ready_at_s)
                continue
            due = self._next_due(now_s)
            if due is None:
                self._idle.appendleft(waiter)
                self._idle_to_s = inf
                break
            user.switch(due)
            now_s = self._clock()
        self._arm()

    def _is_due(self, now_s: float) -> bool:
        first = self._queue.first
        if first is None or self._t0_s is None:
            return False
        return first[0] <= now_s - self._t0_s + EARLY_S
