"""Conversations of the public routes: which message goes to which, and what was said in them.

The threading timeline (https://help.mypurecloud.com/articles/messaging-threading-timeline/, read
2026-11-22): a message joins the conversation that its integration has with its sender; once that
is disconnected the time begins in which a message takes it up again, by default 72 hours.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from simulator.errors import rejection
from simulator.ids import new_id
from simulator.model.defects import damaged
from simulator.model.deliveries import Delivery

INBOUND, OUTBOUND = "inbound", "outbound"


class State(StrEnum):
    """Where a conversation stands: waiting for an agent, with one, or over."""

    ALERTING = "alerting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class Message(msgspec.Struct, gc=False, eq=False):
    """A message as it is stored; `at_s` is Unix time, `visible_at_s` the simulator's clock.

    `sender` is the channel's `from` of an inbound message, `content` the definition's list of
    contents, `kind` the normalised type.
    """

    id: str
    conversation_id: str
    direction: str
    messenger_type: str
    integration_id: str
    address: str
    text: str
    at_s: float
    visible_at_s: float
    kind: str = "Text"
    content: list[dict[str, object]] | None = None
    metadata: dict[str, str] | None = None
    provider_id: str = ""
    channel_time: str = ""
    sender: dict[str, object] | None = None
    status: str = "received"
    is_by_user: bool = False


@dataclass(slots=True)
class MessagingConversation:
    """One conversation between an integration and a customer's address.

    Times in `_s` are Unix times; `over_at_s` is when it was disconnected by the simulator's
    clock. `communication_id` is the agent's, for answers; None while there is no agent. Then
    notifications are of a participant of their own, with purpose `api`.
    """

    id: str
    integration_id: str
    messenger_type: str
    address: str
    customer_name: str
    direction: str
    queue_id: str
    started_s: float
    state: State
    customer_id: str = field(default_factory=new_id)
    customer_communication_id: str = field(default_factory=new_id)
    api_id: str = field(default_factory=new_id)
    agent_id: str | None = None
    communication_id: str | None = None
    ended_s: float | None = None
    over_at_s: float = 0.0
    attributes: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    count: int = 0
    """Messages that were stored, also those that have been forgotten since."""

    @property
    def is_over(self) -> bool:
        return self.state is State.DISCONNECTED

    @property
    def purposes(self) -> dict[str, str]:
        """Who takes part, by the direction of what each of them writes."""
        found = {INBOUND: "customer"}
        if self.agent_id:
            found[OUTBOUND] = "agent"
        elif any(each.direction == OUTBOUND for each in self.messages):
            found[OUTBOUND] = "api"
        return found

    def participant_id(self, direction: str) -> str:
        """The id of who writes in this direction."""
        return self.customer_id if direction == INBOUND else self.agent_id or self.api_id

    def connect(self, has_agent: bool) -> None:
        """Begin, or take up again; an agent who is there answers at once."""
        self.state = State.CONNECTED if has_agent else State.ALERTING
        self.ended_s = None
        if has_agent and not self.communication_id:
            self.agent_id, self.communication_id = new_id(), new_id()

    def disconnect(self, now_s: float, wall_s: float) -> None:
        if not self.is_over:
            self.state = State.DISCONNECTED
            self.ended_s, self.over_at_s = wall_s, now_s

    def visible(self, before_s: float) -> list[Message]:
        """The messages that can be seen at this time of the simulator's clock."""
        return [each for each in self.messages if each.visible_at_s <= before_s]


class Messaging:
    """All conversations of the public routes and their messages, the latest `kept` of them."""

    def __init__(self, threading_window_s: float, kept: int) -> None:
        self._threading_window_s = threading_window_s
        self._kept = kept
        self._latest: dict[tuple[str, str], MessagingConversation] = {}
        self._messages: dict[str, Message] = {}
        self._oldest_first: deque[Message] = deque()
        self.by_id: dict[str, MessagingConversation] = {}

    def latest(self, integration_id: str, address: str) -> MessagingConversation | None:
        """The last conversation between the two, over or not."""
        # Whether the type of the sender's id belongs to the key is not documented; it does not.
        return self._latest.get((integration_id, address))

    def is_within_window(self, conversation: MessagingConversation, now_s: float) -> bool:
        """Whether a message would still join this conversation."""
        over_for_s = now_s - conversation.over_at_s
        return not conversation.is_over or over_for_s < self._threading_window_s

    def begin(
        self,
        *,
        integration_id: str,
        messenger_type: str,
        address: str,
        customer_name: str,
        direction: str,
        queue_id: str,
        has_agent: bool,
        wall_s: float,
    ) -> MessagingConversation:
        """A new conversation between the two."""
        conversation = MessagingConversation(
            id=new_id(),
            integration_id=integration_id,
            messenger_type=messenger_type,
            address=address,
            customer_name=customer_name,
            direction=direction,
            queue_id=queue_id,
            started_s=wall_s,
            state=State.ALERTING,
        )
        conversation.connect(has_agent)
        self.by_id[conversation.id] = conversation
        self._latest[integration_id, address] = conversation
        return conversation

    def store(self, message: Message, delivery: Delivery) -> None:
        """Store a message as its delivery says, and forget the oldest if there are too many."""
        conversation = self.by_id[message.conversation_id]
        if delivery.fate.is_corrupted:
            message.text = damaged(message.text)
        message.visible_at_s += delivery.fate.delay_s
        for id in delivery.ids:
            # The first of the ids is the message's own.
            stored = message if id == message.id else msgspec.structs.replace(message, id=id)
            conversation.messages.append(stored)
            conversation.count += 1
            self._messages[id] = stored
            self._oldest_first.append(stored)
        if delivery.overtaken_id:
            self._put_before(conversation, message, delivery.overtaken_id)
        while len(self._oldest_first) > self._kept:
            self._forget(self._oldest_first.popleft())

    def message(self, message_id: str, now_s: float) -> Message:
        """The message of that id; raises `Rejection` where there is none, or none yet."""
        found = self._messages.get(message_id)
        if found is None or found.visible_at_s > now_s:
            raise rejection("not.found")
        return found

    def _put_before(
        self, conversation: MessagingConversation, message: Message, overtaken_id: str
    ) -> None:
        overtaken = self._messages.get(overtaken_id)
        if overtaken is None:
            return
        conversation.messages.remove(message)
        conversation.messages.insert(conversation.messages.index(overtaken), message)
        message.at_s, overtaken.at_s = overtaken.at_s, message.at_s

    def _forget(self, message: Message) -> None:
        del self._messages[message.id]
        conversation = self.by_id[message.conversation_id]
        conversation.messages.remove(message)
        if conversation.is_over and not conversation.messages:
            del self.by_id[conversation.id]
            key = conversation.integration_id, conversation.address
            if self._latest.get(key) is conversation:
                del self._latest[key]
