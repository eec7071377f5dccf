"""Somebody who reaches the master's port and sends what he likes, without Locust in between."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Any

import msgpack
import zmq


class Attacker:
    """A connection to a master's port under a name of its own, closed after the block."""

    def __init__(self, port: int) -> None:
        self.name = f"attacker_{uuid.uuid4().hex}"
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, self.name.encode())
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(f"tcp://127.0.0.1:{port}")

    def __enter__(self) -> Attacker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._context.term()

    def send(self, *parts: bytes) -> None:
        """Send the parts of one message; waits while the master is behind."""
        self._socket.send_multipart(parts)

    def say(self, kind: object, data: object, worker: object = None) -> None:
        """Send a message of Locust's form, of this connection or in the name of a worker."""
        self.send(msgpack.packb((kind, data, self.name if worker is None else worker)))

    def flood(self, frame: bytes, times: int) -> None:
        """Send a frame so many times, as fast as the master takes it."""
        for _ in range(times):
            self.send(frame)

    def hears(self, within_s: float) -> Any:
        """Return the next message of the master; None where none comes in time."""
        if not self._socket.poll(within_s * 1000):
            return None
        return msgpack.unpackb(self._socket.recv())
