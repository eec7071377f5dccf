"""Which message bodies are accepted, and what is wrong with the others.

The two dialects: `conversation_message` for the route that names a conversation, `guest_message`
for the route that names a guest. Bodies and rules come from the support thread
https://forum.sggu.com/t/10121 (read 2026-11-22); the size of a text is from its answers.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from simulator.model.conversations import Conversation, ConversationPool
from simulator.model.rejection import INVALID_PAYLOAD, Rejection, conversation_not_found

TEXT_BYTES_MAX = 4096
UUID_GROUPS = [8, 4, 4, 4, 12]
HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
BAD_ADDRESSEE = (
    "Message payload is invalid. 'to' field requires a valid participant ID or address object "
    "with type 'webchat'."
)


class Message(NamedTuple):
    """A message that is accepted: the conversation it enters and its text."""

    conversation: Conversation
    text: str


def conversation_message(body: object, pool: ConversationPool, *, is_lenient: bool) -> Message:
    """Read `{"to": {"id", "type"}, "from": {"name", …}, "text"}`; raises `Rejection`.

    Lenient forgives an absent `from`.
    """
    payload = _payload(body)
    try:
        conversation = _addressee(payload.get("to"), "to", pool)
        _check_same(payload.get("conversationId"), "conversationId", conversation)
        _check_open(conversation)
        if not (is_lenient and "from" not in payload):
            _check_sender(payload.get("from"))
        _check_type(payload.get("type"))
        return Message(conversation, _text(payload.get("text"), "text"))
    except Rejection as rejection:
        raise _closed_before_shape(rejection, payload, pool) from None


def guest_message(body: object, guest_id: str, pool: ConversationPool) -> Message:
    """Read `{"to": [{"id", "type"}], "body"}` sent by a customer; raises `Rejection`."""
    home = pool.by_customer.get(guest_id)
    if home is None:
        raise conversation_not_found()
    payload = _payload(body)
    try:
        to = payload.get("to")
        if not isinstance(to, list) or len(to) != 1:
            _refuse("to", "'to' must be a list of exactly one address on this route.")
        conversation = _addressee(to[0], "to[0]", pool)
        if conversation is not home:
            _refuse("to[0].id", "'to[0].id' must be a conversation of this guest.")
        _check_open(conversation)
        return Message(conversation, _text(payload.get("body"), "body"))
    except Rejection as rejection:
        raise _closed_before_shape(rejection, payload, pool) from None


def _payload(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        _refuse("body", "'body' of the request must be a JSON object.")
    return body


def _addressee(to: object, path: str, pool: ConversationPool) -> Conversation:
    if not isinstance(to, dict):
        raise Rejection(INVALID_PAYLOAD, BAD_ADDRESSEE, field=path)
    kind = to.get("type")
    if kind == "conversation":
        conversation = pool.by_id.get(_address_id(to, path))
        if conversation is None:
            raise conversation_not_found()
    elif kind == "webchat":
        conversation = pool.by_participant.get(_address_id(to, path))
        if conversation is None:
            raise Rejection(INVALID_PAYLOAD, BAD_ADDRESSEE, field=f"{path}.id")
    else:
        raise Rejection(INVALID_PAYLOAD, BAD_ADDRESSEE, field=f"{path}.type")
    _check_same(to.get("conversationId"), f"{path}.conversationId", conversation)
    return conversation


def _address_id(to: dict[str, object], path: str) -> str:
    value = to.get("id")
    if not isinstance(value, str) or not _is_uuid_shaped(value):
        raise Rejection(INVALID_PAYLOAD, BAD_ADDRESSEE, field=f"{path}.id")
    return value


def _is_uuid_shaped(value: str) -> bool:
    groups = value.split("-")
    return [len(group) for group in groups] == UUID_GROUPS and HEXADECIMAL.issuperset(
        value.replace("-", "")
    )


def _check_same(conversation_id: object, path: str, conversation: Conversation) -> None:
    if conversation_id is not None and conversation_id != conversation.id:
        _refuse(path, f"'{path}' must be the conversation that 'to' addresses.")


def _check_open(conversation: Conversation) -> None:
    if not conversation.is_open:
        raise Rejection("conversation.closed", "The conversation is closed.")


def _check_sender(sender: object) -> None:
    if sender is None:
        _refuse("from.name", "'from.name' is required for an anonymous guest.")
    if not isinstance(sender, dict):
        _refuse("from", "'from' must be an object.")
    name = sender.get("name")
    if not isinstance(name, str) or not name:
        _refuse("from.name", "'from.name' is required for an anonymous guest.")
    for member in ("address", "type"):
        if not isinstance(sender.get(member, ""), str):
            _refuse(f"from.{member}", f"'from.{member}' must be a string.")


def _check_type(kind: object) -> None:
    if kind is not None and kind != "text":
        _refuse("type", "'type' must be 'text'.")


def _text(text: object, path: str) -> str:
    if not isinstance(text, str) or not text:
        _refuse(path, f"'{path}' must be a text that is not empty.")
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        _refuse(path, f"'{path}' must not be longer than {TEXT_BYTES_MAX} bytes.")
    return text


def _refuse(field: str, problem: str) -> NoReturn:
    raise Rejection(INVALID_PAYLOAD, f"Message payload is invalid. {problem}", field=field)


def _closed_before_shape(
    rejection: Rejection, payload: dict[str, object], pool: ConversationPool
) -> Rejection:
    """A closed conversation rejects every message whatever its shape, if it can be made out."""
    if rejection.code != INVALID_PAYLOAD:
        return rejection
    conversation = _named_conversation(payload, pool)
    if conversation is None or conversation.is_open:
        return rejection
    return Rejection("conversation.closed", "The conversation is closed.")


def _named_conversation(payload: dict[str, object], pool: ConversationPool) -> Conversation | None:
    to = payload.get("to")
    if isinstance(to, list):
        to = to[0] if to else None
    address = to if isinstance(to, dict) else {}
    for name in (address.get("id"), address.get("conversationId"), payload.get("conversationId")):
        if isinstance(name, str):
            conversation = pool.by_id.get(name) or pool.by_participant.get(name)
            if conversation is not None:
                return conversation
    return None
