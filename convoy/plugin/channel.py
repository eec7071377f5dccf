"""The channel between master and workers: Locust's custom messages."""

from __future__ import annotations

from typing import Any

from locust.env import Environment
from locust.runners import Runner

from convoy.swarm.channel import Listener, ToMaster, ToWorker

REPORT_KEY = "convoy"
"""The key of a worker's report inside the report that Locust sends."""


class LocustChannel:
    """One end of a `swarm.channel.Channel`.

    In a run without workers the local runner calls its own listeners, so that both kinds of run
    take the same path.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def listen(self, kind: ToWorker | ToMaster, listener: Listener) -> None:
        """Call `listener(sender, data)` for each message, before the next one is received."""

        def receive(environment: Environment, msg: Any, **_: object) -> None:
            listener(str(msg.node_id), msg.data or {})

        self._runner.register_message(kind.value, receive)

    def to_master(self, kind: ToMaster, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data)

    def to_worker(self, kind: ToWorker, worker: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data, worker)
