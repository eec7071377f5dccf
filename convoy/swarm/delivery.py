"""The delivery of messages between a master and a worker: in order, each once, none is missing.

The channel delivers in order, but when its connection ends, it drops what was not received. So a
message that is said once has a number, and those that come again and again, a worker's questions
and the leases that answer them, say how many there were. An end that has received fewer asks for
them again, and follows nothing else before they have come: a worker without them has no lease.

Not made up for are the first message to a worker, without which it takes no part, a refusal, and
reports, of which the master knows how many it lacks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from convoy.swarm.messages import Ask, Lease, Missed, Numbered, ToMaster, ToWorker


class Delivery:
    """One end of the channel in a run: what is said passes `say`, what is heard `takes`.

    `send` takes what leaves. So many were `received` before, and so many of what is said the
    `other_has` for certain: a worker that speaks of a run has the inputs of it.
    """

    def __init__(
        self, run_id: str, send: Callable[[Any], None], *, received: int = 0, other_has: int = 0
    ) -> None:
        self._run_id = run_id
        self._send = send
        self._received = received
        self._other_has = other_has
        self._number = 0
        self._said: deque[Numbered] = deque()

    def say(self, message: ToMaster | ToWorker) -> None:
        """Send a message, and again where the other end misses it."""
        if isinstance(message, Numbered) and _is_once(message):
            self._number += 1
            message = replace(message, number=self._number)
            if self._number > self._other_has:
                self._said.append(message)
        elif isinstance(message, Lease):
            message = replace(message, said=self._number)
        elif isinstance(message, Ask):
            message = replace(message, said=self._number, received=self._received)
        self._send(message)

    def takes(self, message: ToMaster | ToWorker) -> bool:
        """Return whether a message is to be followed: none that came before, or too early."""
        if isinstance(message, Missed):
            for each in [each for each in self._said if each.number > message.received]:
                self._send(each)
            return False
        if isinstance(message, Ask):
            while self._said and self._said[0].number <= message.received:
                self._said.popleft()
        number = message.number if isinstance(message, Numbered) else 0
        said = message.said if isinstance(message, Ask | Lease) else 0
        if max(number - 1, said) > self._received:
            self._send(Missed(self._run_id, self._received))
            return False
        if number:
            is_next = number > self._received
            self._received += is_next
            return is_next
        return True


def _is_once(message: Numbered) -> bool:
    """Return whether a message is said once: of the leases those that give something out."""
    return not isinstance(message, Lease) or bool(message.turns or message.starts or message.beyond)
