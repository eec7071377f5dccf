"""The dispatcher: in each process and for each scenario, hands every due message to one actor.

Open arrivals: a message goes out when it is due, whatever became of the ones before it. An actor
that is free takes what is already due without a switch; the actors that wait are woken by one timer
in the event loop, the one idle longest first. Nobody claims a message ahead of its time, so lanes
and rate can change at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from math import inf
from time import perf_counter
from typing import Any

import msgspec
from gevent import get_hub
from greenlet import getcurrent, greenlet

from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase

EARLY_S = 0.0005
"""How much ahead of its time a message may start: the event loop's timers are no finer."""

_MEASURE = Phase.MEASURE

LaneMessages = Iterator[tuple[float, int]]
ReadyAt = Callable[[float], float]
"""Takes the present moment, returns when an actor's limits allow it to send: now or later."""


def always_ready(now_s: float) -> float:
    """The limits of an actor that has none."""
    return now_s


# A structure, and untracked by the collector: one is made per message.
class DueMessage(msgspec.Struct, frozen=True, gc=False):
    """A message handed to an actor, at `handed_s` when it was due at `due_s` (clock seconds).

    `late_cause` says why, if that was late.
    """

    k: int
    due_s: float
    phase: Phase
    epoch: int
    late_cause: Cause
    handed_s: float


_Entry = tuple[float, int, int, Phase, LaneMessages]
"""When the next message of a lane is due, its number, the lane, its phase, and what follows."""
_Message = tuple[float, int, Phase]
"""When a message is due, its number and its phase."""


@dataclass(eq=False, slots=True)
class _Seat:
    """Where an actor waits for its next message."""

    actor: greenlet
    ready_at: ReadyAt


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
        self._entries: list[_Entry] = []
        self._lanes: set[int] = set()
        self._idle: deque[_Seat] = deque()
        self._resting: list[tuple[float, int, _Seat]] = []
        self._tie_breaks = count()
        self._idle_from_s = self._idle_to_s = -inf
        self._rested_until_s = -inf
        self._lease_ends_s = inf
        self._timer: Any = None
        self._timer_at_s = inf

    def start(self, t0_s: float) -> None:
        """Set T0 on this process's clock; messages go out from then on."""
        self._t0_s = t0_s
        self._arm()

    def grant(
        self, lane: int, messages: LaneMessages, epoch: int, phase: Phase = Phase.MEASURE
    ) -> None:
        """Take on a lane's messages, `(due_s, k)` in order; warm-up ones are due before 0."""
        self._epoch = max(self._epoch, epoch)
        self._lanes.add(lane)
        first = next(messages, None)
        if first is not None:
            heappush(self._entries, (*first, lane, phase, messages))
            self._arm()

    def release(self, lanes: Iterable[int]) -> dict[int, int | None]:
        """Give up lanes; return the first number not handed out of each, None for a finished lane.

        What was handed out before stays with this process, and lanes that were never granted are
        not spoken of.
        """
        leaving = self._lanes.intersection(lanes)
        self._lanes -= leaving
        cursors: dict[int, int | None] = dict.fromkeys(leaving)
        kept = []
        for entry in self._entries:
            _, k, lane, phase, _ = entry
            if lane not in leaving:
                kept.append(entry)
            elif phase is Phase.MEASURE:
                cursors[lane] = k
        heapify(kept)
        self._entries = kept
        return cursors

    def upcoming(self, most: int) -> list[int]:
        """Return the numbers of the next measured messages, in order, as far as they are known."""
        following = sorted(self._entries)[:most]
        return [k for _, k, _, phase, _ in following if phase is _MEASURE]

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

        `ready_at` is asked again before the message is handed over, since actors may share their
        limits. A greenlet that is killed while it waits leaves its place to the others.
        """
        now_s = self._clock()
        ready_at_s = ready_at(now_s)
        if ready_at_s <= now_s and not self._idle:
            due = self._next_due(now_s)
            if due is not None:
                return due
        seat = _Seat(getcurrent(), ready_at)
        if ready_at_s > now_s:
            self._rest(seat, ready_at_s)
        else:
            self._sit_down(seat, now_s)
        self._arm()
        try:
            handed: DueMessage = get_hub().switch()
        except BaseException:
            self._stand_up(seat)
            raise
        return handed

    def expire(self) -> None:
        """Count the messages that nobody can send in time any more."""
        while self._t0_s is not None and self._entries:
            due_s = self._entries[0][0]
            if self._clock() - self._t0_s - due_s <= self._max_lateness_s:
                return
            self._give_up(self._advance(), self._late_cause(due_s), self._max_lateness_s)

    def stop(self) -> None:
        """Hand out nothing more; what was due by now and not sent is given up as stopped."""
        now_s = self._clock()
        while self._t0_s is not None and self._entries:
            lateness_s = now_s - self._t0_s - self._entries[0][0]
            if lateness_s < 0:
                break
            self._give_up(self._advance(), Cause.STOPPED, lateness_s)
        self._lease_ends_s = -inf

    @property
    def is_exhausted(self) -> bool:
        """True when every message of every granted lane was handed out or given up."""
        return not self._entries

    def _rest(self, seat: _Seat, until_s: float) -> None:
        heappush(self._resting, (until_s, next(self._tie_breaks), seat))

    def _sit_down(self, seat: _Seat, since_s: float) -> None:
        if not self._idle:
            self._idle_from_s, self._idle_to_s = since_s, inf
        self._idle.append(seat)

    def _call_up(self, now_s: float) -> _Seat:
        seat = self._idle.popleft()
        if not self._idle:
            self._idle_to_s = now_s
        return seat

    def _stand_up(self, seat: _Seat) -> None:
        if seat in self._idle:
            self._idle.remove(seat)
            if not self._idle:
                self._idle_to_s = self._clock()
        else:
            self._resting = [place for place in self._resting if place[2] is not seat]
            heapify(self._resting)

    def _next_due(self, now_s: float) -> DueMessage | None:
        """Take the next message off its lane if its time has come."""
        if self._t0_s is None or now_s > self._lease_ends_s:
            return None
        elapsed_s = now_s - self._t0_s
        while self._entries and self._entries[0][0] <= elapsed_s + EARLY_S:
            due_s, k, phase = self._advance()
            cause = self._late_cause(due_s)
            if phase is Phase.WARM_UP:
                if elapsed_s >= 0:
                    continue
            elif elapsed_s - due_s > self._max_lateness_s:
                self._give_up((due_s, k, phase), cause, self._max_lateness_s)
                continue
            else:
                self._recorder.schedule()
            return DueMessage(k, self._t0_s + due_s, phase, self._epoch, cause, now_s)
        return None

    def _is_due(self, now_s: float) -> bool:
        if self._t0_s is None or not self._entries:
            return False
        return self._entries[0][0] <= now_s - self._t0_s + EARLY_S

    def _advance(self) -> _Message:
        due_s, k, lane, phase, messages = self._entries[0]
        following = next(messages, None)
        if following is None:
            heappop(self._entries)
        else:
            heapreplace(self._entries, (*following, lane, phase, messages))
        return due_s, k, phase

    def _give_up(self, message: _Message, cause: Cause, lateness_s: float) -> None:
        if message[2] is Phase.MEASURE:
            self._recorder.schedule()
            self._recorder.give_up(cause, lateness_s)

    def _late_cause(self, due_s: float) -> Cause:
        """Why a message due then (from T0) is late, if it is: was an actor free?"""
        assert self._t0_s is not None
        due_s += self._t0_s
        if self._idle_from_s <= due_s < self._idle_to_s:
            return Cause.GENERATOR
        if self._resting or due_s < self._rested_until_s:
            return Cause.LIMITS
        return Cause.TARGET

    def _arm(self) -> None:
        """Set the timer for whatever comes next, unless it is set for something earlier."""
        at_s = self._resting[0][0] if self._resting else inf
        now_s = self._clock()
        if self._idle and self._entries and self._t0_s is not None and now_s < self._lease_ends_s:
            at_s = min(at_s, self._t0_s + self._entries[0][0] - EARLY_S)
        if at_s >= self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.close()
        loop = get_hub().loop
        loop.update_now()
        self._timer = loop.timer(max(0.0, at_s - now_s))
        self._timer_at_s = at_s
        self._timer.start(self._ring)

    def _ring(self) -> None:
        self._timer.close()
        self._timer, self._timer_at_s = None, inf
        now_s = self._clock()
        while self._resting and self._resting[0][0] <= now_s:
            self._rested_until_s, _, seat = heappop(self._resting)
            self._sit_down(seat, self._rested_until_s)
        while self._idle and self._is_due(now_s):
            seat = self._call_up(now_s)
            ready_at_s = seat.ready_at(now_s)
            if ready_at_s > now_s:
                self._rest(seat, ready_at_s)
                continue
            due = self._next_due(now_s)
            if due is None:
                self._idle.appendleft(seat)
                self._idle_to_s = inf
                break
            seat.actor.switch(due)
            now_s = self._clock()
        self._arm()
