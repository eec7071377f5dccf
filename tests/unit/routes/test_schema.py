"""What is said of a body by the rules of its route: the field, and what it should be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from convoy.routes.catalogue import ROUTES, Route
from convoy.routes.schema import BodyRules, Expected, line_of_field

VARIABLES = {
    "conversation_id": "conversation-1",
    "customer_id": "customer-1",
    "agent_id": "agent-1",
}
MARKER = "[convoy:run:conversation_messages:0]"
CANONICAL: dict[str, Any] = {
    "to": {"id": "conversation-1", "type": "conversation"},
    "from": {"name": "Ada", "address": "ada@example.com", "type": "user"},
    "text": f"{MARKER} Hello",
    "type": "text",
}
GUEST: dict[str, Any] = {
    "to": [{"id": "conversation-1", "type": "conversation"}],
    "body": f"{MARKER} Hello",
}


OPEN: dict[str, Any] = {
    "channel": {
        "messageId": MARKER,
        "from": {"id": "vu-1", "idType": "Opaque", "nickname": "VU"},
        "time": "2026-11-22T10:00:00.000Z",
    },
    "text": f"{MARKER} Hello",
}
PICTURE = {"mediaType": "Image", "url": "https://example.com/a.png", "mime": "image/png"}
WITH_PICTURE = {**OPEN, "content": [{"attachment": PICTURE}]}


def fields_of(route: str, body: dict[str, Any]) -> list[str]:
    """Return the fields that something is said of."""
    rules = ROUTES.get(route, Route("any", "/any")).rules()
    return [fault.field for fault in rules.faults(body, Expected(VARIABLES, MARKER))]


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the body with one member, by its dotted path, set to a value or left out by `...`."""
    result = copy.deepcopy(body)
    *above, name = path.split(".")
    inner: Any = result
    for step in above:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return result


@pytest.mark.parametrize(
    ("route", "body"),
    [
        pytest.param("conversation", CANONICAL, id="canonical"),
        pytest.param(
            "conversation",
            changed(CANONICAL, "to.conversationId", "conversation-1"),
            id="conversation inside",
        ),
        pytest.param(
            "conversation",
            changed(CANONICAL, "to", {"id": "customer-1", "type": "webchat"}),
            id="participant",
        ),
        pytest.param("conversation", changed(CANONICAL, "type", ...), id="without type"),
        pytest.param("guest", GUEST, id="guest"),
        pytest.param("open_message", OPEN, id="open"),
        pytest.param("open_message", WITH_PICTURE, id="open with attachment"),
        pytest.param("open_message", changed(WITH_PICTURE, "text", ...), id="attachment alone"),
        pytest.param("open_message", changed(WITH_PICTURE, "text", ""), id="attachment, no text"),
        pytest.param(
            "open_message", changed(OPEN, "channel.time", "2026-11-22T10:00:00+00:00"), id="zone"
        ),
        pytest.param(
            "open_message",
            changed(OPEN, "channel.metadata", {"customAttributes": {"k": "v"}}),
            id="open with attributes",
        ),
        pytest.param("any", {"anything": MARKER}, id="any"),
    ],
)
def test_nothing_is_said_of_a_right_body(route: str, body: dict[str, Any]) -> None:
    assert fields_of(route, body) == []


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("to", ..., "to"),
        ("to", [], "to"),
        ("to.type", ..., "to.type"),
        ("to.type", "carrier pigeon", "to.type"),
        ("to.id", ..., "to.id"),
        ("to.id", "CONVERSATION_ID", "to.id"),
        ("to.conversationId", "another", "to.conversationId"),
        ("conversationId", "another", "conversationId"),
        ("from", ..., "from.name"),
        ("from", "Ada", "from"),
        ("from.name", ..., "from.name"),
        ("from.name", "", "from.name"),
        ("text", ..., "text"),
        ("text", "", "text"),
        ("text", 7, "text"),
        ("text", "no marker", "text"),
        ("text", MARKER + "ü" * 2048, "text"),
        ("type", "picture", "type"),
    ],
)
def test_the_wrong_field_of_a_body_is_named(path: str, value: object, field: str) -> None:
    assert fields_of("conversation", changed(CANONICAL, path, value)) == [field]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("to", {"id": "conversation-1", "type": "conversation"}, "to"),
        ("to", [], "to"),
        ("to.0.type", ..., "to[0].type"),
        ("to.0.id", "customer-1", "to[0].id"),
        ("body", ..., "body"),
        ("body", "no marker", "body"),
    ],
)
def test_the_wrong_field_of_a_guests_body_is_named(path: str, value: object, field: str) -> None:
    assert fields_of("guest", changed(GUEST, path, value)) == [field]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("channel", ..., "channel"),
        ("channel", [MARKER], "channel"),
        ("channel.from", ..., "channel.from"),
        ("channel.from.id", ..., "channel.from.id"),
        ("channel.from.id", "", "channel.from.id"),
        ("channel.from.idType", ..., "channel.from.idType"),
        ("channel.from.idType", "Nickname", "channel.from.idType"),
        ("channel.from.email", 7, "channel.from.email"),
        ("channel.time", ..., "channel.time"),
        ("channel.time", "2026-11-22", "channel.time"),
        ("channel.time", 1_780_000_000, "channel.time"),
        ("channel.metadata", {"customAttributes": [1]}, "channel.metadata.customAttributes"),
        ("content", [], "content"),
        ("content", [{"attachment": PICTURE}] * 2, "content"),
        ("content.0.attachment", ..., "content[0].attachment"),
        ("content.0.attachment.mediaType", "Picture", "content[0].attachment.mediaType"),
        ("content.0.attachment.url", ..., "content[0].attachment.url"),
        ("content.0.attachment.url", "ftp://a/b", "content[0].attachment.url"),
        ("content.0.attachment.mime", ..., "content[0].attachment.mime"),
        ("metadata", ["v"], "metadata"),
        ("metadata", {"k": 7}, "metadata.k"),
    ],
)
def test_the_wrong_field_of_an_open_message_is_named(path: str, value: object, field: str) -> None:
    assert set(fields_of("open_message", changed(WITH_PICTURE, path, value))) == {field}


def test_an_open_message_has_its_marker_somewhere() -> None:
    without = changed(changed(WITH_PICTURE, "channel.messageId", "17"), "text", "Hello")

    assert fields_of("open_message", changed(without, "channel.messageId", MARKER)) == []
    assert fields_of("open_message", without) == [""]


@pytest.mark.parametrize("value", [..., "", 7])
def test_an_open_message_without_content_needs_a_text(value: object) -> None:
    assert fields_of("open_message", changed(OPEN, "text", value)) == ["text"]


REPLY: dict[str, Any] = {"textBody": f"{MARKER} Hello", "mediaIds": ["m-1"]}
NOTIFICATION: dict[str, Any] = {
    "fromAddress": "integration-1",
    "toAddress": "vu-1",
    "toAddressMessengerType": "open",
    "textBody": f"{MARKER} Hello",
    "useExistingActiveConversation": True,
}
BY_SMS = {**NOTIFICATION, "toAddressMessengerType": "sms", "toAddress": "+4989123456"}
BY_WEB = {
    "fromAddress": "deployment-1",
    "externalContactId": "contact-1",
    "toAddressMessengerType": "webmessaging",
    "textBody": f"{MARKER} Hello",
}
BY_WHATSAPP = {
    "fromAddress": "integration-1",
    "toAddress": "4989123456",
    "toAddressMessengerType": "whatsapp",
    "messagingTemplate": {"responseId": MARKER},
}
OUTBOUND = {"agent_reply": REPLY, "agentless": NOTIFICATION}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("agent_reply", REPLY),
        ("agent_reply", changed(REPLY, "textBody", MARKER.ljust(2000, "ü"))),
        *(("agentless", each) for each in (NOTIFICATION, BY_SMS, BY_WEB, BY_WHATSAPP)),
        ("agentless", changed(NOTIFICATION, "useExistingActiveConversation", ...)),
    ],
)
def test_nothing_is_said_of_a_right_body_that_goes_out(route: str, body: dict[str, Any]) -> None:
    assert fields_of(route, body) == []


@pytest.mark.parametrize(
    ("route", "path", "value", "field"),
    [
        ("agent_reply", "textBody", ..., "textBody"),
        ("agent_reply", "textBody", "", "textBody"),
        ("agent_reply", "textBody", 7, "textBody"),
        ("agent_reply", "textBody", MARKER.ljust(2001, "x"), "textBody"),
        ("agent_reply", "mediaIds", "m-1", "mediaIds"),
        ("agent_reply", "mediaIds", [7], "mediaIds[0]"),
        ("agent_reply", "messagingTemplate", [], "messagingTemplate"),
        ("agent_reply", "textBody", "no marker", ""),
        ("agentless", "fromAddress", ..., "fromAddress"),
        ("agentless", "fromAddress", "", "fromAddress"),
        ("agentless", "toAddress", ..., "toAddress"),
        ("agentless", "toAddressMessengerType", ..., "toAddressMessengerType"),
        ("agentless", "toAddressMessengerType", "pigeon", "toAddressMessengerType"),
        ("agentless", "toAddressMessengerType", "webmessaging", "externalContactId"),
        ("agentless", "toAddressMessengerType", "whatsapp", "messagingTemplate"),
        ("agentless", "textBody", ..., "textBody"),
        ("agentless", "textBody", MARKER.ljust(2001, "x"), "textBody"),
        ("agentless", "useExistingActiveConversation", "yes", "useExistingActiveConversation"),
    ],
)
def test_the_wrong_field_of_a_body_that_goes_out_is_named(
    route: str, path: str, value: object, field: str
) -> None:
    assert fields_of(route, changed(OUTBOUND[route], path, value))[:1] == [field]


def test_a_text_by_sms_is_shorter() -> None:
    assert fields_of("agentless", changed(BY_SMS, "textBody", MARKER.ljust(765, "x"))) == []
    assert fields_of("agentless", changed(BY_SMS, "textBody", MARKER.ljust(766, "x"))) == [
        "textBody"
    ]


def test_all_wrong_fields_are_named_together() -> None:
    assert fields_of("conversation", {}) == ["to", "from.name", "text"]


def test_without_a_schema_a_body_still_needs_its_marker() -> None:
    assert fields_of("any", {"anything": "else"}) == [""]


@pytest.mark.parametrize(
    ("field", "line"),
    [("to.type", 4), ("to[0].id", 3), ("from.name", 6), ("text", 1), ("to.nothing", 2), ("", 1)],
)
def test_a_field_is_found_in_its_template(field: str, line: int) -> None:
    source = '{\n "to": {\n  "id": 1,\n  "type": 2},\n "from":\n  {"name": {{ text }}}\n}'

    assert line_of_field(source, field) == line


@pytest.mark.parametrize(
    "route", ["conversation", "guest", "open_message", "agent_reply", "agentless"]
)
def test_every_property_says_what_it_is_and_what_to_write(route: str) -> None:
    rules = ROUTES[route].rules()
    fields = [field for field in rules.fields if not field.endswith("]")]

    assert fields
    assert [field for field in fields if not rules.change(field).endswith(".")] == []
    assert [field for field in fields if not rules.description(field)] == []


@pytest.mark.parametrize(
    "route", ["conversation", "guest", "open_message", "agent_reply", "agentless"]
)
def test_the_example_of_a_schema_breaks_none_of_its_rules(route: str) -> None:
    conversation = {"conversationId": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"}
    rules = ROUTES[route].rules()

    assert rules.faults(rules.example(conversation)) == []


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"required": "to"}, {"properties": []}])
def test_what_is_no_schema_is_said_to_be_none(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no JSON Schema"):
        BodyRules(schema)


def test_a_schema_of_ones_own_is_held_to_in_plain_words() -> None:
    schema = {
        "required": ["kind"],
        "properties": {"kind": {"const": "a"}, "n": {"type": ["integer", "null"], "maximum": 3}},
    }
    rules = BodyRules(schema)

    problems = [fault.problem for fault in rules.faults({"kind": "b", "n": "3"})]
    assert problems == ['`kind` is "b", not "a"', "`n` is a string, not a whole number or null"]
    assert [fault.problem for fault in rules.faults({})] == ["`kind` is missing"]
    assert (
        rules.faults({"kind": "a", "n": 4})[0].problem == "`n` 4 is greater than the maximum of 3"
    )
