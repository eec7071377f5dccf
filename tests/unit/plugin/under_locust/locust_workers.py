"""Locust's workers: whether enough of them came, and who has users."""

from __future__ import annotations

import gevent
import pytest
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_SPAWNING, MasterRunner, WorkerNode, WorkerNodes

from convoy.plugin.locust_workers import LOCAL_WORKER, LocustWorkers, end_where_workers_are_missing


class Runner:
    """A master runner as far as it is asked: its state, and workers in these states."""

    def __init__(self, state: str, *workers: str) -> None:
        self.state = state
        self.worker_count = len(workers)
        self.clients = WorkerNodes()
        for number, each in enumerate(workers):
            self.clients[f"worker-{number}"] = WorkerNode(f"worker-{number}", state=each)


@pytest.mark.parametrize(
    ("runner", "is_ended"),
    [
        pytest.param(Runner(STATE_INIT, STATE_INIT), True, id="one of two came"),
        pytest.param(Runner(STATE_INIT, STATE_INIT, STATE_INIT), False, id="both came"),
        pytest.param(
            Runner(STATE_SPAWNING, STATE_SPAWNING, STATE_SPAWNING), False, id="both start users"
        ),
        pytest.param(Runner(STATE_SPAWNING, STATE_SPAWNING), False, id="one was lost in the run"),
    ],
)
def test_only_a_run_that_has_not_begun_ends_for_want_of_workers(
    runner: MasterRunner, is_ended: bool
) -> None:
    reasons: list[str] = []

    with gevent.Timeout(10):
        end_where_workers_are_missing(runner, 2, 0.0, reasons.append)

    assert [each.split(" within")[0] for each in reasons] == (
        ["no load was started: 1 of 2 workers came"] if is_ended else []
    )


def test_without_workers_this_process_is_one() -> None:
    environment = Environment()
    workers = LocustWorkers(environment, environment.create_local_runner())

    assert workers.are_local
    assert workers.workers() == {LOCAL_WORKER}
    assert workers.assigned_users() == {}
