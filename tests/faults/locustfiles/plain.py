"""A locustfile that knows nothing of Convoy."""

from __future__ import annotations

from locust import User, constant, task


class Visitor(User):
    wait_time = constant(1)

    @task
    def rest(self) -> None:
        """Do nothing."""
