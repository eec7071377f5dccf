"""The delivery of a master's messages to a worker: in order, each once, and none is missing.

The channel delivers in order, but when its connection ends, it drops what the worker has not
received. So a message that is said once has a number, and each lease says how many there were: a
worker that has received fewer has no other lease before it has asked for them again.
"""

from __future__ import annotations

from msgspec.structs import replace

from convoy.swarm.messages import Lease, SaidOnce, ToWorker


class Outbox:
    """The master's end: what was said once to one worker."""

    def __init__(self) -> None:
        self._said: list[SaidOnce] = []

    def number(self, message: ToWorker) -> ToWorker:
        """Return the message as it is to be sent."""
        if isinstance(message, Lease):
            return replace(message, said=len(self._said))
        if isinstance(message, SaidOnce):
            message = replace(message, number=len(self._said) + 1)
            self._said.append(message)
        return message

    def after(self, received: int) -> list[SaidOnce]:
        """Return what the worker did not receive after so many, in order; the first one it has."""
        return self._said[max(received, 1) :]


class Inbox:
    """The worker's end; it has `received` so many of the messages that are said once.

    The first one brought the inputs of the run, and it is there because of them.
    """

    def __init__(self) -> None:
        self.received = 1

    def takes(self, message: ToWorker) -> bool:
        """Return whether a message is to be followed: not one that came before, or too early."""
        if isinstance(message, SaidOnce) and message.number == self.received + 1:
            self.received += 1
            return True
        return not isinstance(message, SaidOnce) and not self.misses(message)

    def misses(self, message: ToWorker) -> bool:
        """Return whether something before this message was not received."""
        if isinstance(message, Lease):
            return message.said > self.received
        return isinstance(message, SaidOnce) and message.number > self.received + 1
