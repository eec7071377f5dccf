"""The plan: message k is decided by seed, scenario and k, and by nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from convoy.plan.payloads import PayloadError
from convoy.plan.plan import ScenarioInputs, ScenarioPlan, marker
from convoy.plan.rates import RateCurve, Stage

BODY = """{
  "to": {"id": {{ conversation_id | tojson }}},
  "from": {"name": {{ actor_name | tojson }}, "address": {{ actor_address | tojson }}},
  "text": {{ (marker ~ " " ~ text) | tojson }},
  "number": {{ k }}
}"""
INPUTS = ScenarioInputs(
    scenario="conversation_messages",
    seed=1,
    curve=RateCurve([Stage(20, 20, 30)]),
    conversation_ids=tuple(f"conversation-{number}" for number in range(50)),
    templates={"text": BODY, "other": '{"text": {{ marker | tojson }}}'},
    weights={"text": 3.0, "other": 1.0},
)


def test_a_message_does_not_depend_on_what_was_asked_before() -> None:
    forwards = ScenarioPlan(INPUTS)
    messages = [forwards.message(k) for k in range(600)]

    backwards = ScenarioPlan(INPUTS)
    again = [backwards.message(k) for k in reversed(range(600))]

    assert again[::-1] == messages
    assert [message.k for message in messages] == list(range(600))


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(replace(INPUTS, seed=2), id="seed"),
        pytest.param(replace(INPUTS, scenario="other_scenario"), id="scenario"),
    ],
)
def test_another_seed_or_scenario_sends_other_messages(inputs: ScenarioInputs) -> None:
    plan, other = ScenarioPlan(INPUTS), ScenarioPlan(inputs)

    alike = sum(plan.message(k) == other.message(k) for k in range(600))

    assert alike < 60


def test_the_rate_does_not_decide_where_a_message_goes() -> None:
    faster = ScenarioPlan(replace(INPUTS, curve=RateCurve([Stage(500, 500, 30)])))

    slower = ScenarioPlan(INPUTS)

    assert [faster.message(k) for k in range(600)] == [slower.message(k) for k in range(600)]


def test_templates_are_drawn_by_weight() -> None:
    plan = ScenarioPlan(INPUTS)

    names = [plan.message(k).template_name for k in range(10_000)]

    assert 7_200 <= names.count("text") <= 7_800
    assert names.count("text") + names.count("other") == 10_000


def test_a_template_of_weight_nothing_is_never_drawn() -> None:
    plan = ScenarioPlan(replace(INPUTS, weights={"text": 1.0, "other": 0.0}))

    assert {plan.message(k).template_name for k in range(1_000)} == {"text"}


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param(replace(INPUTS, scenario="other_scenario"), id="scenario"),
        pytest.param(replace(INPUTS, seed=2), id="seed"),
        pytest.param(replace(INPUTS, curve=RateCurve([Stage(20, 20, 31)])), id="length"),
        pytest.param(replace(INPUTS, curve=RateCurve([Stage(20, 21, 30)])), id="rate"),
        pytest.param(replace(INPUTS, curve=RateCurve([Stage(10, 30, 30)])), id="as many, ramped"),
        pytest.param(
            replace(INPUTS, conversation_ids=INPUTS.conversation_ids[::-1]), id="pool order"
        ),
        pytest.param(replace(INPUTS, conversation_ids=("conversation-0",)), id="pool"),
        pytest.param(
            replace(INPUTS, templates={**INPUTS.templates, "other": "{}"}), id="template text"
        ),
        pytest.param(replace(INPUTS, templates={"text": BODY}), id="templates"),
        pytest.param(replace(INPUTS, weights={"text": 3.0, "other": 2.0}), id="weights"),
    ],
)
def test_the_hash_changes_with_each_ingredient(inputs: ScenarioInputs) -> None:
    assert ScenarioPlan(inputs).hash != ScenarioPlan(INPUTS).hash


def test_the_hash_changes_with_nothing_else() -> None:
    equal = ScenarioInputs(
        scenario="conversation_messages",
        seed=1,
        curve=RateCurve([Stage(20, 20, 30)]),
        conversation_ids=tuple(f"conversation-{number}" for number in range(50)),
        templates=dict(reversed(list(INPUTS.templates.items()))),
        weights=dict(INPUTS.weights),
    )
    used = ScenarioPlan(equal)

    used.render(used.message(5), "run-1")

    assert used.hash == ScenarioPlan(INPUTS).hash


def test_a_body_is_json_that_carries_marker_conversation_and_text() -> None:
    plan = ScenarioPlan(replace(INPUTS, weights={"text": 1.0}))

    for k in (0, 1, 255, 256, 599):
        message = plan.message(k)
        body = json.loads(plan.render(message, "run-1"))

        assert body["to"] == {"id": message.conversation_id}
        assert body["text"] == f"[convoy:run-1:conversation_messages:{k}] {message.text}"
        assert body["number"] == k
        assert body["from"]["name"] and body["from"]["address"].endswith(".invalid")


def test_the_marker_names_run_scenario_and_number() -> None:
    assert marker("run-1", "conversation_messages", 17) == (
        "[convoy:run-1:conversation_messages:17]"
    )


def test_all_lanes_together_are_the_whole_plan() -> None:
    plan = ScenarioPlan(INPUTS)

    numbers = sorted(k for lane in plan.lanes() for _, k in plan.lane(lane))

    assert numbers == list(range(600))


def test_templates_that_are_drawn_seldom_are_checked_as_well() -> None:
    broken = {**INPUTS.templates, "seldom": '{"text": {{ marker }}}'}
    plan = ScenarioPlan(replace(INPUTS, templates=broken, weights={"text": 1e9, "seldom": 1e-9}))

    with pytest.raises(PayloadError, match="^seldom, line 1: .*tojson"):
        plan.check_templates()
