"""What a scenario of a run has in one process: which messages of a granted lane it hands out."""

from __future__ import annotations

from math import inf
from time import perf_counter
from typing import Any

import gevent

from convoy.plan.lanes import LANES
from convoy.plan.scenario import ScenarioPlan
from convoy.results.outcome import Phase
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.scenario_work import ScenarioWork
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID


def test_a_lane_that_moves_in_the_warm_up_begins_it_where_it_is() -> None:
    inputs = RunInputs(RUN_ID, settings_of("warm_up_s=10"), {INPUTS.scenario: INPUTS})
    nobody: Any = None
    work = ScenarioWork(inputs, ScenarioPlan(INPUTS), nobody, nobody, None, None, str)
    work.dispatcher.hold_lease_until(inf)
    t0_s = perf_counter() + 0.1
    work.dispatcher.start(t0_s)

    work.grant(dict.fromkeys(range(LANES), 0), epoch=1, since_s=-0.5)
    taken = []
    with gevent.Timeout(10):
        while not taken or taken[-1].phase is Phase.WARM_UP:
            taken.append(work.dispatcher.take())

    warm_up = [round(each.due_s - t0_s, 3) for each in taken if each.phase is Phase.WARM_UP]
    assert warm_up, "some were due when it began"
    assert min(warm_up) >= -0.5
