"""What counts as a route's own answer: a 2xx alone may be a gateway's page, or a cache's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from convoy.untrusted_text import UNREADABLE

_NO_BODIES = (b"", b"{}")
_REMEMBERED = 4_096
_TEXTS = ("id", "conversationId")


class AnswerRule:
    """Tells the answers of a route from others, for the messages of one process.

    `accepts` holds the statuses that accept, each with the fields that its answer must hold; with
    none the body has to be empty. Of these fields `conversationId` has to be the conversation that
    was addressed, and `id` one that is not among the last 4,096: every message gets its own.
    """

    def __init__(self, accepts: Mapping[int, tuple[str, ...]]) -> None:
        self._known = {
            status: (
                _decoder(fields).decode if fields else None,
                "conversationId" in fields,
                "id" in fields,
            )
            for status, fields in accepts.items()
        }
        self._recent: set[str] = set()
        self._earlier: set[str] = set()

    def holds(self, status: int, body: bytes, conversation_id: str) -> bool:
        """Return whether an answer is the route's own to a message for a conversation.

        It is asked for every message, so it is one function: a call takes longer than a line.
        """
        known = self._known.get(status)
        if known is None:
            return False
        decode, names_conversation, has_id = known
        if decode is None:
            return body in _NO_BODIES
        try:
            answer = decode(body)
        except UNREADABLE:
            return False
        if names_conversation and answer.conversationId != conversation_id:
            return False
        if has_id:
            id, recent = answer.id, self._recent
            if not id or id in recent or id in self._earlier:
                return False
            recent.add(id)
            # Two sets in turn hold from 4,096 to 8,192 ids, and nothing is taken out one by one.
            if len(recent) >= _REMEMBERED:
                self._earlier, self._recent = recent, set()
        return True


def _decoder(fields: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of JSON objects that hold these fields; two of them have to be texts."""
    types = [(name, str if name in _TEXTS else Any) for name in fields]
    return msgspec.json.Decoder(msgspec.defstruct("OwnAnswer", types, gc=False))
