"""The communications of a pool: read with a user's token, until an agent is connected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import pytest

from convoy.errors import RefusedError
from convoy.plan.pool import Conversation, ConversationPool
from convoy.prepare.communications import find_whole_pool, with_communications
from convoy.remote.connections import Connections
from convoy.remote.oauth import Token
from convoy.routes.catalogue import USER
from convoy.secrets import Secret
from tests.unit.remote.clients import client_at
from tests.unit.remote.misbehaving_server import Visitor, answer, serving
from tests.unit.settings.configuration import settings_of

CUSTOMER = {"id": "customer", "purpose": "customer", "state": "connected", "peer": "leg"}
AGENT = {"id": "agent", "purpose": "agent", "state": "connected"}


def shown(*participants: Mapping[str, Any]) -> bytes:
    content = json.dumps({"id": "c", "participants": participants})
    return answer("200 OK", content.encode())


ANSWERED = shown(CUSTOMER, AGENT)
BY_A_USER = shown(CUSTOMER, {**AGENT, "purpose": "user"})
ALERTING = shown(CUSTOMER, {**AGENT, "state": "alerting"})
IN_A_FLOW = shown(CUSTOMER, {"id": "flow", "purpose": "ivr", "state": "connected"})
NO_PEER = shown({**CUSTOMER, "peer": None}, AGENT)
GONE = answer("404 Not Found", b'{"code": "conversation.error.conversation.not.found"}')
BUSY = answer("503 Down", b'{"code": "service.unavailable"}')
TOO_OFTEN = answer("429 Slow", b'{"code": "too.many.requests"}', "Retry-After: 0")
NO_TOKEN = answer("401 Unauthorized", b'{"code": "bad.credentials"}')
NOT_ALLOWED = answer("403 No", b'{"code": "app.not.authorized.for.scope"}')


def by_id(answers: Mapping[str, list[bytes]]) -> Callable[[Visitor], None]:
    """Behaviour: answer for each conversation in turn, the last answer for all others."""
    left = {id: list(each) for id, each in answers.items()}

    def behave(visitor: Visitor) -> None:
        while request := visitor.read_request():
            found = re.match(rb"GET /api/v2/conversations/messages/(\w+) HTTP", request)
            assert found and b"\r\nAuthorization: Bearer a-users\r\n" in request, request
            turns = left[found[1].decode()]
            visitor.send(turns.pop(0) if len(turns) > 1 else turns[0])

    return behave


def read(
    answers: Mapping[str, list[bytes]], *more: Conversation, waits: bool = False, for_s: float = 5
) -> tuple[ConversationPool, int]:
    """The pool with its communications, and how often the API was asked."""
    pool = ConversationPool.of([*map(Conversation, answers), *more])
    with serving(by_id(answers)) as server:
        url = f"http://127.0.0.1:{server.port}"
        settings = settings_of(f"prepare_timeout_s={for_s}", command_line={"host": url})
        token = Token(Secret("a-users"), inf)
        connections = Connections(settings, {USER: token}, lambda each: None)
        found = with_communications(
            pool, "agent_reply", settings, lambda: connections.open_session(USER), waits=waits
        )
        return found, len(server.requests)


def test_each_conversation_that_brings_no_communication_is_asked_for() -> None:
    given = Conversation("given", communication_id="known")

    pool, asked = read({"a": [ANSWERED], "b": [BY_A_USER]}, given)

    assert [pool[each] for each in range(len(pool))] == [
        Conversation("a", communication_id="leg"),
        Conversation("b", communication_id="leg"),
        given,
    ]
    assert (pool.note, asked) == ("", 2)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(ALERTING, id="alerting"),
        pytest.param(IN_A_FLOW, id="in a flow"),
        pytest.param(NO_PEER, id="no peer"),
        pytest.param(GONE, id="not there"),
        pytest.param(answer("200 OK", b'{"id": 7, "participants": []}'), id="another form"),
    ],
)
def test_one_that_no_agent_can_reply_in_is_left_out_and_counted(odd: bytes) -> None:
    pool, asked = read({"a": [odd], "b": [ANSWERED]})

    assert pool.ids == ("b",)
    assert pool.note == "1 left out, because no agent is connected in them"
    assert asked == 2


def test_without_any_the_run_is_refused() -> None:
    with pytest.raises(RefusedError, match="none of the 2 .* agent_reply has a communication"):
        read({"a": [ALERTING], "b": [GONE]})


@pytest.mark.parametrize(
    "turns",
    [[ALERTING, ANSWERED], [GONE, ALERTING, ANSWERED], [BUSY, ANSWERED], [TOO_OFTEN, ANSWERED]],
    ids=["alerting", "not there yet", "busy", "too often"],
)
def test_an_agent_is_waited_for(turns: list[bytes]) -> None:
    pool, asked = read({"a": turns, "b": [ANSWERED]}, waits=True)

    assert (len(pool), pool.note, asked) == (2, "", 1 + len(turns))


def test_an_agent_is_waited_for_no_longer_than_the_start_may_take() -> None:
    pool, _ = read({"a": [ALERTING], "b": [ANSWERED]}, waits=True, for_s=0.2)

    assert pool.ids == ("b",)


@pytest.mark.parametrize(
    ("participants", "source", "turns", "ids", "asked"),
    [
        pytest.param(["customer_id"], "inline, ids: [a]", [ANSWERED], ("a", "b"), 0, id="nobody"),
        pytest.param(
            ["communication_id"], "inline, ids: [a]", [ALERTING, ANSWERED], ("b",), 1, id="agents"
        ),
        pytest.param(
            ["communication_id"],
            "opened, count: 2",
            [ALERTING, ANSWERED],
            ("a", "b"),
            2,
            id="agents, in what was just opened",
        ),
    ],
)
def test_communications_are_read_where_agents_reply_and_waited_for_in_what_was_opened(
    participants: list[str], source: str, turns: list[bytes], ids: tuple[str, ...], asked: int
) -> None:
    given = ConversationPool.of([Conversation("a"), Conversation("b", communication_id="known")])
    with serving(by_id({"a": turns})) as server:
        settings = settings_of(
            f"scenario.conversation_messages.conversations={{source: {source}}}",
            command_line={"host": f"http://127.0.0.1:{server.port}"},
        )
        connections = Connections(settings, {USER: Token(Secret("a-users"), inf)}, lambda _: None)
        pool = find_whole_pool(
            *(settings, "conversation_messages", participants, client_at("http://127.0.0.1:1")),
            lambda: connections.open_session(USER),
            given,
        )

    assert (pool.ids, len(server.requests)) == (ids, asked)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (NO_TOKEN, "401 bad.credentials: .*CONVOY_USER_TOKEN is not renewed"),
        (NOT_ALLOWED, "403 app.not.authorized.for.scope: .*scope"),
    ],
    ids=["token", "scope"],
)
def test_a_refusal_that_everybody_would_get_is_the_reason(refusal: bytes, told: str) -> None:
    with pytest.raises(RefusedError, match=f"agent_reply cannot be read: refused with {told}"):
        read({"a": [refusal], "b": [refusal]}, waits=True)
