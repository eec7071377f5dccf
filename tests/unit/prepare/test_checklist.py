"""What a preflight waits for is known while it waits."""

from __future__ import annotations

import re
from threading import Event

import pytest

from convoy.prepare import checklist as module
from convoy.prepare.checklist import Checklist

DEADLINE_S = 60.0


def test_what_is_waited_for_is_told_with_since_when_and_until_when() -> None:
    times_s = iter([1000.0, 1012.0])
    checklist = Checklist(lambda: next(times_s))

    with checklist.waiting("the login at http://a", 30.0):
        told = checklist.waits_for

    found = re.fullmatch(
        r"Waiting for the login at http://a since \d\d:16:40, for 12 s by now, "
        r"until \d\d:17:10 at the latest\.",
        told,
    )
    assert found, told


def test_nothing_is_waited_for_afterwards_whatever_came_of_it() -> None:
    checklist = Checklist()

    with pytest.raises(ValueError), checklist.waiting("an answer", 1.0):
        raise ValueError

    assert checklist.waits_for == ""


def test_what_is_waited_for_is_told_again_and_again_and_only_while_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_TOLD_EVERY_S", 0.001)
    told: list[str] = []
    is_told_twice = Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 2:
            is_told_twice.set()

    checklist = Checklist()
    with checklist.telling(tell), checklist.waiting("an answer", 30.0):
        assert is_told_twice.wait(DEADLINE_S)
    number = len(told)
    with checklist.telling(tell):
        pass
    with checklist.waiting("another answer", 30.0):
        pass

    assert all(each.startswith("Waiting for an answer since ") for each in told)
    assert len(told) == number
