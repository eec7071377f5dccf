"""The total of an approval: whatever leaves is in a plan, or was given beyond it."""

from __future__ import annotations

from math import inf

import gevent
import pytest
from greenlet import getcurrent

from convoy.remote.approved_total import Total, TotalBook
from convoy.remote.pace import Pace
from convoy.remote.wire_faults import TotalUsedUpError

NOW_S = 100.0


def total(left: int = 0, *, is_led: bool = True, most_ahead: int = 2) -> Total:
    return Total(left, is_led=is_led, most_ahead=most_ahead, clock=lambda: NOW_S)


def test_a_process_without_a_master_sends_as_many_as_are_left() -> None:
    alone = total(2, is_led=False)
    alone.take(inf)
    alone.take(inf)

    with pytest.raises(TotalUsedUpError, match="total leaves no message"):
        alone.take(inf)


def test_what_a_user_was_handed_is_sent_though_nothing_is_left() -> None:
    own = total()
    own.plan(getcurrent(), 2)

    own.take(NOW_S)
    gevent.spawn(lambda: pytest.raises(TotalUsedUpError, own.take, NOW_S)).get()
    own.take(NOW_S)

    assert own.wanted == 0
    with pytest.raises(TotalUsedUpError):
        own.take(NOW_S)


def test_what_nobody_planned_waits_for_the_master() -> None:
    own = total()
    waiting = [gevent.spawn(own.take, inf) for _ in range(2)]
    gevent.idle()
    assert own.wanted == 2

    own.give(1, is_used_up=False)
    gevent.idle()
    assert [each.ready() for each in waiting] == [True, False]
    assert own.wanted == 1 + 1 + 1, "as many as were taken are wanted in advance"

    own.give(0, is_used_up=True)
    gevent.wait(waiting)
    assert isinstance(waiting[1].exception, TimeoutError)


def test_what_does_not_leave_may_be_sent_by_another() -> None:
    own = total(1, is_led=False)
    own.take(inf)
    own.put_back()

    own.take(inf)
    with pytest.raises(TotalUsedUpError):
        own.take(inf)


@pytest.mark.parametrize("planned", [0, 1])
def test_what_does_not_leave_is_not_asked_for_again(planned: int) -> None:
    own = total(1, most_ahead=0)
    own.plan(getcurrent(), planned)

    own.take(inf)
    own.put_back()

    assert (own.left, own.taken, own.wanted) == (1 + planned, 0, 0)


def test_in_advance_no_more_is_wanted_than_leaves_in_a_second() -> None:
    own = total(9, most_ahead=2)

    for _ in range(9):
        own.take(inf)

    assert own.wanted == 9 + 2


def test_a_message_that_the_rate_leaves_no_room_for_is_not_taken_from_the_total() -> None:
    own = total(1, is_led=False)
    pace = Pace(1, lambda: NOW_S, own)
    pace.ends_s = NOW_S  # nothing leaves any more

    for _ in range(2):
        with pytest.raises(TimeoutError, match="approved rate"):
            pace.wait(NOW_S)

    own.take(inf)


def test_one_that_does_not_leave_after_all_is_put_back() -> None:
    own = total(1, is_led=False)
    pace = Pace(5, lambda: NOW_S, own)
    pace.wait(inf)
    pace.keep()

    pace.wait(inf)


def test_questions_are_no_messages() -> None:
    pace = Pace(5, lambda: NOW_S, total(0, is_led=False))

    pace.wait(inf, is_message=False)
    pace.keep(is_message=False)

    with pytest.raises(TotalUsedUpError, match="total"):
        pace.wait(inf)


def test_without_a_bound_nothing_is_given() -> None:
    book = TotalBook(None)

    assert (book.give("worker", 9, 1), book.is_used_up) == (0, False)


def test_no_more_is_given_than_the_plans_leave() -> None:
    book = TotalBook(10)
    book.planned = 7

    given = [book.give("worker", wanted, 1) for wanted in (2, 2, 9)]

    assert (given, book.given, book.is_used_up) == ([2, 0, 1], 3, True)


def test_where_the_plans_have_become_larger_nothing_is_taken_back() -> None:
    book = TotalBook(10)
    book.give("worker", 4, 1)
    book.planned = 9

    assert (book.give("worker", 9, 1), book.given, book.is_used_up) == (0, 4, True)


def test_what_is_reserved_for_a_run_is_not_sent_before_it() -> None:
    own = total(5, is_led=False)
    own.reserve(4)
    own.take(inf)

    with pytest.raises(TotalUsedUpError):
        own.take(inf)
    assert own.taken == 1
