"""The dispatcher of closed arrivals: no schedule, every actor gets the next message when it asks.

A message is due at the moment it is handed out; how many there are depends on how fast the remote
answers, so delivery is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from time import perf_counter

import gevent
from gevent.event import Event

from convoy.engine.dispatch import DueMessage, LaneMessages, ReadyAt, always_ready
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase

_Entry = tuple[int, int, LaneMessages]
"""The next number of a lane, the lane, and what follows; ordered by number."""
_MEASURE, _TARGET = Phase.MEASURE, Cause.TARGET


class ClosedDispatcher:
    """Hands out the messages of the lanes it was granted, each once, from T0 until `duration_s`."""

    def __init__(
        self,
        recorder: ScenarioRecorder,
        *,
        duration_s: float,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._recorder = recorder
        self._duration_s = duration_s
        self._clock = clock
        self._t0_s = inf
        self._epoch = 0
        self._entries: list[_Entry] = []
        self._lanes: set[int] = set()
        self._lease_ends_s = inf
        self._may_go_on = Event()
        self._closes_s = inf
        self._is_stopped = False

    def start(self, t0_s: float) -> None:
        """Set T0 on this process's clock; messages go out from then on."""
        self._t0_s = t0_s
        self._set_close()

    def grant(
        self, lane: int, messages: LaneMessages, epoch: int, phase: Phase = Phase.MEASURE
    ) -> None:
        """Take on a lane's messages, `(due_s, k)` in order; there is no warm-up."""
        self._epoch = max(self._epoch, epoch)
        self._lanes.add(lane)
        first = next(messages, None)
        if first is not None and phase is Phase.MEASURE:
            heappush(self._entries, (first[1], lane, messages))
            self._may_go_on.set()

    def release(self, lanes: Iterable[int]) -> dict[int, int | None]:
        """Give up lanes; return the first number not handed out of each, None if finished."""
        leaving = self._lanes.intersection(lanes)
        self._lanes -= leaving
        cursors: dict[int, int | None] = dict.fromkeys(leaving)
        cursors.update((lane, k) for k, lane, _ in self._entries if lane in leaving)
        self._entries = [entry for entry in self._entries if entry[1] not in leaving]
        heapify(self._entries)
        return cursors

    def upcoming(self, most: int) -> list[int]:
        """Return the numbers of the next messages, in order, as far as they are known."""
        return [k for k, *_ in sorted(self._entries)[:most]]

    def hold_lease_until(self, ends_s: float) -> None:
        """Hand out nothing after `ends_s`, unless this is called again with a later time."""
        self._lease_ends_s = ends_s
        self._set_close()

    @property
    def has_lost_lease(self) -> bool:
        """True when the lease ran out: the lanes may have gone to others by now."""
        return self._clock() > self._lease_ends_s

    def take(self, ready_at: ReadyAt = always_ready) -> DueMessage:
        """Wait as the calling greenlet until it is ready and may send, and return its message.

        After the end nothing comes any more, and the greenlet waits to be killed.
        """
        while True:
            now_s = self._clock()
            begins_s = max(self._t0_s, ready_at(now_s))
            if begins_s == inf or now_s >= self._closes_s or not self._entries:
                self._may_go_on.clear()
                self._may_go_on.wait()
            elif begins_s > now_s:
                gevent.sleep(begins_s - now_s)
            else:
                return self._next(now_s)

    def expire(self) -> None:
        """Nothing is ever late here."""

    def stop(self) -> None:
        """Hand out nothing more."""
        self._is_stopped = True
        self._set_close()

    @property
    def is_exhausted(self) -> bool:
        """True when nothing will be handed out any more from the lanes granted so far."""
        is_over = self._clock() >= self._t0_s + self._duration_s
        return self._is_stopped or is_over or not self._entries

    def _set_close(self) -> None:
        """Have the next message go out before the end, and while the lease holds, or never."""
        ends_s = -inf if self._is_stopped else self._t0_s + self._duration_s
        self._closes_s = min(ends_s, self._lease_ends_s)
        self._may_go_on.set()

    def _next(self, now_s: float) -> DueMessage:
        k, lane, following = self._entries[0]
        after = next(following, None)
        if after is None:
            heappop(self._entries)
        else:
            heapreplace(self._entries, (after[1], lane, following))
        self._recorder.schedule()
        return DueMessage(k, now_s, _MEASURE, self._epoch, _TARGET, now_s)
