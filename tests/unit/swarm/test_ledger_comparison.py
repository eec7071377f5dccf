"""What a run is compared with at its end: the ledger, and the plan by conversation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from convoy.errors import RemoteError
from convoy.plan.lanes import first_number
from convoy.plan.scenario import ArrivalRule, ScenarioPlan
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.results.far_side import FarSide, Ledger
from convoy.settings.model import Approval, Target
from convoy.swarm import ledger_comparison
from convoy.swarm.ledger_comparison import compare
from convoy.swarm.run_lanes import RunLanes
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

URL = "http://127.0.0.1:9"
TARGET = settings_of().target.model_copy(update={"api_url": URL})
SINCE = "8b1f"
PLAN = ScenarioPlan(INPUTS)
BY_CONVERSATION = Counter(PLAN.message(k).conversation.id for k in range(600))
CLOSED = ScenarioPlan(replace(INPUTS, arrivals=ArrivalRule("closed")))


def lanes_of(**plans: ScenarioPlan) -> RunLanes:
    return RunLanes(plans, timeout_s=30)


def compared(lanes: RunLanes, since: str = SINCE, target: Target = TARGET) -> FarSide:
    return compare(target, RUN_ID, since, lanes, THIS_MACHINE, without_sesame)


def without_sesame(text: str) -> str:
    return text.replace("sesame", "***")


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What the simulator has of the run, by conversation; as the plan says unless changed."""
    by_conversation = BY_CONVERSATION.copy()

    def read(url: str, run_id: str, *, admission: Admission) -> Ledger:
        assert (url, run_id) == (URL, RUN_ID)
        return Ledger(by_conversation.total(), 0, dict(by_conversation), SINCE)

    monkeypatch.setattr(ledger_comparison, "read_ledger", read)
    return by_conversation


def test_each_conversation_is_compared_with_the_plan(has: Counter[str]) -> None:
    assert compared(lanes_of(one=PLAN)) == FarSide("", 600, 0, misdirected=0)

    has["conversation-of-nobody"] += 2

    assert compared(lanes_of(one=PLAN)).misdirected == 2


def test_scenarios_that_share_conversations_are_compared_together(has: Counter[str]) -> None:
    has.update(BY_CONVERSATION)

    assert compared(lanes_of(one=PLAN)).misdirected == 600
    assert compared(lanes_of(one=PLAN, other=PLAN)).misdirected == 0


def test_without_a_schedule_what_the_workers_took_is_the_plan(has: Counter[str]) -> None:
    lanes = lanes_of(one=CLOSED)
    weights = {"one": {"worker-1": 1.0}}
    _, grants = lanes.deal(weights, 0.0)
    taken = {lane: first_number(lane, 600) for lane in grants["worker-1"]["one"]}
    lanes.take_back("worker-1", {"one": taken}, {}, is_final=True)

    assert compared(lanes) == FarSide("", 600, 0, misdirected=0)

    has["conversation-of-nobody"] += 2

    assert compared(lanes).misdirected == 2


def test_without_a_schedule_lanes_that_no_worker_gave_back_are_not_compared(
    has: Counter[str],
) -> None:
    lanes = lanes_of(one=CLOSED)
    lanes.deal({"one": {"worker-1": 1.0}}, 0.0)

    assert compared(lanes) == FarSide("", 600, 0, misdirected=None)


def test_a_plan_of_very_many_messages_is_compared_by_its_total(
    has: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_comparison, "_MOST_BY_CONVERSATION", 599)

    assert compared(lanes_of(one=PLAN)) == FarSide("", 600, 0, misdirected=None)


def test_a_target_without_a_ledger_is_not_asked() -> None:
    assert compared(lanes_of(one=PLAN), since="") == FarSide("the target is no Convoy simulator")


def test_a_target_with_an_approval_is_not_called_something_else_than_a_simulator() -> None:
    approval = Approval(ticket="T-1", organisation_id="o", highest_rate=5)
    approved = TARGET.model_copy(update={"approval": approval})

    found = compared(lanes_of(one=PLAN), since="", target=approved)

    assert found == FarSide("a target with an approval is not asked for a simulator's ledger")


def test_why_a_ledger_cannot_be_read_is_said_without_secrets_and_on_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(url: str, run_id: str, *, admission: Admission) -> Ledger:
        raise RemoteError("no ledger: the target says\nopen sesame\x1b[2J")

    monkeypatch.setattr(ledger_comparison, "read_ledger", fail)

    found = compared(lanes_of(one=PLAN))

    assert found == FarSide("no ledger: the target says open ***?[2J")
