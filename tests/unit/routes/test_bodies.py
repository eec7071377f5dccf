"""What is said of a body by the rules of its route: the field, and what it should be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from convoy.plan.pool import Conversation
from convoy.routes.bodies import body_problems, line_of_field

CONVERSATION = Conversation("conversation-1", "customer-1", "agent-1")
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


def fields_of(form: str, body: dict[str, Any]) -> list[str]:
    """Return the fields that something is said of."""
    return [field for field, _ in body_problems(form, body, CONVERSATION, MARKER)]


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
    ("form", "body"),
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
        pytest.param("any", {"anything": MARKER}, id="any"),
    ],
)
def test_nothing_is_said_of_a_right_body(form: str, body: dict[str, Any]) -> None:
    assert fields_of(form, body) == []


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
        ("from", ..., "from"),
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


def test_all_wrong_fields_are_named_together() -> None:
    assert fields_of("conversation", {}) == ["to", "from", "text"]


def test_without_a_form_a_body_still_needs_its_marker() -> None:
    assert fields_of("any", {"anything": "else"}) == [""]


@pytest.mark.parametrize(
    ("field", "line"),
    [("to.type", 4), ("to[0].id", 3), ("from.name", 6), ("text", 1), ("to.nothing", 2), ("", 1)],
)
def test_a_field_is_found_in_its_template(field: str, line: int) -> None:
    source = '{\n "to": {\n  "id": 1,\n  "type": 2},\n "from":\n  {"name": {{ text }}}\n}'

    assert line_of_field(source, field) == line
