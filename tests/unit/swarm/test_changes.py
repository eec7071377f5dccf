"""What of a run that is going on can be changed, and what a refused change leaves as it was."""

from __future__ import annotations

import pytest

from convoy.errors import RefusedError
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.results.result import Change
from convoy.settings.model import Approval
from convoy.swarm.changes import Changes
from tests.unit.settings.configuration import settings_of

NAME = "conversation_messages"


def changes_of(*sets: str, highest_rate: float | None = None) -> Changes:
    """Changes of a run of ten seconds with 20 messages per second."""
    settings = settings_of("rate=20", "run_time_s=10", *sets)
    if highest_rate is not None:
        approval = Approval(ticket="T-1", organisation_id="o", highest_rate=highest_rate)
        target = settings.target.model_copy(update={"approval": approval})
        settings = settings.model_copy(update={"target": target})
    pool = ConversationPool.of([Conversation("a")])
    inputs = ScenarioInputs(NAME, 1, RateCurve([Stage(20, 20, 10)]), pool, {}, {"text": 1.0})
    return Changes(settings, {NAME: ScenarioPlan(inputs)})


def stages_of(changes: Changes) -> dict[str, tuple[Stage, ...]]:
    return {name: curve.stages for name, curve in changes.curves.items()}


def test_a_rate_within_the_approval_holds_from_its_moment_on() -> None:
    changes = changes_of(highest_rate=50)

    changes.set_rate(4.0, 50)

    curve = changes.curves[NAME]
    assert (curve.rate_at(3.9), curve.rate_at(4.1)) == (20, 50)
    assert changes.made == [Change(4.0, "rate", 50)]


@pytest.mark.parametrize(
    ("at_s", "rate", "said"),
    [
        pytest.param(
            4.0, 50.5, "approval T-1 of target simulator allows 50 .* write 50", id="rate"
        ),
        pytest.param(4.0, 0.0, "should be above 0", id="no rate"),
        pytest.param(4.0, 1e9, "at most 100,000", id="beyond all"),
        pytest.param(-1.0, 30, "has not begun yet", id="too early"),
        pytest.param(10.0, 30, "is over", id="too late"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(at_s: float, rate: float, said: str) -> None:
    changes = changes_of(highest_rate=50)
    before = stages_of(changes)

    with pytest.raises(RefusedError, match=said):
        changes.set_rate(at_s, rate)

    assert (stages_of(changes), changes.made, changes.rate) == (before, [], 20)


def test_where_nothing_is_scheduled_there_is_no_rate_to_change() -> None:
    changes = changes_of("arrivals=closed")

    with pytest.raises(RefusedError, match="nothing is scheduled"):
        changes.pause(4.0)
