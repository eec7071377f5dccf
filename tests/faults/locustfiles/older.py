"""A worker of a version whose hello said nothing of versions."""

from __future__ import annotations

from typing import Any

from locust import User, constant, events, task
from locust.runners import WorkerRunner


class ConversationMessages(User):
    wait_time = constant(1)

    @task
    def rest(self) -> None:
        """Do nothing."""


@events.init.add_listener
def say_hello(runner: Any, **_: object) -> None:
    assert isinstance(runner, WorkerRunner)
    runner.send_message("convoy_hello", {})
