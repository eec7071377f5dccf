"""The lease book: every lane has one owner at most, every message falls to one worker."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from convoy.plan.lanes import LANES, first_number
from convoy.swarm.leases import LeaseBook

TOTAL = 3000
NAMES = [f"worker-{number}" for number in range(6)]


def settled_book(weights: Mapping[str, float], total: int = TOTAL) -> LeaseBook:
    """Return a book whose lanes were all dealt by these weights."""
    book = LeaseBook(total)
    _, free = book.moves(weights)
    book.deal(free, weights)
    return book


def owners(book: LeaseBook) -> dict[str, int]:
    """Return how many lanes each worker owns."""
    return {name: len(lanes) for name in NAMES if (lanes := book.lanes_of(name))}


@pytest.mark.parametrize(
    ("weights", "lanes"),
    [
        pytest.param({"worker-0": 1}, {"worker-0": 256}, id="one worker"),
        pytest.param(
            {"worker-0": 25, "worker-1": 25}, {"worker-0": 128, "worker-1": 128}, id="two alike"
        ),
        pytest.param(
            {"worker-0": 3, "worker-1": 1}, {"worker-0": 192, "worker-1": 64}, id="by users"
        ),
        pytest.param(
            {"worker-0": 1, "worker-1": 1, "worker-2": 1},
            {"worker-0": 86, "worker-1": 85, "worker-2": 85},
            id="three alike",
        ),
        pytest.param({"worker-0": 0, "worker-1": 5}, {"worker-1": 256}, id="one without users"),
        pytest.param({"worker-0": 0}, {}, id="nobody has users"),
        pytest.param({}, {}, id="nobody there"),
    ],
)
def test_lanes_are_dealt_by_weight(weights: dict[str, float], lanes: dict[str, int]) -> None:
    book = settled_book(weights)

    assert owners(book) == lanes
    assert book.is_settled is bool(lanes)
    assert book.given_out == (TOTAL if lanes else 0)


def test_the_first_owners_begin_at_the_first_message() -> None:
    book = LeaseBook(TOTAL)
    _, free = book.moves({"worker-0": 1})

    grants = book.deal(free, {"worker-0": 1})

    assert grants == {"worker-0": dict.fromkeys(range(LANES), 0)}


def test_a_worker_that_joins_gets_its_share_and_nobody_else_a_lane() -> None:
    book = settled_book({"worker-0": 1, "worker-1": 1})
    weights = {"worker-0": 1, "worker-1": 1, "worker-2": 1}

    leaving, free = book.moves(weights)

    assert free == []
    assert {name: len(lanes) for name, lanes in leaving.items()} == {"worker-0": 42, "worker-1": 43}
    for name, lanes in leaving.items():
        book.give_back(name, {lane: first_number(lane, 100) for lane in lanes})
    grants = book.deal(book.moves(weights)[1], weights)
    assert grants.keys() == {"worker-2"}
    assert grants["worker-2"] == {
        lane: first_number(lane, 100) for lanes in leaving.values() for lane in lanes
    }
    assert owners(book) == {"worker-0": 86, "worker-1": 85, "worker-2": 85}
    assert book.is_settled


def test_a_worker_that_leaves_gives_its_lanes_and_nobody_else_loses_one() -> None:
    book = settled_book({"worker-0": 1, "worker-1": 1, "worker-2": 2})
    kept = {name: book.lanes_of(name) for name in ("worker-0", "worker-1")}
    weights = {"worker-0": 1, "worker-1": 1}

    leaving, _ = book.moves(weights)

    assert leaving == {"worker-2": book.lanes_of("worker-2")}
    book.give_back("worker-2", dict.fromkeys(leaving["worker-2"], 500))
    book.deal(book.moves(weights)[1], weights)
    assert owners(book) == {"worker-0": 128, "worker-1": 128}
    assert all(set(lanes) <= set(book.lanes_of(name)) for name, lanes in kept.items())


def test_equal_weights_move_nothing() -> None:
    weights = {"worker-0": 2, "worker-1": 3}
    book = settled_book(weights)

    assert book.moves(weights) == ({}, [])
    assert book.moves({"worker-1": 30, "worker-0": 20}) == ({}, [])


def test_a_lane_is_named_as_leaving_once_and_unsettles_the_book_until_it_is_dealt() -> None:
    book = settled_book({"worker-0": 1})
    weights = {"worker-0": 1, "worker-1": 1}

    first, _ = book.moves(weights)
    second, _ = book.moves(weights)

    seen = [book.is_settled]
    book.give_back("worker-0", dict.fromkeys(first["worker-0"], 300))
    seen.append(book.is_settled)
    book.deal(book.moves(weights)[1], weights)
    seen.append(book.is_settled)
    assert len(first["worker-0"]) == 128
    assert second == {}
    assert seen == [False, False, True]


def test_a_finished_lane_needs_no_new_owner() -> None:
    book = settled_book({"worker-0": 1})

    book.give_back("worker-0", dict.fromkeys(range(LANES)))

    assert book.is_settled
    assert book.messages_of("worker-0") == book.given_out == TOTAL


def test_lanes_that_a_worker_no_longer_owns_are_not_taken_from_the_one_who_does() -> None:
    book = settled_book({"worker-0": 1})

    book.give_back("worker-1", dict.fromkeys(range(LANES), 100))

    assert owners(book) == {"worker-0": LANES}


def test_a_dead_worker_keeps_what_was_due_before_it_was_missed() -> None:
    book = settled_book({"worker-0": 1, "worker-1": 1})

    book.lose("worker-1", cut_k=1000)

    weights = {"worker-0": 1}
    grants = book.deal(book.moves(weights)[1], weights)
    assert grants["worker-0"] == dict.fromkeys(range(128, 256), 1000)
    assert book.messages_of("worker-1") == sum(k % LANES >= 128 for k in range(1000))
    assert book.messages_of("worker-0") + book.messages_of("worker-1") == TOTAL


def test_a_dead_worker_that_was_granted_what_is_not_due_yet_takes_nothing_with_it() -> None:
    book = settled_book({"worker-0": 1})
    book.give_back("worker-0", dict.fromkeys(range(LANES), 1000))
    book.deal(book.moves({"worker-1": 1})[1], {"worker-1": 1})

    book.lose("worker-1", cut_k=990)

    grants = book.deal(book.moves({"worker-2": 1})[1], {"worker-2": 1})
    assert grants["worker-2"] == dict.fromkeys(range(LANES), 1000)
    assert book.messages_of("worker-1") == 0
    assert book.given_out == TOTAL


@pytest.mark.parametrize("total", [0, 1, 255, 256, 257, 100_000])
def test_tenures_add_up_for_plans_of_any_size(total: int) -> None:
    book = settled_book({"worker-0": 2, "worker-1": 3}, total)

    assert book.given_out == total
    assert book.messages_of("worker-0") + book.messages_of("worker-1") == total
