"""The requests of all connections that the kernel gets together, before the loop waits again."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Protocol

from gevent import get_hub, monkey

# A server that is asleep is woken by every single send, which costs the sender more than the send;
# one that is still at work on the request before is not. More at a time bring nothing further, and
# the first of them would be late.
_MOST_AT_A_TIME = 16

_make_poll = monkey.get_original("select", "poll")


class Sender(Protocol):
    """A connection with a request to send.

    `number` is its descriptor. Unless it `is_new`, there may be something to read that nobody asked
    for, or its end; then it `has_news`, and nothing is sent.
    """

    number: int
    is_new: bool
    is_open: bool
    has_news: bool

    def try_to_send(self) -> bool:
        """Hand it to the kernel; false when something is left to do. Raises nothing."""

    def wake(self) -> None:
        """Have whoever waits for the answer see to the rest."""


class Outbox:
    """Gathers what greenlets of one hub post while the loop handles the events of one poll.

    What was posted first is sent first, at the latest before the loop polls again.
    """

    def __init__(self) -> None:
        self._senders: list[Sender] = []
        self._is_due = False

    def put(self, sender: Sender) -> None:
        """Have the sender send soon; when enough have come together that is now."""
        senders = self._senders
        senders.append(sender)
        if len(senders) == _MOST_AT_A_TIME:
            self._send()
        elif not self._is_due:
            self._is_due = True
            # The loop runs its callbacks last before it polls.
            get_hub().loop.run_callback(self._send_last)

    def _send_last(self) -> None:
        self._is_due = False
        self._send()

    def _send(self) -> None:
        senders, self._senders = self._senders, []
        used = [each.number for each in senders if each.is_open and not each.is_new]
        with_news = numbers_with_news(used)
        for sender in senders:
            sender.has_news = sender.number in with_news
            if sender.has_news or not sender.try_to_send():
                sender.wake()


def numbers_with_news(numbers: Iterable[int]) -> set[int]:
    """Return those of the descriptors that have something to read or have ended: one system call.

    The kernel is asked so, since to receive raises an exception where there is nothing.
    """
    poll = _make_poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    return {number for number, _ in poll.poll(0)}
