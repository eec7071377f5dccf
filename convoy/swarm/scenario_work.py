"""What a scenario of a run has in one process: its plan, its dispatcher and its recorder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

from greenlet import greenlet
from msgspec.structs import replace

from convoy.clock import clock_s
from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.engine.pool_use import PoolUse
from convoy.engine.rendered_ahead import Message, MessagesAhead
from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.message import PlannedMessage
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import PoolExhausted, ScenarioPlan
from convoy.remote.pace import Pace
from convoy.results.account import ScenarioRecorder
from convoy.results.message_log import MessageLog
from convoy.results.outcome import Cause, Phase
from convoy.routes.answers import AnswerRule
from convoy.routes.catalogue import Route
from convoy.routes.codes import RETIRING_CODES
from convoy.swarm.accounting import Accounting, KeepSample, Rows
from convoy.swarm.run_inputs import RunInputs

_MEASURE = Phase.MEASURE


class Holder(Protocol):
    """A user that may have a message in hand."""

    def give_up_since(self, due_before_s: float) -> None:
        """Account for a message that it has kept without posting it, if it was due before."""


class ScenarioWork:
    """One scenario of a run in this process: its plan, its dispatcher and its recorder."""

    def __init__(
        self,
        inputs: RunInputs,
        plan: ScenarioPlan,
        rows: Rows,
        keep_sample: KeepSample,
        log: MessageLog | None,
        pace: Pace | None,
        name_code: Callable[[str], str],
    ) -> None:
        settings = inputs.settings
        self.run_id, self.plan = inputs.run_id, plan
        self.rule = settings.scenario[plan.scenario]
        self.users: set[Holder] = set()
        """Those that are ready."""
        patience_s = settings.max_lateness_s
        self._kept_at_most_s = patience_s + (not plan.is_scheduled) * settings.request_timeout_s
        late_after_s = settings.late_after_ms / 1000 if plan.is_scheduled else inf
        timeout_s = settings.request_timeout_s
        self.recorder = ScenarioRecorder(late_after_s, timeout_s)
        self.accounting = Accounting(
            plan.scenario, self.recorder, rows, keep_sample, timeout_s, log, name_code
        )
        self.pool = PoolUse(plan.is_exclusive)
        self.dispatcher = Dispatcher(
            self.recorder,
            max_lateness_s=settings.max_lateness_s,
            closed_for_s=None if plan.is_scheduled else plan.arrivals.duration_s,
            pace=pace,
            requests=settings.requests_each(plan.scenario),
        )
        self._answers: dict[str, AnswerRule] = {}
        self._first: dict[int, int] = {}
        """The number of each lane from which on it was granted, also by another plan."""
        self._warm_up = _warm_up_curve(plan.curve, settings.warm_up_s)
        self._warm_up_bodies = plan.bodies(f"{inputs.run_id}-warmup", time.time)
        self.lines = plan.lines(f"{inputs.run_id}-steps", time.time)
        self._ahead = MessagesAhead(
            plan, inputs.run_id, self.pool.retired, self.dispatcher.queue.upcoming
        )

    def admit(self, user: Holder) -> None:
        """Count a user that is ready to take messages."""
        self.users.add(user)
        self.dispatcher.expect()

    def part_from(self, user: Holder, took_as: greenlet | None) -> None:
        """Count a user no longer, nor what it was handed as the greenlet that it was."""
        self.users.remove(user)
        if took_as is not None:
            self.dispatcher.forget(took_as)

    def answers(self, route: Route, expect: Mapping[int, tuple[str, ...]]) -> AnswerRule:
        """Return the rule that all users of the scenario share: it knows the ids of its answers."""
        if route.name not in self._answers:
            self._answers[route.name] = route.answers(expect)
        return self._answers[route.name]

    def give_up_kept(self) -> None:
        """Account for messages that a task took and does not post; nothing else would end them."""
        for user in self.users:
            user.give_up_since(clock_s() - self._kept_at_most_s)

    def message(self, due: DueMessage) -> Message:
        """Return a due message with its body; raises PoolExhausted, PayloadError."""
        if due.phase is _MEASURE:
            return self._ahead.message(due)
        planned = self.plan.message(due.k, self.pool.retired)
        return Message(due, planned, self._warm_up_bodies.render(planned))

    def retire_after(self, planned: PlannedMessage, code: str) -> None:
        """Retire the conversation of a message, where its error code calls for that.

        A code that the template is to bring on purpose says nothing of the conversation.
        """
        is_meant = code == planned.expected_code
        if code in RETIRING_CODES and not is_meant and planned.conversation.id:
            self.pool.retire(planned.conversation_index, code)

    def grant(self, lanes: Mapping[int, int], since_s: float) -> None:
        """Take on lanes, each from a message number on, with what is left of their warm-up.

        Of that only what is due after `since_s` (seconds from T0), because another worker may have
        had the lane until then.
        """
        # In mid-run it would take milliseconds to go through a warm-up of which nothing is left.
        if since_s < 0:
            warm_up, before_s = EvenArrivals(self._warm_up), self._warm_up.duration_s
            self.dispatcher.grant(
                {lane: _shifted(warm_up.lane(lane), -before_s, since_s) for lane in lanes},
                Phase.WARM_UP,
            )
        self._grant(lanes)

    def _grant(self, lanes: Mapping[int, int]) -> None:
        self._first.update(lanes)
        messages = {lane: self.plan.arrivals.lane(lane, from_k) for lane, from_k in lanes.items()}
        self.dispatcher.grant(messages)

    def release(self, lanes: Iterable[int]) -> dict[int, int]:
        """Give up lanes; return the first number not handed out of each."""
        ends, first = self.plan.arrivals.lane_end, self._first
        cursors = self.dispatcher.queue.release(lanes)
        # A plan that was lowered may end before what was handed out by the one before.
        return {
            lane: max(ends(lane), first[lane]) if k is None else k for lane, k in cursors.items()
        }

    def is_busy(self, lane: int) -> bool:
        """Return whether a conversation that goes with this lane is in use."""
        groups = self.plan.groups
        return self.pool.is_exclusive and self.pool.is_busy(range(lane % groups, LANES, groups))

    def change(self, curve: RateCurve) -> None:
        """Follow another curve, with the same past, for the messages not handed out yet."""
        cursors = self.release(range(LANES))
        # What is made ahead keeps the plan before: the curve decides when a message is due, and
        # nothing of what it says.
        self.plan = self.plan.with_curve(curve)
        self._grant(cursors)


@dataclass(eq=False, repr=False)
class Reservation:
    """Reserves the conversation of one message after the other for one user."""

    work: ScenarioWork
    max_lateness_s: float

    def __post_init__(self) -> None:
        self._index: int | None = None

    def reserve(self, message: Message) -> Message:
        """Return the message with its conversation reserved; raises PoolExhausted if too late.

        A message that had to wait for it is late by cause pool.
        """
        pool, latest_s = self.work.pool, message.due.due_s + self.max_lateness_s
        while self._index is None:
            due, index = message.due, message.planned.conversation_index
            has_to_wait = pool.is_taken(index)
            if not pool.take(index, due.k % LANES, max(0.0, latest_s - clock_s())):
                raise PoolExhausted("the conversation was not free in time")
            self._index = index
            if has_to_wait:
                handed_s = clock_s()
                due = replace(due, late_cause=Cause.POOL, handed_s=handed_s)
                message = replace(message, due=due)
            if index in pool.retired:  # while this user waited for it
                self.release()
                message = self.work.message(due)
        return message

    def release(self) -> None:
        """Release the conversation of the last message for other users."""
        if self._index is not None:
            self.work.pool.give_back(self._index)
            self._index = None


def _warm_up_curve(curve: RateCurve, warm_up_s: float) -> RateCurve:
    """The rate with which the run begins, for as long as the warm-up lasts."""
    rate = curve.rate_at(0)
    return RateCurve([Stage(rate, rate, warm_up_s)] if rate > 0 and warm_up_s > 0 else [])


def _shifted(
    messages: Iterator[tuple[float, int]], by_s: float, since_s: float
) -> Iterator[tuple[float, int]]:
    return ((due_s + by_s, k) for due_s, k in messages if due_s + by_s >= since_s)
