"""What the answers to canary messages say of a run, without the secrets that they repeat."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from convoy.plan.picks import PickRule
from convoy.plan.pool import NO_CONVERSATION
from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.canaries import MOST_CONVERSATIONS, Canaries
from convoy.prepare.checklist import Checklist
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.session import ApiSession
from convoy.results.outcome import Attempt, Fate
from convoy.routes.catalogue import ROUTES
from convoy.routes.codes import RETIRING_CODES, UNEXPECTED_ANSWER
from convoy.secrets import Redactor
from tests.unit.plan import pool_of, pool_with
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

TOKEN = "AAAAqqBBBB-qqCCCC:qqDDDD:qqEEEE-" + "Zq9" * 18
"""Of 86 characters, so that no line of a terminal holds it behind a few words."""
ROUTE = ROUTES["conversation"]
GONE = sorted(RETIRING_CODES)[0]


class Answering:
    """A session that ends its messages so, those after the last one as that."""

    def __init__(self, *attempts: Attempt) -> None:
        self._attempts = list(attempts)

    def post(self, *_: object) -> Attempt:
        return self._attempts.pop(0) if len(self._attempts) > 1 else self._attempts[0]


def attempt(code: str, status: int, fate: Fate = Fate.REJECTED, body: bytes = b"") -> Attempt:
    return Attempt(fate, code, 0.0, 0.1, status=status, body=body)


TAKEN = attempt("", 200, Fate.ACCEPTED, b'{"conversationId": "c-9"}')
RETIRED = attempt(GONE, 409)


def sent_to(
    session: Answering, inputs: ScenarioInputs = INPUTS, redact: Callable[[str], str] = str
) -> tuple[Checklist, list[str]]:
    """Send the canary messages; return what was found, and the conversations that were noted."""
    checklist, noted = Checklist(redact=redact), list[str]()
    run = PreparedRun(settings_of(), {}, (), None, checklist, "", RUN_ID)
    Canaries(run, inputs, ROUTE, cast(ApiSession, session), noted.append, redact).send()
    return checklist, noted


def told_of(status: int, answer: bytes) -> str:
    redactor = Redactor()
    redactor.register(TOKEN)
    session = Answering(attempt("400 x", status, body=answer))
    checklist, _ = sent_to(session, redact=redactor.redact)
    return f"{checklist.as_text()}\n{[str(each) for each in checklist.findings]}"


IN_TURN = replace(INPUTS, pick=PickRule("round_robin", on_exhausted="stop"))
ONE = replace(IN_TURN, weights={"text": 1.0})
REFUSED = replace(ONE, expected={"text": "400 x"})


@pytest.mark.parametrize(
    ("inputs", "attempts", "found"),
    [
        pytest.param(ONE, [TAKEN], ["ok: accepted (conversation conversation-0)"], id="accepted"),
        pytest.param(
            replace(ONE, pool=NO_CONVERSATION),
            [TAKEN],
            ["ok: accepted (conversation one of its own)"],
            id="accepted in a new one",
        ),
        pytest.param(ONE, [attempt("400 x", 400)], ["failure: "], id="refused"),
        pytest.param(ONE, [attempt("429 x", 429)], ["warning: 429 x. "], id="too many"),
        pytest.param(ONE, [attempt("408 x", 408)], ["warning: 408 x. "], id="too slow"),
        pytest.param(ONE, [attempt("500 x", 500)], ["warning: 500 x. "], id="out of order"),
        pytest.param(
            ONE, [attempt("connection reset", 0, Fate.UNKNOWN)], ["warning: connection"], id="lost"
        ),
        pytest.param(
            ONE,
            [attempt(UNEXPECTED_ANSWER, 200, Fate.UNKNOWN)],
            [f"failure: 200, {UNEXPECTED_ANSWER}: "],
            id="not the route's own",
        ),
        pytest.param(
            REFUSED,
            [attempt("400 x", 400)],
            ["ok: refused with 400 x, as it should be"],
            id="refused as expected",
        ),
        pytest.param(
            REFUSED,
            [TAKEN],
            ["warning: should be refused with 400 x, and was answered with 200"],
            id="accepted against expectation",
        ),
        pytest.param(
            replace(ONE, expected={"text": GONE}),
            [RETIRED],
            [f"ok: refused with {GONE}, as it should be"],
            id="an expected conversation that takes none",
        ),
        pytest.param(
            ONE,
            [RETIRED, RETIRED, TAKEN],
            ["warning: the pool holds conversations that take no message: ", "ok: accepted"],
            id="some conversations take none",
        ),
        pytest.param(
            ONE, [RETIRED], ["failure: none of 5 conversations takes a message: "], id="none takes"
        ),
        pytest.param(
            replace(ONE, pool=pool_of(2)),
            [RETIRED],
            ["failure: none of 2 conversations takes a message: "],
            id="none of a small pool",
        ),
        pytest.param(INPUTS, [TAKEN], ["ok: ", "ok: "], id="each template"),
        pytest.param(
            INPUTS, [attempt("timeout", 0, Fate.UNKNOWN)], ["warning: timeout"], id="no answer"
        ),
    ],
)
def test_what_is_answered_to_canary_messages_is_said(
    inputs: ScenarioInputs, attempts: list[Attempt], found: list[str]
) -> None:
    checklist, _ = sent_to(Answering(*attempts), inputs)

    told = [f"{each.status}: {each.told}" for each in checklist.findings]
    assert [each[: len(said)] for each, said in zip(told, found, strict=True)] == found


@pytest.mark.parametrize(
    ("status", "variables", "fix"),
    [
        pytest.param(
            404, {"a": "convoy", "b": "elsewhere"}, "see that a 'convoy' of scenario.", id="404"
        ),
        pytest.param(409, {"a": "convoy"}, "see that a 'convoy' of scenario.", id="409"),
        pytest.param(400, {"a": "convoy"}, "correct the template, ", id="another refusal"),
        pytest.param(
            404, {"a": "elsewhere", "b": ""}, "correct the template, ", id="no id of ours"
        ),
    ],
)
def test_where_an_id_is_of_nothing_the_variables_that_were_sent_are_named(
    status: int, variables: dict[str, str], fix: str
) -> None:
    inputs = replace(ONE, variables=variables)  # the marker of each message holds "convoy"

    checklist, _ = sent_to(Answering(attempt(f"{status} x", status)), inputs)

    assert [each.fix[: len(fix)] for each in checklist.findings] == [fix]


@pytest.mark.parametrize(
    ("field", "fix"),
    [("to/id", "correct 'convoy-0' in the pool"), ("to/type", "correct the template, ")],
    ids=["the id is the conversation's", "another field"],
)
def test_where_the_pool_holds_what_is_no_id_the_template_is_not_blamed(
    field: str, fix: str
) -> None:
    pool = pool_with("convoy-0")
    details = [{"errorCode": "invalid", "fieldName": field}]
    answer = json.dumps({"code": "bad.request", "status": 400, "details": details}).encode()

    checklist, _ = sent_to(Answering(attempt("x", 400, body=answer)), replace(ONE, pool=pool))

    assert [each.fix[: len(fix)] for each in checklist.findings] == [fix]


def test_templates_are_tried_in_conversations_of_their_own() -> None:
    checklist, _ = sent_to(Answering(RETIRED), IN_TURN)

    tried = [name for each in checklist.findings for name in re.findall(r"[\w-]+ \(", each.told)]
    assert len(tried) == len(set(tried)) == 2 * MOST_CONVERSATIONS


@pytest.mark.parametrize(
    ("inputs", "noted"),
    [
        pytest.param(ONE, [], id="the message named one"),
        pytest.param(replace(ONE, pool=NO_CONVERSATION), ["c-9"], id="it named none"),
        pytest.param(
            replace(ONE, pool=NO_CONVERSATION, variables={"customers": "those of last week"}),
            [],
            id="of customers who are kept",
        ),
    ],
)
def test_a_conversation_that_a_canary_message_has_opened_is_noted(
    inputs: ScenarioInputs, noted: list[str]
) -> None:
    assert sent_to(Answering(TAKEN), inputs)[1] == noted


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
