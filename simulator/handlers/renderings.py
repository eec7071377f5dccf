"""Stored conversations and messages as the models of the public definition."""

from __future__ import annotations

from simulator.model.messaging import INBOUND, Message, MessagingConversation
from simulator.model.organisation import QUEUES, USER
from simulator.timestamps import stamp

Json = dict[str, object]
PLATFORMS = {
    "open": "Open",
    "sms": "Sms",
    "whatsapp": "Whatsapp",
    "webmessaging": "WebMessaging",
    "apple": "Apple",
}
PROVIDER = "PureCloud Messaging"


def message_data(message: Message) -> Json:
    """MessageData."""
    ends = message.address, message.integration_id
    from_address, to_address = ends if message.direction == INBOUND else ends[::-1]
    rendered: Json = {
        "id": message.id,
        "timestamp": stamp(message.at_s),
        "fromAddress": from_address,
        "toAddress": to_address,
        "direction": message.direction,
        "messengerType": message.messenger_type,
        # Required by the definition; the SDK of 2026-10 no longer has it.
        "textBody": message.text,
        "status": message.status,
        "normalizedMessage": _normalised(message),
        "conversationId": message.conversation_id,
        "selfUri": message_uri(message),
    }
    if message.provider_id:
        rendered["providerMessageId"] = message.provider_id
    if message.is_by_user:
        rendered["createdBy"] = _user()
    return rendered


def message_uri(message: Message) -> str:
    return f"/api/v2/conversations/messages/{message.conversation_id}/messages/{message.id}"


def _normalised(message: Message) -> Json:
    """ConversationNormalizedMessage."""
    is_inbound = message.direction == INBOUND
    customer: Json = message.sender or {"id": message.address}
    integration: Json = {"id": message.integration_id}
    channel: Json = {
        "id": message.integration_id,
        "platform": PLATFORMS[message.messenger_type],
        "type": "Private",
        "to": integration if is_inbound else customer,
        "from": customer if is_inbound else integration,
        "time": message.channel_time or stamp(message.at_s),
    }
    if message.provider_id:
        channel["messageId"] = message.provider_id
    rendered: Json = {
        "id": message.id,
        "channel": channel,
        "type": message.kind,
        "text": message.text,
        "direction": message.direction.capitalize(),
    }
    if message.content:
        rendered["content"] = message.content
    if message.metadata:
        rendered["metadata"] = message.metadata
    if not is_inbound:
        rendered["originatingEntity"] = "Human" if message.is_by_user else "Bot"
    return rendered


def conversation(found: MessagingConversation, now_s: float) -> Json:
    """Conversation; its participants hold their communications as `messages`."""
    visible = found.visible(now_s)
    rendered: Json = {
        "id": found.id,
        "startTime": stamp(found.started_s),
        "address": found.address,
        "participants": [_participant(found, side, visible) for side in found.purposes],
        "recordingState": "NONE",
        "selfUri": f"/api/v2/conversations/{found.id}",
    }
    if found.ended_s is not None:
        rendered["endTime"] = stamp(found.ended_s)
    return rendered


def message_conversation(found: MessagingConversation, now_s: float) -> Json:
    """MessageConversation; the customer's `peer` is the communication that an agent answers by.

    That is said in https://github.com/MyPureCloud/developer-center-blog,
    `source/2024-09-27-agentless-sms-api` (read 2026-11-22).
    """
    visible = found.visible(now_s)
    return {
        "id": found.id,
        "participants": [_media_participant(found, side, visible) for side in found.purposes],
        "selfUri": f"/api/v2/conversations/messages/{found.id}",
    }


def _participant(found: MessagingConversation, side: str, visible: list[Message]) -> Json:
    """Participant, with its one communication (Message of the definition)."""
    is_customer = side == INBOUND
    of_others = found.communication_id or found.api_id
    own_id = found.customer_communication_id if is_customer else of_others
    communication: Json = {"id": own_id} | _leg(found, side, visible)
    if found.communication_id:
        communication["peerId"] = _peer(found, side)
    rendered = _person(found, side) | {
        "queueId": found.queue_id,
        "queueName": QUEUES[found.queue_id].name,
        "messages": [communication],
    }
    if found.purposes[side] == "agent":
        rendered["userId"] = USER.id
    return rendered


def _media_participant(found: MessagingConversation, side: str, visible: list[Message]) -> Json:
    """MessageMediaParticipant."""
    rendered = _person(found, side) | _leg(found, side, visible)
    rendered["queue"] = {"id": found.queue_id, "name": QUEUES[found.queue_id].name}
    if found.communication_id:
        rendered["peer"] = _peer(found, side)
    if found.purposes[side] == "agent":
        rendered["user"] = _user()
    return rendered


def _person(found: MessagingConversation, side: str) -> Json:
    """What both kinds of participants have of who they are."""
    is_customer, purpose = side == INBOUND, found.purposes[side]
    rendered: Json = {
        "id": found.participant_id(side),
        "name": {"customer": found.customer_name, "agent": USER.name}.get(purpose, ""),
        "address": found.address if is_customer else found.integration_id,
        "purpose": purpose,
        "startTime": stamp(found.started_s),
        "attributes": found.attributes if is_customer else {},
    }
    if found.agent_id:
        rendered["connectedTime"] = stamp(found.started_s)
    if found.ended_s is not None:
        rendered["endTime"] = stamp(found.ended_s)
    return rendered


def _leg(found: MessagingConversation, side: str, visible: list[Message]) -> Json:
    """What both kinds have of their communication, with the messages that this side sent."""
    ends: tuple[Json, Json] = (
        {"addressNormalized": found.address, "name": found.customer_name},
        {"addressNormalized": found.integration_id},
    )
    from_address, to_address = ends if found.direction == INBOUND else ends[::-1]
    return {
        "state": str(found.state),
        "direction": found.direction,
        "provider": PROVIDER,
        "type": found.messenger_type,
        "fromAddress": from_address,
        "toAddress": to_address,
        "messages": [_details(each) for each in visible if each.direction == side],
    }


def _peer(found: MessagingConversation, side: str) -> str | None:
    return found.communication_id if side == INBOUND else found.customer_communication_id


def _details(message: Message) -> Json:
    """MessageDetails."""
    return {
        "messageId": message.id,
        "messageURI": message_uri(message),
        "messageStatus": message.status,
        "messageTime": stamp(message.at_s),
    }


def _user() -> Json:
    return {"id": USER.id, "name": USER.name, "selfUri": f"/api/v2/users/{USER.id}"}
