"""Rates over time, and the due time of every message as the inverse of their sum."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convoy.plan.rate_curve import RateCurve, Stage

A_MOMENT_S = 1e-5
RATES = st.integers(1, 100)
LENGTHS_S = st.integers(1, 40).map(lambda eighths: eighths / 8)
ANY_RATES = st.integers(0, 100)
CURVES = st.lists(st.builds(Stage, ANY_RATES, ANY_RATES, LENGTHS_S), min_size=1, max_size=5).map(
    RateCurve
)
"""Constant rates, ramps from and to nothing, and pauses, one after the other."""


@pytest.mark.parametrize("rate", [0.5, 1, 3, 20, 500, 1234.5])
def test_a_constant_rate_has_message_k_due_at_k_and_a_half_over_the_rate(rate: float) -> None:
    curve = RateCurve([Stage(rate, rate, 60)])

    assert curve.count == rate * 60
    for k in (0, 1, 2, curve.count // 2, curve.count - 1):
        assert curve.due_s(k) == pytest.approx((k + 0.5) / rate, rel=1e-12)


@given(curve=CURVES)
def test_due_times_are_ordered_and_inside_the_duration(curve: RateCurve) -> None:
    due_s = [curve.due_s(k) for k in range(curve.count)]

    assert all(earlier < later for earlier, later in zip(due_s, due_s[1:], strict=False))
    assert all(0 < each <= curve.duration_s + A_MOMENT_S for each in due_s)


@given(curve=CURVES, data=st.data())
def test_the_due_time_is_the_inverse_of_the_summed_rate(
    curve: RateCurve, data: st.DataObject
) -> None:
    assume(curve.count)
    k = data.draw(st.integers(0, curve.count - 1))

    due_s = curve.due_s(k)

    assert curve.count_until(due_s - A_MOMENT_S) == k
    assert curve.count_until(due_s + A_MOMENT_S) == k + 1


@given(curve=CURVES)
def test_the_count_is_the_summed_rate_to_the_nearest_message(curve: RateCurve) -> None:
    whole = sum(stage.messages for stage in curve.stages)

    assert abs(curve.count - whole) <= 0.5 + 1e-9
    assert curve.count_until(curve.duration_s) == curve.count
    assert curve.count_until(curve.duration_s + 1000) == curve.count


@pytest.mark.parametrize(
    ("stages", "due_s"),
    [
        pytest.param([(2, 2, 2)], [0.25, 0.75, 1.25, 1.75], id="constant"),
        pytest.param([(0, 4, 2)], [0.5**0.5, 1.5**0.5, 2.5**0.5, 3.5**0.5], id="ramp up"),
        pytest.param(
            [(4, 0, 2)],
            [2 - 3.5**0.5, 2 - 2.5**0.5, 2 - 1.5**0.5, 2 - 0.5**0.5],
            id="ramp down to nothing",
        ),
        pytest.param([(1, 1, 2), (4, 4, 1)], [0.5, 1.5, 2.125, 2.375, 2.625, 2.875], id="jump up"),
        pytest.param([(4, 4, 1), (1, 1, 2)], [0.125, 0.375, 0.625, 0.875, 1.5, 2.5], id="down"),
        pytest.param([(2, 2, 1), (0, 0, 3), (2, 2, 1)], [0.25, 0.75, 4.25, 4.75], id="pause"),
        pytest.param([(2, 2, 0.75), (0, 0, 3), (2, 2, 0.75)], [0.25, 3.75, 4.25], id="half each"),
        pytest.param(
            [(2, 2, 0.75), (0, 4, 1)], [0.25, 0.75, 0.75 + 0.5**0.5], id="ramp after half"
        ),
        pytest.param(
            [(3, 0, 1), (0, 3, 1)], [1 - (2 / 3) ** 0.5, 1, 1 + (2 / 3) ** 0.5], id="down and up"
        ),
        pytest.param([(2, 2, 1), (0, 0, 9)], [0.25, 0.75], id="silent end"),
        pytest.param([(0, 0, 9), (2, 2, 1)], [9.25, 9.75], id="silent start"),
        pytest.param([(0.1, 0.1, 4)], [], id="less than half a message"),
        pytest.param([], [], id="no stage"),
    ],
)
def test_due_times_of_stages(stages: list[tuple[float, float, float]], due_s: list[float]) -> None:
    curve = RateCurve([Stage(*stage) for stage in stages])

    assert [curve.due_s(k) for k in range(curve.count)] == pytest.approx(due_s, rel=1e-9)


@given(rate=RATES, cuts=st.lists(st.integers(1, 79), unique=True, max_size=4))
def test_a_stage_boundary_moves_no_message(rate: int, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), 80]
    whole = RateCurve([Stage(rate, rate, 10)])

    parts = RateCurve(
        [
            Stage(rate, rate, (end - begin) / 8)
            for begin, end in zip(bounds, bounds[1:], strict=False)
        ]
    )

    assert parts.count == whole.count
    for k in range(whole.count):
        assert parts.due_s(k) == pytest.approx(whole.due_s(k), rel=1e-9)


@pytest.mark.parametrize(
    ("at_s", "rate"),
    [
        pytest.param(-0.1, 0, id="before the start"),
        pytest.param(0, 0, id="the start of the ramp"),
        pytest.param(5, 10, id="in the ramp"),
        pytest.param(10, 40, id="the jump belongs to what follows"),
        pytest.param(14.9, 40, id="in the constant part"),
        pytest.param(15, 0, id="the end"),
    ],
)
def test_the_rate_at_a_moment(at_s: float, rate: float) -> None:
    curve = RateCurve([Stage(0, 20, 10), Stage(40, 40, 5)])

    assert curve.rate_at(at_s) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("from_s", "to_s", "of_stages"),
    [
        pytest.param(0.0, 4.0, slice(0, 2), id="all"),
        pytest.param(0.0, 1.7, slice(0, 1), id="up to a boundary"),
        pytest.param(1.7, 4.0, slice(1, 2), id="from a boundary on"),
        pytest.param(4.0, 9.0, slice(0, 0), id="after the end"),
    ],
)
def test_stages_that_are_not_cut_stay_as_they_are(
    from_s: float, to_s: float, of_stages: slice
) -> None:
    stages = [Stage(0.3, 0.9, 1.7), Stage(7.0, 1.1, 2.3)]  # (0.9 - 0.3) / 1.7 * 1.7 is not 0.6

    assert RateCurve(stages).between(from_s, to_s) == stages[of_stages]


def test_nothing_is_due_before_the_start() -> None:
    curve = RateCurve([Stage(1000, 1000, 1)])

    assert curve.count_until(-1) == 0
    assert curve.count_until(0) == 0


def test_due_times_go_on_in_order_beyond_the_last_message() -> None:
    curve = RateCurve([Stage(10, 20, 2)])

    beyond = [curve.due_s(k) for k in range(curve.count - 1, curve.count + 20)]

    assert beyond == sorted(set(beyond))


@pytest.mark.parametrize(
    ("stages", "window_s", "most"),
    [
        pytest.param([(10, 10, 60)], 5, 50, id="a constant rate"),
        pytest.param([(10, 10, 3)], 5, 30, id="a window longer than all"),
        pytest.param(
            [(0, 0, 9), (80, 80, 1), (0, 0, 9), (40, 40, 1)], 5, 80, id="the larger burst"
        ),
        pytest.param([(0, 0, 9), (80, 80, 1), (0, 0, 9), (40, 40, 1)], 11, 120, id="two bursts"),
        pytest.param([(0, 20, 10)], 4, 64, id="the end of a ramp"),
        pytest.param([(20, 0, 10)], 5, 75, id="the beginning of a ramp"),
        pytest.param([(20, 0, 10), (0, 20, 10)], 5, 75, id="not where stages meet"),
    ],
)
def test_the_fullest_window_is_found(
    stages: list[tuple[float, float, float]], window_s: float, most: int
) -> None:
    assert RateCurve([Stage(*each) for each in stages]).most_within(window_s) == most
