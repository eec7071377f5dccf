"""What a run sends beside its plan, and what the preflight does: counted for limits and totals."""

from __future__ import annotations

import pytest

from convoy.errors import SettingsError
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.message_counts import (
    check_due,
    messages_beside,
    messages_of_run,
    planned_messages,
    requests_before,
)
from convoy.settings import Settings
from tests.unit.plan import pool_of
from tests.unit.settings.configuration import settings_of

CHAT, GUESTS = "conversation_messages", "guest_messages"
POOL = f"scenario.{CHAT}.conversations"
OPENED = f"{POOL}={{source: opened, count: 5}}"
NOTHING_BESIDE = ("run_time_s=10", "warm_up_s=0", "canary=false", f"{POOL}={{source: api}}")
BOTH = (f"scenarios=[{CHAT}, {GUESTS}]", f"scenario.{GUESTS}.steps=[typing]")


def inputs_of(settings: Settings, *, conversations: int = 10) -> dict[str, ScenarioInputs]:
    """Two templates and a pool of so many conversations for each scenario."""
    two = dict.fromkeys(("a", "b"), 1.0)
    return {
        name: ScenarioInputs(name, 1, curve, pool_of(conversations), {}, two)
        for name, curve in settings.curves().items()
    }


@pytest.mark.parametrize(
    ("settings", "beside", "of_run"),
    [
        pytest.param(("rate=10",), 0, 100, id="nothing"),
        pytest.param(("rate=10", "canary=true"), 2, 100, id="canary messages"),
        pytest.param(("rate=10", OPENED), 5, 100, id="opened conversations"),
        pytest.param(("rate=10", "warm_up_s=2.05"), 21, 121, id="warm-up"),
        pytest.param(("rate=10", "warm_up_s=2", *BOTH), 10 + 20, 30 + 150, id="steps"),
        pytest.param(("arrivals=closed", "warm_up_s=2"), 0, 0, id="without an end"),
        pytest.param(("arrivals=closed", "messages=70", *BOTH), 0, 70 + 140, id="so many"),
        pytest.param(
            ("scenarios=[reconnect_storm]", "users=7", "rate=1"), 7, 7 + 20, id="guests who drop"
        ),
        pytest.param(
            ("scenarios=[guest_chat]", "users=7", "rate=1", "scenario.guest_chat.steps=[join]"),
            7,
            7 + 20,
            id="guests who join",
        ),
    ],
)
def test_all_that_leaves_counts_in_the_total(
    settings: tuple[str, ...], beside: int, of_run: int
) -> None:
    asked = settings_of(*NOTHING_BESIDE, *settings)
    inputs = inputs_of(asked)

    assert messages_beside(asked, inputs) == beside
    assert messages_of_run(asked, inputs) == of_run


@pytest.mark.parametrize(
    ("settings", "planned"),
    [
        pytest.param(("rate=10", *BOTH), {CHAT: 50, GUESTS: 50}, id="by the rate"),
        pytest.param(
            ("arrivals=closed", "messages=7", *BOTH), {CHAT: 7, GUESTS: 7}, id="so many of each"
        ),
        pytest.param(("arrivals=closed",), None, id="nobody knows"),
    ],
)
def test_the_plan_has_so_many_messages(
    settings: tuple[str, ...], planned: dict[str, int] | None
) -> None:
    asked = settings_of(*NOTHING_BESIDE, *settings)

    assert planned_messages(asked, inputs_of(asked)) == planned


@pytest.mark.parametrize(
    ("settings", "conversations", "requests"),
    [
        pytest.param((), 100, 1, id="one page"),
        pytest.param((), 101, 2, id="a page more"),
        pytest.param((OPENED,), 101, 0, id="not listed"),
        pytest.param(("canary=true",), 100, 3, id="canary messages"),
    ],
)
def test_the_preflights_own_requests_count_for_its_token(
    settings: tuple[str, ...], conversations: int, requests: int
) -> None:
    asked = settings_of(*NOTHING_BESIDE, "rate=10", *settings)

    assert requests_before(asked, inputs_of(asked, conversations=conversations)) == requests


def test_a_scenario_of_which_nothing_is_due_is_refused() -> None:
    inputs = inputs_of(settings_of(*NOTHING_BESIDE, "rate=0.1"))
    check_due(inputs)

    inputs[CHAT] = ScenarioInputs(CHAT, 1, RateCurve([Stage(0.1, 0.1, 4)]), pool_of(1), {}, {})
    with pytest.raises(SettingsError, match=f"no message of {CHAT} is due"):
        check_due(inputs)
