"""The lanes of a run: when those of a worker that no longer answers may be another's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from convoy.plan.lanes import LANES
from convoy.plan.picks import PickRule
from convoy.plan.scenario import ScenarioPlan
from convoy.swarm.run_lanes import RunLanes
from tests.unit.plan.test_scenario import INPUTS

NAME = INPUTS.scenario
TIMEOUT_S, REVOKED_S = 30.0, 5.0
Revoked = dict[str, dict[int, int]]


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

    revoked = lanes.revoke("worker-0", REVOKED_S)
    go_on(lanes, revoked)

    others = {NAME: {"worker-1": 1.0}}
    if waits_s:
        assert lanes.deal(others, REVOKED_S + waits_s - 0.001) == ({}, {})
    _, grants = lanes.deal(others, REVOKED_S + waits_s)
    assert len(grants["worker-1"][NAME]) == LANES
