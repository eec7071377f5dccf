"""The task loop behaves like Locust's own, apart from the pauses of no length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from locust import User, constant, task
from locust.env import Environment

from convoy.plugin.task_loop import TaskLoop

DEADLINE_S = 20.0


class LoopingUser(User):
    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.done: list[str] = []

    def on_start(self) -> None:
        self._taskset_instance = TaskLoop(self, self.leave, self.pause)

    def leave(self) -> None:
        """Nothing is in hand."""

    def pause(self) -> None:
        self.done.append("pause")

    def on_stop(self) -> None:
        self.done.append("stopped")


Start = Callable[[type[LoopingUser]], Any]


@pytest.fixture
def start() -> Iterator[Start]:
    environments: list[Environment] = []

    def start(user_class: type[LoopingUser]) -> Any:
        environment = Environment(user_classes=[user_class], stop_timeout=5)
        environments.append(environment)
        runner = environment.create_local_runner()
        runner.start(1, 1)
        wait_until(lambda: runner.user_greenlets)
        return next(iter(runner.user_greenlets)).args[0]

    yield start
    for environment in environments:
        assert environment.runner is not None
        environment.runner.quit()


def wait_until(condition: Callable[[], object]) -> None:
    with gevent.Timeout(DEADLINE_S):
        while not condition():
            gevent.sleep(0.01)


class NeverWaiting(LoopingUser):
    @task
    def act(self) -> None:
        self.done.append("act")


class Failing(LoopingUser):
    @task
    def fail(self) -> None:
        self.done.append("fail")
        raise ValueError("in a task")


class FailingForLong(Failing):
    def pause(self) -> None:
        super().pause()
        gevent.sleep(DEADLINE_S)

    def leave(self) -> None:
        self.done.append("left")


class TwoTasks(LoopingUser):
    @task
    def one(self) -> None:
        self.done.append("one")

    @task
    def other(self) -> None:
        self.done.append("other")


class Unhurried(LoopingUser):
    wait_time = constant(DEADLINE_S)

    @task
    def act(self) -> None:
        self.done.append("act")


def test_user_that_never_waits_lets_others_run_and_can_be_stopped(start: Start) -> None:
    user = start(NeverWaiting)

    wait_until(lambda: len(user.done) > 1000)
    user.environment.runner.stop()

    assert user.done[-1] == "stopped"
    assert user.environment.runner.user_count == 0


def test_exception_in_a_task_is_told_and_the_user_goes_on(start: Start) -> None:
    user = start(Failing)
    told: list[object] = []
    user.environment.events.user_error.add_listener(
        lambda user_instance, exception, tb: told.append(exception)
    )

    wait_until(lambda: len(user.done) > 3 and len(told) > 3)

    assert all(isinstance(error, ValueError) for error in told)
    assert user.done[:4] == ["fail", "pause", "fail", "pause"]


def test_user_that_is_ended_in_the_pause_after_an_exception_leaves(start: Start) -> None:
    user = start(FailingForLong)
    wait_until(lambda: "pause" in user.done)

    user._greenlet.kill()

    assert user.done[:3] == ["fail", "pause", "left"]


def test_user_with_several_tasks_does_each(start: Start) -> None:
    user = start(TwoTasks)

    wait_until(lambda: {"one", "other"} <= set(user.done))


def test_user_with_a_wait_time_of_its_own_waits(start: Start) -> None:
    user = start(Unhurried)
    wait_until(lambda: user.done)

    gevent.sleep(0.05)

    assert user.done == ["act"]
