"""What a right message body holds, by the route that it goes to.

The two forms are those of the support thread that this project started from:
https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
read 2026-11-22.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from convoy.plan.pool import Conversation
from convoy.plan.texts import LONGEST_TEXT_BYTES

FieldProblem = tuple[str, str]
"""A field by its path, such as `to.type`, and what is wrong with it."""

_KINDS = "'conversation' or 'webchat'"


def body_problems(
    form: str, body: Mapping[str, Any], conversation: Conversation, marker: str
) -> Iterator[FieldProblem]:
    """Yield what is wrong with a body of the form `conversation`, `guest` or `any`.

    `conversation` is the one that it should go to, `marker` what its text should carry.
    """
    yield from _FORMS[form](body, conversation, marker)


def line_of_field(source: str, field: str) -> int:
    """Return the line of a template where a field stands, or the nearest one around it, or 1."""
    position = 0
    for name in re.split(r"\W+", re.sub(r"\[\d+\]", "", field)):
        found = re.compile(rf'"{re.escape(name)}"\s*:').search(source, position)
        if found is None:
            break
        position = found.start()
    return source.count("\n", 0, position) + 1


def _conversation(
    body: Mapping[str, Any], conversation: Conversation, marker: str
) -> Iterator[FieldProblem]:
    yield from _addressee(body.get("to"), "to", conversation)
    yield from _same(body, "conversationId", conversation)
    sender = body.get("from")
    if not isinstance(sender, dict):
        yield "from", 'should be an object with a name, as in {"name": {{ author_name | tojson }}}'
    elif not isinstance(sender.get("name"), str) or not sender["name"]:
        yield "from.name", "is required for an anonymous guest; try {{ author_name | tojson }}"
    if body.get("type", "text") != "text":
        yield "type", "should be 'text'"
    yield from _text(body, "text", marker)


def _guest(
    body: Mapping[str, Any], conversation: Conversation, marker: str
) -> Iterator[FieldProblem]:
    to = body.get("to")
    if isinstance(to, list) and len(to) == 1:
        yield from _addressee(to[0], "to[0]", conversation)
    else:
        yield "to", "should be a list of exactly one address on this route"
    yield from _text(body, "body", marker)


def _any(
    body: Mapping[str, Any], conversation: Conversation, marker: str
) -> Iterator[FieldProblem]:
    if marker not in json.dumps(body, ensure_ascii=False):
        yield "", _NO_MARKER


_FORMS: dict[str, Callable[[Mapping[str, Any], Conversation, str], Iterator[FieldProblem]]] = {
    "any": _any,
    "conversation": _conversation,
    "guest": _guest,
}
_NO_MARKER = (
    "holds no {{ marker }}, by which both sides account for the message; as in "
    '{{ (marker ~ " " ~ text) | tojson }}'
)


def _addressee(to: Any, field: str, conversation: Conversation) -> Iterator[FieldProblem]:
    if not isinstance(to, dict):
        yield field, "should be an object with id and type"
        return
    kind = to.get("type")
    if kind not in ("conversation", "webchat"):
        yield f"{field}.type", f"is {_shown(to, 'type')}, and should be {_KINDS}"
    elif kind == "conversation" and to.get("id") != conversation.id:
        problem = "and should be {{ conversation_id | tojson }}, as the type is 'conversation'"
        yield f"{field}.id", f"is {_shown(to, 'id')}, {problem}"
    elif kind == "webchat" and to.get("id") not in (
        conversation.customer_id,
        conversation.agent_id,
    ):
        problem = "and should be {{ customer_id | tojson }}, as the type is 'webchat'"
        yield f"{field}.id", f"is {_shown(to, 'id')}, {problem}"
    yield from _same(to, f"{field}.conversationId", conversation)


def _same(
    values: Mapping[str, Any], field: str, conversation: Conversation
) -> Iterator[FieldProblem]:
    if values.get("conversationId", conversation.id) != conversation.id:
        yield field, "should be {{ conversation_id | tojson }} where it is given"


def _text(body: Mapping[str, Any], field: str, marker: str) -> Iterator[FieldProblem]:
    text = body.get(field)
    if not isinstance(text, str) or not text:
        yield field, f"is {_shown(body, field)}, and should be a text that is not empty"
        return
    length = len(text.encode("utf-8", "surrogatepass"))
    if length > LONGEST_TEXT_BYTES:
        yield field, f"is {length:,} bytes long; {LONGEST_TEXT_BYTES:,} are taken, marker included"
    if marker not in text:
        yield field, _NO_MARKER


def _shown(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name])[:60] if name in values else "missing"
