"""Which of a guest's events answers what it asked, and what is odd about others. No socket."""

from __future__ import annotations

from math import inf

from convoy.remote.guest_events import (
    ConnectionClosed,
    Event,
    LoggedOut,
    OwnCopy,
    Refused,
    Reply,
    SessionClosed,
    SessionExpired,
    TooManyRequests,
    Unknown,
    Unreadable,
    UploadFailed,
)
from convoy.remote.guest_protocol import State
from convoy.remote.websocket import ServerClosedError
from convoy.remote.wire_faults import StoppedError, wire_code

_ENDINGS = (ConnectionClosed, LoggedOut, SessionClosed, SessionExpired)
"""After these nothing answers any more what was asked before."""
_REFUSALS = (Refused, TooManyRequests, UploadFailed)
TOLD = "told-"
"""Begins the tracing ids of what has no answer, so that its copies are not asked after."""
OUT_OF_ORDER = "guest out of order"
"""The code of a message that has an earlier time, by the server, than one that came before it."""


def code_of_loss(fault: Exception | None, state: State) -> str:
    """Return the code of how a server ended a connection, "" where it did not.

    An expired session is no loss: the message that met it has that code already.
    """
    if fault is None or isinstance(fault, StoppedError) or state is State.EXPIRED:
        return ""
    if state is State.DISCONNECTED:
        return "guest dismissed"
    return (
        f"guest closed {fault.code}" if isinstance(fault, ServerClosedError) else wire_code(fault)
    )


class Question:
    """One request in flight, and what came of it: an event, its frame, when it was received."""

    __slots__ = ("answer", "deadline_s", "done_s", "text", "tracing_id", "wanted")

    def __init__(self, wanted: type[Event], tracing_id: str, deadline_s: float) -> None:
        self.wanted = wanted
        self.tracing_id = tracing_id
        self.deadline_s = deadline_s
        self.answer: Event | None = None
        self.text = ""
        self.done_s = 0.0

    def take(self, event: Event, text: str, received_s: float) -> bool:
        """Take an event and its frame; return whether it is the answer that was waited for."""
        if not self._is_answered_by(event, received_s):
            return False
        self.answer, self.text, self.done_s = event, text, received_s
        return True

    def _is_answered_by(self, event: Event, received_s: float) -> bool:
        """Tell whether an event is the answer, or leaves none to be expected.

        Own copies bear the tracing id of their request; not every other answer bears one.
        """
        kind, id = type(event), event.tracing_id
        if self.answer is not None or received_s > self.deadline_s:
            return False
        if kind in _ENDINGS:
            return True
        is_unnamed = not id and kind is not OwnCopy
        return (kind is self.wanted or kind in _REFUSALS) and (id == self.tracing_id or is_unnamed)


class Order:
    """Whether what a guest was told came in order, by the server's own times of the messages."""

    __slots__ = ("_latest_s",)

    def __init__(self) -> None:
        self._latest_s = -inf

    def oddity_of(self, event: Event) -> str:
        """Return the code of an event that no server should send like this, "" for any other."""
        match event:
            case OwnCopy(time_s=time_s) | Reply(time_s=time_s) if time_s is not None:
                is_late, self._latest_s = time_s < self._latest_s, max(time_s, self._latest_s)
                return OUT_OF_ORDER if is_late else ""
            case Unreadable():
                return "guest unreadable frame"
            case Unknown():
                return "guest unknown frame"
        return ""
