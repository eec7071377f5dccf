"""Which 2xx answers are a route's own."""

from __future__ import annotations

import json

import pytest

from convoy.routes.answers import AnswerRule
from convoy.routes.catalogue import ROUTES

C = "00000000-0000-4000-8000-000000000001"
OWN = {"id": "m-1", "conversationId": C, "status": "sent"}


@pytest.mark.parametrize(
    ("status", "body", "holds"),
    [
        pytest.param(200, OWN, True, id="its own"),
        pytest.param(201, OWN, False, id="another status"),
        pytest.param(200, OWN | {"conversationId": "another"}, False, id="another conversation"),
        pytest.param(200, OWN | {"id": ""}, False, id="an empty id"),
        pytest.param(200, OWN | {"id": None}, False, id="no id but null"),
        pytest.param(200, OWN | {"id": 7}, False, id="an id that is no text"),
        pytest.param(200, {"id": "m-1"}, False, id="no conversation"),
        pytest.param(200, {"conversationId": C}, False, id="no id"),
        pytest.param(200, {"code": "invalid_payload", "status": 400}, False, id="an error"),
        pytest.param(200, [OWN], False, id="a list"),
        pytest.param(200, "<html></html>", False, id="a page"),
        pytest.param(200, "", False, id="nothing"),
        pytest.param(200, "[" * 100_000, False, id="nested without end"),
        pytest.param(204, "", False, id="no content"),
        pytest.param(207, OWN, False, id="many answers"),
    ],
)
def test_an_answer_of_the_message_route(status: int, body: object, holds: bool) -> None:
    sent = (body if isinstance(body, str) else json.dumps(body)).encode()

    assert ROUTES["conversation"].answers({}).holds(status, sent, C) is holds


def test_every_answer_has_an_id_of_its_own() -> None:
    rule = AnswerRule({200: ("id",)})
    answers = [b'{"id": "%d"}' % number for number in range(10_000)]

    assert all(rule.holds(200, body, C) for body in answers)
    assert not any(rule.holds(200, body, C) for body in answers[-4_096:])


def test_expected_fields_replace_those_of_the_catalogue() -> None:
    rule = ROUTES["conversation"].answers({202: (), 200: ("messageId",)})

    assert rule.holds(202, b"", C)
    assert rule.holds(202, b"{}", C)
    assert not rule.holds(202, b"queued", C)
    assert rule.holds(200, b'{"messageId": null}', C)
    assert not rule.holds(200, json.dumps(OWN).encode(), C)


def test_bytes_that_are_no_text_are_no_answer() -> None:
    assert not AnswerRule({200: ("id",)}).holds(200, b'{"id": "\xff"}', C)
