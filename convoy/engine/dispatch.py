"""The dispatcher: in each process and for each scenario it hands every message to one user.

There are two ways to take. With open arrivals a message goes out when it is due, whatever became of
the ones before it. With closed arrivals each user gets the next message when it asks, and it is due
at that moment. A free user takes what is there without a greenlet switch; waiting users are woken
by one alarm in the event loop, the one idle longest first. No message is assigned ahead of its
time, so that lanes and rate can change at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from math import inf

import msgspec
from gevent import get_hub
from greenlet import getcurrent, greenlet

from convoy.clock import clock_s
from convoy.engine.alarm import make_alarm, weak_callback
from convoy.engine.free_users import FreeUser, FreeUsers, ReadyAt, always_ready
from convoy.engine.lane_queue import Entry, LaneMessages, LaneQueue
from convoy.remote.pace import Pace
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase

EARLY_S = 0.0002
"""How much ahead of its time a message may start, so that those due together go out together."""
_MANY, _EARLY_OF_MANY_S = 16, 0.0005
"""Where so many are due within twice that time, they may start so early: each time that the process
waits costs up to 100 us, and at such rates it would wait several thousand times a second."""

_LONGEST_ROUND_S = 0.01
"""How long messages are handed out before the loop has a turn. Where there are more than can be
made, or each of them fails at once because the run was stopped, there would be no end of it."""

_MEASURE, _TARGET = Phase.MEASURE, Cause.TARGET
"""Looking a member up in its class takes longer than most lines here."""


# A structure, and untracked by the collector: one is made per message.
class DueMessage(msgspec.Struct, frozen=True, gc=False):
    """A message handed to a user, at `handed_s` when it was due at `due_s` (clock seconds).

    `late_cause` says why, if that was late.
    """

    k: int
    due_s: float
    phase: Phase
    late_cause: Cause
    handed_s: float


@dataclass(eq=False, repr=False)
class Dispatcher:
    """Hands out the messages of the lanes it was granted, each once.

    With `closed_for_s` arrivals are closed: messages go out from T0 on for so long, and none is
    ever late. Without it each is due at its own time, and given up `max_lateness_s` after it. None
    goes out before the `pace` of an approval has room for it; `requests` is how many the plan has
    for each message. Times of messages are seconds from T0, all others `clock` seconds. It is long
    because one alarm, one queue and the free users decide together what goes out next.
    """

    recorder: ScenarioRecorder
    _: KW_ONLY
    max_lateness_s: float
    closed_for_s: float | None = None
    pace: Pace | None = None
    requests: int = 1
    clock: Callable[[], float] = clock_s

    def __post_init__(self) -> None:
        self._held_until_s = -inf
        self._is_closed = self.closed_for_s is not None
        self._length_s = inf if self.closed_for_s is None else self.closed_for_s
        self._t0_s = inf
        self.queue = LaneQueue()
        """The messages of its lanes that were not handed out yet."""
        self._users = FreeUsers()
        self._idle = self._users.idle
        self._is_expecting = self._was_asked = False
        self._is_stopped = False
        self._lease_ends_s = inf
        self._closes_s = inf
        self._hub = get_hub()
        self._alarm = make_alarm(weak_callback(self._on_alarm))
        self._alarm_at_s = inf
        self._armed_for: Entry | None = None
        self._early_s = EARLY_S

    def start(self, t0_s: float) -> None:
        """Set T0 on this process's clock; messages go out from then on, warm-up ones before."""
        self._t0_s, self._armed_for = t0_s, None
        if self._is_closed:
            self._users.measure_limited(t0_s, t0_s + self._length_s)
        self._set_close()

    def grant(self, lanes: Mapping[int, LaneMessages], phase: Phase = Phase.MEASURE) -> None:
        """Take on the messages of lanes; warm-up ones, due before 0, only of open arrivals."""
        if self._is_closed and phase is not _MEASURE:
            lanes = {lane: iter(()) for lane in lanes}
        self.queue.grant(lanes, phase)
        self._armed_for = None
        self._arm()

    def hold_lease_until(self, ends_s: float) -> None:
        """Hand out nothing after `ends_s`, unless this is called again with a later time."""
        self._lease_ends_s = ends_s
        self._set_close()

    def expect(self) -> None:
        """Know that a user is ready; where none ever asks for a message, blame the scenario."""
        self._is_expecting = True

    def take(self, ready_at: ReadyAt = always_ready, paused_until_s: float = -inf) -> DueMessage:
        """Wait as the calling greenlet for the next message, after its pause, if it makes one.

        `ready_at` is asked again before the message is handed over, since users may share their
        limits. A greenlet that is killed while it waits takes no message with it.
        """
        self._was_asked = True
        now_s = self.clock()
        is_paused = paused_until_s > now_s
        ready_at_s = paused_until_s if is_paused else ready_at(now_s)
        user = getcurrent(), ready_at
        if self.pace is not None:
            self.pace.forget(user[0])
        # Those that are idle already are served first; the alarm is set for them.
        if ready_at_s <= now_s and not self._idle:
            due = self._next(now_s)
            if due is not None:
                self._promise(user)
                return due
        if ready_at_s > now_s:
            self._users.rest(user, now_s, ready_at_s, is_limited=not is_paused)
        else:
            self._users.add(user, now_s)
        if self._armed_for is None:
            self._arm()
        try:
            handed: DueMessage = self._hub.switch()
        except BaseException:
            self._users.remove(user[0], self.clock())
            raise
        return handed

    def dismiss(self, user: greenlet) -> None:
        """Hand nothing more to a user that waits: it is about to be killed."""
        self._users.remove(user, self.clock())

    def forget(self, user: greenlet) -> None:
        """Keep no room for the message that a user was handed: it has ended."""
        if self.pace is not None:
            self.pace.forget(user)

    def expire(self) -> None:
        """Give up what is too late to be sent, and note how long limits held the users."""
        now_s = self.clock()
        self._users.look(now_s)
        self.recorder.counts.limited_s = self._users.limited_s
        too_late_s = now_s - self._t0_s - self.max_lateness_s
        while not self._is_closed and (entry := self.queue.take(too_late_s)) is not None:
            cause = self._late_cause(self._t0_s + entry[0])
            self._give_up(entry, cause, self.max_lateness_s)

    def stop(self) -> None:
        """Hand out nothing more; what was due by now and not sent is given up as stopped."""
        self._is_stopped = True
        self._set_close()
        elapsed_s = self.clock() - self._t0_s
        while not self._is_closed and (entry := self.queue.take(elapsed_s)) is not None:
            self._give_up(entry, Cause.STOPPED, elapsed_s - entry[0])

    @property
    def is_exhausted(self) -> bool:
        """True when nothing will be handed out any more from the lanes granted so far."""
        is_over = self._is_stopped or self.clock() >= self._t0_s + self._length_s
        return is_over or self.queue.first is None

    def _next(self, now_s: float) -> DueMessage | None:
        """Take the next message that may go now; asked for every message, so it calls little."""
        t0_s = self._t0_s
        if now_s >= self._closes_s or (self.pace is not None and self._is_held(now_s)):
            return None
        if self._is_closed:
            asked = self.queue.take() if now_s >= t0_s else None
            if asked is None:
                return None
            self.recorder.schedule()
            return DueMessage(asked[1], now_s, _MEASURE, _TARGET, now_s)
        until_s = now_s - t0_s + self._early_s
        while (entry := self.queue.take(until_s)) is not None:
            due_s, k, _, phase = entry
            due_s += t0_s
            late_s, cause = now_s - due_s, _TARGET
            if phase is _MEASURE:
                if late_s > self.recorder.late_after_s:
                    cause = self._late_cause(due_s)
                    if late_s > self.max_lateness_s:
                        self._give_up(entry, cause, self.max_lateness_s)
                        continue
                self.recorder.schedule()
            elif now_s >= t0_s:
                continue  # a warm-up message is in no account, but would load the measured part
            return DueMessage(k, due_s, phase, cause, now_s)
        return None

    def _promise(self, user: FreeUser) -> None:
        if self.pace is not None:
            self.pace.promise(user[0], self.requests)

    def _is_held(self, now_s: float) -> bool:
        assert self.pace is not None
        ready_s = self.pace.ready_at(now_s)
        if ready_s > now_s:
            self._held_until_s = ready_s
        return ready_s > now_s

    def _late_cause(self, due_s: float) -> Cause:
        """Return why a message due then was kept waiting."""
        if self._is_expecting and not self._was_asked:
            return Cause.SCENARIO  # no user has a message, so that none waits for an answer
        return Cause.LIMITS if due_s < self._held_until_s else self._users.late_cause(due_s)

    def _give_up(self, entry: Entry, cause: Cause, lateness_s: float) -> None:
        if entry[3] is _MEASURE:
            self.recorder.schedule()
            self.recorder.give_up(cause, lateness_s)

    def _set_close(self) -> None:
        """Have messages go out before the end and while the lease holds; after a stop, never."""
        ends_s = -inf if self._is_stopped else self._t0_s + self._length_s
        self._closes_s = min(ends_s, self._lease_ends_s)
        self._arm()

    def _arm(self) -> None:
        """Set the alarm for whatever comes next, unless it is set for something earlier."""
        first, now_s, at_s = self.queue.first, self.clock(), self._users.first_ready_s
        # The first message is the same tuple until it is taken or lanes come and go, so that the
        # round in which it goes out is computed once.
        if first is not self._armed_for and self._idle and now_s < self._closes_s:
            round_s = self._round_s(first)
            if self.pace is not None:
                round_s = max(round_s, self.pace.ready_at(now_s))
            at_s = min(at_s, round_s)
            self._armed_for = first
        if at_s < self._alarm_at_s:
            self._alarm_at_s = at_s
            self._alarm.set(at_s - now_s)

    def _round_s(self, first: Entry | None) -> float:
        """Return when to hand out what comes next, in clock time.

        That is the middle of the messages that may go together, so that none is far from its time.
        """
        if first is None:
            return inf
        if self._is_closed:
            return self._t0_s
        due_s, queue = first[0], self.queue
        is_dense = queue.nth_due_s(_MANY) - due_s <= 2 * _EARLY_OF_MANY_S
        self._early_s = _EARLY_OF_MANY_S if is_dense else EARLY_S
        return self._t0_s + (due_s + queue.due_until(due_s + 2 * self._early_s)) / 2

    def _on_alarm(self) -> None:
        """Hand out what can go by now to the idle users, those included that have rested."""
        self._alarm_at_s, self._armed_for = inf, None
        users, now_s = self._users, self.clock()
        users.end_rests(now_s)
        ends_s = now_s + _LONGEST_ROUND_S
        while self._idle and now_s < ends_s:
            _, ready_at = next(iter(self._idle.values()))
            ready_at_s = ready_at(now_s)
            if ready_at_s > now_s:
                users.rest(users.pop(now_s), now_s, ready_at_s)
                continue
            # Before the user is taken: without a message it keeps its place among the idle ones.
            due = self._next(now_s)
            if due is None:
                break
            user = users.pop(now_s)
            self._promise(user)
            # The user runs at once, until it waits for its answer. What all of them post leaves
            # together, before the loop polls again.
            user[0].switch(due)
            now_s = self.clock()
        self._arm()
