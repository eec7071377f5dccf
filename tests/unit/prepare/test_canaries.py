"""A refused canary message is explained without the secrets that its answer repeats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convoy.prepare.canaries import Canaries
from convoy.prepare.checklist import Checklist
from convoy.results.outcome import Attempt, Fate
from convoy.routes.catalogue import ROUTES
from convoy.secrets import Redactor
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.swarm import RUN_ID

TOKEN = "AAAAqqBBBB-qqCCCC:qqDDDD:qqEEEE-" + "Zq9" * 18
"""Of 86 characters, so that no line of a terminal holds it behind a few words."""
ROUTE = ROUTES["conversation"]


class Refusing:
    """A session whose far side refuses every message with this answer."""

    def __init__(self, status: int, answer: bytes) -> None:
        self._attempt = Attempt(Fate.REJECTED, "400 x", 0.0, 0.1, status=status, body=answer)

    def post(self, *_: object) -> Attempt:
        return self._attempt


def told_of(status: int, answer: bytes) -> str:
    redactor = Redactor()
    redactor.register(TOKEN)
    checklist = Checklist(redact=redactor.redact)
    session: Any = Refusing(status, answer)
    Canaries(
        INPUTS,
        ROUTE,
        ROUTE.answers({}),
        session,
        RUN_ID,
        timeout_s=1.0,
        checklist=checklist,
        note_opened=lambda _: None,
        redact=redactor.redact,
    ).send()
    return f"{checklist.as_text()}\n{[str(each) for each in checklist.findings]}"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(400, {"message": f"The token {TOKEN} may not"}, id="wrapped"),
        pytest.param(400, {"message": f"Authorization: Bearer {TOKEN}"}, id="behind its scheme"),
        pytest.param(400, {"message": "word " * 75 + TOKEN}, id="cut in the message"),
        pytest.param(400, {"message": "no", "contextId": "c" * 380 + TOKEN}, id="cut in an id"),
        pytest.param(400, {"details": [{"fieldName": f"headers/{TOKEN}"}]}, id="cut in a field"),
        pytest.param(
            403,
            {"code": "missing.any.permissions", "message": f"a:{TOKEN}:b", "messageParams": {}},
            id="as a permission",
        ),
    ],
)
def test_a_refused_canary_is_explained_without_the_token(
    status: int, answer: dict[str, object]
) -> None:
    said = told_of(status, json.dumps({"code": "bad.request", **answer}).encode())

    assert "failure" in said
    assert "qq" not in said and "Zq9" not in said
