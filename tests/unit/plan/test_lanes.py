"""Lanes: the fixed split of a plan that workers share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.lanes import LANES, even_arrivals, first_number
from convoy.plan.rates import RateCurve, Stage

CURVES = st.builds(
    lambda rate_from, rate_to, for_s: RateCurve([Stage(rate_from, rate_to, for_s)]),
    st.integers(0, 300),
    st.integers(1, 300),
    st.integers(1, 10),
)
LANE_NUMBERS = st.integers(0, LANES - 1)
MESSAGE_NUMBERS = st.integers(0, 10_000)


@given(curve=CURVES)
def test_the_lanes_hold_every_message_of_the_plan_exactly_once(curve: RateCurve) -> None:
    lanes = [list(even_arrivals(curve, lane)) for lane in range(LANES)]

    together = sorted((message for lane in lanes for message in lane), key=lambda each: each[1])
    assert together == [(curve.due_s(k), k) for k in range(curve.count)]


@given(curve=CURVES, lane=LANE_NUMBERS)
def test_a_lane_is_in_order_and_holds_its_own_numbers_only(curve: RateCurve, lane: int) -> None:
    messages = list(even_arrivals(curve, lane))

    assert messages == sorted(messages)
    assert {k % LANES for _, k in messages} <= {lane}


@given(curve=CURVES, lane=LANE_NUMBERS, from_k=MESSAGE_NUMBERS)
def test_a_lane_taken_on_later_begins_at_its_first_number_from_there(
    curve: RateCurve, lane: int, from_k: int
) -> None:
    whole = list(even_arrivals(curve, lane))

    rest = list(even_arrivals(curve, lane, from_k))

    assert rest == [(due_s, k) for due_s, k in whole if k >= from_k]


@given(lane=LANE_NUMBERS, from_k=MESSAGE_NUMBERS)
def test_the_first_number_is_the_lowest_of_the_lane_that_is_not_below(
    lane: int, from_k: int
) -> None:
    first = first_number(lane, from_k)

    assert first % LANES == lane
    assert from_k <= first < from_k + LANES
