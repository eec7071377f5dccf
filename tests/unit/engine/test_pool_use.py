"""The pool in use: conversations that are taken, given back and retired."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import Greenlet

from convoy.engine.pool_use import PoolUse
from convoy.results.account import PoolReport
from convoy.routes.codes import RETIRING_CODES, meaning
from tests.unit.engine import let_the_loop_run

LANE = 7
LONG_S = 60.0
CLOSED = "400 conversation.closed"
GONE = "404 conversation.error.conversation.not.found"
Take = Callable[[PoolUse, int], "Greenlet[..., bool]"]


@pytest.fixture
def start_taking() -> Iterator[Take]:
    """Have a user take a conversation: it has it, or waits for it, on return."""
    users: list[Greenlet[..., bool]] = []

    def take(pool: PoolUse, index: int) -> Greenlet[..., bool]:
        users.append(gevent.spawn(pool.take, index, LANE, LONG_S))
        gevent.sleep(0)
        return users[-1]

    yield take
    gevent.killall(users, timeout=60)


def test_any_number_may_use_a_conversation_that_is_not_exclusive() -> None:
    pool = PoolUse(is_exclusive=False)

    assert all(pool.take(3, LANE, 0) for _ in range(5))


def test_an_exclusive_conversation_is_had_by_one_at_a_time(start_taking: Take) -> None:
    pool = PoolUse(is_exclusive=True)

    first, second, third = (start_taking(pool, 3) for _ in range(3))
    had = [[first.ready(), second.ready(), third.ready()]]
    for _ in range(2):
        pool.give_back(3)
        let_the_loop_run()
        had.append([first.ready(), second.ready(), third.ready()])

    assert had[0] == [True, False, False]
    assert sum(had[1]) == 2
    assert had[2] == [True, True, True]
    assert all(user.get(timeout=60) for user in (first, second, third))


def test_other_conversations_are_free_while_one_is_taken(start_taking: Take) -> None:
    pool = PoolUse(is_exclusive=True)

    start_taking(pool, 3)

    assert pool.take(4, LANE, 0)


def test_a_conversation_that_is_not_free_in_time_is_not_taken() -> None:
    pool = PoolUse(is_exclusive=True)
    pool.take(3, LANE, 0)

    was_taken = pool.take(3, LANE, 0.001)

    pool.give_back(3)
    assert not was_taken
    assert pool.take(3, LANE, 0)


def test_a_user_killed_while_it_waits_keeps_nobody_from_the_conversation(
    start_taking: Take,
) -> None:
    pool = PoolUse(is_exclusive=True)
    start_taking(pool, 3)
    leaver, stayer = start_taking(pool, 3), start_taking(pool, 3)

    leaver.kill(timeout=60)
    pool.give_back(3)

    assert stayer.get(timeout=60)


@pytest.mark.parametrize("is_exclusive", [True, False], ids=["exclusive", "shared"])
def test_what_nobody_has_can_be_given_back(is_exclusive: bool) -> None:
    pool = PoolUse(is_exclusive)

    pool.give_back(3)

    assert pool.take(3, LANE, 0)


def test_a_lane_is_busy_while_its_message_has_a_conversation_or_waits_for_it(
    start_taking: Take,
) -> None:
    pool = PoolUse(is_exclusive=True)
    pool.take(3, LANE + 1, 0)
    waiting = start_taking(pool, 3)
    seen = [pool.is_busy([lane]) for lane in (LANE, LANE + 1, LANE + 2)]

    pool.give_back(3)
    waiting.get(timeout=LONG_S)
    then = [pool.is_busy([lane]) for lane in (LANE, LANE + 1)]
    pool.give_back(3)

    assert seen == [True, True, False]
    assert then == [True, False]
    assert not pool.is_busy([LANE, LANE + 1])


def test_who_waits_no_longer_keeps_no_lane_busy(start_taking: Take) -> None:
    pool = PoolUse(is_exclusive=True)
    pool.take(3, LANE + 1, 0)

    pool.take(3, LANE, 0.001)
    is_busy_past_its_time = pool.is_busy([LANE])
    leaver = start_taking(pool, 3)
    is_busy_while_it_waits = pool.is_busy([LANE])
    leaver.kill(timeout=60)

    assert (is_busy_past_its_time, is_busy_while_it_waits) == (False, True)
    assert not pool.is_busy([LANE])


def test_a_conversation_is_retired_once_by_the_first_reason() -> None:
    pool = PoolUse(is_exclusive=False)

    pool.retire(3, CLOSED)
    pool.retire(3, GONE)
    pool.retire(5, GONE)

    assert 3 in pool.retired and 5 in pool.retired and 4 not in pool.retired
    assert pool.report() == PoolReport({3: CLOSED, 5: GONE}, redirected=0)


def test_retired_conversations_are_reported_once_and_redirected_messages_as_totals() -> None:
    pool = PoolUse(is_exclusive=False)
    pool.retire(3, CLOSED)
    pool.redirected += 2
    first = pool.report()
    pool.retire(3, CLOSED)
    pool.retire(5, GONE)
    pool.redirected += 1

    second, third = pool.report(), pool.report()

    assert first == PoolReport({3: CLOSED}, redirected=2)
    assert second == PoolReport({5: GONE}, redirected=3)
    assert third == PoolReport({}, redirected=3)


@pytest.mark.parametrize("code", sorted(RETIRING_CODES))
def test_every_code_that_retires_a_conversation_is_known(code: str) -> None:
    assert meaning(code)
