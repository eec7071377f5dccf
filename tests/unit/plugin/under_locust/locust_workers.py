"""Locust's workers: whether enough of them came, and who has users."""

from __future__ import annotations

from typing import cast

import gevent
import pytest
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_RUNNING, MasterRunner, WorkerNode, WorkerNodes

from convoy.plugin.locust_workers import LOCAL_WORKER, LocustWorkers, end_where_workers_are_missing


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
