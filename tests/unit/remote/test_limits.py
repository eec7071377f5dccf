"""Budgets: fixed windows, their correction by answers, and rests."""

from __future__ import annotations

import pytest

from convoy.remote.limits import Budget, Limit, retry_after_s

PER_TOKEN = Limit("token", 3, 60.0)


def budget(*limits: Limit, is_obeyed: bool = True) -> Budget:
    return Budget(limits, is_obeyed=is_obeyed)


def told(count: int, allowed: int, reset: int) -> dict[bytes, bytes]:
    return {
        b"inin-ratelimit-count": b"%d" % count,
        b"inin-ratelimit-allowed": b"%d" % allowed,
        b"inin-ratelimit-reset": b"%d" % reset,
    }


def test_without_limits_a_request_may_always_be_sent() -> None:
    free = budget()

    for now_s in range(1000):
        free.spend(now_s / 1000)

    assert free.ready_at(1.0) <= 1.0


def test_a_spent_window_waits_for_its_end_and_then_starts_anew() -> None:
    spent = budget(PER_TOKEN)

    for now_s in (10.0, 11.0, 12.0):
        assert spent.ready_at(now_s) <= now_s
        spent.spend(now_s)

    assert spent.ready_at(13.0) == 70.0
    assert spent.ready_at(70.0) <= 70.0
    spent.spend(70.0)
    assert spent.ready_at(70.0) <= 70.0


@pytest.mark.parametrize(("room", "messages"), [(0, 3), (1, 2), (2, 1), (9, 1)])
def test_a_request_waits_where_those_that_follow_it_would_have_no_room(
    room: int, messages: int
) -> None:
    kept = budget(PER_TOKEN)
    kept.keep_room(room)
    sent = 0

    while kept.ready_at(10.0) <= 10.0:
        kept.spend(10.0)
        kept.correct(told(sent + 1, 3, 60), 10.0)
        sent += 1

    assert sent == messages


def test_each_window_counts_from_its_first_answer() -> None:
    spent = budget(PER_TOKEN)

    for begins_s in (10.0, 80.0):
        spent.spend(begins_s)
        spent.correct({}, begins_s + 0.5)
        spent.spend(begins_s + 1.0)
        spent.correct({}, begins_s + 1.5)
        spent.spend(begins_s + 2.0)

        assert spent.ready_at(begins_s + 2.0) == begins_s + 60.5


def test_the_strictest_of_several_limits_decides() -> None:
    both = budget(PER_TOKEN, Limit("client", 2, 5.0))

    both.spend(0.0)
    both.spend(0.0)

    assert both.ready_at(0.0) == 5.0
    both.spend(5.0)
    assert both.ready_at(5.0) == 60.0


def test_the_remote_knows_of_requests_that_others_made_with_the_token() -> None:
    shared = budget(PER_TOKEN)

    shared.spend(0.0)
    shared.correct(told(count=3, allowed=3, reset=20), 0.1)

    assert shared.ready_at(0.1) == pytest.approx(20.1)


def test_the_remotes_limit_replaces_ours() -> None:
    raised = budget(PER_TOKEN)

    raised.spend(0.0)
    raised.correct(told(count=1, allowed=300, reset=60), 0.1)
    for _ in range(10):
        raised.spend(1.0)

    assert raised.ready_at(1.0) <= 1.0


def test_requests_of_a_token_use_up_what_tokens_share() -> None:
    shared = budget(Limit("client", 3, 60.0))
    one, other = (Budget([PER_TOKEN], beside=[shared]) for _ in range(2))

    for each in (one, other, other):
        each.spend(10.0)
    one.correct(told(count=1, allowed=3, reset=60), 10.5)

    assert one.ready_at(11.0) == other.ready_at(11.0) == 70.5


def test_what_is_said_of_a_token_is_nothing_of_the_limit_that_tokens_share() -> None:
    shared = budget(Limit("client", 3, 60.0))

    shared.spend(10.0)
    shared.correct(told(count=3, allowed=3, reset=60), 10.5)

    assert shared.ready_at(11.0) <= 11.0


def test_an_answer_that_lags_behind_does_not_give_requests_back() -> None:
    busy = budget(PER_TOKEN)

    for _ in range(3):
        busy.spend(0.0)
    busy.correct(told(count=1, allowed=3, reset=60), 0.1)
    busy.correct(told(count=1, allowed=3, reset=59), 0.2)  # rounded down

    assert busy.ready_at(0.2) == 60.1


def test_a_new_window_of_the_remotes_frees_us() -> None:
    waiting = budget(PER_TOKEN)

    for _ in range(3):
        waiting.spend(0.0)
    waiting.correct({}, 0.0)
    waiting.correct(told(count=1, allowed=3, reset=60), 30.0)

    assert waiting.ready_at(30.0) <= 30.0
    for _ in range(2):
        waiting.spend(30.0)
    assert waiting.ready_at(30.0) == 90.0


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"nan", b"9" * 5000, b"\xff"])
def test_nonsense_in_the_headers_changes_nothing(value: bytes) -> None:
    kept = budget(PER_TOKEN)

    kept.spend(0.0)
    for other in (value, b"3"):
        kept.correct({b"inin-ratelimit-count": other, b"inin-ratelimit-reset": value}, 0.0)

    assert kept.ready_at(0.0) <= 0.0


def test_a_rest_holds_until_its_end_whatever_the_answers_say() -> None:
    resting = budget(PER_TOKEN)

    resting.rest(42.0)
    resting.rest(7.0)
    resting.correct(told(count=0, allowed=3, reset=60), 1.0)

    assert resting.ready_at(1.0) == 42.0


def test_a_budget_that_is_not_obeyed_never_waits() -> None:
    ignored = budget(PER_TOKEN, is_obeyed=False)

    for _ in range(10):
        ignored.spend(0.0)
    ignored.rest(99.0)

    assert ignored.ready_at(0.0) <= 0.0


NOW = b"Sun, 22 Nov 2026 10:00:00 GMT"
ASKED = {
    "seconds": ({b"retry-after": b"42"}, 42.0),
    "a date": (
        {
            b"retry-after": b"Sun, 22 Nov 2026 10:00:30 GMT",
            b"date": NOW,
        },
        30.0,
    ),
    "a date without ours": ({b"retry-after": b"Sun, 22 Nov 2026 10:00:30 GMT"}, None),
    "a year that is none": (
        {
            b"retry-after": b"Sun, 22 Nov 99999 10:00:30 GMT",
            b"date": NOW,
        },
        None,
    ),
    "an hour that is none": (
        {
            b"retry-after": b"Sun, 22 Nov 2026 10:00:30 GMT",
            b"date": b"Sun, 22 Nov 2026 25:00:00 GMT",
        },
        None,
    ),
    "a zone beyond all numbers": (
        {b"retry-after": b"Sun, 22 Nov 2026 10:00:30 +99999999999999999999", b"date": NOW},
        None,
    ),
    "nonsense": ({b"retry-after": b"soon", b"date": b"now"}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), ASKED.values(), ids=ASKED)
def test_retry_after_is_seconds_or_a_date(
    headers: dict[bytes, bytes], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds
