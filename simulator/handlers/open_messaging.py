"""What comes in from customers by an open messaging integration: messages, events, receipts."""

from __future__ import annotations

from typing import Any

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.handlers.reading import body_of, flag_of
from simulator.ids import new_id
from simulator.model import bodies
from simulator.model.messaging import INBOUND, OUTBOUND, Message, MessagingConversation
from simulator.model.organisation import DEFAULT_QUEUE, Integration, active_integration
from simulator.world import World

Json = dict[str, Any]
SENDER_MEMBERS = ("id", "idType", "nickname", "firstName", "lastName", "email")
ATTACHMENT_MEMBERS = ("id", "mediaType", "url", "mime", "text", "sha256", "filename")
BUTTON_MEMBERS = ("type", "text", "payload")
STATUS_AFTER = {
    "Sent": "sent",
    "Delivered": "delivery-success",
    "Failed": "delivery-failed",
    "Published": "published",
    "Removed": "removed",
}
"""What a receipt makes of an outbound message's status."""


def take_message(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/messages/{integrationId}/inbound/open/message`."""
    integration = active_integration(call.path_values[0])
    body: Json = body_of(call, bodies.inbound_message)
    content = _content(integration, body.get("content") or [])
    returns_conversation = flag_of(call, "prefetchConversationId")
    message = _received(world, integration, body, body.get("text") or "", "Text")
    message.content, message.metadata = content, body.get("metadata")
    # Made now: a defect may change the stored message, not what its sender is told.
    normalised = _normalised(integration, body["channel"], message.id, "Text")
    normalised["text"] = message.text
    if content:
        normalised["content"] = content
    if message.metadata:
        normalised["metadata"] = message.metadata
    if returns_conversation:
        normalised["conversationId"] = message.conversation_id
    world.deliver(message, call.body)
    return json_answer(normalised, world.options.accepted_status)


def take_structured_response(world: World, call: Call) -> Answer:
    """`POST …/inbound/open/structured/response`: a customer has pressed a button."""
    integration = active_integration(call.path_values[0])
    body: Json = body_of(call, bodies.structured_response)
    button = _only(body["buttonResponse"], BUTTON_MEMBERS)
    message = _received(world, integration, body, button["text"], "Structured")
    origin = {"originatingMessageId": body["originatingMessageId"]}
    message.content = [{"contentType": "ButtonResponse", "buttonResponse": button | origin}]
    world.deliver(message, call.body)
    normalised = _normalised(integration, body["channel"], message.id, "Structured")
    normalised["direction"] = "Inbound"
    normalised["content"] = [{"contentType": "ButtonResponse", "buttonResponse": button}]
    return json_answer(normalised, world.options.accepted_status)


def take_event(world: World, call: Call) -> Answer:
    """`POST …/inbound/open/event`: a customer is typing; begins no conversation."""
    integration = active_integration(call.path_values[0])
    body: Json = body_of(call, bodies.inbound_event)
    normalised = _normalised(integration, body["channel"], new_id(), "Event")
    normalised["events"] = [
        {"eventType": each["eventType"], "typing": {"type": "On"}} for each in body["events"]
    ]
    return json_answer(normalised, world.options.accepted_status)


def take_receipt(world: World, call: Call) -> Answer:
    """`POST …/inbound/open/receipt`: what became of an outbound message at the customer's."""
    integration = active_integration(call.path_values[0])
    body: Json = body_of(call, bodies.inbound_receipt)
    message = world.messaging.message(body["id"], world.now_s())
    if message.direction != OUTBOUND or message.integration_id != integration.id:
        raise rejection("not.found")
    message.status = STATUS_AFTER[body["status"]]
    channel = {
        "id": integration.id,
        "platform": "Open",
        "type": "Private",
        "to": _only(body["channel"]["to"], ("id", "email")),
        "from": {"id": integration.id, "idType": "Opaque"},
        "time": body["channel"]["time"],
    }
    normalised: Json = {
        "id": message.id,
        "channel": channel,
        "type": "Receipt",
        "status": body["status"],
        "reasons": [_only(each, ("code", "message")) for each in body.get("reasons") or ()],
        "isFinalReceipt": bool(body.get("isFinalReceipt")),
        "direction": "Outbound",
    }
    return json_answer(normalised, world.options.accepted_status)


def _received(world: World, integration: Integration, body: Json, text: str, kind: str) -> Message:
    channel = body["channel"]
    conversation = _conversation(world, integration, channel["from"])
    return Message(
        id=new_id(),
        conversation_id=conversation.id,
        direction=INBOUND,
        messenger_type="open",
        integration_id=integration.id,
        address=conversation.address,
        text=text,
        at_s=world.wall_s(),
        visible_at_s=world.now_s(),
        kind=kind,
        provider_id=channel.get("messageId") or "",
        channel_time=channel["time"],
        sender=_only(channel["from"], SENDER_MEMBERS),
    )


def _conversation(world: World, integration: Integration, sender: Json) -> MessagingConversation:
    """The conversation that the sender has with the integration, taken up again or begun."""
    latest = world.messaging.latest(integration.id, sender["id"])
    if latest is None or not world.messaging.is_within_window(latest, world.now_s()):
        return world.messaging.begin(
            integration_id=integration.id,
            messenger_type="open",
            address=sender["id"],
            customer_name=sender.get("nickname") or sender["id"],
            direction=INBOUND,
            queue_id=DEFAULT_QUEUE.id,
            has_agent=integration.has_agent,
            wall_s=world.wall_s(),
        )
    if latest.is_over:
        latest.connect(integration.has_agent)
    return latest


def _content(integration: Integration, contents: list[Json]) -> list[dict[str, object]] | None:
    if not contents:
        return None
    attachment = contents[0]["attachment"]
    if attachment["mediaType"] not in integration.media_types:
        # The code for what the integration's supported content does not list is not documented.
        raise rejection(
            "constraint.validation",
            f"The integration does not support attachments of type {attachment['mediaType']}",
            field="content[0].attachment.mediaType",
        )
    return [{"contentType": "Attachment", "attachment": _only(attachment, ATTACHMENT_MEMBERS)}]


def _normalised(integration: Integration, channel: Json, message_id: str, kind: str) -> Json:
    """The members that all normalised open messages have."""
    answered: Json = {
        "id": integration.id,
        "platform": "Open",
        "type": "Private",
        "to": {"id": integration.id},
        "from": _only(channel["from"], SENDER_MEMBERS),
        "time": channel["time"],
    }
    if channel.get("messageId"):
        answered["messageId"] = channel["messageId"]
    return {"id": message_id, "channel": answered, "type": kind}


def _only(value: Json, members: tuple[str, ...]) -> Json:
    """The members that the definition has, of those that are given."""
    return {name: value[name] for name in members if value.get(name) is not None}
