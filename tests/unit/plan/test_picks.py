"""Picks: which conversation and which author each message belongs to."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.lanes import LANES
from convoy.plan.picks import Pick, PickRule, make_pick

NAMES = ["random", "round_robin", "zipf", "exclusive", "sticky"]
DRAWN = ["random", "round_robin", "zipf"]
BOUND = st.sampled_from(["exclusive", "sticky"])
SIZES = st.integers(1, 1500)
USERS = st.integers(1, 1500)
SEEDS = st.integers(0, 2**63 - 1)
TURNS = st.integers(1, 5)


def pick_of(
    name: str, size: int = 100, *, seed: int = 1, users: int = 20, exponent: float = 1.0
) -> Pick:
    return make_pick(PickRule(name, exponent), size, seed=seed, scenario="messages", users=users)


def index_of(pick: Pick, k: int) -> int:
    return pick.indexes((k,))[0]


def group_of(k: int, pick: Pick) -> int:
    return k % LANES % pick.groups


@given(
    name=st.sampled_from(NAMES),
    size=SIZES,
    seed=SEEDS,
    users=USERS,
    numbers=st.lists(st.integers(0, 10**12), max_size=20),
)
def test_a_message_always_goes_to_the_same_conversation_of_the_pool(
    name: str, size: int, seed: int, users: int, numbers: list[int]
) -> None:
    first, again = (pick_of(name, size, seed=seed, users=users) for _ in range(2))

    indexes = [index_of(first, k) for k in numbers]

    assert indexes == [index_of(again, k) for k in reversed(numbers)][::-1]
    assert all(0 <= index < size for index in indexes)


@pytest.mark.parametrize("name", ["random", "zipf", "exclusive", "sticky"])
def test_another_seed_picks_others(name: str) -> None:
    one, other = pick_of(name), pick_of(name, seed=2)

    alike = sum(index_of(one, k) == index_of(other, k) for k in range(100))

    assert alike < 30


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_of_one_is_always_picked(name: str) -> None:
    pick = pick_of(name, size=1)

    assert {index_of(pick, k) for k in range(1000)} == {0}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_binds_a_drawn_conversation_to_a_lane(name: str) -> None:
    assert pick_of(name).groups == LANES


def test_random_picks_every_conversation_about_equally_often() -> None:
    pick = pick_of("random", size=10)

    picked = Counter(index_of(pick, k) for k in range(10_000))

    assert all(850 <= picked[index] <= 1150 for index in range(10)), picked


def test_round_robin_goes_through_the_pool_in_its_order() -> None:
    pick = pick_of("round_robin", size=7)

    assert [index_of(pick, k) for k in range(21)] == [*range(7)] * 3


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_the_share_of_each_rank_is_as_zipfs_law_says(exponent: float) -> None:
    pick = pick_of("zipf", size=50, exponent=exponent)
    weights = [rank**-exponent for rank in range(1, 51)]

    picked = Counter(index_of(pick, k) for k in range(20_000))

    for (_, count), weight in zip(picked.most_common(3), weights, strict=False):
        expected = 20_000 * weight / sum(weights)
        assert abs(count - expected) <= 5 * sqrt(expected)


def test_another_seed_has_other_hot_conversations() -> None:
    hottest = set()
    for seed in range(20):
        pick = pick_of("zipf", size=1000, seed=seed, exponent=2.0)
        hottest.add(Counter(index_of(pick, k) for k in range(200)).most_common(1)[0][0])

    assert len(hottest) >= 15


@given(name=BOUND, size=SIZES, users=USERS, turns=TURNS)
def test_a_bound_conversation_belongs_to_one_group(
    name: str, size: int, users: int, turns: int
) -> None:
    pick = pick_of(name, size, users=users)
    groups: defaultdict[int, set[int]] = defaultdict(set)

    for k in range(turns * LANES):
        groups[index_of(pick, k)].add(group_of(k, pick))

    assert 1 <= pick.groups <= LANES
    assert all(len(each) == 1 for each in groups.values())


@given(name=BOUND, size=SIZES, users=USERS, k=st.integers(0, 10**9))
def test_what_stands_in_for_a_bound_conversation_belongs_to_the_same_group(
    name: str, size: int, users: int, k: int
) -> None:
    pick = pick_of(name, size, users=users)
    first_k = group_of(k, pick)

    others = list(pick.others(k))

    assert index_of(pick, k) not in others
    assert sorted([index_of(pick, k), *others]) == sorted(
        [index_of(pick, first_k), *pick.others(first_k)]
    )


@given(name=BOUND, size=SIZES.filter(lambda size: size > 1), users=USERS, k=st.integers(0, 10**9))
def test_a_bound_conversation_has_a_stand_in(name: str, size: int, users: int, k: int) -> None:
    assert list(pick_of(name, size, users=users).others(k))


@given(name=BOUND, size=SIZES, users=USERS)
def test_every_conversation_can_be_reached_from_exactly_one_group(
    name: str, size: int, users: int
) -> None:
    pick = pick_of(name, size, users=users)

    reached = [index for k in range(pick.groups) for index in (index_of(pick, k), *pick.others(k))]

    assert sorted(reached) == list(range(size))


@pytest.mark.parametrize("name", DRAWN)
def test_any_other_conversation_may_stand_in_for_a_drawn_one(name: str) -> None:
    pick = pick_of(name, size=10)

    for k in range(30):
        assert sorted([index_of(pick, k), *pick.others(k)]) == list(range(10))


@given(size=SIZES, users=USERS, turns=TURNS)
def test_a_sticky_author_keeps_its_one_conversation(size: int, users: int, turns: int) -> None:
    pick = pick_of("sticky", size, users=users)
    kept: defaultdict[int, set[int]] = defaultdict(set)

    for k in range(turns * LANES):
        kept[pick.author(k)].add(index_of(pick, k))

    assert all(len(indexes) == 1 for indexes in kept.values())
    assert len({min(indexes) for indexes in kept.values()}) == len(kept)
    assert kept.keys() <= set(range(min(size, users)))


@pytest.mark.parametrize(("size", "users"), [(100, 20), (2_600, 600)], ids=["few", "many"])
def test_conversations_that_no_author_keeps_stand_in_first(size: int, users: int) -> None:
    pick = pick_of("sticky", size=size, users=users)
    kept = {index_of(pick, k) for k in range(10 * LANES)}

    for k in range(2 * LANES):
        are_kept = [index in kept for index in pick.others(k)]

        assert are_kept == sorted(are_kept)
        assert not are_kept[0]
    assert len(kept) == users


@pytest.mark.parametrize("name", ["round_robin", "exclusive"])
@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 300, 511, 512, 1000])
def test_the_whole_pool_is_used_before_anything_is_used_again(name: str, size: int) -> None:
    pick = pick_of(name, size)

    assert sorted(index_of(pick, k) for k in range(size)) == list(range(size))


def test_an_unknown_pick_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        pick_of("first")


@pytest.mark.parametrize(
    ("name", "is_exclusive", "binds_users"),
    [
        ("random", False, False),
        ("round_robin", False, False),
        ("zipf", False, False),
        ("exclusive", True, False),
        ("sticky", False, True),
    ],
)
def test_a_rule_says_what_its_pick_means_for_conversations_and_users(
    name: str, is_exclusive: bool, binds_users: bool
) -> None:
    rule = PickRule(name)

    assert (rule.is_exclusive, rule.binds_users) == (is_exclusive, binds_users)
