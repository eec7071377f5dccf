"""Changes of a rate in mid-run, as arithmetic on curves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.arrivals import EvenArrivals, PoissonArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import LiveCurve, RateCurve, Stage
from convoy.plan.scenario import ScenarioPlan
from tests.unit.plan.test_scenario import INPUTS

LENGTH_S = 10.0
MOMENTS_S = st.floats(0.1, LENGTH_S - 0.1)
CURVE = RateCurve([Stage(0, 40, 4.0), Stage(40, 40, 2.0), Stage(10, 30, 4.0)])
LIVE = LiveCurve(CURVE)


def due_times_s(curve: RateCurve) -> list[float]:
    return [curve.due_s(k) for k in range(curve.count)]


@given(at_s=MOMENTS_S, rate=st.floats(0.5, 500))
def test_what_is_due_before_a_change_stays_and_the_new_rate_holds_to_the_same_end(
    at_s: float, rate: float
) -> None:
    changed = LIVE.with_rate(at_s, rate).curve

    before = [due_s for due_s in due_times_s(CURVE) if due_s < at_s - 1e-6]
    assert due_times_s(changed)[: len(before)] == pytest.approx(before)
    assert changed.duration_s == pytest.approx(LENGTH_S)
    assert changed.messages == pytest.approx(
        RateCurve(CURVE.between(0, at_s)).messages + rate * (LENGTH_S - at_s)
    )


@given(moments_s=st.tuples(MOMENTS_S, MOMENTS_S).map(sorted))
def test_a_pause_moves_what_was_to_come_by_its_length(moments_s: list[float]) -> None:
    from_s, to_s = moments_s

    changed = LIVE.paused(from_s).resumed(to_s).curve

    before, after = due_times_s(CURVE), due_times_s(changed)
    expected = [due_s if due_s < from_s else due_s + to_s - from_s for due_s in before]
    assert after == pytest.approx(expected[: len(after)], abs=1e-6)
    assert abs(len(after) - sum(due_s < LENGTH_S for due_s in expected)) <= 1


@given(at_s=MOMENTS_S)
def test_a_pause_without_an_end_leaves_only_what_was_due_before(at_s: float) -> None:
    paused = LIVE.paused(at_s).curve

    assert paused.messages == pytest.approx(RateCurve(CURVE.between(0, at_s)).messages)
    assert paused.duration_s == pytest.approx(LENGTH_S)
    assert paused.rate_at(LENGTH_S - 0.01) == 0


def test_a_rate_given_in_a_pause_holds_when_it_ends() -> None:
    changed = LIVE.paused(2.0).with_rate(3.0, 50.0).resumed(5.0).curve

    assert [changed.rate_at(at_s) for at_s in (1.0, 2.5, 4.9, 5.1, 9.9)] == [10, 0, 0, 50, 50]


def test_resuming_what_is_not_paused_changes_nothing() -> None:
    assert LIVE.resumed(3.0) == LIVE


@given(
    cut=st.tuples(st.floats(0, LENGTH_S), st.floats(0, LENGTH_S)).map(sorted),
)
def test_a_part_of_a_curve_has_its_rates(cut: list[float]) -> None:
    from_s, to_s = cut

    part = RateCurve(CURVE.between(from_s, to_s))

    assert part.duration_s == pytest.approx(to_s - from_s)
    middle_s = (to_s - from_s) / 2
    if middle_s > 1e-6:
        assert part.rate_at(middle_s) == pytest.approx(CURVE.rate_at(from_s + middle_s), rel=1e-6)


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
def test_a_changed_plan_sends_the_same_messages_and_keeps_those_due_before(arrivals: str) -> None:
    rule = replace(INPUTS.arrivals, name=arrivals)
    plan = ScenarioPlan(replace(INPUTS, curve=CURVE, arrivals=rule))
    assert plan.count is not None

    changed = plan.with_curve(LIVE.with_rate(5.0, 400.0).curve)

    assert isinstance(changed.arrivals, (EvenArrivals, PoissonArrivals))
    assert changed.count is not None and changed.count > plan.count
    assert changed.message(3) == plan.message(3)
    for lane in range(LANES):
        before = [entry for entry in plan.arrivals.lane(lane) if entry[0] < 5.0]
        assert list(changed.arrivals.lane(lane))[: len(before)] == [
            (pytest.approx(due_s), k) for due_s, k in before
        ]
