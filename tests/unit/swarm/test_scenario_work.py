"""What a scenario of a run has in one process: messages of its lanes, and reservations."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import gevent
import pytest

from convoy.clock import clock_s
from convoy.engine.dispatch import DueMessage
from convoy.engine.pool_use import PoolUse
from convoy.engine.rendered_ahead import Message
from convoy.plan.lanes import LANES, first_number
from convoy.plan.picks import PickRule
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import PoolExhausted, ScenarioPlan
from convoy.remote.pace import Pace
from convoy.results.outcome import Cause, Phase
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.scenario_work import Reservation, ScenarioWork
from tests.unit.plan import pool_of
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

LONG_S = 60.0


class Work:
    """The work of a scenario as far as a reservation asks: its pool, and its messages."""

    def __init__(self, conversations: int, *, is_exclusive: bool = True) -> None:
        pick = PickRule("exclusive" if is_exclusive else "random")
        self._plan = ScenarioPlan(replace(INPUTS, pool=pool_of(conversations), pick=pick))
        self.pool = PoolUse(is_exclusive)

    def message(self, due: DueMessage) -> Message:
        return Message(due, self._plan.message(due.k, self.pool.retired), b"{}")

    def due_now(self, k: int) -> Message:
        return self.message(DueMessage(k, clock_s(), Phase.MEASURE, Cause.TARGET, 0.0))

    def reservation(self, max_lateness_s: float = LONG_S) -> Reservation:
        anything: Any = self
        return Reservation(anything, max_lateness_s)


def test_a_free_conversation_is_reserved_and_the_message_stays_as_it_is() -> None:
    work = Work(conversations=1)
    message, reservation = work.due_now(0), work.reservation()

    assert reservation.reserve(message) is message
    assert work.pool.is_taken(0)

    reservation.release()
    reservation.release()
    assert not work.pool.is_taken(0)


def test_who_has_to_wait_is_late_by_cause_pool_and_counts_from_when_it_could_send() -> None:
    work = Work(conversations=1)
    first, second = work.reservation(), work.reservation()
    first.reserve(work.due_now(0))
    message = work.due_now(1)

    waiting = gevent.spawn(second.reserve, message)
    gevent.sleep(0)
    freed_s = clock_s()
    first.release()
    due = waiting.get(timeout=10).due

    assert (message.due.late_cause, due.late_cause) == (Cause.TARGET, Cause.POOL)
    assert due.handed_s >= freed_s


def test_a_conversation_that_is_not_free_in_time_is_given_up() -> None:
    work = Work(conversations=1)
    work.reservation().reserve(work.due_now(0))
    late = work.reservation(max_lateness_s=0.0)

    with pytest.raises(PoolExhausted, match="not free in time"):
        late.reserve(work.due_now(1))
    late.release()

    assert work.pool.is_taken(0)


def test_one_that_was_retired_while_it_was_waited_for_is_left_for_another() -> None:
    work = Work(conversations=2)
    first, second = work.reservation(), work.reservation()
    index = first.reserve(work.due_now(0)).planned.conversation_index
    message = next(
        each
        for each in map(work.due_now, range(1, 100))
        if each.planned.conversation_index == index
    )

    waiting = gevent.spawn(second.reserve, message)
    gevent.sleep(0)
    work.pool.retire(index, "400 conversation.closed")
    first.release()
    other = waiting.get(timeout=10).planned

    assert other.k == message.planned.k
    assert other.conversation_index == 1 - index
    assert work.pool.is_taken(1 - index) and not work.pool.is_taken(index)


def test_nobody_waits_where_conversations_take_any_number_of_messages() -> None:
    work = Work(conversations=1, is_exclusive=False)
    work.reservation().reserve(work.due_now(0))
    message = work.due_now(1)

    assert work.reservation(max_lateness_s=0.0).reserve(message) is message


def test_a_lane_that_moves_in_the_warm_up_begins_it_where_it_is() -> None:
    inputs = RunInputs(RUN_ID, settings_of("warm_up_s=10"), {INPUTS.scenario: INPUTS})
    nobody: Any = None
    work = ScenarioWork(inputs, ScenarioPlan(INPUTS), nobody, nobody, None, None, str)
    work.dispatcher.hold_lease_until(inf)
    t0_s = clock_s() + 0.1
    work.dispatcher.start(t0_s)

    work.grant(dict.fromkeys(range(LANES), 0), since_s=-0.5)
    taken = []
    with gevent.Timeout(10):
        while not taken or taken[-1].phase is Phase.WARM_UP:
            taken.append(work.dispatcher.take())

    warm_up = [round(each.due_s - t0_s, 3) for each in taken if each.phase is Phase.WARM_UP]
    assert warm_up, "some were due when it began"
    assert min(warm_up) >= -0.5


def test_what_was_handed_out_beyond_a_lowered_plan_is_not_handed_out_again() -> None:
    inputs = RunInputs(RUN_ID, settings_of(), {INPUTS.scenario: INPUTS})
    nobody: Any = None
    work = ScenarioWork(inputs, ScenarioPlan(INPUTS), nobody, nobody, None, None, str)
    came_to = {lane: first_number(lane, 300) for lane in range(LANES)}
    work.grant(came_to, since_s=15.0)

    work.change(RateCurve([Stage(20, 20, 4), Stage(0, 0, 26)]))
    work.change(RateCurve([Stage(20, 20, 4), Stage(0, 0, 2), Stage(20, 20, 24)]))

    assert work.release(range(LANES)) == came_to


def test_a_user_that_ends_with_a_message_in_hand_keeps_no_room_for_it() -> None:
    inputs = RunInputs(RUN_ID, settings_of(), {INPUTS.scenario: INPUTS})
    anybody: Any = object()
    user, pace = gevent.Greenlet(), Pace(1, lambda: 100.0)
    work = ScenarioWork(inputs, ScenarioPlan(INPUTS), anybody, anybody, None, pace, str)
    work.admit(anybody)
    pace.promise(user, 1)
    kept_until_s = pace.ready_at(100.0)

    work.part_from(anybody, user)

    assert (kept_until_s > 100.0, pace.ready_at(100.0), work.users) == (True, 100.0, set())
