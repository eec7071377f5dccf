"""Why a message was kept waiting, by the users that were free then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from greenlet import greenlet

from convoy.engine.free_users import FreeUser, FreeUsers, always_ready
from convoy.results.outcome import Cause

USER = greenlet(), always_ready
OTHER = greenlet(), always_ready


@pytest.mark.parametrize(
    ("history", "due_s", "cause"),
    [
        pytest.param([], 5, Cause.TARGET, id="nobody was free"),
        pytest.param([lambda free: free.add(USER, 3)], 5, Cause.GENERATOR, id="idle"),
        pytest.param([lambda free: free.add(USER, 6)], 5, Cause.TARGET, id="idle only later"),
        pytest.param(
            [lambda free: free.add(USER, 3), lambda free: free.pop(4)],
            5,
            Cause.TARGET,
            id="the last idle one had gone",
        ),
        pytest.param(
            [lambda free: free.add(USER, 3), lambda free: free.remove(USER[0], 4)],
            5,
            Cause.TARGET,
            id="the last idle one was killed",
        ),
        pytest.param(
            [
                lambda free: free.add(USER, 3),
                lambda free: free.add(OTHER, 3.5),
                lambda free: free.pop(4),
            ],
            5,
            Cause.GENERATOR,
            id="another idle one was left",
        ),
        pytest.param([lambda free: free.rest(USER, 3, 9)], 5, Cause.LIMITS, id="resting"),
        pytest.param(
            [lambda free: free.rest(USER, 3, 9), lambda free: free.remove(USER[0], 4)],
            5,
            Cause.TARGET,
            id="the resting one was killed",
        ),
        pytest.param(
            [lambda free: free.rest(USER, 3, 6), lambda free: free.end_rests(7)],
            5,
            Cause.LIMITS,
            id="rested until later",
        ),
        pytest.param(
            [lambda free: free.rest(USER, 3, 4), lambda free: free.end_rests(7)],
            5,
            Cause.GENERATOR,
            id="rested by then",
        ),
    ],
)
def test_a_message_waits_because_of(
    history: list[Callable[[FreeUsers], object]], due_s: float, cause: Cause
) -> None:
    free = FreeUsers()

    for happen in history:
        happen(free)

    assert free.late_cause(due_s) is cause


@pytest.mark.parametrize("gone", [USER, OTHER], ids=["idle", "resting"])
def test_who_is_dismissed_is_free_no_longer(gone: FreeUser) -> None:
    free = FreeUsers()
    free.add(USER, 3)
    free.rest(OTHER, 3, 9)

    free.remove(gone[0], 4)
    free.remove(greenlet(), 4)
    free.end_rests(10)

    assert list(free.idle.values()) == [each for each in (USER, OTHER) if each is not gone]


def test_users_rest_until_their_own_times() -> None:
    free = FreeUsers()
    free.rest(USER, 3, 9)
    free.rest(OTHER, 3, 6)

    free.end_rests(7)

    assert (list(free.idle.values()), free.first_ready_s) == ([OTHER], 9)


def test_the_time_that_users_rest_is_added_up_within_what_is_measured() -> None:
    free = FreeUsers()
    free.rest(USER, 2, 9)
    free.measure_limited(5, 10)
    free.look(4)
    before_s = free.limited_s
    free.rest(OTHER, 6, 20)
    free.end_rests(9.5)  # half a second late
    free.remove(OTHER[0], 12)

    free.look(30)

    assert (before_s, free.limited_s) == (0, (9 - 5) + (10 - 6))


def test_a_pause_is_no_time_that_limits_hold_a_user() -> None:
    free = FreeUsers()
    free.measure_limited(0, 10)
    free.rest(USER, 1, 5, is_limited=False)
    free.rest(OTHER, 1, 5)
    free.remove(OTHER[0], 3)

    free.end_rests(6)

    assert free.limited_s == 3 - 1


def test_without_a_time_to_measure_no_rest_is_added_up() -> None:
    free = FreeUsers()
    free.rest(USER, 2, 9)

    free.look(8)

    assert free.limited_s == 0


def test_users_that_rest_until_the_same_time_are_idle_in_their_order() -> None:
    free = FreeUsers()
    free.rest(OTHER, 3, 6)
    free.rest(USER, 3, 6)

    free.end_rests(6)

    assert list(free.idle.values()) == [OTHER, USER]


def test_when_the_first_has_rested_is_known_after_another_is_gone() -> None:
    free, gone = FreeUsers(), (greenlet(), always_ready)
    free.rest(gone, 3, 5)
    free.rest(USER, 3, 9)
    free.rest(OTHER, 3, 6)

    free.remove(gone[0], 4)

    assert free.first_ready_s == 6
