"""What an API says of conversations: the messages in them, what analytics shows, and their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from convoy.errors import RemoteError
from convoy.plan.rendering import stamp
from convoy.remote.api_client import ApiClient
from convoy.results.outcome import LONGEST_NAME
from convoy.results.reconciled import FoundMessage, Markers, Side, digest_of
from convoy.routes.catalogue import ROUTES
from convoy.routes.codes import RETIRING_CODES
from convoy.untrusted_text import shortened

_MOST_IDS = 500
"""Of messages in one request. 1,000 are taken (https://github.com/api-evangelist/genesys, read
2026-11-22), but so many long ones would be more than the client reads of an answer."""
MOST_ASKED = 100
"""Conversations in one query of analytics; what it takes at most is not documented."""
_NOT_ABOUT_THE_ROUTE = ("401", "403", "429", "5")
_LATEST_S = 2.0**32
"""In the year 2106; what is near the ends of the calendar cannot be written any more."""
_DIRECTIONS = ("inbound", "outbound")
_SIDES = {"customer": "inbound", "external": "inbound"}


class _Details(msgspec.Struct, rename="camel"):
    message_id: str = ""
    message_time: str | None = None


class _Participant(msgspec.Struct, rename="camel"):
    start_time: str | None = None
    messages: list[_Details] | None = None


class _Conversation(msgspec.Struct):
    participants: list[_Participant]


class _Channel(msgspec.Struct, rename="camel"):
    message_id: str | None = None


class _Normalized(msgspec.Struct):
    text: str | None = None
    direction: str | None = None
    channel: _Channel | None = None


class _Message(msgspec.Struct, rename="camel"):
    id: str
    timestamp: str = ""
    direction: str | None = None
    text_body: str | None = None
    provider_message_id: str | None = None
    normalized_message: _Normalized | None = None
    conversation_id: str = ""


class _Messages(msgspec.Struct):
    entities: list[_Message]


class _Metric(msgspec.Struct):
    name: str
    value: float = 0.0


class _Session(msgspec.Struct):
    metrics: list[_Metric] | None = None


class _Visible(msgspec.Struct, rename="camel"):
    purpose: str = ""
    sessions: list[_Session] = []


class _VisibleConversation(msgspec.Struct, rename="camel"):
    conversation_id: str
    participants: list[_Visible] = []


class _Query(msgspec.Struct):
    conversations: list[_VisibleConversation] | None = None


@dataclass(frozen=True, slots=True)
class ConversationRead:
    """A conversation's messages in its own order; it began at a time in seconds since 1970."""

    began_s: float | None
    messages: list[FoundMessage]


def read_conversation(client: ApiClient, markers: Markers, id: str) -> ConversationRead | None:
    """Return what is in a conversation, None where there is none of that id; raises RemoteError."""
    try:
        found = client.ask(ROUTES["message_conversation"], {"conversation_id": id}, _Conversation)
    except RemoteError as error:
        if error.code.startswith("404"):
            return None
        raise
    began = [_epoch_s(each.start_time) for each in found.participants if each.start_time]
    listed = {
        each.message_id: each.message_time
        for participant in found.participants
        for each in participant.messages or ()
        if each.message_id
    }
    messages = [
        _found(client, markers, (message_id, id), each, listed[message_id])
        for message_id, each in _bodies(client, id, list(listed))
    ]
    return ConversationRead(min(began, default=None), messages)


def conversation_of(client: ApiClient, message_id: str) -> str:
    """Return the id of the conversation that a message is in, "" where it is in none.

    One that holds a secret, or is longer than ids are, is none: it would be kept. Raises
    RemoteError.
    """
    found = _body(client, message_id)
    id = "" if found is None else found.conversation_id
    return id if len(id) <= LONGEST_NAME and client.redact(id) == id else ""


def read_message(
    client: ApiClient, markers: Markers, conversation_id: str, id: str
) -> FoundMessage | None:
    """Return a message by its id, None where there is none; raises RemoteError.

    It is in the conversation of this id unless the answer names another one.
    """
    found = _body(client, id)
    if found is None:
        return None
    ids = id, found.conversation_id or conversation_id
    return _found(client, markers, ids, found, None)


def _bodies(
    client: ApiClient, conversation_id: str, ids: Sequence[str]
) -> Iterator[tuple[str, _Message]]:
    """Yield each id with its message; those that are gone by now are left out.

    They are asked for one by one where the route for many is refused, or leaves them out.
    """
    values = {"conversation_id": conversation_id}
    for first in range(0, len(ids), _MOST_IDS):
        asked = ids[first : first + _MOST_IDS]
        found: dict[str, _Message] = {}
        try:
            answer = client.ask(ROUTES["messages_bulk"], values, _Messages, asked)
            found = {each.id: each for each in answer.entities}
        except RemoteError as error:
            if error.code.startswith(_NOT_ABOUT_THE_ROUTE) or not error.code[:1].isdigit():
                raise
        for id in asked:
            if (message := found.get(id) or _body(client, id)) is not None:
                yield id, message


def _body(client: ApiClient, id: str) -> _Message | None:
    try:
        return client.ask(ROUTES["message_details"], {"message_id": id}, _Message)
    except RemoteError as error:
        if error.code.startswith("404"):
            return None
        raise


def _found(
    client: ApiClient, markers: Markers, ids: tuple[str, str], message: _Message, time: str | None
) -> FoundMessage:
    """Return a message by its id and its conversation's; what of it is kept is redacted."""
    normalized = message.normalized_message or _Normalized()
    text = normalized.text or message.text_body or ""
    named = normalized.channel.message_id if normalized.channel is not None else None
    key = markers.key_in(text, message.provider_message_id or named or "")
    direction = (message.direction or normalized.direction or "").lower()
    way = direction if direction in _DIRECTIONS else ""
    id, at = (shortened(each, LONGEST_NAME, client.redact) for each in ids)
    at_s = _epoch_s(time or message.timestamp)
    if key is None:
        return FoundMessage(id, at, way, at_s)
    return FoundMessage(id, at, way, at_s, *key, digest_of(text))


def count_visible(
    client: ApiClient, ids: Sequence[str], from_s: float, until_s: float
) -> Counter[Side]:
    """Return how many messages analytics shows in each direction of these conversations.

    They are at most a hundred, and began between these times, in seconds since 1970. Raises
    RemoteError.
    """
    predicates = [{"dimension": "conversationId", "value": each} for each in ids]
    body = {
        "interval": f"{stamp(from_s)}/{stamp(until_s)}",
        "conversationFilters": [{"type": "or", "predicates": predicates}],
        "paging": {"pageSize": MOST_ASKED, "pageNumber": 1},
    }
    answer = client.ask(ROUTES["analytics_details"], {}, _Query, body)
    counts: Counter[Side] = Counter()
    for conversation in answer.conversations or ():
        for participant in conversation.participants:
            side = conversation.conversation_id, _SIDES.get(participant.purpose, "outbound")
            for session in participant.sessions:
                for metric in session.metrics or ():
                    counts[side] += int(metric.value) * (metric.name == "oMessageCount")
    return counts


def disconnect(client: ApiClient, id: str) -> Literal["closed", "over"]:
    """End a conversation, and return whether it was over or gone before; raises RemoteError."""
    try:
        client.ask(ROUTES["disconnect"], {"conversation_id": id}, object)
    except RemoteError as error:
        if error.code.startswith("404") or error.code in RETIRING_CODES:
            return "over"
        raise
    return "closed"


def _epoch_s(text: str) -> float:
    try:
        at_s = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as exc:
        raise RemoteError(f"{text!r} is no time that a message can have") from exc
    if not 0 < at_s < _LATEST_S:
        raise RemoteError(f"{text!r} is no time that a message can have")
    return at_s
