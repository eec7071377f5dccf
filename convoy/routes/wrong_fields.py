"""The wrong fields of a payload that was refused: which break a rule, and how to write them.

Bodies, fields and the size of a text are those of the support thread
https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
read 2026-11-22; the conversation's route is `routes.CONVERSATION_MESSAGES`, the guest's is
`routes.guest_messages`. Bodies of the public operations: https://github.com/api-evangelist/genesys,
read 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from convoy.routes.catalogue import CONVERSATION_MESSAGES

LONGEST_TEXT_BYTES = 4_096
GUEST_ROUTE = "/api/v2/webmessaging/guests/{guestId}/conversations/messages"
OPEN_ROUTE = "/api/v2/conversations/messages/{integrationId}/inbound/open/message"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FEWEST_DIGITS_OF_AN_ID = 4
_NAMES_FOR_TEXT = ("body", "message", "content", "textBody", "msg", "payload")
_LONGEST_SHOWN = 60

Payload = Mapping[str, Any]


class WrongField(NamedTuple):
    """A field that breaks a rule, as a path such as `to.type`, and a sentence on how."""

    field: str
    problem: str


def conversation_faults(payload: Payload) -> list[WrongField]:
    """Return what is wrong with a body for `POST /api/v2/conversations/messages`, worst first."""
    return [
        *_foreign(payload),
        *_addressee(payload),
        *_sender(payload),
        *_text(payload, "text"),
        *_kind(payload),
        *_stray_conversation_id(payload),
    ]


def guest_faults(payload: Payload) -> list[WrongField]:
    """Return what is wrong with a body for the route that names a guest, worst first."""
    to = payload.get("to")
    if isinstance(to, list) and len(to) == 1:
        address = _address(to[0], payload, "to[0]")
    else:
        shape = f"a list of {len(to)}" if isinstance(to, list) else _shape(to)
        problem = f"on the guest's route `to` is a list of exactly one address, here it is {shape}"
        address = iter([WrongField("to", problem)])
    return [*address, *_text(payload, "body")]


def change_for(field: str, *, is_guest: bool = False) -> str:
    """Return what to write into a field, "" for one that the bodies do not have."""
    if is_guest:
        return _GUEST_CHANGES.get(field) or _CHANGES.get(field.replace("to[0]", "to"), "")
    return _CHANGES.get(field, "")


def right_body(payload: Payload | None, *, is_guest: bool = False) -> dict[str, Any]:
    """Return the body as it should be, with what can be taken over from `payload`."""
    given = {} if payload is None else payload
    address = {"id": _conversation_id(given), "type": "conversation"}
    text = _first_text(given, ("text", *_NAMES_FOR_TEXT)) or "Hello"
    if is_guest:
        return {"to": [address], "body": text}
    sender = _object(given.get("from"))
    name = _first_text(sender, ("name",)) or "Load Test Guest"
    mail = _first_text(sender, ("address",)) or "guest@load-test.invalid"
    return {
        "to": address,
        "from": {"name": name, "address": mail, "type": "user"},
        "text": text,
        "type": "text",
    }


_CHANGES = {
    "to": 'Write `to` as one object: "to": {"id": "<conversation id>", "type": "conversation"}.',
    "to.type": 'Add "type": "conversation" to `to`, with the conversation\'s id in `to.id` '
    '(or "webchat" with a participant\'s id).',
    "to.id": "Put the id of an open conversation into `to.id` (with type webchat: of a participant "
    "in one); `python -m convoy plan` shows ids of open conversations.",
    "to.conversationId": "Leave `to.conversationId` out, or make it the conversation of `to.id`.",
    "conversationId": "Leave `conversationId` out: the conversation's id belongs into `to.id`.",
    "from": 'Write `from` as an object: "from": {"name": "Ada", "type": "user"}.',
    "from.name": 'Add the guest\'s name: "from": {"name": "Ada", "type": "user"}.',
    "from.address": "Make `from.address` a string, or leave it out.",
    "from.type": 'Write "type": "user" in `from`, or leave it out.',
    "text": f"Put 1 to {LONGEST_TEXT_BYTES:,} bytes of text into `text`.",
    "type": 'Write "type": "text", or leave it out.',
    "body": "Send one JSON object and nothing else, as `Content-Type: application/json`.",
    "queueId": f"Send the body below, or take another route for customer messages ({OPEN_ROUTE}).",
    "channel": f"Send it to {OPEN_ROUTE}, or send the body below.",
}
_GUEST_CHANGES = {
    "to": 'Write `to` as a list of one: "to": [{"id": "<conversation id>", "type": '
    '"conversation"}].',
    "body": f"Put 1 to {LONGEST_TEXT_BYTES:,} bytes of text into `body`.",
    "to[0].id": "Put the id of an open conversation of this very guest into `to[0].id`.",
}


def _foreign(payload: Payload) -> Iterator[WrongField]:
    """A body of another operation: the public one at the same path, or open messaging's."""
    if "to" in payload:
        return
    if "queueId" in payload or "toAddress" in payload:
        yield WrongField(
            "queueId",
            "this is the body of the public operation at the same path, by which an agent starts "
            "a conversation; it carries no message",
        )
    elif "channel" in payload:
        yield WrongField("channel", "this is the body of an open messaging integration")


def _addressee(payload: Payload) -> Iterator[WrongField]:
    to = payload.get("to")
    if isinstance(to, list):
        problem = f"`to` is a list; that form belongs to another route, POST {GUEST_ROUTE}"
        yield WrongField("to", problem)
    elif to is None:
        yield WrongField("to", "`to` is missing: nobody is addressed")
    else:
        yield from _address(to, payload, "to")


def _address(to: object, payload: Payload, path: str) -> Iterator[WrongField]:
    if not isinstance(to, dict):
        yield WrongField(path, f"`{path}` is {_shape(to)}, it has to be an object")
        return
    yield from _address_type(to, path)
    yield from _address_id(to, payload, path)
    own = to.get("conversationId")
    if own is not None and to.get("type") == "conversation" and own != to.get("id"):
        yield WrongField(
            f"{path}.conversationId",
            f"`{path}.conversationId` is {_shown(own)}, another conversation than `{path}.id`",
        )


def _address_type(to: Payload, path: str) -> Iterator[WrongField]:
    kind = to.get("type")
    if kind is None:
        problem = f"`{path}` has no `type`, so the API cannot know what `{path}.id` is the id of"
        yield WrongField(f"{path}.type", problem)
    elif kind not in ("conversation", "webchat"):
        problem = f'`{path}.type` is {_shown(kind)}, known are "conversation" and "webchat"'
        yield WrongField(f"{path}.type", problem)


def _address_id(to: Payload, payload: Payload, path: str) -> Iterator[WrongField]:
    value, kind, field = to.get("id"), to.get("type"), f"{path}.id"
    elsewhere = payload.get("conversationId")
    if value is None:
        yield WrongField(field, f"`{field}` is missing")
    elif not isinstance(value, str) or not _ID.fullmatch(value):
        yield WrongField(field, f"{_shown(value)} is no id but a placeholder or a part of one")
    elif len(set(value.replace("-", ""))) < _FEWEST_DIGITS_OF_AN_ID:
        yield WrongField(field, f"{_shown(value)} looks made up, not like the id of anything")
    elif kind == "conversation" and elsewhere not in (None, value):
        yield WrongField(
            field,
            f"`{field}` is not the conversation that `conversationId` names; is it a "
            "participant's id?",
        )
    elif kind == "webchat" and value in (elsewhere, to.get("conversationId")):
        yield WrongField(
            field, f"`{field}` is the conversation's id, but type webchat wants a participant's"
        )


def _sender(payload: Payload) -> Iterator[WrongField]:
    sender = payload.get("from")
    if sender is None:
        yield WrongField("from.name", "`from` is missing; an anonymous guest needs a name")
        return
    if not isinstance(sender, dict):
        yield WrongField("from", f"`from` is {_shape(sender)}, it has to be an object")
        return
    if not isinstance(sender.get("name"), str) or not sender["name"]:
        known_by = " (an agent's or guest's `id` does not stand in for it)" * ("id" in sender)
        yield WrongField("from.name", f"`from` has no `name`{known_by}")
    for member in ("address", "type"):
        if not isinstance(sender.get(member, ""), str):
            shape = _shape(sender[member])
            yield WrongField(f"from.{member}", f"`from.{member}` is {shape}, no string")


def _text(payload: Payload, field: str) -> Iterator[WrongField]:
    text = payload.get(field)
    if text is None:
        others = ("text", *_NAMES_FOR_TEXT)
        named = next((name for name in others if name in payload and name != field), None)
        instead = f"; the text is in `{named}`, which this route does not read" if named else ""
        yield WrongField(field, f"`{field}` is missing{instead}")
    elif not isinstance(text, str):
        yield WrongField(field, f"`{field}` is {_shape(text)}, no string")
    elif not text:
        yield WrongField(field, f"`{field}` is empty")
    elif (size := len(text.encode("utf-8", "surrogatepass"))) > LONGEST_TEXT_BYTES:
        problem = f"`{field}` is {size:,} bytes long, over the limit of {LONGEST_TEXT_BYTES:,}"
        yield WrongField(field, problem)


def _kind(payload: Payload) -> Iterator[WrongField]:
    kind = payload.get("type")
    if kind not in (None, "text"):
        yield WrongField("type", f'`type` is {_shown(kind)}, a message is of type "text"')


def _stray_conversation_id(payload: Payload) -> Iterator[WrongField]:
    if "conversationId" in payload:
        problem = f"`conversationId` stands beside `to`; POST {CONVERSATION_MESSAGES} reads `to`"
        yield WrongField("conversationId", problem)


def _conversation_id(payload: Payload) -> str:
    to = payload.get("to")
    address = _object(to[0] if isinstance(to, list) and to else to)
    is_participant = address.get("type") == "webchat"
    candidates = [address.get("conversationId"), payload.get("conversationId")]
    candidates += [] if is_participant else [address.get("id")]
    found = (each for each in candidates if isinstance(each, str) and _ID.fullmatch(each))
    return next(found, "<conversation id>")


def _object(value: object) -> Payload:
    return value if isinstance(value, dict) else {}


def _first_text(payload: Payload, names: tuple[str, ...]) -> str:
    texts = (payload.get(name) for name in names)
    text = next((each for each in texts if isinstance(each, str) and each), "")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _shape(value: object) -> str:
    """Return what kind of JSON a value is, in words."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a string", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def _shown(value: object) -> str:
    """Return a value short and printable, in quotes where it is a string."""
    if not isinstance(value, str):
        return _shape(value)
    clean = "".join(each if each.isprintable() else "?" for each in value[:_LONGEST_SHOWN])
    return f'"{clean}"' if len(value) <= _LONGEST_SHOWN else f'"{clean}…"'
