"""Messages made ready ahead are the ones that the plan holds, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.engine.rendered_ahead import Message, MessagesAhead
from convoy.plan.arrivals import ClosedArrivals, EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadTemplate
from convoy.plan.picks import PickRule
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.rendering import Bodies
from convoy.plan.scenario import PoolExhausted, ScenarioPlan
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause, Phase
from tests.unit.engine import T0_S, Clock
from tests.unit.plan.test_scenario import INPUTS

PLAN = ScenarioPlan(INPUTS)
RUN_ID = "20261122-120000-abcdef"
BODIES = PLAN.bodies(RUN_ID)


def due(k: int) -> DueMessage:
    return DueMessage(k, T0_S, Phase.MEASURE, Cause.TARGET, T0_S)


def ahead_of(
    upcoming: Sequence[int], avoid: Collection[int] = (), plan: ScenarioPlan = PLAN
) -> MessagesAhead:
    return MessagesAhead(plan, RUN_ID, avoid, lambda most: upcoming[:most])


@given(taken=st.lists(st.integers(0, 200)), upcoming=st.lists(st.integers(0, 200)))
def test_a_message_is_the_plans_in_whatever_order_it_is_taken(
    taken: list[int], upcoming: list[int]
) -> None:
    ahead = ahead_of(upcoming)

    for k in taken:
        message = ahead.message(due(k))

        planned = PLAN.message(k)
        assert message == Message(due(k), planned, BODIES.render(planned))


def test_a_conversation_that_was_retired_meanwhile_is_avoided() -> None:
    retired: set[int] = set()
    ahead = ahead_of(range(50), retired)
    ahead.message(due(100))

    retired.update(PLAN.message(k).conversation_index for k in range(25))
    planned = [ahead.message(due(k)).planned for k in range(50)]

    assert not any(message.conversation_index in retired for message in planned)
    assert any(message.is_redirected for message in planned)


def test_only_who_takes_a_message_that_cannot_be_made_hears_of_it() -> None:
    pick = PickRule("round_robin", on_exhausted="fail")
    plan = ScenarioPlan(replace(INPUTS, pick=pick))
    size = len(INPUTS.pool)
    ahead = ahead_of([size, 1, 2], plan=plan)

    first, last = ahead.message(due(0)), ahead.message(due(2))

    assert (first.planned.k, last.planned.k) == (0, 2)
    with pytest.raises(PoolExhausted):
        ahead.message(due(size))


def test_others_are_not_kept_waiting_by_messages_that_take_long() -> None:
    clock, made = Clock(), []

    class SlowBodies(Bodies):
        def render(self, message: PlannedMessage) -> bytes:
            clock.elapsed_s += 0.002
            made.append(message.k)
            return super().render(message)

    class SlowPlan(ScenarioPlan):
        def bodies(self, run_id: str, clock: Callable[[], float] = lambda: 0.0) -> Bodies:
            templates = {"text": PayloadTemplate("text", "{}")}
            return SlowBodies(templates, 1, "scenario", run_id, {}, clock)

    ahead = MessagesAhead(
        SlowPlan(replace(INPUTS, weights={"text": 1})),
        RUN_ID,
        (),
        lambda most: range(1, most),
        clock=clock,
    )

    ahead.message(due(0))

    assert made == [0]


def test_what_says_when_it_is_sent_is_rendered_when_it_is_taken() -> None:
    plan = ScenarioPlan(
        replace(INPUTS, templates={"text": '"{{ time }}{{ k }}"'}, weights={"text": 1})
    )
    moments = iter((0.0, 2.0))
    ahead = MessagesAhead(
        plan, RUN_ID, (), lambda most: range(1, most), wall_clock=lambda: next(moments)
    )

    first, second = (ahead.message(due(k)).body for k in range(2))

    assert (first, second) == (b'"1970-01-01T00:00:00.000Z0"', b'"1970-01-01T00:00:02.000Z1"')


@pytest.mark.parametrize("arrivals", ["closed", "even"])
def test_upcoming_are_those_that_are_handed_out_next(arrivals: str) -> None:
    recorder, clock = ScenarioRecorder(0.010, 30), Clock(30.0)
    closed_for_s, lane_of = None, EvenArrivals(RateCurve([Stage(10, 10, 10)])).lane
    if arrivals == "closed":
        closed_for_s, lane_of = 60.0, ClosedArrivals(60, 100).lane
    dispatcher = Dispatcher(recorder, max_lateness_s=60, closed_for_s=closed_for_s, clock=clock)
    for lane in range(LANES):
        dispatcher.grant({lane: iter([(-1.0, lane)])}, Phase.WARM_UP)
        dispatcher.grant({lane: lane_of(lane)})
    dispatcher.start(T0_S)
    for _ in range(40):
        dispatcher.take()

    upcoming = dispatcher.queue.upcoming(20)

    assert upcoming == [dispatcher.take().k for _ in range(20)] == list(range(40, 60))
