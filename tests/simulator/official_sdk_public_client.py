"""A program that performs each public operation through the official SDK; argument: the URL.

It prints as JSON, for each operation, the status and where the typed model that the SDK made
differs from the raw answer: members that the model does not have, and values that it has changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import PureCloudPlatformClientV2 as sdk

INTEGRATION, QUEUE = sys.argv[2:4]


class Client:
    """An API client of the SDK, and what came of each call that was made with it."""

    def __init__(self, api: Any, performed: dict[str, dict[str, Any]]) -> None:
        self.api = api
        self._performed = performed

    def perform(
        self, label: str, operation: Callable[..., Any], *arguments: Any, **more: Any
    ) -> Any:
        """Make a call, note its status and differences, and return the typed model."""
        model = operation(*arguments, **more)
        response = self.api.last_response
        raw = json.loads(response.data) if response.data else None
        typed = self.api.sanitize_for_serialization(model) if raw is not None else None
        self._performed[label] = {
            "status": response.status,
            "differences": sorted(set(differences(raw, typed))),
        }
        return model

    def refused(self, label: str, operation: Callable[..., Any], *arguments: Any) -> None:
        """Make a call that is refused, and note its code."""
        try:
            operation(*arguments)
        except sdk.rest.ApiException as refusal:
            self._performed[label] = {
                "status": refusal.status,
                "code": json.loads(refusal.body)["code"],
            }


def differences(raw: Any, typed: Any, path: str = "") -> list[str]:
    """The paths, without numbers of elements, at which the two differ."""
    if isinstance(raw, dict) and isinstance(typed, dict):
        return [
            found
            for name, value in raw.items()
            for found in differences(value, typed.get(name), f"{path}.{name}".lstrip("."))
        ]
    if isinstance(raw, list) and isinstance(typed, list) and len(raw) == len(typed):
        pairs = zip(raw, typed, strict=True)
        return [found for one, other in pairs for found in differences(one, other, path)]
    # The SDK leaves out what is empty.
    is_same = comparable(raw) == comparable(typed) or (not raw and not typed)
    return [] if is_same else [path]


def comparable(value: Any) -> Any:
    """A date and time as a point in time, since the SDK writes its zone in another way."""
    if isinstance(value, str) and "T" in value:
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            return value
    return value


def main(url: str) -> None:
    sdk.configuration.host = url
    performed: dict[str, dict[str, Any]] = {}
    api = sdk.ApiClient().get_client_credentials_token("public", "public")
    user = sdk.ApiClient()
    _, refreshed = user.refresh_code_authorization_token(
        "public-user", "public-user", "public-user"
    )
    user.access_token = refreshed["access_token"]
    ask_organisation(Client(api, performed))
    converse(Client(api, performed), Client(user, performed))
    print(json.dumps(performed))


def ask_organisation(client: Client) -> None:
    organisation, routing = sdk.OrganizationApi(client.api), sdk.RoutingApi(client.api)
    conversations, tokens = sdk.ConversationsApi(client.api), sdk.TokensApi(client.api)
    client.perform("tokens me", tokens.get_tokens_me)
    client.perform("tokens me, head", tokens.head_tokens_me)
    namespace = organisation.get_organizations_limits_namespace
    client.perform("limits", namespace, "platform.api")
    client.perform(
        "limits, defaults",
        organisation.get_organizations_limits_namespace_defaults,
        "platform.api",
    )
    client.perform("limits, namespaces", organisation.get_organizations_limits_namespaces)
    client.perform("limits, docs", organisation.get_organizations_limits_docs)
    client.perform("integrations", conversations.get_conversations_messaging_integrations_open)
    client.perform(
        "integration",
        conversations.get_conversations_messaging_integrations_open_integration_id,
        INTEGRATION,
    )
    client.perform("queues", routing.get_routing_queues, name="Convoy")
    client.perform("queue", routing.get_routing_queue, QUEUE)
    client.refused("limits, unknown", namespace, "nothing")


def converse(client: Client, user: Client) -> None:
    as_client, as_user = sdk.ConversationsApi(client.api), sdk.ConversationsApi(user.api)
    taken = client.perform(
        "inbound message",
        as_client.post_conversations_message_inbound_open_message,
        INTEGRATION,
        inbound_message(),
        prefetch_conversation_id=True,
    )
    conversation_id = taken.conversation_id
    client.perform(
        "inbound event",
        as_client.post_conversations_message_inbound_open_event,
        INTEGRATION,
        inbound_event(),
    )
    client.perform(
        "inbound structured response",
        as_client.post_conversations_message_inbound_open_structured_response,
        INTEGRATION,
        structured_response(taken.id),
    )
    shown = client.perform(
        "message conversation", as_client.get_conversations_message, conversation_id
    )
    customer, agent = shown.participants
    reply = user.perform(
        "agent reply",
        as_user.post_conversations_message_communication_messages,
        conversation_id,
        customer.peer,
        additional_message("hi"),
    )
    user.perform(
        "agent typing",
        as_user.post_conversations_message_communication_typing,
        conversation_id,
        customer.peer,
        agent_typing(),
    )
    client.perform(
        "inbound receipt",
        as_client.post_conversations_message_inbound_open_receipt,
        INTEGRATION,
        inbound_receipt(reply.id),
    )
    client.perform("message details", as_client.get_conversations_message_details, reply.id)
    client.perform(
        "message",
        as_client.get_conversations_message_message,
        conversation_id,
        taken.id,
    )
    client.perform(
        "messages, bulk",
        as_client.post_conversations_message_messages_bulk,
        conversation_id,
        body=[taken.id, reply.id],
    )
    client.perform("conversation", as_client.get_conversation, conversation_id)
    user.perform("conversations of the user", as_user.get_conversations)
    user.perform("message conversations of the user", as_user.get_conversations_messages)
    client.perform(
        "agentless, active", as_client.post_conversations_messages_agentless, agentless("vu-1")
    )
    client.perform(
        "agentless, of its own", as_client.post_conversations_messages_agentless, agentless("vu-9")
    )
    user.perform("outbound conversation", as_user.post_conversations_messages, outbound("vu-8"))
    analytics = sdk.AnalyticsApi(client.api)
    client.perform(
        "analytics", analytics.post_analytics_conversations_details_query, conversation_query()
    )
    client.perform(
        "attributes",
        as_client.patch_conversations_message_participant_attributes,
        conversation_id,
        customer.id,
        body=attributes(),
    )
    client.refused(
        "communication, connected",
        as_client.patch_conversations_message_participant_communication,
        conversation_id,
        agent.id,
        customer.peer,
        state("connected"),
    )
    client.perform("disconnect", as_client.post_conversation_disconnect, conversation_id)
    ended = sdk.Conversation()
    ended.state = "disconnected"
    client.perform(
        "conversation, patched", as_client.patch_conversations_message, conversation_id, ended
    )
    user.perform("conversation, deleted", as_user.delete_conversation, conversation_id)
    client.refused("conversation, deleted by none", as_client.delete_conversation, conversation_id)
    tokens = sdk.TokensApi(client.api)
    client.perform("tokens me, deleted", tokens.delete_tokens_me)
    client.refused("tokens me, gone", tokens.get_tokens_me)


def inbound_message() -> Any:
    attachment = sdk.OpenContentAttachment()
    attachment.media_type, attachment.mime = "Image", "image/png"
    attachment.url, attachment.filename = "https://example.com/cat.png", "cat.png"
    content = sdk.OpenInboundMessageContent()
    content.attachment = attachment
    message = sdk.OpenInboundNormalizedMessage()
    message.channel = channel(sdk.OpenInboundMessageMessagingChannel())
    message.channel.message_id = "provider-1"
    message.text, message.content, message.metadata = "hello", [content], {"k": "v"}
    return message


def channel(made: Any) -> Any:
    sender = sdk.OpenMessagingFromRecipient()
    sender.id, sender.id_type, sender.nickname = "vu-1", "Opaque", "VU 1"
    made.pcFrom, made.time = sender, datetime.now(UTC)
    return made


def inbound_event() -> Any:
    typing, event = sdk.OpenEvent(), sdk.OpenInboundNormalizedEvent()
    typing.event_type = "Typing"
    event.channel, event.events = channel(sdk.OpenInboundMessagingChannel()), [typing]
    return event


def inbound_receipt(message_id: str) -> Any:
    receipt, to = sdk.OpenInboundNormalizedReceipt(), sdk.OpenMessagingToRecipient()
    to.id = "vu-1"
    receipt.id, receipt.status = message_id, "Delivered"
    receipt.channel = sdk.OpenInboundMessagingReceiptChannel()
    receipt.channel.to, receipt.channel.time = to, datetime.now(UTC)
    return receipt


def structured_response(message_id: str) -> Any:
    button, response = sdk.ContentButtonResponse(), sdk.OpenInboundStructuredResponseMessage()
    button.type, button.text, button.payload = "QuickReply", "Yes", "yes"
    response.channel = channel(sdk.OpenInboundMessageMessagingChannel())
    response.button_response, response.originating_message_id = button, message_id
    return response


def additional_message(text: str) -> Any:
    message = sdk.AdditionalMessage()
    message.text_body = text
    return message


def agent_typing() -> Any:
    request, typing = sdk.MessageTypingEventRequest(), sdk.ConversationEventTyping()
    typing.type = "On"
    request.typing = typing
    return request


def agentless(address: str) -> Any:
    request = sdk.SendAgentlessOutboundMessageRequest()
    request.from_address, request.to_address = INTEGRATION, address
    request.to_address_messenger_type, request.text_body = "open", "your parcel"
    request.use_existing_active_conversation = True
    return request


def outbound(address: str) -> Any:
    request = sdk.CreateOutboundMessagingConversationRequest()
    request.queue_id, request.to_address = QUEUE, address
    request.to_address_messenger_type = "open"
    return request


def conversation_query() -> Any:
    query, paging = sdk.ConversationQuery(), sdk.PagingSpec()
    paging.page_size, paging.page_number = 25, 1
    today = datetime.now(UTC).date()
    query.interval = f"{today}T00:00:00.000Z/{today}T23:59:59.999Z"
    query.paging, query.order = paging, "asc"
    return query


def attributes() -> Any:
    made = sdk.ParticipantAttributes()
    made.attributes = {"a": "1"}
    return made


def state(word: str) -> Any:
    request = sdk.MediaParticipantRequest()
    request.state = word
    return request


if __name__ == "__main__":
    main(sys.argv[1])
