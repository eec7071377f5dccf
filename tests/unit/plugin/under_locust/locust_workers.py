"""Locust's workers: whether enough of them came, and who has users."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import gevent
import pytest
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_RUNNING, MasterRunner, WorkerNode, WorkerNodes

from convoy.plan.rate_curve import RateCurve
from convoy.plugin.locust_workers import LOCAL_WORKER, LocustWorkers, end_where_workers_are_missing
from convoy.plugin.users import ScenarioUser
from convoy.swarm.master import Master
from convoy.swarm.run_inputs import RunInputs
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of


class Runner:
    """A master runner as far as it is asked: for its workers, which are in these states."""

    def __init__(self, *workers: str) -> None:
        self.clients = WorkerNodes()
        for number, each in enumerate(workers):
            self.clients[f"worker-{number}"] = WorkerNode(f"worker-{number}", state=each)


@pytest.mark.parametrize(
    ("runner", "is_waiting", "is_ended"),
    [
        pytest.param(Runner(STATE_INIT), True, True, id="one of two came"),
        pytest.param(
            Runner(STATE_INIT, STATE_RUNNING), True, True, id="one is still of another master's run"
        ),
        pytest.param(Runner(STATE_RUNNING, STATE_RUNNING), False, False, id="both have users"),
        pytest.param(Runner(STATE_RUNNING), False, False, id="one was lost in the run"),
    ],
)
def test_only_a_run_that_has_not_begun_ends_for_want_of_workers(
    runner: MasterRunner, is_waiting: bool, is_ended: bool
) -> None:
    reasons: list[str] = []

    with gevent.Timeout(10):
        end_where_workers_are_missing(runner, 2, 0.0, lambda: is_waiting, reasons.append)

    assert [each.split(" within")[0] for each in reasons] == (
        ["no load was started: 1 of 2 workers came"] if is_ended else []
    )


def test_a_worker_that_leaves_before_locust_has_seen_that_all_came_is_missed() -> None:
    runner = Runner(STATE_INIT, STATE_INIT)
    reasons: list[str] = []

    def is_waiting() -> bool:
        if len(looks) == 2:
            del runner.clients["worker-0"]
        looks.append(len(runner.clients))
        return True

    looks: list[int] = []
    with gevent.Timeout(10):
        end_where_workers_are_missing(
            cast(MasterRunner, runner), 2, 0.0, is_waiting, reasons.append
        )

    assert looks == [2, 2, 1]
    assert reasons[0].startswith("no load was started: 1 of 2 workers came")


def test_without_workers_this_process_is_one() -> None:
    environment = Environment()
    workers = LocustWorkers(environment, environment.create_local_runner())

    assert workers.are_local
    assert workers.workers() == {LOCAL_WORKER}
    assert workers.assigned_users() == {}


def test_each_class_has_the_share_of_users_that_its_scenario_has_of_the_messages() -> None:
    stages = {
        "steady": [(2.0, 2.0, 10.0)],
        "rising": [(0.0, 4.0, 10.0), (4.0, 4.0, 10.0)],
        "closed": [(0.0, 0.0, 10.0)],
    }
    scenarios = {name: replace(INPUTS, curve=RateCurve(each)) for name, each in stages.items()}
    # Abstract, because other tests of this process ask for all scenarios that there are.
    body = {"abstract": True}
    classes = [type(name.upper(), (ScenarioUser,), body | {"scenario": name}) for name in stages]
    environment = Environment(user_classes=classes)
    workers = LocustWorkers(environment, environment.create_local_runner())
    master = SimpleNamespace(inputs=RunInputs("run-1", settings_of(), scenarios))
    workers.master = cast(Master, master)

    assert workers.shares() == {"STEADY": 20.0, "RISING": 60.0, "CLOSED": 1.0}
