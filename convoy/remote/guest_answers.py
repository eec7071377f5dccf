"""Which of a guest's events answers what it asked, and what is counted of the others. No socket."""

from __future__ import annotations

from dataclasses import dataclass
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

_KEPT_IDS = 4
_ENDINGS = (ConnectionClosed, LoggedOut, SessionClosed, SessionExpired)
"""After these nothing answers any more what was asked before."""
_REFUSALS = (Refused, TooManyRequests, UploadFailed)
TOLD = "told-"
"""Begins the tracing ids of what has no answer, so that its copies are not asked after."""


@dataclass(slots=True)
class GuestCounts:
    """What the guests of a process met besides answers.

    Copies of own messages may come after the deadline, again, or for nothing that was said; a
    message is out of order if the server has an earlier time for it than for one before.
    """

    late_copies: int = 0
    duplicate_copies: int = 0
    unexpected_copies: int = 0
    out_of_order: int = 0
    unreadable: int = 0
    unknown: int = 0
    resumed: int = 0


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

    def is_answered_by(self, event: Event, received_s: float) -> bool:
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


class Answers:
    """The request of a guest that is in flight, and the latest ones before it."""

    __slots__ = ("_answered_ids", "_counts", "_latest_s", "_missed_ids", "question")

    def __init__(self, counts: GuestCounts) -> None:
        self.question: Question | None = None
        self._counts = counts
        self._latest_s = -inf
        self._answered_ids: tuple[str, ...] = ()
        self._missed_ids: tuple[str, ...] = ()

    def ask(self, question: Question) -> None:
        """Take a request as the one in flight."""
        self.question = question

    def end(self) -> None:
        """Take the request in flight for ended; the copy of one without an answer would be late."""
        question, self.question = self.question, None
        if question is not None and question.answer is None and question.wanted is OwnCopy:
            self._missed_ids = (*self._missed_ids[1 - _KEPT_IDS :], question.tracing_id)

    def take(self, event: Event, text: str, received_s: float) -> bool:
        """Take an event and its frame; return whether it is the answer that was waited for."""
        self._count(event)
        question = self.question
        if question is None or not question.is_answered_by(event, received_s):
            if isinstance(event, OwnCopy):
                self._count_copy(event.tracing_id)
            return False
        question.answer, question.text, question.done_s = event, text, received_s
        if isinstance(event, OwnCopy):
            self._keep_answered(event.tracing_id)
        elif question.wanted is OwnCopy:
            self._missed_ids = (*self._missed_ids[1 - _KEPT_IDS :], question.tracing_id)
        return True

    def _count_copy(self, tracing_id: str) -> None:
        question = self.question
        is_past_deadline = question is not None and question.tracing_id == tracing_id
        if tracing_id in self._answered_ids:
            self._counts.duplicate_copies += 1
        elif tracing_id in self._missed_ids or is_past_deadline:
            self._counts.late_copies += 1
            self._keep_answered(tracing_id)
        elif not tracing_id.startswith(TOLD):
            self._counts.unexpected_copies += 1

    def _keep_answered(self, tracing_id: str) -> None:
        self._answered_ids = (*self._answered_ids[1 - _KEPT_IDS :], tracing_id)

    def _count(self, event: Event) -> None:
        match event:
            case OwnCopy(time_s=time_s) | Reply(time_s=time_s):
                if time_s is not None:
                    self._counts.out_of_order += time_s < self._latest_s
                    self._latest_s = max(self._latest_s, time_s)
            case Unreadable():
                self._counts.unreadable += 1
            case Unknown():
                self._counts.unknown += 1
