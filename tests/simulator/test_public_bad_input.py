"""Bad input by the public routes: each has the definition's code, and none is a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import OF_OPERATIONS, STANDARD
from simulator.public_routes import PUBLIC_ROUTES
from simulator.routes import Route
from tests.simulator.api import basic, call
from tests.simulator.in_process import (
    ACTIVE,
    INACTIVE,
    MESSAGES,
    TEXT_ONLY,
    Organisation,
    inbound,
    open_message,
)
from tests.simulator_process import SimulatorProcess

NOWHERE = "00000000-0000-4000-8000-000000000000"
ATTACHMENT = {"mediaType": "Image", "url": "https://example.com/a.png", "mime": "image/png"}
RECEIPT = {
    "id": "m",
    "channel": {"to": {"id": "vu-1"}, "time": "2026-11-22T10:00:00Z"},
    "status": "Delivered",
}
EVENT = open_message() | {"events": [{"eventType": "Typing"}]}
BUTTON = open_message() | {
    "buttonResponse": {"type": "Button", "text": "Yes", "payload": "yes"},
    "originatingMessageId": "m",
}
VALIDATION, VALUE, DATE = "constraint.validation", "invalid.value", "missing.open.channel.date"
ABSENT = object()
WITH_BODY = [route for route in PUBLIC_ROUTES if route.method in ("POST", "PATCH")]
DEEP = b'{"channel":' * 20_000 + b"1" + b"}" * 20_000
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of the body with the member at this path replaced, or taken away by `ABSENT`."""
    copy: dict[str, Any] = json.loads(json.dumps(body))
    place: Any = copy
    *ways, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for way in ways:
        place = place[way]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return copy


def attached(path: str, value: object) -> dict[str, Any]:
    return changed(open_message(content=[{"attachment": ATTACHMENT}]), path, value)


@pytest.mark.parametrize(
    ("kind", "body", "code", "field"),
    [
        ("message", changed(open_message(), "channel", ABSENT), VALIDATION, "channel"),
        ("message", changed(open_message(), "channel.time", ABSENT), DATE, "channel.time"),
        ("message", changed(open_message(), "channel.time", None), DATE, "channel.time"),
        (
            "message",
            changed(open_message(), "channel.time", "noon"),
            "invalid.date",
            "channel.time",
        ),
        ("message", changed(open_message(), "channel.time", 5), "invalid.date", "channel.time"),
        ("message", changed(open_message(), "channel.from", ABSENT), VALIDATION, "channel.from"),
        ("message", changed(open_message(), "channel.from", []), VALUE, "channel.from"),
        ("message", changed(open_message(), "channel.from.id", ""), VALIDATION, "channel.from.id"),
        ("message", changed(open_message(), "channel.from.id", 5), VALUE, "channel.from.id"),
        (
            "message",
            changed(open_message(), "channel.from.idType", "Name"),
            VALUE,
            "channel.from.idType",
        ),
        ("message", changed(open_message(), "text", 5), VALUE, "text"),
        ("message", changed(open_message(), "text", ABSENT), VALIDATION, "text"),
        ("message", changed(open_message(), "text", ""), VALIDATION, "text"),
        ("message", open_message(metadata={"k": 1}), VALUE, "metadata.k"),
        ("message", open_message(content={}), VALUE, "content"),
        ("message", open_message(content=[{}]), VALIDATION, "content[0].attachment"),
        (
            "message",
            open_message(content=[{"attachment": ATTACHMENT}] * 2),
            VALIDATION,
            "content",
        ),
        (
            "message",
            attached("content.0.attachment.url", "file:///etc/passwd"),
            VALUE,
            "content[0].attachment.url",
        ),
        ("message", attached("content.0.attachment.url", 1), VALUE, "content[0].attachment.url"),
        (
            "message",
            attached("content.0.attachment.mediaType", "Smell"),
            VALUE,
            "content[0].attachment.mediaType",
        ),
        (
            "message",
            attached("content.0.attachment.mime", ABSENT),
            VALIDATION,
            "content[0].attachment.mime",
        ),
        ("event", changed(EVENT, "events", ABSENT), VALIDATION, "events"),
        ("event", changed(EVENT, "events.0.eventType", "On"), VALUE, "events[0].eventType"),
        ("event", changed(EVENT, "channel.time", ABSENT), DATE, "channel.time"),
        ("receipt", changed(RECEIPT, "id", ABSENT), VALIDATION, "id"),
        ("receipt", changed(RECEIPT, "status", "Read"), VALUE, "status"),
        ("receipt", changed(RECEIPT, "channel.to", ABSENT), VALIDATION, "channel.to"),
        ("receipt", changed(RECEIPT, "channel.time", ABSENT), DATE, "channel.time"),
        ("receipt", RECEIPT | {"reasons": [{}]}, VALIDATION, "reasons[0].message"),
        ("receipt", RECEIPT | {"isFinalReceipt": "yes"}, VALUE, "isFinalReceipt"),
        (
            "structured/response",
            changed(BUTTON, "buttonResponse.payload", ABSENT),
            VALIDATION,
            "buttonResponse.payload",
        ),
        (
            "structured/response",
            changed(BUTTON, "buttonResponse.type", "Lever"),
            VALUE,
            "buttonResponse.type",
        ),
        (
            "structured/response",
            changed(BUTTON, "originatingMessageId", ABSENT),
            VALIDATION,
            "originatingMessageId",
        ),
    ],
)
def test_a_wrong_member_is_named_and_has_its_code(
    kind: str, body: dict[str, Any], code: str, field: str
) -> None:
    organisation = Organisation()

    answer = organisation.ask("POST", inbound(kind=kind), body)

    envelope = json.loads(answer.body)
    assert (answer.status, answer.code) == (400, code), envelope
    assert envelope["details"] == [{"errorCode": code, "fieldName": field}]
    assert organisation.world.ledger.whole.accepted == 0
    assert organisation.world.messaging.by_id == {}


@pytest.mark.parametrize("kind", ["message", "event", "receipt", "structured/response"])
@pytest.mark.parametrize(
    ("integration", "code"),
    [(NOWHERE, "404 not.found"), ("x", "404 not.found"), (INACTIVE, "409 request.conflict")],
)
def test_an_integration_that_is_unknown_or_inactive_takes_nothing_in(
    kind: str, integration: str, code: str
) -> None:
    assert Organisation().code("POST", inbound(integration, kind), open_message()) == code


def test_a_refused_message_is_a_rejection_of_its_run() -> None:
    organisation = Organisation()
    marked = open_message(text="[convoy:r:chat:1]")

    organisation.ask("POST", inbound(), marked, client="public-no-permission")
    organisation.ask("POST", inbound(NOWHERE), marked)
    organisation.ask("POST", inbound(kind="event"), marked)

    account = organisation.world.ledger.account("r")
    assert account.accepted == 0
    assert account.rejected == {"missing.permissions": 1, "not.found": 1}


def test_an_attachment_that_the_integration_does_not_support_is_refused() -> None:
    body = open_message(content=[{"attachment": ATTACHMENT}])

    assert Organisation().code("POST", inbound(TEXT_ONLY), body) == f"400 {VALIDATION}"
    assert Organisation().ask("POST", inbound(ACTIVE), body).status == 200


def test_a_query_parameter_that_is_neither_true_nor_false_is_refused() -> None:
    organisation = Organisation()

    code = organisation.code("POST", inbound() + "?prefetchConversationId=maybe", open_message())

    assert code == "400 invalid.query.param.value"
    assert organisation.world.messaging.by_id == {}


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[" * 100_000, DEEP, b'"\\ud800"', b"\xff\xfe", b"1" * 10_000, b"NaN"],
    ids=lambda body: repr(body[:12]),
)
def test_hostile_json_is_refused_by_every_route(route: Route, body: bytes) -> None:
    answer = ask_of(Filled(), route, body)

    assert 400 <= answer.status < 500 or not reads_its_body(route), answer.body
    assert not answer.code or answer.code in STANDARD | OF_OPERATIONS


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
def test_what_is_not_json_is_refused_by_every_route(route: Route) -> None:
    answer = ask_of(Filled(), route, b"<a/>", {b"content-type": b"application/xml"})

    assert answer.code == "unsupported.media.type" or not reads_its_body(route)


@given(body=json_values)
def test_any_json_is_accepted_or_refused_by_every_route(body: object) -> None:
    organisation = Filled()
    for route in WITH_BODY:
        answer = ask_of(organisation, route, json.dumps(body).encode())

        assert answer.status < 500, (route, answer.body)


@given(
    path=st.sampled_from(
        [
            "channel",
            "channel.from",
            "channel.from.id",
            "channel.from.nickname",
            "channel.time",
            "channel.messageId",
            "channel.metadata",
            "text",
            "metadata",
            "content",
            "content.0",
            "content.0.attachment",
            "content.0.attachment.url",
            "content.0.attachment.text",
        ]
    ),
    value=json_values,
)
def test_any_value_of_a_member_is_accepted_or_refused(path: str, value: object) -> None:
    organisation = Organisation()
    body = changed(open_message(content=[{"attachment": ATTACHMENT}]), path, value)

    answer = organisation.ask("POST", inbound(), body)

    assert answer.status < 500, answer.body
    for conversation in list(organisation.world.messaging.by_id):
        assert organisation.ask("GET", f"{MESSAGES}/{conversation}").status == 200
        organisation.texts(conversation)


@pytest.mark.parametrize("path", ["tokens/me", "conversations", "routing/queues"])
@given(query=st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=40))
def test_any_query_is_answered(path: str, query: str) -> None:
    assert Organisation().ask("GET", f"/api/v2/{path}?{query}").status in (200, 400)


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--token-rate-per-minute", "1000000") as simulator:
        yield simulator
        assert simulator.complaints() == ""


@pytest.fixture(scope="module")
def token(process: SimulatorProcess) -> dict[str, str]:
    form = b"grant_type=client_credentials"
    reply = call(process, "POST", "/oauth/token", form, basic("public", "public"))
    return {"Authorization": f"Bearer {reply.json['access_token']}"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(
            open_message(text="x" * 512_000), 413, "request.entity.too.large", id="over the limit"
        ),
        pytest.param(open_message(text="x" * 500_000), 200, None, id="just within"),
        pytest.param(b"[" * 400_000, 400, "bad.request", id="deep"),
        pytest.param(b"\x00" * 1_000, 400, "bad.request", id="zeros"),
        pytest.param(DEEP, 400, "bad.request", id="deep object"),
    ],
)
def test_size_and_depth_are_bounded_over_the_wire(
    process: SimulatorProcess,
    token: dict[str, str],
    body: object,
    status: int,
    code: str | None,
) -> None:
    reply = call(process, "POST", inbound(), body, token)

    assert (reply.status, reply.json.get("code")) == (status, code)


@pytest.mark.parametrize(
    ("status", "code"),
    sorted((error.status, code) for code, error in (STANDARD | OF_OPERATIONS).items()),
)
def test_every_code_of_the_definition_can_be_had_over_the_wire(
    process: SimulatorProcess, token: dict[str, str], status: int, code: str
) -> None:
    call(process, "POST", "/simulator/faults", {"faults": [f"error={code}:1"]})
    try:
        reply = call(process, "POST", inbound(), open_message(), token)
    finally:
        call(process, "DELETE", "/simulator/faults")

    assert (reply.status, reply.json["code"], reply.json["status"]) == (status, code, status)
    assert "%s" not in reply.json["message"]


class Filled(Organisation):
    """One in which each id of a path has a meaning, so that a request comes as far as its body."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation = self.world.messaging.begin(
            integration_id=ACTIVE,
            messenger_type="open",
            address="vu-1",
            customer_name="VU",
            direction="inbound",
            queue_id=next(iter(self.get("/api/v2/routing/queues")["entities"]))["id"],
            has_agent=True,
            wall_s=0.0,
        )


def ask_of(
    organisation: Filled,
    route: Route,
    body: bytes,
    headers: dict[bytes, bytes] | None = None,
) -> Any:
    found = organisation.conversation
    ids = iter((found.id, found.customer_id, found.communication_id))
    if "/inbound/" in route.path:
        ids = iter((ACTIVE,))
    elif "/communications/{}/" in route.path:
        ids = iter((found.id, found.communication_id))
    path = "".join(
        part if place == 0 else f"{next(ids)}{part}"
        for place, part in enumerate(route.path.split("{}"))
    )
    needs_user = route.access is not None and route.access.context == "user"
    return organisation.ask(
        route.method,
        path,
        body,
        client="public-user" if needs_user else "public",
        headers=headers if headers is not None else {b"content-type": b"application/json"},
    )


def reads_its_body(route: Route) -> bool:
    """False for the one operation with a POST and no body."""
    return not route.path.endswith("/disconnect")
