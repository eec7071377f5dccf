"""Who takes part in a conversation, as the API's answers show it, and how an agent can reply."""

from __future__ import annotations

import msgspec

from convoy.plan.pool import Conversation

_AGENTS = ("agent", "user")
_CONNECTED = "connected"


class _Participant(msgspec.Struct):
    id: str
    purpose: str = ""
    state: str | None = None
    type: str | None = None
    peer: str | None = None


_NOBODY = _Participant("")


class ShownConversation(msgspec.Struct):
    """One conversation of an answer; state and type are its own, or else those of its customer.

    The published definition has them in each participant's leg.
    """

    id: str
    state: str = ""
    type: str = ""
    participants: list[_Participant] = []

    def is_of(self, state: str | None, type: str | None) -> bool:
        """Return whether it has this state and type; None stands for any."""
        customer = self._first("customer")
        own_state, own_type = self.state or customer.state, self.type or customer.type
        return state in (None, own_state) and type in (None, own_type)

    def for_pool(self) -> Conversation:
        """Return it with the ids of its participants.

        It has a communication where an agent is connected: the customer's `peer`, which may be
        another's before (https://github.com/MyPureCloud/developer-center-blog,
        `source/2024-09-27-agentless-sms-api`, read 2026-11-22).
        """
        customer = self._first("customer")
        agents = (each for each in self.participants if each.purpose in _AGENTS)
        is_answered = any(each.state == _CONNECTED for each in agents)
        communication_id = customer.peer if is_answered else None
        return Conversation(self.id, customer.id, self._first("agent").id, communication_id or "")

    def _first(self, purpose: str) -> _Participant:
        return next((each for each in self.participants if each.purpose == purpose), _NOBODY)


def read_conversation(entity: bytes | msgspec.Raw) -> ShownConversation | None:
    """Return a conversation of an answer, None where a part of it has another form."""
    try:
        read = msgspec.json.decode(entity, type=ShownConversation)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return read if read.id else None
