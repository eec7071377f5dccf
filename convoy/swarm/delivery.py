"""The delivery of messages between a master and a worker: in order, each once, none is missing.

The channel delivers in order, but when its connection ends, it drops what was not received. So a
message that is said once has a number, and those that come again and again, a worker's questions
and the leases that answer them, say how many there were. Who has received fewer takes nothing else
before it has asked for them again: a worker without them has no other lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from convoy.swarm.messages import Ask, Lease, Missed, SaidOnce, ToMaster, ToWorker


class Delivery:
    """One end of the channel in a run: what is said passes `say`, what is heard `takes`.

    `send` takes what leaves. So many were `received` before, and so many of what is said has the
    other end for certain: a worker that speaks of a run has the inputs of it.
    """

    def __init__(
        self, run_id: str, send: Callable[[Any], None], *, received: int = 0, certain: int = 0
    ) -> None:
        self._run_id = run_id
        self._send = send
        self._received = received
        self._certain = certain
        self._said: list[SaidOnce] = []

    def say(self, message: ToMaster | ToWorker) -> None:
        """Send a message, and again where the other end misses it."""
        if isinstance(message, SaidOnce) and _is_once(message):
            message = replace(message, number=len(self._said) + 1)
            self._said.append(message)
        elif isinstance(message, Ask | Lease):
            message = replace(message, said=len(self._said))
        self._send(message)

    def takes(self, message: ToMaster | ToWorker) -> bool:
        """Return whether a message is to be followed: none that came before, or too early."""
        if isinstance(message, Missed):
            for each in self._said[max(message.received, self._certain) :]:
                self._send(each)
            return False
        number = message.number if isinstance(message, SaidOnce) else 0
        said = message.said if isinstance(message, Ask | Lease) else 0
        if max(number - 1, said) > self._received:
            self._send(Missed(self._run_id, self._received))
            return False
        if number:
            is_next = number > self._received
            self._received += is_next
            return is_next
        return True


def _is_once(message: SaidOnce) -> bool:
    """Return whether a message is said once: of the leases those that give something out."""
    return not isinstance(message, Lease) or bool(message.turns or message.starts or message.beyond)
