"""Six plans and their first messages; `python -m tests.golden` writes their golden files.

A change of these files is a change of what an equal seed sends, and has to be meant.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

from convoy.plan.lanes import LANES
from convoy.plan.picks import PickRule
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioInputs, ScenarioPlan
from convoy.plan.texts import TextRule

FOLDER = Path(__file__).parent
MESSAGES = 1_000
RUN_ID = "20261122-193343-67bda5"
TEXTS = ("Hello", 'say "no" <b>&', "ünï 😀", "back\\slash\ttab")
TEMPLATES = {
    "plain": '{"to": {"id": {{ conversation_id | tojson }}, "type": "conversation"}, '
    '"from": {"name": {{ author_name | tojson }}, "address": {{ author_address | tojson }}}, '
    '"text": {{ (marker ~ " " ~ text) | tojson }}, "k": {{ k }}, "who": {{ author }}}',
    "participants": '{"to": [{{ customer_id | tojson }}, {{ agent_id | tojson }}], '
    '"text": "{{ marker }}", "n": {{ sequence | tojson }}}',
    "drawn": '{% set mood = choice("🙂", "👩🏽‍💻 at work", "\'quoted\' <tag>") %}'
    '{"text": {{ (marker ~ mood ~ text) | tojson }}, "n": {{ number(1, 1000000) }}, '
    '"list": [{% for i in range(3) %}{{ i * k }}{% if not loop.last %},{% endif %}{% endfor %}]}',
    "filled": '{"text": {{ (marker ~ " ") | filled(300, text ~ " ") | tojson }}, '
    '"up": {{ text | upper | tojson }}, "even": {{ (k is even) | tojson }}, '
    '"half": {{ (k / 2) | round(1) }}, "power": {{ 2 ** (k % 8) }}}',
}
WEIGHTS = {"plain": 4.0, "participants": 1.0, "drawn": 2.0, "filled": 1.5}


def _inputs(
    seed: int,
    stages: list[Stage],
    pick: PickRule,
    arrivals: ArrivalRule,
    *,
    conversations: int = 400,
    users: int = 30,
    choice: str = "random",
    weights: Mapping[str, float] = WEIGHTS,
) -> ScenarioInputs:
    pool = (Conversation(f"c-{n}", f"customer-{n}", f"agent-{n}") for n in range(conversations))
    return ScenarioInputs(
        scenario="conversation_messages",
        seed=seed,
        curve=RateCurve(stages),
        pool=ConversationPool.of(pool),
        templates=TEMPLATES,
        weights=weights,
        users=users,
        pick=pick,
        arrivals=arrivals,
        texts=TextRule(TEXTS, choice),
        expected={"filled": "400 invalid_payload"},
    )


CONSTANT = [Stage(50, 50, 30)]
RAMPS = [Stage(0, 80, 10), Stage(80, 80, 5), Stage(80, 3, 20), Stage(30, 30, 3)]
PLANS = {
    "random-even": _inputs(20261122, CONSTANT, PickRule("random"), ArrivalRule("even")),
    "round-robin-ramps": _inputs(
        1, RAMPS, PickRule("round_robin"), ArrivalRule("even"), choice="sequence"
    ),
    "zipf-poisson": _inputs(7, RAMPS, PickRule("zipf", 1.2), ArrivalRule("poisson")),
    "exclusive-even": _inputs(2**40, CONSTANT, PickRule("exclusive"), ArrivalRule("even", 1_200)),
    "sticky-poisson": _inputs(3, CONSTANT, PickRule("sticky"), ArrivalRule("poisson"), users=77),
    "random-closed": _inputs(
        5,
        CONSTANT,
        PickRule("random"),
        ArrivalRule("closed", think_time_s=1.5),
        conversations=3,
        weights={"plain": 1.0},
    ),
}


def lines(inputs: ScenarioInputs) -> Iterator[str]:
    """Yield the first messages by due time: due, k, conversation, template, body."""
    plan = ScenarioPlan(inputs)
    bodies = plan.bodies(RUN_ID)
    first = (islice(plan.arrivals.lane(lane), MESSAGES) for lane in range(LANES))
    for due_s, k in sorted(chain.from_iterable(first))[:MESSAGES]:
        message = plan.message(k)
        body = bodies.render(message).decode()
        told = [repr(due_s), k, message.conversation.id, message.template_name, body]
        yield json.dumps(told, ensure_ascii=False)


def path_of(name: str) -> Path:
    return FOLDER / "plans" / f"{name}.jsonl.gz"


def write() -> None:
    """Write the golden file of every plan."""
    for name, inputs in PLANS.items():
        content = "".join(f"{line}\n" for line in lines(inputs)).encode()
        path_of(name).parent.mkdir(exist_ok=True)
        path_of(name).write_bytes(gzip.compress(content, mtime=0))
