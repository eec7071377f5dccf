"""The channel between master and workers: Locust's custom messages."""

from __future__ import annotations

from typing import Any

from locust.env import Environment
from locust.runners import Runner

from convoy.swarm.channel import Listener, ToMaster, ToWorker

REPORT_KEY = "convoy"
"""Under this key a worker's reports travel in Locust's own."""


class LocustChannel:
    """One end of a `swarm.channel.Channel`.

    In a run without workers the local runner hands the messages to itself, so there is one way
    only.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def listen(self, kind: ToWorker | ToMaster, listener: Listener) -> None:
        """Call `listener(sender, data)` for each message; it holds up Locust's loop."""

        def receive(environment: Environment, msg: Any, **_: object) -> None:
            listener(str(msg.node_id), msg.data or {})

        self._runner.register_message(kind.value, receive)

    def to_master(self, kind: ToMaster, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data)

    def to_worker(self, kind: ToWorker, worker: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data, worker)
