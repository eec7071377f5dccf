"""The pool of conversations: its entries, in an order that is part of the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec


# A structure, and untracked by the collector: one is made per message.
class Conversation(msgspec.Struct, frozen=True, gc=False):
    """One conversation and its participants; ids are empty where nobody knows them."""

    id: str
    customer_id: str = ""
    agent_id: str = ""


@dataclass(frozen=True, slots=True)
class ConversationPool:
    """Conversations as columns of equal length; a million of them are three flat tuples.

    The columns of participants are empty when the source names none.
    """

    ids: Sequence[str]
    customer_ids: Sequence[str] = ()
    agent_ids: Sequence[str] = field(default=())

    @classmethod
    def of(cls, conversations: Iterable[Conversation]) -> ConversationPool:
        """Return the pool of these conversations, in this order, each id once."""
        first: dict[str, Conversation] = {}
        for each in conversations:
            first.setdefault(each.id, each)
        customer_ids = tuple(each.customer_id for each in first.values())
        agent_ids = tuple(each.agent_id for each in first.values())
        return cls(
            tuple(first),
            customer_ids if any(customer_ids) else (),
            agent_ids if any(agent_ids) else (),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Conversation:
        return Conversation(
            self.ids[index],
            self.customer_ids[index] if self.customer_ids else "",
            self.agent_ids[index] if self.agent_ids else "",
        )

    @property
    def hash(self) -> str:
        """A fingerprint of the pool and its order."""
        columns = (self.ids, self.customer_ids, self.agent_ids)
        text = "\0".join("\n".join(column) for column in columns)
        return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
