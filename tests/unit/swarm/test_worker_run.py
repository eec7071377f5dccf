"""A run in one process with users: what is done in step when lanes come, and when they go."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import gevent
import pytest

from convoy.clock import clock_s
from convoy.plan.lanes import LANES
from convoy.remote.connections import Connections
from convoy.remote.pace import Pace
from convoy.results.outcome import Phase
from convoy.settings.model import Approval
from convoy.swarm.delivery import Delivery
from convoy.swarm.lease_clock import LeaseClock
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker_run import WorkerRun
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.remote.held import Held
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

NAME = INPUTS.scenario
ALL = {NAME: dict.fromkeys(range(LANES), 0)}


@dataclass
class Approved:
    """The connections of a run, as far as it asks them before anything is sent."""

    pace: Pace | None

    has_arrived = Connections.has_arrived


def approved_run(warm_up_s: int = 0) -> WorkerRun:
    settings = settings_of(f"warm_up_s={warm_up_s}", "rate=20")
    approval = Approval(ticket="1", organisation_id="o", highest_rate=50)
    target = settings.target.model_copy(update={"approval": approval})
    inputs = RunInputs(RUN_ID, settings.model_copy(update={"target": target}), {NAME: INPUTS})
    connections: Any = Approved(Pace(0))
    nobody: Any = None
    delivery = Delivery(RUN_ID, lambda message: None)
    return WorkerRun(inputs, connections, LeaseClock(None, clock_s()), delivery, nobody, str)


@pytest.mark.parametrize(("from_s", "first_s"), [(-inf, -4), (-2.0, -2), (0.0, 0)])
def test_lanes_that_another_worker_warmed_up_with_have_the_rest_of_it(
    from_s: float, first_s: float
) -> None:
    run = approved_run(warm_up_s=4)
    t0_s = clock_s() + 4

    run.begin(t0_s)
    run.grant(ALL, 1, t0_s, from_s)
    first = run.work[NAME].dispatcher.queue.first

    assert first is not None
    assert first_s <= first[0] <= first_s + 0.1
    assert first[3] is (Phase.WARM_UP if first_s else Phase.MEASURE)


def test_how_unsure_t0_is_stays_said_though_the_time_is_better_known_later() -> None:
    run = approved_run()
    run.lease = LeaseClock(2.5, clock_s())
    now_s = clock_s()
    run.lease.renew(now_s - 1.6, now_s, now_s)

    run.begin(now_s + 4)
    run.lease.renew(now_s, now_s, now_s)

    assert run.lease.unsure_s(now_s) == 0
    assert run.t0_unsure_s == pytest.approx(0.8, abs=0.01)


def test_users_that_wait_get_the_messages_of_lanes_that_came_back() -> None:
    run = approved_run()
    t0_s = clock_s() + 0.1
    run.begin(t0_s)
    run.grant(ALL, 1, t0_s)
    run.withdraw(run.all_lanes)
    assert run.connections.pace is not None
    assert run.connections.pace.ready_at(clock_s()) == inf

    user = gevent.spawn(run.work[NAME].dispatcher.take)
    gevent.sleep(0)
    run.grant(ALL, 2, t0_s)
    user.join(timeout=10)

    assert user.ready() and user.value.k == 0


def test_lanes_are_not_given_back_while_what_left_by_them_is_kept_from_arriving() -> None:
    run, held, later = approved_run(), Held(), Held()
    t0_s = clock_s() + 0.1
    run.begin(t0_s)
    run.grant(ALL, 1, t0_s)
    pace = run.connections.pace
    assert pace is not None
    pace.wait(inf)
    pace.has_left(held)
    run.withdraw({NAME: range(8)})
    pace.wait(inf)
    pace.has_left(later)  # by the lanes that stay

    before = run.take_free()
    held.keeps = False

    assert (before, sorted(run.take_free()[NAME])) == ({}, list(range(8)))


def test_without_an_approval_lanes_are_given_back_at_once() -> None:
    run = approved_run()
    run.connections.pace = None
    run.grant(ALL, 1, clock_s())

    run.withdraw({NAME: range(8)})

    assert sorted(run.take_free()[NAME]) == list(range(8))


def test_a_lease_that_comes_late_lets_waiting_users_have_what_is_due() -> None:
    run = approved_run()
    run.lease = LeaseClock(2.5, clock_s())
    run.keep_lease()
    t0_s = clock_s()
    run.begin(t0_s)
    run.grant(ALL, 1, t0_s)
    user = gevent.spawn(run.work[NAME].dispatcher.take)
    gevent.sleep(0)

    asked_s = clock_s()
    run.lease.renew(asked_s, asked_s, asked_s)
    run.keep_lease()
    user.join(timeout=2)  # long before a message is given up, which would set the alarm, too

    assert user.ready() and user.value.k == 0
