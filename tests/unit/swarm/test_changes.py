"""What of a run that is going on can be changed, and what a refused change leaves as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convoy.errors import RefusedError
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioInputs, ScenarioPlan
from convoy.remote.approved_total import TotalBook
from convoy.results.result import Change
from convoy.settings.model import Approval
from convoy.swarm.changes import Changes
from tests.unit.settings.configuration import settings_of

NAME = "conversation_messages"
POOL = ConversationPool.of([Conversation("a")])
INPUTS = ScenarioInputs(NAME, 1, RateCurve([Stage(20, 20, 10)]), POOL, {}, {"text": 1.0})
PLAN = ScenarioPlan(INPUTS)


def changes_of(
    *sets: str,
    highest_rate: float | None = None,
    highest_total: int | None = None,
    given: int = 0,
    plan: ScenarioPlan = PLAN,
    total: TotalBook | None = None,
) -> Changes:
    """Changes of a run of ten seconds with 20 messages per second, and three beside them.

    Its workers were given so many beyond that.
    """
    settings = settings_of("rate=20", "run_time_s=10", *sets)
    if highest_rate is not None:
        approval = Approval(
            ticket="T-1",
            organisation_id="o",
            highest_rate=highest_rate,
            highest_total=highest_total,
        )
        target = settings.target.model_copy(update={"approval": approval})
        settings = settings.model_copy(update={"target": target})
    total = total or TotalBook(highest_total)
    total.given = given
    return Changes(settings, {NAME: plan}, total, beside=3)


def stages_of(changes: Changes) -> dict[str, tuple[Stage, ...]]:
    return {name: curve.stages for name, curve in changes.curves.items()}


def test_a_rate_within_the_approval_holds_from_its_moment_on() -> None:
    changes = changes_of(highest_rate=50)

    changes.set_rate(4.0, 50)

    curve = changes.curves[NAME]
    assert (curve.rate_at(3.9), curve.rate_at(4.1)) == (20, 50)
    assert changes.made == [Change(4.0, "rate", 50)]


def test_what_the_limits_hold_back_of_another_rate_is_known_at_once() -> None:
    changes = changes_of("limits=[{scope: token, count: 30, per_s: 60}]", "users=10")
    before = changes.held_back(10)

    changes.set_rate(4.0, 50)

    assert before == ""
    assert "50 requests/s need 100 tokens, you have 10" in changes.held_back(10)
    assert changes.held_back(100) == ""


@pytest.mark.parametrize("sets", [[], ["rate=max"]], ids=["scheduled", "flat out"])
def test_another_number_of_users_is_recorded_once_for_each_change(sets: list[str]) -> None:
    changes = changes_of("users=10", *sets)

    for at_s, users in ((-2.0, 10), (-1.0, 15), (3.0, 15), (4.0, 20), (10.0, 30)):
        changes.note_users(at_s, users)

    assert changes.made == [Change(0.0, "users", users=15), Change(4.0, "users", users=20)]
    assert [str(each) for each in changes.made][1] == "users to 20 from 4.0 s on"


@pytest.mark.parametrize(
    ("at_s", "rate", "said"),
    [
        pytest.param(
            4.0, 50.5, "approval T-1 of target simulator allows 50 .* write 50", id="rate"
        ),
        pytest.param(4.0, 0.0, "should be above 0", id="no rate"),
        pytest.param(4.0, 1e9, "at most 100,000", id="beyond all"),
        pytest.param(-1.0, 30, "has not begun yet", id="too early"),
        pytest.param(0.0, 30, "has not begun yet", id="as it begins"),
        pytest.param(10.0, 30, "is over", id="too late"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(at_s: float, rate: float, said: str) -> None:
    changes = changes_of(highest_rate=50)
    before = stages_of(changes)

    with pytest.raises(RefusedError, match=said):
        changes.set_rate(at_s, rate)

    assert (stages_of(changes), changes.made, changes.rate) == (before, [], 20)


@pytest.mark.parametrize(
    ("is_paused", "given", "is_allowed"),
    [
        pytest.param(False, 7, True, id="as many as are allowed"),
        pytest.param(False, 8, False, id="one more was given to workers"),
        pytest.param(True, 7, True, id="in a pause, as many as may follow"),
        pytest.param(True, 8, False, id="in a pause, one more"),
    ],
)
def test_another_rate_keeps_to_the_total(is_paused: bool, given: int, is_allowed: bool) -> None:
    changes = changes_of(highest_rate=50, highest_total=80 + 180 + 10, given=given)
    if is_paused:
        changes.pause(4.0)

    if is_allowed:
        changes.set_rate(4.0, 30)
    else:
        with pytest.raises(RefusedError, match="271 messages, .* allows 270 messages at most"):
            changes.set_rate(4.0, 30)

    assert changes.rate == (30 if is_allowed else 20)


def test_a_poisson_plan_counts_as_what_it_has_and_not_as_its_mean() -> None:
    inputs = replace(INPUTS, arrivals=ArrivalRule("poisson", None, 0.0), seed=1073)
    plan = ScenarioPlan(inputs)
    count = plan.with_curve(RateCurve([Stage(20, 20, 4), Stage(30, 30, 6)])).count
    assert count is not None and count != 80 + 180

    for allowed in (count + 3, count + 2):
        changes = changes_of("arrivals=poisson", highest_rate=100, highest_total=allowed, plan=plan)
        if allowed == count + 3:
            changes.set_rate(4.0, 30)
        else:
            with pytest.raises(RefusedError, match=f"{count + 3} messages"):
                changes.set_rate(4.0, 30)


def test_of_a_raised_rate_the_rest_of_the_total_is_free_for_others() -> None:
    total = TotalBook(300)
    changes = changes_of(highest_rate=50, highest_total=300, total=total)

    changes.set_rate(0.5, 30)

    assert total.planned == 10 + 285 + 3


def test_of_a_lowered_rate_nothing_is_free_for_others() -> None:
    """A worker may go on by the plan before, until it hears of the change."""
    total = TotalBook(270)
    changes = changes_of(highest_rate=50, highest_total=270, total=total)
    before = total.planned

    changes.set_rate(4.0, 1)

    assert total.planned == before == 203


def test_a_rate_that_the_scenarios_cannot_share_changes_nothing() -> None:
    changes = changes_of(f"scenario.{NAME}.rate=20")

    with pytest.raises(RefusedError, match="rate is 10, but "):
        changes.set_rate(4.0, 10)

    assert (changes.made, changes.rate) == ([], 20)


def test_a_pause_puts_the_rest_of_the_plan_off_until_the_run_is_resumed() -> None:
    inputs = replace(INPUTS, curve=RateCurve([Stage(20, 20, 5), Stage(40, 40, 5)]))
    changes = changes_of(plan=ScenarioPlan(inputs))

    changes.pause(4.0)
    paused = changes.curves[NAME]
    changes.resume(7.0)
    resumed = changes.curves[NAME]

    assert [paused.rate_at(at_s) for at_s in (3.9, 4.1, 9.9)] == [20, 0, 0]
    assert [resumed.rate_at(at_s) for at_s in (3.9, 6.9, 7.9, 8.1, 9.9)] == [20, 0, 20, 40, 40]
    assert resumed.duration_s == 10
    assert changes.made == [Change(4.0, "pause"), Change(7.0, "resume")]


def test_a_pause_begins_and_ends_once() -> None:
    changes = changes_of()

    with pytest.raises(RefusedError, match="the run is not paused"):
        changes.resume(3.0)
    changes.pause(4.0)
    with pytest.raises(RefusedError, match="the run is paused already"):
        changes.pause(5.0)
    changes.resume(6.0)
    changes.pause(7.0)

    assert [each.at_s for each in changes.made] == [4.0, 6.0, 7.0]


def test_a_pause_that_lasts_to_the_end_of_the_run_is_not_resumed() -> None:
    changes = changes_of()
    changes.pause(4.0)

    with pytest.raises(RefusedError, match="is over"):
        changes.resume(1000.0)


def test_where_nothing_is_scheduled_there_is_no_rate_to_change() -> None:
    changes = changes_of("arrivals=closed")

    with pytest.raises(RefusedError, match="nothing is scheduled"):
        changes.pause(4.0)
