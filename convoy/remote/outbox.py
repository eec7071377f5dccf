"""The requests of all connections that the kernel gets together, before the loop waits again."""

from __future__ import annotations

from typing import Protocol

from gevent import get_hub

# A server that is asleep is woken by every single send, which costs the sender more than the send;
# one that is still at work on the request before is not. More at a time bring nothing further, and
# the first of them would be late.
_MOST_AT_A_TIME = 16


class Sender(Protocol):
    """Something with a request to send."""

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
        for sender in senders:
            if not sender.try_to_send():
                sender.wake()
