"""Sends the requests of all connections together, before the event loop polls again."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Protocol

from gevent import get_hub, monkey

# A send that wakes a sleeping server costs 8 to 13 us; one to a server that is still busy with the
# request before costs 5. More than 16 at a time bring nothing further (32 and 64 were tried), and
# the first of them would be late.
_MOST_AT_A_TIME = 16

_make_poll = monkey.get_original("select", "poll")


class Sender(Protocol):
    """A connection with something to send.

    `number` is its descriptor. Where it `expects_silence` and the server has closed it or sent
    something unasked, it `is_readable`, and nothing is sent.
    """

    number: int
    expects_silence: bool
    is_open: bool
    is_readable: bool

    def send(self) -> None:
        """Hand it to the kernel. Raises nothing."""

    def wake(self) -> None:
        """Resume the greenlet that waits for the answer."""


class Outbox:
    """Gathers the requests that the greenlets of one hub post between two polls of the loop.

    What was posted first is sent first, at the latest before the loop polls again.
    """

    def __init__(self) -> None:
        self._senders: list[Sender] = []
        self._is_due = False

    def put(self, sender: Sender) -> None:
        """Have the sender send before the next poll, or now when 16 have come together."""
        senders = self._senders
        senders.append(sender)
        if len(senders) == _MOST_AT_A_TIME:
            self._send()
        elif not self._is_due:
            self._is_due = True
            # The loop runs its callbacks right before it polls.
            get_hub().loop.run_callback(self._send_last)

    def _send_last(self) -> None:
        self._is_due = False
        self._send()

    def _send(self) -> None:
        senders, self._senders = self._senders, []
        used = [each.number for each in senders if each.expects_silence and each.is_open]
        readable = readable_sockets(used) if used else ()
        for sender in senders:
            sender.is_readable = sender.number in readable
            if sender.is_readable:
                sender.wake()
            else:
                sender.send()


def readable_sockets(numbers: Iterable[int]) -> set[int]:
    """Return those of the descriptors that are readable or closed by the server: one system call.

    A trial receive would do as well, but raises an exception for each idle socket.
    """
    poll = _make_poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    return {number for number, _ in poll.poll(0)}
