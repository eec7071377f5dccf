"""What a preflight waits for is known while it waits."""

from __future__ import annotations

import re

import pytest

from convoy.prepare.checklist import Checklist


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
