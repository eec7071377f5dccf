"""The channel between master and workers: Locust's custom messages."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
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
        # Locust calls them in the order of the messages, in the loop that receives heartbeats, too:
        # a listener that waited would have it miss its workers.
        listen = self._runner.register_message
        listen(HELLO, lambda msg, **_: on_hello(str(msg.node_id), msg.data))
        listen(TO_MASTER, lambda msg, **_: hear(str(msg.node_id), msg.data))

    def listen_as_worker(self, hear: Callable[[bytes], None]) -> None:
        """Call this with each message of the master."""
        self._runner.register_message(TO_WORKER, lambda msg, **_: hear(msg.data))

    def to_master(self, message: Hello | ToMaster) -> None:
        # As plain values: a hello says which version of the other messages its sender speaks.
        if isinstance(message, Hello):
            self._runner.send_message(HELLO, msgspec.to_builtins(message))
        else:
            self._runner.send_message(TO_MASTER, encode(message))

    def to_worker(self, worker: str, message: ToWorker) -> None:
        self._runner.send_message(TO_WORKER, encode(message), worker)
