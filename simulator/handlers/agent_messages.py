"""What goes out to customers: an agent's replies and typing, and what needs no agent."""

from __future__ import annotations

import re
from typing import Any

from simulator.answers import NO_CONTENT, Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.guest_frames import TYPING_MS, typing
from simulator.handlers.reading import body_of
from simulator.handlers.renderings import message_data, message_uri
from simulator.ids import new_id
from simulator.model import bodies
from simulator.model.messaging import OUTBOUND, Message, MessagingConversation
from simulator.model.organisation import (
    DEFAULT_QUEUE,
    OTHER_SENDERS,
    QUEUES,
    Queue,
    active_integration,
)
from simulator.model.rejection import Rejection
from simulator.timestamps import stamp
from simulator.world import World

Json = dict[str, Any]
SMS_CHARACTERS_MAX = 765
WEB_MESSAGING_CHARACTERS = 4_000
E_164 = re.compile(r"\+[1-9]\d{1,14}", re.ASCII)
DIGITS = re.compile(r"\d+", re.ASCII)
# What a reply into a conversation that is over answers is not documented.
CONVERSATION_OVER = "request.conflict"
ACCEPTED = Answer(202)


def reply(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/messages/{id}/communications/{communicationId}/messages`."""
    conversation = _answered(world, call)
    body: Json = body_of(call, bodies.agent_reply)
    if len(body["textBody"]) > _longest(world, conversation.messenger_type):
        raise rejection("max.length.exceeded", field="textBody")
    if body.get("mediaIds"):
        # Nothing can be uploaded, so that no media id is one of the conversation's.
        raise Rejection("not.found", "Message not found.", field="mediaIds", status=400)
    most = world.options.conversation_messages_max
    if most is not None and conversation.count >= most:
        raise rejection("conversation.message.limit.exceeded")
    message = _outbound(world, conversation, body["textBody"], is_by_user=True)
    return _sent(world, call, message, message_data(message))


def type_as_agent(world: World, call: Call) -> Answer:
    """`POST …/communications/{communicationId}/typing`."""
    conversation = _answered(world, call)
    body: Json = body_of(call, bodies.agent_typing)
    session = world.guests.by_conversation.get(conversation.id)
    if session is not None:
        duration_ms = body["typing"].get("duration") or TYPING_MS
        world.push(session, typing(world.wall_s(), duration_ms))
    return NO_CONTENT


def notify(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/messages/agentless`."""
    body: Json = body_of(call, bodies.agentless)
    kind = body["toAddressMessengerType"]
    text, address = body.get("textBody") or "", _recipient(body)
    _check_notification(world, body, kind, text)
    joins_active = bool(body.get("useExistingActiveConversation"))
    conversation = _notified(world, body["fromAddress"], kind, address, joins_active)
    message = _outbound(world, conversation, text, is_by_user=False)
    content = {
        "id": message.id,
        "conversationId": conversation.id,
        "fromAddress": body["fromAddress"],
        "toAddress": address,
        "messengerType": kind,
        "textBody": text,
        "useExistingActiveConversation": joins_active,
        "message": message_data(message),
        "timestamp": stamp(message.at_s),
        "selfUri": message_uri(message),
    }
    return _sent(world, call, message, content)


def start_conversation(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/messages`: an agent begins a conversation; it holds no text."""
    body: Json = body_of(call, bodies.outbound_conversation)
    queue, kind, address = (
        QUEUES.get(body["queueId"]),
        body["toAddressMessengerType"],
        body["toAddress"],
    )
    if queue is None:
        raise rejection("not.found", field="queueId")
    _check_address(kind, address)
    if not queue.has_user:
        raise rejection("queue.membership.required")
    if not queue.integration_id or kind != "open":
        raise rejection("queue.address.required")
    conversation = _begun(world, queue, address, bool(body.get("useExistingConversation")))
    uri = f"/api/v2/conversations/messages/{conversation.id}"
    return json_answer({"id": conversation.id, "selfUri": uri})


def _answered(world: World, call: Call) -> MessagingConversation:
    """The conversation and communication of the path, which must be open."""
    conversation_id, communication_id = call.path_values
    conversation = world.messaging.by_id.get(conversation_id)
    if conversation is None or communication_id != conversation.communication_id:
        raise rejection("not.found")
    if conversation.is_over:
        raise rejection(CONVERSATION_OVER)
    return conversation


def _longest(world: World, messenger_type: str) -> int:
    return SMS_CHARACTERS_MAX if messenger_type == "sms" else world.options.outbound_text_max


def _outbound(
    world: World, conversation: MessagingConversation, text: str, *, is_by_user: bool
) -> Message:
    world.outbound_usage.spend()
    return Message(
        id=new_id(),
        conversation_id=conversation.id,
        direction=OUTBOUND,
        messenger_type=conversation.messenger_type,
        integration_id=conversation.integration_id,
        address=conversation.address,
        text=text,
        at_s=world.wall_s(),
        visible_at_s=world.now_s(),
        status="sent",
        is_by_user=is_by_user,
    )


def _sent(world: World, call: Call, message: Message, content: Json) -> Answer:
    """The answer, rendered before a defect may change the message."""
    world.deliver(message, call.body)
    if world.options.accepted_status == ACCEPTED.status:
        return ACCEPTED
    return json_answer(content)


def _recipient(body: Json) -> str:
    """The address; for web messaging, which must not have one, the external contact's id."""
    is_web = body["toAddressMessengerType"] == "webmessaging"
    name = "externalContactId" if is_web else "toAddress"
    address: str = body.get(name) or ""
    if not address:
        raise rejection("constraint.validation", f"{name} may not be null", field=name)
    return address


def _check_notification(world: World, body: Json, kind: str, text: str) -> None:
    if kind == "open":
        active_integration(body["fromAddress"], field="fromAddress")
    elif body["fromAddress"] != OTHER_SENDERS[kind]:
        raise rejection("not.found", field="fromAddress")
    if kind == "webmessaging" and not 0 < len(text) < WEB_MESSAGING_CHARACTERS:
        raise rejection("invalid.webmessaging.text.body", field="textBody")
    if kind == "whatsapp" and not DIGITS.fullmatch(body["toAddress"]):
        raise rejection("invalid.whatsapp.address", field="toAddress")
    required = "messagingTemplate" if kind in ("whatsapp", "apple") else "textBody"
    if not body.get(required):
        raise rejection("constraint.validation", f"{required} may not be null", field=required)
    if kind != "webmessaging" and len(text) > _longest(world, kind):
        raise rejection("max.length.exceeded", field="textBody")


def _check_address(kind: str, address: str) -> None:
    if kind == "sms" and not E_164.fullmatch(address):
        raise rejection("invalid.phone.number", field="toAddress")
    if kind == "whatsapp" and not DIGITS.fullmatch(address):
        raise rejection("invalid.whatsapp.address", field="toAddress")


def _notified(
    world: World, sender: str, kind: str, address: str, joins_active: bool
) -> MessagingConversation:
    """The conversation of a notification: the active one if it may join it, else one of its own.

    One of its own is over at once, because nobody is in it; the customer's answer takes it up
    again. Whether the real one is, and whether a conversation that is over but within its window
    is in the way (`existing.conversation`), is not documented.
    """
    latest = world.messaging.latest(sender, address)
    if latest is not None and not latest.is_over:
        if not joins_active:
            raise rejection("active.conversation")
        return latest
    begun = world.messaging.begin(
        integration_id=sender,
        messenger_type=kind,
        address=address,
        customer_name=address,
        direction=OUTBOUND,
        queue_id=DEFAULT_QUEUE.id,
        has_agent=False,
        wall_s=world.wall_s(),
    )
    begun.disconnect(world.now_s(), world.wall_s())
    return begun


def _begun(world: World, queue: Queue, address: str, uses_existing: bool) -> MessagingConversation:
    """The conversation that an agent begins, or takes up again if it is over and he may."""
    latest = world.messaging.latest(queue.integration_id, address)
    if latest is not None and not latest.is_over:
        raise rejection("active.conversation")
    if latest is not None and world.messaging.is_within_window(latest, world.now_s()):
        if not uses_existing:
            raise rejection("existing.conversation")
        latest.connect(has_agent=True)
        return latest
    return world.messaging.begin(
        integration_id=queue.integration_id,
        messenger_type="open",
        address=address,
        customer_name=address,
        direction=OUTBOUND,
        queue_id=queue.id,
        has_agent=True,
        wall_s=world.wall_s(),
    )
