"""The channel between master and workers: Locust's custom messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from locust.env import Environment
from locust.runners import Runner

from convoy.swarm.messages import Hello, ToMaster, ToWorker, encode

REPORT_KEY = "convoy"
"""The key of a worker's report inside the report that Locust sends."""
HELLO, TO_MASTER, TO_WORKER = "convoy_hello", "convoy_to_master", "convoy_to_worker"
"""The kinds of Convoy's own messages."""


class LocustChannel:
    """One end of a `swarm.messages.Channel`.

    In a run without workers the local runner calls its own listeners, so that both kinds of run
    take the same path.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def listen_as_master(
        self, on_hello: Callable[[str, object], None], hear: Callable[[str, bytes], None]
    ) -> None:
        """Call these with the sender's id and its hello, or with any other of its messages."""

        def receive_hello(environment: Environment, msg: Any, **_: object) -> None:
            on_hello(str(msg.node_id), msg.data)

        def receive(environment: Environment, msg: Any, **_: object) -> None:
            hear(str(msg.node_id), msg.data)

        self._runner.register_message(HELLO, receive_hello)
        self._runner.register_message(TO_MASTER, receive)

    def listen_as_worker(self, hear: Callable[[bytes], None]) -> None:
        """Call this with each message of the master."""

        def receive(environment: Environment, msg: Any, **_: object) -> None:
            hear(msg.data)

        self._runner.register_message(TO_WORKER, receive)

    def to_master(self, message: Hello | ToMaster) -> None:
        if isinstance(message, Hello):
            self._runner.send_message(HELLO, msgspec.to_builtins(message))
        else:
            self._send(TO_MASTER, encode(message))

    def to_worker(self, worker: str, message: ToWorker) -> None:
        self._send(TO_WORKER, encode(message), worker)

    def _send(self, kind: str, data: bytes, worker: str | None = None) -> None:
        self._runner.send_message(kind, data, worker)
