"""The client sends what the contract says and understands every literal answer of it."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from convoy.clock import clock_s
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.remote.limits import Budget, Limit
from convoy.remote.oauth import OAuthSession, Token
from convoy.remote.session import ApiSession
from convoy.remote.transport import Transport
from convoy.routes.catalogue import ROUTES, Route
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin
from tests.simulator.in_process import QUEUE
from tests.unit.plan import pool_with
from tests.unit.remote.misbehaving_server import Visitor, answer, serving

HERE = Path(__file__).parent
MESSAGES = [
    example
    for name in ("bodies.json", "failures.json")
    for example in json.loads((HERE / name).read_text("utf-8"))
    if "status" in example["answer"]
]
LITERALS = [
    example
    for path in sorted(HERE.glob("*.json"))
    if path.name != "guest-frames.json"
    for example in json.loads(path.read_text("utf-8"))
]
PLACEHOLDERS = {
    "{customer_id}": "<customer>",
    "{integration_id}": "<integration>",
    "{conversation_id}": "<open conversation>",
    "{communication_id}": "<communication>",
    "{message_id}": "<agent message>",
    "{namespace}": "platform.api",
    "{queue_id}": QUEUE,
    "{deployment_id}": "5c0d0000-0000-4000-8000-0000000000e4",
}
CONVERSATION = "00000000-0000-4000-8000-000000000000"
LONG_S = 60.0


@pytest.mark.parametrize("example", MESSAGES, ids=lambda example: example["name"])
def test_every_answer_has_its_fate_and_code(example: dict[str, Any]) -> None:
    literal = example["answer"]

    with serving(always(literal)) as server:
        attempt = post(server.port, literal["body"].get("conversationId", CONVERSATION))

    status = literal["status"]
    accepted = status == HTTPStatus.OK
    silent = status in (408, 502, 504)
    assert attempt.fate == ("accepted" if accepted else "unknown" if silent else "rejected")
    assert attempt.code == ("" if accepted else f"{status} {literal['code']}")
    assert attempt.correlation_id == literal["headers"].get("inin-correlation-id", "")


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda route: route.name)
def test_every_accepted_answer_holds_what_the_catalogue_says(route: Route) -> None:
    path = route.path.partition("?")[0]
    for name, placeholder in PLACEHOLDERS.items():
        path = path.replace(name, placeholder)
    answers = [
        each["answer"]
        for each in LITERALS
        if each["request"].get("method") == route.method
        and each["request"].get("path", "").partition("?")[0] == path
        and each["answer"].get("status") in route.accepts
    ]

    assert answers
    for literal in answers:
        fields = set(route.accepts[literal["status"]])
        assert fields <= (literal["body"].keys() if literal["body"] else set())


def test_budget_follows_the_literal_429() -> None:
    [literal] = [each["answer"] for each in MESSAGES if each["answer"]["status"] == 429]

    with serving(always(literal)) as server:
        session = session_to(server.port)
        attempt = session.post(
            "/api/v2/conversations/messages",
            b"{}",
            LONG_S,
            ROUTES["conversation"].answers({}),
            CONVERSATION,
        )
        session.close()

    assert session.ready_at(attempt.done_s) == pytest.approx(attempt.done_s + 42, abs=1)


def test_template_renders_the_canonical_body(repository: Path) -> None:
    [canonical] = [each for each in MESSAGES if "canonical" in each["name"]]
    template = (repository / "payloads" / "conversation" / "text.json").read_text("utf-8")
    inputs = ScenarioInputs(
        scenario="conversation_messages",
        seed=1,
        curve=RateCurve([Stage(1, 1, 1)]),
        pool=pool_with(CONVERSATION),
        templates={"text": template},
        weights={"text": 1},
    )
    plan = ScenarioPlan(inputs)

    body = json.loads(plan.bodies("a-run").render(plan.message(0)))

    expected = canonical["request"]["body"]
    assert shape_of(body) == shape_of(expected)
    assert body["to"] == {"id": CONVERSATION, "type": expected["to"]["type"]}
    assert body["from"]["type"] == expected["from"]["type"]
    assert "[convoy:a-run:conversation_messages:0]" in body["text"]


def shape_of(body: Any) -> Any:
    """Names and types of a JSON value, without the values."""
    if isinstance(body, dict):
        return {name: shape_of(value) for name, value in body.items()}
    return type(body)


def always(literal: dict[str, Any]) -> Any:
    """Behaviour: give this literal answer to every request."""
    headers = [f"{name}: {value}" for name, value in literal["headers"].items()]
    body = json.dumps(literal["body"]).encode()
    sent = answer(f"{literal['status']} X", body, *headers)

    def behave(visitor: Visitor) -> None:
        while visitor.read_request():
            visitor.send(sent)

    return behave


def post(port: int, conversation_id: str) -> Any:
    session = session_to(port)
    try:
        return session.post(
            "/api/v2/conversations/messages",
            b"{}",
            LONG_S,
            ROUTES["conversation"].answers({}),
            conversation_id,
        )
    finally:
        session.close()


def session_to(port: int) -> ApiSession:
    clock = staticmethod(clock_s)
    return ApiSession(
        Transport(Origin("http", "127.0.0.1", port)),
        OAuthSession(
            lambda: Token(Secret("a-token"), clock() + 3600), refresh_before_s=60, clock=clock
        ),
        Budget([Limit("token", 300, 60.0)]),
        code_book=CodeBook(),
        clock=clock,
    )
