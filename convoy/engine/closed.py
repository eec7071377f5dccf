"""The dispatcher of closed arrivals: without a schedule, each user gets a message when it asks.

A message is due at the moment it is handed out; how many there are depends on how fast the remote
answers, so delivery is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from time import perf_counter

import gevent
from gevent.event import Event

from convoy.engine.dispatch import DueMessage, ReadyAt, always_ready
from convoy.engine.lane_queue import LaneMessages, LaneQueue
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase

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
        self._queue = LaneQueue()
        self._lease_ends_s = inf
        self._may_go_on = Event()
        self._closes_s = inf
        self._is_stopped = False

    def start(self, t0_s: float) -> None:
        """Set T0 on this process's clock; messages go out from then on."""
        self._t0_s = t0_s
        self._set_close()

    def grant(
        self, lanes: Mapping[int, LaneMessages], epoch: int, phase: Phase = Phase.MEASURE
    ) -> None:
        """Take on the messages of lanes; there is no warm-up."""
        self._epoch = max(self._epoch, epoch)
        if phase is not _MEASURE:
            lanes = {lane: iter(()) for lane in lanes}
        self._queue.grant(lanes, phase)
        self._may_go_on.set()

    def release(self, lanes: Iterable[int]) -> dict[int, int | None]:
        """Give up lanes; return the first number not handed out of each, None if finished."""
        return self._queue.release(lanes)

    def upcoming(self, most: int) -> list[int]:
        """Return the numbers of the next messages, in order, as far as they are known."""
        return self._queue.upcoming(most)

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
            ready_at_s = ready_at(now_s)
            if ready_at_s <= now_s and self._t0_s <= now_s < self._closes_s:
                entry = self._queue.take()
                if entry is not None:
                    self._recorder.schedule()
                    return DueMessage(entry[1], now_s, _MEASURE, self._epoch, _TARGET, now_s)
            begins_s = max(self._t0_s, ready_at_s)
            if now_s < begins_s < inf:
                gevent.sleep(begins_s - now_s)
            else:
                self._may_go_on.clear()
                self._may_go_on.wait()

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
        return self._is_stopped or is_over or self._queue.first is None

    def _set_close(self) -> None:
        """Have the next message go out before the end, and while the lease holds, or never."""
        ends_s = -inf if self._is_stopped else self._t0_s + self._duration_s
        self._closes_s = min(ends_s, self._lease_ends_s)
        self._may_go_on.set()
