"""Lanes: the fixed split of a plan that workers share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.lanes import LANES, first_number, numbers_between

LANE_NUMBERS = st.integers(0, LANES - 1)
MESSAGE_NUMBERS = st.integers(0, 10_000)


@given(lane=LANE_NUMBERS, from_k=MESSAGE_NUMBERS)
def test_the_first_number_is_the_lowest_of_the_lane_that_is_not_below(
    lane: int, from_k: int
) -> None:
    first = first_number(lane, from_k)

    assert first % LANES == lane
    assert from_k <= first < from_k + LANES


@given(lane=LANE_NUMBERS, from_k=MESSAGE_NUMBERS, to_k=MESSAGE_NUMBERS)
def test_numbers_between_counts_those_of_the_lane_only(lane: int, from_k: int, to_k: int) -> None:
    counted = numbers_between(lane, from_k, to_k)

    assert counted == sum(k % LANES == lane for k in range(from_k, to_k))


@given(from_k=MESSAGE_NUMBERS, more=MESSAGE_NUMBERS)
def test_all_lanes_together_hold_every_number_once(from_k: int, more: int) -> None:
    by_lane = [numbers_between(lane, from_k, from_k + more) for lane in range(LANES)]

    assert sum(by_lane) == more
    assert max(by_lane) - min(by_lane) <= 1
