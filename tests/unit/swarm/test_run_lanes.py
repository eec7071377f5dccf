"""The lanes of a run: who may own which and when, over scenarios with a schedule and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest

from convoy.plan.lanes import LANES, first_number, numbers_between
from convoy.plan.picks import PickRule
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioPlan
from convoy.results.counts import Counts
from convoy.swarm.run_lanes import RunLanes
from tests.unit.plan.test_scenario import INPUTS

NAME = INPUTS.scenario
TIMEOUT_S, REVOKED_S = 30.0, 5.0
Revoked = dict[str, dict[int, int]]
PLAN = ScenarioPlan(INPUTS)
"""600 messages in half a minute."""
LONGER = PLAN.with_curve(RateCurve([Stage(20, 20, 40)]))
CLOSED = ScenarioPlan(replace(INPUTS, scenario="closed", arrivals=ArrivalRule("closed", 600, 0.0)))


def lanes_of(*plans: ScenarioPlan) -> RunLanes:
    """Return the lanes of scenarios that are called by their plan, worker-0 having all of them."""
    lanes = RunLanes({NAMES[plan]: plan for plan in plans}, TIMEOUT_S)
    lanes.deal({NAMES[plan]: {"worker-0": 1.0} for plan in plans}, 0.0)
    return lanes


NAMES = {PLAN: NAME, LONGER: "longer", CLOSED: "closed"}


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param({}, id="nobody may own any"),
        pytest.param({"worker-0": 0.0, "worker-1": 0.0}, id="nobody has users"),
    ],
)
def test_lanes_stay_where_they_are_while_nobody_could_have_them(shares: dict[str, float]) -> None:
    lanes = RunLanes({NAME: PLAN}, TIMEOUT_S)
    _, grants = lanes.deal({NAME: {"worker-0": 1.0, "worker-1": 0.0}}, 0.0)
    assert {name: len(each[NAME]) for name, each in grants.items()} == {"worker-0": LANES}

    assert lanes.deal({NAME: shares}, 1.0) == ({}, {})


def say_nothing(lanes: RunLanes, revoked: Revoked) -> None: ...


def give_all_back(lanes: RunLanes, revoked: Revoked) -> None:
    lanes.take_back("worker-0", {NAME: dict(revoked[NAME])}, revoked, is_final=False)


@pytest.mark.parametrize(
    ("pick", "go_on", "waits_s"),
    [
        pytest.param("random", say_nothing, 0.0, id="any conversation"),
        pytest.param("exclusive", say_nothing, TIMEOUT_S, id="its answers may be out"),
        pytest.param("exclusive", give_all_back, 0.0, id="it has said that none is out"),
    ],
)
def test_lanes_of_a_silent_worker_go_to_others_when_none_of_its_answers_can_be_out(
    pick: str, go_on: Callable[[RunLanes, Revoked], None], waits_s: float
) -> None:
    plan = ScenarioPlan(replace(INPUTS, pick=PickRule(pick)))
    lanes = RunLanes({NAME: plan}, TIMEOUT_S)
    lanes.deal({NAME: {"worker-0": 1.0}}, 0.0)

    revoked = lanes.revoke("worker-0", REVOKED_S, inf)
    go_on(lanes, revoked)

    others = {NAME: {"worker-1": 1.0}}
    if waits_s:
        assert lanes.deal(others, REVOKED_S + waits_s - 0.001) == ({}, {})
    _, grants = lanes.deal(others, REVOKED_S + waits_s)
    assert len(grants["worker-1"][NAME]) == LANES


def test_only_lanes_with_a_schedule_are_taken_from_a_silent_worker_that_has_some() -> None:
    lanes = lanes_of(PLAN, CLOSED)

    assert lanes.revoke("worker-1", REVOKED_S, inf) == {}
    assert lanes.revoke("worker-0", REVOKED_S, inf).keys() == {NAME}
    assert lanes.are_owned_by("worker-0")
    assert not lanes.are_owned_by("worker-1")


def test_of_lanes_that_are_taken_before_t0_all_messages_are_for_others() -> None:
    lanes = lanes_of(PLAN)

    assert lanes.revoke("worker-0", -1.0, inf) == {NAME: {lane: lane for lane in range(LANES)}}


@pytest.mark.parametrize(
    ("plan", "missing", "planned", "left"),
    [
        pytest.param(PLAN, 100 - 7, 600, 500, id="what was due by then"),
        pytest.param(CLOSED, 9 - 7, 9, 0, id="without a schedule what it took"),
    ],
)
def test_of_a_worker_that_is_gone_is_missing_what_fell_to_it_and_has_not_ended(
    plan: ScenarioPlan, missing: int, planned: int, left: int
) -> None:
    lanes, name = lanes_of(plan), NAMES[plan]
    reported = Counts(scheduled=9, sent=7, accepted=7)

    found = lanes.lose("worker-0", REVOKED_S - 0.001, inf, lambda *_: reported)

    assert found == {name: missing}
    _, grants = lanes.deal({name: {"worker-1": 1.0}}, REVOKED_S)
    cursors = grants["worker-1"][name].items()
    assert sum(numbers_between(lane, k, 600) for lane, k in cursors) == left
    assert lanes.planned(name, is_whole=True) == planned


@pytest.mark.parametrize(("sent", "missing"), [(10**9, 0), (-(2**33), 100), (2**53, 0)])
def test_a_worker_that_is_gone_has_sent_no_more_than_it_was_given_whatever_it_said(
    sent: int, missing: int
) -> None:
    lanes, name = lanes_of(PLAN), NAMES[PLAN]
    said = Counts(scheduled=9, sent=sent, accepted=sent)

    assert lanes.lose("worker-0", REVOKED_S - 0.001, inf, lambda *_: said) == {name: missing}


def test_a_run_lasts_for_its_longest_plan_and_is_settled_when_all_lanes_have_owners() -> None:
    lanes = lanes_of(PLAN, LONGER)
    settled = [lanes.are_settled]

    lanes.revoke("worker-0", REVOKED_S, inf)
    settled.append(lanes.are_settled)
    lanes.deal({NAME: {"worker-1": 1.0}, "longer": {}}, REVOKED_S)
    settled.append(lanes.are_settled)

    assert lanes.duration_s == 40
    assert settled == [True, False, False]


def test_lanes_without_a_schedule_need_no_owner() -> None:
    lanes = lanes_of(PLAN, CLOSED)

    lanes.take_back("worker-0", {"closed": dict.fromkeys(range(LANES), 0)}, {}, is_final=True)

    assert lanes.are_settled


@pytest.mark.parametrize(
    ("plan", "given_back", "ends"),
    [
        pytest.param(PLAN, 256, 600, id="by the plan"),
        pytest.param(CLOSED, 256, 256, id="without a schedule where its worker gave it back"),
        pytest.param(CLOSED, None, 600, id="without a schedule, and not given back"),
    ],
)
def test_a_lane_ends_where_nothing_more_of_it_is_to_be_sent(
    plan: ScenarioPlan, given_back: int | None, ends: int
) -> None:
    lanes, name = lanes_of(plan), NAMES[plan]
    if given_back is not None:
        cursors = {lane: first_number(lane, given_back) for lane in range(LANES)}
        lanes.take_back("worker-0", {name: cursors}, {}, is_final=True)

    assert lanes.ends(name) == [first_number(lane, ends) for lane in range(LANES)]


@pytest.mark.parametrize(
    ("plan", "is_whole", "planned"),
    [
        pytest.param(PLAN, True, 600, id="the whole plan"),
        pytest.param(PLAN, False, 256, id="of a stopped run what fell to its workers"),
        pytest.param(CLOSED, True, 256, id="without a schedule what workers took"),
    ],
)
def test_so_many_messages_have_to_be_accounted_for(
    plan: ScenarioPlan, is_whole: bool, planned: int
) -> None:
    lanes, name = lanes_of(plan), NAMES[plan]

    cursors = {lane: first_number(lane, 256) for lane in range(LANES)}
    lanes.take_back("worker-0", {name: cursors}, {}, is_final=True)

    assert lanes.planned(name, is_whole=is_whole) == planned


def test_lanes_follow_a_changed_plan_to_its_end() -> None:
    lanes = lanes_of(PLAN)

    lanes.follow({NAME: RateCurve([Stage(20, 20, 40)])}, 0.0)

    assert lanes.duration_s == 40
    assert lanes.planned(NAME, is_whole=True) == lanes.planned(NAME, is_whole=False) == 800


@pytest.mark.parametrize(
    ("heard_s", "goes_on_at"),
    [
        pytest.param(3.9, 100, id="it may have followed the plan before"),
        pytest.param(4.1, 80, id="it had heard of the lowered one"),
    ],
)
def test_others_go_on_behind_what_a_silent_worker_may_have_sent_by_an_earlier_plan(
    heard_s: float, goes_on_at: int
) -> None:
    lanes = lanes_of(PLAN)
    lanes.follow({NAME: RateCurve([Stage(20, 20, 4), Stage(0, 0, 26)])}, 4.0)

    revoked = lanes.revoke("worker-0", REVOKED_S, heard_s)
    lanes.follow({NAME: RateCurve([Stage(20, 20, 4), Stage(0, 0, 2), Stage(20, 20, 24)])}, 6.0)
    _, grants = lanes.deal({NAME: {"worker-1": 1.0}}, 6.0)

    assert revoked[NAME] == grants["worker-1"][NAME]
    assert revoked[NAME] == {lane: first_number(lane, goes_on_at) for lane in range(LANES)}


def test_a_lane_that_comes_back_from_beyond_a_lowered_plan_goes_on_there() -> None:
    lanes = lanes_of(PLAN)
    lanes.follow({NAME: RateCurve([Stage(20, 20, 4), Stage(0, 0, 26)])}, 4.0)
    came_to = {lane: first_number(lane, 300) for lane in range(LANES)}

    lanes.take_back("worker-0", {NAME: came_to}, {}, is_final=False)
    lanes.follow({NAME: RateCurve([Stage(20, 20, 4), Stage(0, 0, 2), Stage(20, 20, 24)])}, 6.0)
    _, grants = lanes.deal({NAME: {"worker-1": 1.0}}, 6.0)

    assert grants["worker-1"][NAME] == came_to
