"""Which of a guest's events answers what it asked, and what is odd about others. No socket."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from convoy.errors import RefusalError
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
from convoy.remote.limits import retry_after_s
from convoy.remote.websocket_protocol import ServerClosedError, UpgradeRefusedError
from convoy.remote.wire_faults import StoppedError, wire_code
from convoy.results.outcome import ACCEPTED, REJECTED, UNKNOWN, Fate
from convoy.routes.codes import UNEXPECTED_ANSWER, UPGRADE_REFUSED, CodeBook, error_code
from convoy.routes.refusals import guest_code
from convoy.untrusted_text import told

_ENDINGS = (ConnectionClosed, LoggedOut, SessionClosed, SessionExpired)
"""After these nothing answers any more what was asked before."""
_GOOD_STATUSES, _GOOD, _FORBIDDEN, _TOO_MANY = range(200, 300), 200, 403, 429
_REFUSALS = (Refused, TooManyRequests, UploadFailed)
_CLOSED, _SESSION_EXPIRED = "connection closed", 4006
TOLD = "told-"
"""Begins the tracing ids of what has no answer, so that its copies are not asked after."""
NOT_RESUMED = "guest not resumed"
"""The code of a session that another connection should have gone on with, and that began anew."""
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


def refusal_of_upgrade(
    exc: UpgradeRefusedError,
    where: str,
    codes: CodeBook,
    clean: Callable[[str], str],
    redact: Callable[[str], str],
) -> RefusalError:
    """Return the refusal that an answer to an upgrade of `where` means, what it says `clean`."""
    code = codes.name(error_code(exc.status, exc.body))
    if exc.status in _GOOD_STATUSES:
        code = UNEXPECTED_ANSWER
    elif exc.status == _FORBIDDEN:
        code = UPGRADE_REFUSED
    # Without its query, in which gateways put what they know of a visitor; redacted before that is
    # cut off, or it could be a part of a secret.
    to = redact(exc.headers.get(b"location", b"").decode("latin-1"))
    to = to.partition("?")[0].partition("#")[0]
    said = told(f"{exc}{to and f' to {to}'}", clean)
    return RefusalError(code, f"{where}: {said}", retry_after_s=retry_after_s(exc.headers))


def _number_of(answer: Event | None) -> int | None:
    """Return the service's own code of an answer that says no, None where none came any more."""
    match answer:
        case TooManyRequests() | Refused() | UploadFailed():
            return answer.code
        case SessionExpired():
            return _SESSION_EXPIRED
    return None


def refusal_in(answer: Event | None, codes: CodeBook, clean: Callable[[str], str]) -> RefusalError:
    """Return the refusal that an answer is which was not wanted, with what it says `clean`."""
    number = _number_of(answer)
    if number is None:
        return RefusalError(_CLOSED)
    text = answer.text if isinstance(answer, Refused | UploadFailed) else ""
    wait_s = answer.retry_after_s if isinstance(answer, TooManyRequests) else None
    code = codes.name(guest_code(number))
    return RefusalError(code, told(text, clean), retry_after_s=wait_s)


def judged(answer: Event | None, codes: CodeBook) -> tuple[Fate, str, int]:
    """Return what an answer says of a message: its fate, its code, and the service's own code."""
    if isinstance(answer, OwnCopy):
        return ACCEPTED, "", _GOOD
    if (number := _number_of(answer)) is None:
        return UNKNOWN, _CLOSED, _GOOD
    status = _TOO_MANY if isinstance(answer, TooManyRequests) else number
    return REJECTED, codes.name(guest_code(number)), status


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
        """Take an event and its frame; return whether it is the answer that was waited for.

        An event after which no answer can come counts as one.
        """
        kind, id = type(event), event.tracing_id
        if self.answer is not None or received_s > self.deadline_s:
            return False
        if kind is self.wanted or kind in _REFUSALS:
            # Own copies bear the tracing id of their request; not every other answer bears one.
            is_answer = id == self.tracing_id or (not id and kind is not OwnCopy)
        else:
            is_answer = False
        if not is_answer and kind not in _ENDINGS:
            return False
        self.answer, self.text, self.done_s = event, text, received_s
        return True


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
