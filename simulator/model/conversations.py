"""The seeded pool of conversations that messages go to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from random import Random

CONNECTED = "connected"
DISCONNECTED = "disconnected"
SHARE_DISCONNECTED = 0.10
SHARE_WEBMESSAGING = 0.05
FIRST_NAMES = ("Ada", "Bo", "Chen", "Dara", "Edda", "Femi", "Gita", "Hugo", "Ines", "Jun")
LAST_NAMES = ("Abel", "Berg", "Costa", "Diaz", "Eriksen", "Fox", "Gruber", "Hale", "Ito", "Jansen")


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a conversation; `purpose` is `customer` or `agent`."""

    id: str
    purpose: str
    name: str


@dataclass(slots=True)
class Conversation:
    """One conversation; `state` is `connected` or `disconnected` and may change."""

    id: str
    state: str
    type: str
    participants: tuple[Participant, ...]

    @property
    def is_open(self) -> bool:
        return self.state == CONNECTED


class ConversationPool:
    """Conversations in a fixed order, found by their own id or by a participant's."""

    def __init__(self, seed: int, size: int) -> None:
        rng = Random(seed)
        self.ordered = [_conversation(rng, index) for index in range(size)]
        self.by_id = {conversation.id: conversation for conversation in self.ordered}
        self.by_participant: dict[str, Conversation] = {}
        self.by_customer: dict[str, Conversation] = {}
        for conversation in self.ordered:
            for participant in conversation.participants:
                self.by_participant[participant.id] = conversation
                if participant.purpose == "customer":
                    self.by_customer[participant.id] = conversation

    def close(self, conversation_id: str) -> bool:
        """Disconnect a conversation; False if there is none of that id."""
        conversation = self.by_id.get(conversation_id)
        if conversation is None:
            return False
        conversation.state = DISCONNECTED
        return True


def _conversation(rng: Random, index: int) -> Conversation:
    is_disconnected = rng.random() < SHARE_DISCONNECTED
    is_webmessaging = rng.random() < SHARE_WEBMESSAGING
    # The first one always takes messages, so that even a pool of one is usable.
    return Conversation(
        id=_seeded_uuid(rng),
        state=DISCONNECTED if is_disconnected and index > 0 else CONNECTED,
        type="webmessaging" if is_webmessaging and index > 0 else "webchat",
        participants=(_participant(rng, "customer"), _participant(rng, "agent")),
    )


def _participant(rng: Random, purpose: str) -> Participant:
    name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    return Participant(id=_seeded_uuid(rng), purpose=purpose, name=name)


def _seeded_uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
