"""What leaves between two polls of the loop: sent together, for all connections of a hub."""

from __future__ import annotations

import select
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING

from gevent import get_hub, monkey

from convoy.clock import clock_s

if TYPE_CHECKING:
    from convoy.remote.connection import Connection

# A send that wakes a sleeping server costs 8 to 13 us; one to a server that is still busy with the
# request before costs 5. More than 16 at a time bring nothing further (32 and 64 were tried), and
# the first of them would be late.
_MOST_AT_A_TIME = 16
_ONE_ANSWER_S = 0.02
"""How long an answer of `may_go_on` holds; sixteen sends take less than a millisecond."""

# Not gevent's: it switches to the loop also for a timeout of 0, and raises in a callback of it.
_make_poll = monkey.get_original("select", "poll")


class Outbox:
    """Gathers the requests that the greenlets of one hub post between two polls of the loop.

    What was posted first is sent first, at the latest before the loop polls again.
    """

    def __init__(self) -> None:
        self._waiting: list[Connection] = []
        self._is_due = False

    def put(self, sender: Connection) -> None:
        """Have the sender send before the next poll, or now when 16 have come together."""
        senders = self._waiting
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
        senders, self._waiting = self._waiting, []
        # The descriptor of one that was closed meanwhile may be another connection's by now.
        used = [each.number for each in senders if each.expects_silence and each.is_open]
        readable = readable_sockets(used) if used else ()
        # Asked once for all of them, which share it, unless this process stands still meanwhile.
        may_go_on = senders[0].may_go_on if senders else None
        ask_again_s = clock_s() + _ONE_ANSWER_S
        if may_go_on is not None and not may_go_on():
            ask_again_s = -inf
        for sender in senders:
            sender.is_readable = sender.number in readable
            if sender.is_readable:
                sender.wake()
            elif clock_s() < ask_again_s:
                sender.send()
            else:
                sender.flush()


def readable_sockets(numbers: Iterable[int]) -> set[int]:
    """Return those of the descriptors that are readable or closed by the server: one system call.

    A trial receive would do as well, but raises an exception for each idle socket.
    """
    poll = _make_poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    return {number for number, _ in poll.poll(0)}
