"""Which event answers a request, and what the others are counted as: no socket takes part."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from convoy.remote.guest_answers import Answers, GuestCounts, Question
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
    answers, question = Answers(GuestCounts()), Question(wanted, "t1", DEADLINE_S)
    answers.ask(question)

    assert answers.take(event, "frame", NOW_S) is is_answer
    expected = (event, "frame", NOW_S) if is_answer else (None, "", 0.0)
    assert (question.answer, question.text, question.done_s) == expected


def test_only_the_first_answer_counts() -> None:
    answers, question = Answers(GuestCounts()), Question(OwnCopy, "t1", DEADLINE_S)
    answers.ask(question)

    assert answers.take(OwnCopy("t1"), "", NOW_S)
    assert not answers.take(Refused("t1", 400), "", NOW_S)
    assert question.answer == OwnCopy("t1")


ASK, END = "ask", "end"
COUNTED: dict[str, tuple[list[Any], dict[str, int]]] = {
    "a copy in time": ([ASK, OwnCopy("t1"), END], {}),
    "a copy twice": ([ASK, OwnCopy("t1"), OwnCopy("t1"), END], {"duplicate_copies": 1}),
    "a copy again": ([ASK, OwnCopy("t1"), END, OwnCopy("t1")], {"duplicate_copies": 1}),
    "a copy after the end": ([ASK, END, OwnCopy("t1")], {"late_copies": 1}),
    "that one twice": (
        [ASK, END, OwnCopy("t1"), OwnCopy("t1")],
        {"late_copies": 1, "duplicate_copies": 1},
    ),
    "a copy after a refusal": ([ASK, Refused("t1"), END, OwnCopy("t1")], {"late_copies": 1}),
    "a copy of nothing": ([OwnCopy("t9")], {"unexpected_copies": 1}),
    "a copy of what has no answer": ([OwnCopy("told-1")], {}),
    "in order": ([Reply(time_s=1.0), Reply(time_s=1.0), OwnCopy("told-1", "", 2.0)], {}),
    "out of order": ([OwnCopy("told-1", "", 2.0), Reply(time_s=1.0)], {"out_of_order": 1}),
    "without a time": ([Reply(time_s=2.0), Reply(), Reply(time_s=2.0)], {}),
    "what says nothing": ([Unreadable(), Unknown(), Typing()], {"unreadable": 1, "unknown": 1}),
}


@pytest.mark.parametrize(("steps", "expected"), COUNTED.values(), ids=COUNTED)
def test_what_is_no_answer_is_counted(steps: list[Any], expected: dict[str, int]) -> None:
    counts = GuestCounts()
    answers = Answers(counts)
    for step in steps:
        if step == ASK:
            answers.ask(Question(OwnCopy, "t1", DEADLINE_S))
        elif step == END:
            answers.end()
        else:
            answers.take(step, "", NOW_S)

    assert {name: each for name, each in asdict(counts).items() if each} == expected


def test_a_copy_past_the_deadline_is_late() -> None:
    counts = GuestCounts()
    answers, question = Answers(counts), Question(OwnCopy, "t1", DEADLINE_S)
    answers.ask(question)

    assert not answers.take(OwnCopy("t1"), "", DEADLINE_S + 0.001)
    assert (question.answer, counts.late_copies) == (None, 1)


def test_only_the_latest_ids_are_remembered() -> None:
    counts = GuestCounts()
    answers = Answers(counts)
    for number in range(9):
        answers.ask(Question(OwnCopy, f"t{number}", DEADLINE_S))
        answers.end()

    for number in range(9):
        answers.take(OwnCopy(f"t{number}"), "", NOW_S)

    assert (counts.late_copies, counts.unexpected_copies) == (4, 5)
