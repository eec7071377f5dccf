"""What is told of a run's phase: since when it lasts, and until when."""

from __future__ import annotations

import pytest

from convoy.remote.pace import SECOND_S, SPARE_S
from convoy.settings.model import Approval
from convoy.swarm.phases import LEAD_S, Phases, latest_end_s
from tests.unit.settings.configuration import settings_of


def test_a_run_is_overdue_by_its_latest_end_also_where_it_is_stopped_in_the_last_moment() -> None:
    settings = settings_of("warm_up_s=2", "request_timeout_s=10", "stop_timeout_s=7")
    phases = Phases(settings, now_s=100.0, timeout_s=60.0)
    phases.begin(102.0)
    assert phases.t0_s is not None
    last_s = 30.0 + settings.max_lateness_s + settings.request_timeout_s + 9.9

    phases.advance(phases.t0_s + 1, 30.0)
    assert not phases.is_overdue(phases.t0_s + last_s)
    phases.stop(phases.t0_s + last_s)

    latest_s = latest_end_s(settings, 30.0)
    assert not phases.is_overdue(phases.t0_s + latest_s - 0.2)
    assert phases.is_overdue(phases.t0_s + latest_s)


def test_by_an_approval_no_part_of_the_rate_moves_before_all_have_heard_of_the_load() -> None:
    settings = settings_of("warm_up_s=2")
    approval = Approval(ticket="1", organisation_id="o", highest_rate=50)
    target = settings.target.model_copy(update={"approval": approval})
    approved = settings.model_copy(update={"target": target})
    phases = [Phases(each, 100.0, 60.0, 2.5) for each in (settings, approved)]

    for each in phases:
        each.begin(102.0)

    by_none, by_approval = phases
    assert (by_none.is_early(102.0), by_none.t0_s) == (False, pytest.approx(104.0 + LEAD_S))
    assert (by_approval.is_early(104.4), by_approval.is_early(104.5)) == (True, False)
    assert by_approval.t0_s == pytest.approx(106.5 + LEAD_S + SECOND_S + SPARE_S)


@pytest.mark.parametrize(
    ("sets", "began_s", "stopped_s", "measured_s"),
    [
        pytest.param([], None, 101.0, 0.0, id="stopped before T0 was known"),
        pytest.param([], 102.0, 103.0, 0.0, id="stopped in its warm-up"),
        pytest.param([], 102.0, 102.0 + LEAD_S + 2 + 7, 7.0, id="stopped in its midst"),
        pytest.param([], 102.0, None, 30.0, id="whole"),
        pytest.param(["rate=max"], 102.0, None, 40.0 - LEAD_S, id="without a schedule"),
    ],
)
def test_a_run_was_measured_from_t0_until_it_was_stopped_or_its_plan_was_over(
    sets: list[str], began_s: float | None, stopped_s: float | None, measured_s: float
) -> None:
    settings = settings_of("warm_up_s=2", *sets)
    phases = Phases(settings, now_s=100.0, timeout_s=60.0)
    if began_s is not None:
        phases.begin(began_s)
    if stopped_s is not None:
        phases.stop(stopped_s)
    phases.end(142.0)

    planned_s = 30.0 if settings.is_scheduled else 60.0
    assert phases.measured_s(planned_s) == pytest.approx(measured_s)


def test_each_phase_says_how_long_it_lasts_and_how_much_is_left() -> None:
    settings = settings_of("warm_up_s=2", "request_timeout_s=10", "max_lateness_s=5")
    phases = Phases(settings, now_s=100.0, timeout_s=60.0)

    told = [phases.told(112.0, 30.0)]
    phases.begin(112.7)
    told.append(phases.told(113.0, 30.0))
    for now_s in (120.0, 146.0):
        phases.advance(now_s, 30.0)
        told.append(phases.told(now_s, 30.0))

    assert told == [
        "preparing for 12 s, at most 48 s more",
        "warming up, 2.0 s left",
        "measuring, 5 of 30 s, 25 s left",
        "draining, what is in flight may take 24 s more",
    ]
