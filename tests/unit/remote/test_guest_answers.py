"""Which event answers a request, and what the others are counted as: no socket takes part."""

from __future__ import annotations

import pytest

from convoy.remote.guest_answers import Order, Question
from convoy.remote.guest_events import (
    ConnectionClosed,
    EchoBack,
    Event,
    LoggedOut,
    OwnCopy,
    PresignedUrl,
    Refused,
    Reply,
    SessionClosed,
    SessionConfigured,
    SessionExpired,
    TooManyRequests,
    Typing,
    Unknown,
    Unreadable,
    UploadFailed,
)
from convoy.routes.codes import meaning

NOW_S, DEADLINE_S = 10.0, 20.0
ANSWERED: dict[str, tuple[type[Event], Event, bool]] = {
    "its copy": (OwnCopy, OwnCopy("t1"), True),
    "another copy": (OwnCopy, OwnCopy("t2"), False),
    "a copy of nothing": (OwnCopy, OwnCopy(), False),
    "a reply": (OwnCopy, Reply(), False),
    "an echo": (OwnCopy, EchoBack("t1"), False),
    "its refusal": (OwnCopy, Refused("t1", 4011), True),
    "a refusal without a name": (OwnCopy, Refused("", 4011), True),
    "another refusal": (OwnCopy, Refused("t2", 4011), False),
    "its limit": (OwnCopy, TooManyRequests("t1", 4029), True),
    "an expiry": (OwnCopy, SessionExpired("t2"), True),
    "a closed session": (OwnCopy, SessionClosed(), True),
    "a closed connection": (OwnCopy, ConnectionClosed(), True),
    "a logout": (OwnCopy, LoggedOut(), True),
    "what is no frame": (OwnCopy, Unreadable(), False),
    "a session": (SessionConfigured, SessionConfigured(), True),
    "its session": (SessionConfigured, SessionConfigured("t1"), True),
    "another session": (SessionConfigured, SessionConfigured("t2"), False),
    "a URL": (PresignedUrl, PresignedUrl("t1"), True),
    "no URL": (PresignedUrl, UploadFailed("t1"), True),
}


@pytest.mark.parametrize(("wanted", "event", "is_answer"), ANSWERED.values(), ids=ANSWERED)
def test_an_event_answers_a_request(wanted: type[Event], event: Event, is_answer: bool) -> None:
    question = Question(wanted, "t1", DEADLINE_S)

    assert question.take(event, "frame", NOW_S) is is_answer
    expected = (event, "frame", NOW_S) if is_answer else (None, "", 0.0)
    assert (question.answer, question.text, question.done_s) == expected


def test_only_the_first_answer_counts() -> None:
    question = Question(OwnCopy, "t1", DEADLINE_S)

    assert question.take(OwnCopy("t1"), "", NOW_S)
    assert not question.take(Refused("t1", 400), "", NOW_S)
    assert question.answer == OwnCopy("t1")


def test_nothing_answers_past_the_deadline() -> None:
    question = Question(OwnCopy, "t1", DEADLINE_S)

    assert not question.take(OwnCopy("t1"), "", DEADLINE_S + 0.001)
    assert question.answer is None


ODD: dict[str, tuple[list[Event], list[str]]] = {
    "in order": ([Reply(time_s=1.0), Reply(time_s=1.0), OwnCopy("t1", "", 2.0)], []),
    "out of order": ([OwnCopy("t1", "", 2.0), Reply(time_s=1.0)], ["guest out of order"]),
    "out of order twice": (
        [Reply(time_s=3.0), Reply(time_s=1.0), Reply(time_s=2.0), Reply(time_s=3.0)],
        ["guest out of order"] * 2,
    ),
    "without a time": ([Reply(time_s=2.0), Reply(), Reply(time_s=2.0)], []),
    "what says nothing": (
        [Unreadable(), Unknown(), Typing()],
        ["guest unreadable frame", "guest unknown frame"],
    ),
}


@pytest.mark.parametrize(("events", "codes"), ODD.values(), ids=ODD)
def test_what_is_odd_has_a_code(events: list[Event], codes: list[str]) -> None:
    order = Order()

    found = [code for event in events if (code := order.oddity_of(event))]

    assert found == codes
    assert all(map(meaning, found))
