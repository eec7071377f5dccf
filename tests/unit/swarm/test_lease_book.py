"""The lease book: every lane has one owner at most, every message falls to one worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from convoy.plan.lanes import LANES, first_number
from convoy.swarm.lease_book import LeaseBook
from tests.unit.swarm import ends_of

TOTAL = 3000
NAMES = [f"worker-{number}" for number in range(6)]


def settled_book(
    weights: Mapping[str, float], total: int = TOTAL, groups: int = LANES
) -> LeaseBook:
    """Return a book whose lanes were all dealt by these weights."""
    book = LeaseBook(ends_of(total), groups)
    book.deal(weights, 0.0)
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
        pytest.param({}, {}, id="nobody there"),
    ],
)
def test_lanes_are_dealt_by_weight(weights: dict[str, float], lanes: dict[str, int]) -> None:
    book = settled_book(weights)

    assert owners(book) == lanes
    assert book.is_settled is bool(lanes)
    assert book.given_out == (TOTAL if lanes else 0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda book: book.give_back("worker-0", {0: 256}), id="given back"),
        pytest.param(lambda book: book.revoke("worker-0", lambda lane: 0), id="revoked"),
        pytest.param(lambda book: book.finish("worker-0", 7), id="finished"),
        pytest.param(lambda book: book.moves({"worker-1": 1}), id="to be released"),
    ],
)
def test_lanes_are_dealt_for_their_weights_until_one_leaves_its_owner(
    change: Callable[[LeaseBook], object],
) -> None:
    weights = {"worker-0": 1.0, "worker-1": 1.0}
    book = LeaseBook(ends_of(TOTAL))
    assert not book.is_dealt_for(weights)
    book.deal(weights, 0.0)
    assert book.is_dealt_for(weights)
    assert not book.is_dealt_for({"worker-0": 2.0, "worker-1": 1.0})

    change(book)

    assert not book.is_dealt_for(weights)


def test_the_first_owners_begin_at_the_first_message() -> None:
    book = LeaseBook(ends_of(TOTAL))

    grants = book.deal({"worker-0": 1}, 0.0)

    assert grants == {"worker-0": dict.fromkeys(range(LANES), 0)}


def test_a_worker_that_joins_gets_its_share_and_nobody_else_a_lane() -> None:
    book = settled_book({"worker-0": 1, "worker-1": 1})
    weights = {"worker-0": 1, "worker-1": 1, "worker-2": 1}

    leaving = book.moves(weights)

    assert book.deal(weights, 0.0) == {}
    assert {name: len(lanes) for name, lanes in leaving.items()} == {"worker-0": 42, "worker-1": 43}
    for name, lanes in leaving.items():
        book.give_back(name, {lane: first_number(lane, 100) for lane in lanes})
    grants = book.deal(weights, 0.0)
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

    leaving = book.moves(weights)

    assert leaving == {"worker-2": book.lanes_of("worker-2")}
    book.give_back("worker-2", dict.fromkeys(leaving["worker-2"], 500))
    book.deal(weights, 0.0)
    assert owners(book) == {"worker-0": 128, "worker-1": 128}
    assert all(set(lanes) <= set(book.lanes_of(name)) for name, lanes in kept.items())


def test_equal_weights_move_nothing() -> None:
    weights = {"worker-0": 2, "worker-1": 3}
    book = settled_book(weights)

    assert book.moves(weights) == {}
    assert book.moves({"worker-1": 30, "worker-0": 20}) == {}


def test_a_lane_is_named_as_leaving_once_and_unsettles_the_book_until_it_is_dealt() -> None:
    book = settled_book({"worker-0": 1})
    weights = {"worker-0": 1, "worker-1": 1}

    first = book.moves(weights)
    second = book.moves(weights)

    seen = [book.is_settled]
    book.give_back("worker-0", dict.fromkeys(first["worker-0"], 300))
    seen.append(book.is_settled)
    book.deal(weights, 0.0)
    seen.append(book.is_settled)
    assert len(first["worker-0"]) == 128
    assert second == {}
    assert seen == [False, False, True]


def test_a_finished_lane_needs_no_new_owner() -> None:
    book = settled_book({"worker-0": 1})

    book.give_back("worker-0", dict(enumerate(ends_of(TOTAL))))

    assert book.is_settled
    assert book.messages_of("worker-0") == book.given_out == TOTAL


def test_lanes_that_were_given_back_for_good_are_dealt_to_nobody() -> None:
    book = settled_book({"worker-0": 1})

    book.give_back("worker-0", dict.fromkeys(range(LANES), 300), is_final=True)

    assert book.deal({"worker-0": 1, "worker-1": 1}, 1e9) == {}


def test_lanes_go_on_to_the_ends_of_a_changed_plan() -> None:
    book = settled_book({"worker-0": 1})
    book.give_back("worker-0", dict(enumerate(ends_of(TOTAL))))

    book.move_ends(ends_of(TOTAL + 512))
    grants = book.deal({"worker-1": 1}, 0.0)

    assert grants["worker-1"] == dict(enumerate(ends_of(TOTAL)))
    assert book.messages_of("worker-1") == 512
    assert book.given_out == book.total == TOTAL + 512


def test_lanes_that_a_worker_no_longer_owns_are_not_taken_from_the_one_who_does() -> None:
    book = settled_book({"worker-0": 1})

    book.give_back("worker-1", dict.fromkeys(range(LANES), 100))

    assert owners(book) == {"worker-0": LANES}


def test_a_dead_worker_keeps_what_was_due_before_it_was_missed() -> None:
    book = settled_book({"worker-0": 1, "worker-1": 1})
    lost = book.lanes_of("worker-1")

    book.revoke("worker-1", lambda lane: first_number(lane, 1000))

    grants = book.deal({"worker-0": 1}, 0.0)
    assert grants == {"worker-0": {lane: first_number(lane, 1000) for lane in lost}}
    assert book.messages_of("worker-1") == sum(k % LANES in lost for k in range(1000))
    assert book.messages_of("worker-0") + book.messages_of("worker-1") == TOTAL


def test_a_dead_worker_that_was_granted_what_is_not_due_yet_takes_nothing_with_it() -> None:
    book = settled_book({"worker-0": 1})
    book.give_back("worker-0", dict.fromkeys(range(LANES), 1000))
    book.deal({"worker-1": 1}, 0.0)

    book.revoke("worker-1", lambda lane: 990)

    grants = book.deal({"worker-2": 1}, 0.0)
    assert grants == {"worker-2": dict.fromkeys(range(LANES), 1000)}
    assert book.messages_of("worker-1") == 0
    assert book.given_out == TOTAL


def test_a_dead_worker_is_charged_for_no_message_beyond_the_plan() -> None:
    book = settled_book({"worker-0": 1})

    book.revoke("worker-0", lambda lane: 10**9)

    assert book.messages_of("worker-0") == book.given_out == book.total == TOTAL
    assert book.is_settled


@pytest.mark.parametrize(
    ("reached", "forgone"),
    [pytest.param(600, 400, id="before the cut"), pytest.param(1000, 0, id="up to the cut")],
)
def test_what_a_silent_worker_did_not_reach_is_nobodys(reached: int, forgone: int) -> None:
    book = settled_book({"worker-0": 1})
    cuts = book.revoke("worker-0", lambda lane: first_number(lane, 1000), free_from_s=50.0)
    assert book.messages_of("worker-0") == 1000
    assert book.deal({"worker-1": 1}, 49.9) == {}

    missed = sum(
        book.settle("worker-0", lane, cut, first_number(lane, reached))
        for lane, cut in cuts.items()
    )

    assert missed == forgone
    assert book.messages_of("worker-0") == 1000 - forgone
    assert book.deal({"worker-1": 1}, 49.9) == {"worker-1": cuts}
    assert book.given_out == TOTAL


def test_of_lanes_that_a_lost_worker_finished_nothing_is_left_for_others() -> None:
    book = settled_book({"worker-0": 1})
    book.moves({"worker-0": 1, "worker-1": 1})

    book.finish("worker-0", 7)
    grants = book.deal({"worker-1": 1}, 0.0)

    assert grants == {"worker-1": dict(enumerate(ends_of(TOTAL)))}
    assert (book.messages_of("worker-0"), book.messages_of("worker-1"), book.given_out) == (7, 0, 7)
    assert book.is_settled


@pytest.mark.parametrize("total", [0, 1, 255, 256, 257, 100_000])
def test_tenures_add_up_for_plans_of_any_size(total: int) -> None:
    book = settled_book({"worker-0": 2, "worker-1": 3}, total)

    assert book.given_out == total
    assert book.messages_of("worker-0") + book.messages_of("worker-1") == total


def test_lanes_of_any_length_add_up() -> None:
    ends = [lane + LANES * (lane % 5) for lane in range(LANES)]
    book = LeaseBook(ends)

    book.deal({"worker-0": 2, "worker-1": 3}, 0.0)

    assert book.total == book.given_out == sum(lane % 5 for lane in range(LANES))


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({"worker-0": 1, "worker-1": 1}, id="two alike"),
        pytest.param({"worker-0": 3, "worker-1": 1}, id="by users"),
        pytest.param({"worker-0": 1, "worker-1": 2, "worker-2": 5}, id="three"),
    ],
)
def test_neighbouring_messages_fall_to_workers_in_turn(weights: dict[str, float]) -> None:
    book = settled_book(weights)

    for name, weight in weights.items():
        lanes = set(book.lanes_of(name))
        share = weight / sum(weights.values())
        for begin in range(0, LANES, 16):
            assert len(lanes & set(range(begin, begin + 16))) == pytest.approx(16 * share, abs=2)


def test_lanes_that_leave_are_spread_over_those_of_their_owner() -> None:
    book = settled_book({"worker-0": 1})

    leaving = set(book.moves({"worker-0": 3, "worker-1": 1})["worker-0"])

    assert all(len(leaving & set(range(n, n + 16))) == 4 for n in range(0, LANES, 16))


@pytest.mark.parametrize("groups", [1, 2, 7, 100, 255, 256])
@pytest.mark.parametrize("workers", [1, 2, 3, 6])
def test_all_lanes_of_a_group_go_to_one_worker(groups: int, workers: int) -> None:
    book = settled_book(dict.fromkeys(NAMES[:workers], 1), groups=groups)

    groups_of = {name: {lane % groups for lane in book.lanes_of(name)} for name in NAMES}
    dealt = [group for each in groups_of.values() for group in each]
    numbers = [len(groups_of[name]) for name in NAMES[:workers]]
    assert sorted(dealt) == list(range(groups))
    assert max(numbers) - min(numbers) <= 1
    assert book.is_settled
    assert book.given_out == TOTAL


def test_a_group_is_dealt_only_when_all_its_lanes_are_back() -> None:
    book = settled_book({"worker-0": 1}, groups=2)
    weights = {"worker-0": 1, "worker-1": 1}
    leaving = book.moves(weights)["worker-0"]

    book.give_back("worker-0", dict.fromkeys(leaving[:-1], 300))
    at_first = book.deal(weights, 0.0)
    assert not book.is_dealt_for(weights)
    book.give_back("worker-0", dict.fromkeys(leaving[-1:], 300))
    then = book.deal(weights, 0.0)

    assert len({lane % 2 for lane in leaving}) == 1
    assert at_first == {}
    assert then == {"worker-1": dict.fromkeys(leaving, 300)}


@pytest.mark.parametrize(("said", "begins"), [(0, 300), (299, 300), (310, 310), (9_999, 600)])
def test_nobody_sends_again_what_was_sent_before_whatever_a_worker_says(
    said: int, begins: int
) -> None:
    book = LeaseBook([600] * LANES)
    book.deal({"first": 1.0}, 0.0)
    book.give_back("first", dict.fromkeys(range(LANES), 300))
    book.deal({"second": 1.0}, 0.0)

    book.give_back("second", dict.fromkeys(range(LANES), said))

    assert set(book.deal({"third": 1.0}, 0.0)["third"].values()) == {begins}
