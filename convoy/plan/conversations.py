"""The pool of conversations and the pick of one for each message."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from convoy.plan.draws import draw_below, stream_key


class ConversationPool:
    """Conversation ids in a fixed order; the order is part of the plan, so it has a hash."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def hash(self) -> str:
        return blake2b("\n".join(self.ids).encode(), digest_size=8).hexdigest()


class RandomPick:
    """Any conversation of the pool, each equally likely, for every message anew."""

    def __init__(self, pool: ConversationPool, seed: int, scenario: str) -> None:
        self._ids = pool.ids
        self._key = stream_key(seed, scenario, "conversation")

    def conversation_id(self, k: int) -> str:
        return self._ids[draw_below(self._key, k, len(self._ids))]


def parse_pool(text: str) -> list[str]:
    """Return the ids of a pool file: one a line, blank lines and `#` comments left out.

    An id that stands there twice counts once: a conversation is no likelier for being listed twice.
    """
    lines = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
