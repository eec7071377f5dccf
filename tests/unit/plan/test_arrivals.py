"""Arrivals: due times lane by lane, of which all lanes together make the plan."""

from __future__ import annotations

from itertools import islice, pairwise
from math import exp, inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.arrivals import Arrivals, ClosedArrivals, EvenArrivals, PoissonArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve, Stage
from tests.unit.plan import CURVES

A_MOMENT_S = 1e-6
FLAT = RateCurve([Stage(100, 100, 100)])
SEEDS = [1, 2, 3, 20261122]
LANE_NUMBERS = st.integers(0, LANES - 1)
MESSAGE_NUMBERS = st.integers(0, 10_000)
MOST = st.none() | st.integers(1, 4000)
SCHEDULED = st.one_of(
    st.builds(EvenArrivals, CURVES, MOST),
    st.builds(PoissonArrivals, CURVES, st.integers(0, 2**63 - 1), st.just("messages"), MOST),
)
ANY_ARRIVALS = SCHEDULED | st.builds(ClosedArrivals, st.integers(1, 10), st.integers(1, 4000))


def everything(arrivals: Arrivals) -> list[tuple[float, int]]:
    """Return the messages of all lanes by due time."""
    return sorted(message for lane in range(LANES) for message in arrivals.lane(lane))


@given(arrivals=ANY_ARRIVALS)
def test_each_lane_is_in_order_and_holds_its_numbers_without_a_gap(arrivals: Arrivals) -> None:
    for lane in range(LANES):
        messages = list(arrivals.lane(lane))

        assert messages == sorted(messages)
        assert [k for _, k in messages] == list(range(lane, arrivals.lane_end(lane), LANES))


@given(arrivals=ANY_ARRIVALS, lane=LANE_NUMBERS, from_k=MESSAGE_NUMBERS)
def test_a_lane_taken_on_later_goes_on_exactly_where_it_was_left(
    arrivals: Arrivals, lane: int, from_k: int
) -> None:
    whole = list(arrivals.lane(lane))

    rest = list(arrivals.lane(lane, from_k))

    assert rest == [(due_s, k) for due_s, k in whole if k >= from_k]


@given(arrivals=SCHEDULED, lane=LANE_NUMBERS, sevenths=st.integers(-7, 100))
def test_a_lane_can_be_cut_between_what_is_due_and_what_is_not(
    arrivals: Arrivals, lane: int, sevenths: int
) -> None:
    at_s = sevenths / 7

    cut = arrivals.first_due_after(lane, at_s)

    assert cut % LANES == lane
    for due_s, k in arrivals.lane(lane):
        assert k < cut or due_s > at_s - A_MOMENT_S
        assert k >= cut or due_s < at_s + A_MOMENT_S


@given(arrivals=SCHEDULED, moments=st.lists(st.integers(0, 200), max_size=8))
def test_messages_due_before_moments_are_those_of_all_lanes(
    arrivals: Arrivals, moments: list[int]
) -> None:
    # Between the moments, because due times are true to a microsecond only.
    moments_s = [each / 7 + 0.001 for each in sorted(moments)]
    messages = everything(arrivals)

    for at_s, found in zip(moments_s, arrivals.due_before(moments_s), strict=True):
        earliest = sum(due_s < at_s - A_MOMENT_S for due_s, _ in messages)
        latest = sum(due_s < at_s + A_MOMENT_S for due_s, _ in messages)
        assert earliest <= found <= latest


def test_without_a_schedule_nothing_is_due_before_any_moment() -> None:
    assert ClosedArrivals(10).due_before([1.0, 2.0]) == []


@given(arrivals=SCHEDULED)
def test_every_message_is_due_inside_the_duration(arrivals: Arrivals) -> None:
    assert all(0 < due_s <= arrivals.duration_s + A_MOMENT_S for due_s, _ in everything(arrivals))


@given(curve=CURVES)
def test_even_arrivals_are_due_where_the_summed_rate_is_k_and_a_half(curve: RateCurve) -> None:
    arrivals = EvenArrivals(curve)

    messages = everything(arrivals)

    assert messages == [(curve.due_s(k), k) for k in range(curve.count)]
    assert arrivals.duration_s == curve.duration_s


@pytest.mark.parametrize(
    ("most", "count", "duration_s"),
    [
        pytest.param(None, 10_000, 100, id="no limit"),
        pytest.param(1, 1, 0.01, id="one"),
        pytest.param(2_000, 2_000, 20, id="fewer than the rate brings"),
        pytest.param(10_000, 10_000, 100, id="as many"),
        pytest.param(20_000, 10_000, 100, id="more than the rate brings"),
    ],
)
def test_so_many_even_arrivals_end_when_the_last_is_out(
    most: int | None, count: int, duration_s: float
) -> None:
    arrivals = EvenArrivals(FLAT, most)

    assert everything(arrivals) == [(FLAT.due_s(k), k) for k in range(count)]
    assert arrivals.duration_s == pytest.approx(duration_s)


def test_poisson_arrivals_are_the_same_every_time() -> None:
    first, again = (PoissonArrivals(FLAT, 1, "messages") for _ in range(2))

    backwards = [list(again.lane(lane)) for lane in reversed(range(LANES))]

    assert [list(first.lane(lane)) for lane in range(LANES)] == backwards[::-1]


@pytest.mark.parametrize(
    "other",
    [PoissonArrivals(FLAT, 2, "messages"), PoissonArrivals(FLAT, 1, "guests")],
    ids=["seed", "scenario"],
)
def test_another_seed_or_scenario_has_other_poisson_arrivals(other: PoissonArrivals) -> None:
    due_s = {due_s for due_s, _ in everything(PoissonArrivals(FLAT, 1, "messages"))}

    assert not due_s & {due_s for due_s, _ in everything(other)}


def test_the_lanes_of_poisson_arrivals_are_independent() -> None:
    arrivals = PoissonArrivals(FLAT, 1, "messages")

    lanes = [tuple(due_s for due_s, _ in arrivals.lane(lane)) for lane in range(LANES)]

    assert len(set(lanes)) == LANES
    assert len({len(lane) for lane in lanes}) > 10


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([Stage(100, 100, 100)], id="constant"),
        pytest.param([Stage(0, 200, 100)], id="ramp"),
        pytest.param([Stage(300, 300, 20), Stage(0, 0, 60), Stage(200, 0, 20)], id="stages"),
    ],
)
def test_poisson_arrivals_are_as_many_as_the_summed_rate_in_any_stretch(
    seed: int, stages: list[Stage]
) -> None:
    curve = RateCurve(stages)
    due_s = [due_s for due_s, _ in everything(PoissonArrivals(curve, seed, "messages"))]

    for begin_s, end_s in [(0, 100), (0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]:
        expected = curve.count_until(end_s) - curve.count_until(begin_s)
        came = sum(begin_s <= each < end_s for each in due_s)
        assert abs(came - expected) <= 5 * sqrt(expected) + 1 * (expected > 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gaps_between_poisson_arrivals_are_exponential(seed: int) -> None:
    due_s = [due_s for due_s, _ in everything(PoissonArrivals(FLAT, seed, "messages"))]

    gaps_s = [later - earlier for earlier, later in pairwise(due_s)]

    for gap_s in (0.001, 0.01, 0.03):
        longer = sum(each > gap_s for each in gaps_s) / len(gaps_s)
        assert longer == pytest.approx(exp(-100 * gap_s), abs=0.02)


@pytest.mark.parametrize("most", [1, 7, 256, 1_000])
def test_so_many_poisson_arrivals_are_the_first_of_all_at_their_own_times(most: int) -> None:
    whole = everything(PoissonArrivals(FLAT, 1, "messages"))

    some = PoissonArrivals(FLAT, 1, "messages", most)

    assert everything(some) == whole[:most]
    assert some.duration_s == whole[most][0]


def test_more_poisson_arrivals_than_the_rate_brings_change_nothing() -> None:
    whole, limited = (PoissonArrivals(FLAT, 1, "messages", most) for most in (None, 20_000))

    assert everything(limited) == everything(whole)
    assert limited.duration_s == FLAT.duration_s


def test_closed_arrivals_are_due_at_once_and_go_on_for_ever() -> None:
    arrivals = ClosedArrivals(30)

    messages = list(islice(arrivals.lane(5, 1000), 3))

    assert messages == [(-inf, 1029), (-inf, 1285), (-inf, 1541)]
    assert arrivals.duration_s == 30


@pytest.mark.parametrize("most", [1, 255, 256, 257, 10_000])
def test_so_many_closed_arrivals_are_the_first_numbers(most: int) -> None:
    arrivals = ClosedArrivals(30, most)

    assert sorted(k for _, k in everything(arrivals)) == list(range(most))


def test_closed_arrivals_are_not_taken_before_the_start() -> None:
    assert ClosedArrivals(30, 1000).first_due_after(7, 0.0) == 7
