"""The plan: message k is decided by seed, scenario and k, and by nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from convoy.plan.lanes import LANES
from convoy.plan.picks import PickRule
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import (
    ArrivalRule,
    PoolExhausted,
    ScenarioInputs,
    ScenarioPlan,
)
from tests.unit.plan import pool_of, pool_with

BODY = """{
  "to": {"id": {{ conversation_id | tojson }}, "by": {{ [customer_id, agent_id] | tojson }}},
  "from": {"name": {{ author_name | tojson }}, "address": {{ author_address | tojson }}},
  "text": {{ (marker ~ " " ~ text) | tojson }},
  "number": {{ k }}
}"""
INPUTS = ScenarioInputs(
    scenario="conversation_messages",
    seed=1,
    curve=RateCurve([Stage(20, 20, 30)]),
    pool=pool_of(50),
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
        pytest.param(replace(INPUTS, pool=pool_with(*INPUTS.pool.ids[::-1])), id="pool order"),
        pytest.param(replace(INPUTS, pool=pool_of(49)), id="pool"),
        pytest.param(replace(INPUTS, pool=pool_with(*INPUTS.pool.ids)), id="participants"),
        pytest.param(replace(INPUTS, pick=PickRule("round_robin")), id="pick"),
        pytest.param(replace(INPUTS, pick=PickRule(exponent=2)), id="exponent"),
        pytest.param(replace(INPUTS, pick=PickRule(on_exhausted="stop")), id="end of the pool"),
        pytest.param(replace(INPUTS, arrivals=ArrivalRule("poisson")), id="arrivals"),
        pytest.param(replace(INPUTS, arrivals=ArrivalRule(most=5)), id="how many"),
        pytest.param(replace(INPUTS, arrivals=ArrivalRule(think_time_s=1)), id="think time"),
        pytest.param(
            replace(INPUTS, templates={**INPUTS.templates, "other": "{}"}), id="template text"
        ),
        pytest.param(replace(INPUTS, templates={"text": BODY}), id="templates"),
        pytest.param(replace(INPUTS, weights={"text": 3.0, "other": 2.0}), id="weights"),
    ],
)
def test_the_hash_changes_with_each_ingredient(inputs: ScenarioInputs) -> None:
    assert ScenarioPlan(inputs).hash != ScenarioPlan(INPUTS).hash


def test_the_number_of_users_is_an_ingredient_of_sticky_picks_only() -> None:
    def hash_of(pick: str, users: int) -> str:
        return ScenarioPlan(replace(INPUTS, pick=PickRule(pick), users=users)).hash

    assert hash_of("sticky", 5) != hash_of("sticky", 6)
    assert hash_of("exclusive", 5) == hash_of("exclusive", 6)


def test_the_hash_changes_with_nothing_else() -> None:
    equal = ScenarioInputs(
        scenario="conversation_messages",
        seed=1,
        curve=RateCurve([Stage(20, 20, 30)]),
        pool=pool_of(50),
        templates=dict(reversed(list(INPUTS.templates.items()))),
        weights=dict(INPUTS.weights),
    )
    used = ScenarioPlan(equal)

    used.bodies("run-1").render(used.message(5))

    assert used.hash == ScenarioPlan(INPUTS).hash


def test_a_body_is_json_that_carries_marker_conversation_and_text() -> None:
    plan = ScenarioPlan(replace(INPUTS, weights={"text": 1.0}))
    bodies = plan.bodies("run-1")

    for k in (0, 1, 255, 256, 599):
        message = plan.message(k)
        body = json.loads(bodies.render(message))

        customer, agent = message.conversation.customer_id, message.conversation.agent_id
        assert body["to"] == {"id": message.conversation.id, "by": [customer, agent]}
        assert body["text"] == f"[convoy:run-1:conversation_messages:{k}] {message.text}"
        assert body["number"] == k
        assert body["from"]["name"] and body["from"]["address"].endswith(".invalid")


def test_the_marker_names_run_scenario_and_number() -> None:
    plan = ScenarioPlan(INPUTS)

    variables = plan.bodies("run-1").variables(plan.message(17))

    assert variables["marker"] == "[convoy:run-1:conversation_messages:17]"


def test_all_lanes_together_are_the_whole_plan() -> None:
    plan = ScenarioPlan(INPUTS)

    numbers = sorted(k for lane in range(LANES) for _, k in plan.arrivals.lane(lane))

    assert numbers == list(range(600))


def test_a_message_knows_its_author_and_its_place_in_the_pool() -> None:
    plan = ScenarioPlan(replace(INPUTS, pick=PickRule("sticky"), users=10))

    messages = [plan.message(k) for k in range(600)]

    assert {message.author for message in messages} == set(range(10))
    assert all(plan.pool[each.conversation_index] == each.conversation for each in messages)
    assert not any(message.is_redirected for message in messages)


@pytest.mark.parametrize("pick", ["random", "round_robin", "zipf", "exclusive", "sticky"])
def test_a_message_goes_around_what_is_to_be_avoided_and_changes_in_nothing_else(
    pick: str,
) -> None:
    plan = ScenarioPlan(replace(INPUTS, pool=pool_of(2_600), pick=PickRule(pick), users=10))
    retired = set(range(0, 2_600, 7))

    for k in range(600):
        planned, sent = plan.message(k), plan.message(k, retired)

        assert sent.conversation_index not in retired
        assert sent.is_redirected is (planned.conversation_index in retired)
        assert sent.conversation == plan.pool[sent.conversation_index]
        assert (sent.k, sent.author) == (planned.k, planned.author)
        assert (sent.template_name, sent.text) == (planned.template_name, planned.text)
        assert sent.is_redirected or sent == planned


@pytest.mark.parametrize("pick", ["random", "round_robin", "zipf", "exclusive", "sticky"])
def test_when_all_is_to_be_avoided_the_pool_is_exhausted(pick: str) -> None:
    plan = ScenarioPlan(replace(INPUTS, pick=PickRule(pick), users=10))

    with pytest.raises(PoolExhausted, match="retired"):
        plan.message(3, set(range(50)))


@pytest.mark.parametrize("pick", ["exclusive", "sticky"])
def test_when_its_group_is_to_be_avoided_a_message_does_not_go_to_another_group(pick: str) -> None:
    plan = ScenarioPlan(replace(INPUTS, pick=PickRule(pick), users=10))
    of_others = {plan.message(k).conversation_index for k in range(plan.groups) if k != 3}
    of_the_group: set[int] = set()

    while len(of_the_group) < 50 // plan.groups:
        of_the_group.add(plan.message(3, of_the_group).conversation_index)

    assert not of_the_group & of_others
    with pytest.raises(PoolExhausted):
        plan.message(3, of_the_group)


def test_a_pool_to_be_used_once_is_exhausted_after_its_last_conversation() -> None:
    pick = PickRule("round_robin", on_exhausted="fail")

    plan = ScenarioPlan(replace(INPUTS, pick=pick))

    assert [plan.message(k).conversation_index for k in range(50)] == list(range(50))
    assert plan.count == 600
    with pytest.raises(PoolExhausted, match="once"):
        plan.message(50)


@pytest.mark.parametrize("arrivals", ["even", "closed"])
def test_a_plan_that_stops_with_its_pool_holds_as_many_messages(arrivals: str) -> None:
    pick = PickRule("round_robin", on_exhausted="stop")

    plan = ScenarioPlan(replace(INPUTS, pick=pick, arrivals=ArrivalRule(arrivals, most=200)))

    assert plan.count == 50
    assert sorted(k for lane in range(LANES) for _, k in plan.arrivals.lane(lane)) == list(
        range(50)
    )


@pytest.mark.parametrize(
    ("rule", "count", "is_scheduled"),
    [
        pytest.param(ArrivalRule(), 600, True, id="even"),
        pytest.param(ArrivalRule(most=7), 7, True, id="so many"),
        pytest.param(ArrivalRule("poisson", most=7), 7, True, id="so many of poisson"),
        pytest.param(ArrivalRule("closed"), None, False, id="closed"),
        pytest.param(ArrivalRule("closed", most=7), 7, False, id="closed, so many"),
    ],
)
def test_a_plan_knows_how_many_messages_it_holds(
    rule: ArrivalRule, count: int | None, is_scheduled: bool
) -> None:
    plan = ScenarioPlan(replace(INPUTS, arrivals=rule))

    assert plan.count == count
    assert plan.is_scheduled is is_scheduled


def test_how_messages_arrive_does_not_decide_where_they_go() -> None:
    others = [
        ScenarioPlan(replace(INPUTS, arrivals=ArrivalRule(name, most=300)))
        for name in ("poisson", "closed")
    ]

    plan = ScenarioPlan(INPUTS)

    for other in others:
        assert [other.message(k) for k in range(300)] == [plan.message(k) for k in range(300)]


def test_pauses_are_the_mean_give_or_take_half_and_the_same_every_time() -> None:
    inputs = replace(INPUTS, arrivals=ArrivalRule("closed", think_time_s=2))
    plan, again = ScenarioPlan(inputs), ScenarioPlan(inputs)

    pauses_s = [plan.think_time_s(k) for k in range(2_000)]

    assert all(1 <= pause_s <= 3 for pause_s in pauses_s)
    assert sum(pauses_s) / len(pauses_s) == pytest.approx(2, rel=0.03)
    assert [again.think_time_s(k) for k in range(2_000)] == pauses_s


@pytest.mark.parametrize("pick", ["random", "round_robin", "zipf", "exclusive", "sticky"])
def test_only_an_exclusive_conversation_takes_one_message_at_a_time(pick: str) -> None:
    plan = ScenarioPlan(replace(INPUTS, pick=PickRule(pick)))

    assert plan.is_exclusive is (pick == "exclusive")
