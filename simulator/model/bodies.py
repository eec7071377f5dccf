"""The bodies of the public definition that the simulator takes, as tables of their members.

Members, required ones and enumerations: models of the definition named in each docstring
(https://github.com/api-evangelist/genesys, read 2026-11-22).
"""

from __future__ import annotations

from simulator.errors import rejection
from simulator.model.organisation import MEDIA_TYPES
from simulator.model.shapes import (
    Check,
    anything,
    flag,
    list_of,
    map_of_text,
    moment,
    object_of,
    text,
    web_address,
    whole,
)

RECEIPT_STATUSES = ("Sent", "Delivered", "Failed", "Published", "Removed")
REASONS = (
    "MessageExpired",
    "RateLimited",
    "MessageNotAllowed",
    "GeneralError",
    "UnsupportedMessage",
    "UnknownMessage",
    "InvalidMessageStructure",
    "InvalidDestination",
    "ServerError",
    "MediaTypeNotAllowed",
    "InvalidMediaContentLength",
    "RecipientOptedOut",
    "DataFiltered",
)
MESSENGER_TYPES = ("sms", "whatsapp", "open", "webmessaging", "apple")
BULK_IDS_MAX = 1_000
PAGE_SIZE_MAX = 100
PAGE_NUMBER_MAX = 999_999_999

_NO_DATE = {"time": "missing.open.channel.date"}
_SENDER = object_of(
    {
        "id": text(may_be_empty=False),
        "idType": text(choices=("Email", "Phone", "Opaque")),
        "nickname": text(),
        "firstName": text(),
        "lastName": text(),
        "email": text(),
    },
    required=("id", "idType"),
)
_CHANNEL = object_of(
    {
        "from": _SENDER,
        "time": moment,
        "messageId": text(),
        # The model knows only the read-only `subType`; working public configurations send
        # `customAttributes` in here, too.
        "metadata": object_of({"customAttributes": map_of_text}),
    },
    required=("from", "time"),
    codes=_NO_DATE,
)
_ATTACHMENT = object_of(
    {
        "id": text(),
        "mediaType": text(choices=MEDIA_TYPES),
        "url": web_address,
        "mime": text(may_be_empty=False),
        "text": text(),
        "sha256": text(),
        "filename": text(),
    },
    required=("mediaType", "url", "mime"),
)
# "If contentType = Attachment only one item is allowed": OpenMessageContent.
_CONTENT = list_of(object_of({"attachment": _ATTACHMENT}, required=("attachment",)), most=1)
_INBOUND = object_of(
    {"channel": _CHANNEL, "text": text(), "content": _CONTENT, "metadata": map_of_text},
    required=("channel",),
)


def inbound_message(value: object) -> None:
    """OpenInboundNormalizedMessage."""
    _INBOUND(value)
    # Both are optional in the schema; the live validator is reported to want one of them, with
    # these words: https://community.genesys.com/discussion/send-an-inbound-structured-open-response-message
    if isinstance(value, dict) and not value.get("text") and not value.get("content"):
        raise rejection(
            "constraint.validation",
            "should have required property 'content', should have required property '.text', "
            "should match some schema in anyOf",
            field="text",
        )


inbound_event: Check = object_of(
    {
        "channel": _CHANNEL,
        "events": list_of(
            object_of({"eventType": text(choices=("Typing",))}, required=("eventType",))
        ),
    },
    required=("channel", "events"),
)
"""OpenInboundNormalizedEvent."""
inbound_receipt: Check = object_of(
    {
        "id": text(may_be_empty=False),
        "channel": object_of(
            {
                "to": object_of({"id": text(may_be_empty=False), "email": text()}, ("id",)),
                "time": moment,
            },
            required=("to", "time"),
            codes=_NO_DATE,
        ),
        "status": text(choices=RECEIPT_STATUSES),
        "reasons": list_of(
            object_of({"code": text(choices=REASONS), "message": text()}, required=("message",))
        ),
        "isFinalReceipt": flag,
    },
    required=("id", "channel", "status"),
)
"""OpenInboundNormalizedReceipt."""
structured_response: Check = object_of(
    {
        "channel": _CHANNEL,
        "buttonResponse": object_of(
            {
                "id": text(),
                "type": text(choices=("Button", "QuickReply", "DatePicker")),
                "text": text(),
                "payload": text(),
            },
            required=("type", "text", "payload"),
        ),
        "originatingMessageId": text(may_be_empty=False),
    },
    required=("channel", "buttonResponse", "originatingMessageId"),
)
"""OpenInboundStructuredResponseMessage."""
_TEMPLATE = object_of({"responseId": text()})
agent_reply: Check = object_of(
    {
        "textBody": text(may_be_empty=False),
        "mediaIds": list_of(text()),
        "messagingTemplate": _TEMPLATE,
    },
    required=("textBody",),
)
"""AdditionalMessage."""
agent_typing: Check = object_of(
    {
        "typing": object_of(
            {"type": text(choices=("On",)), "duration": whole(0, 2**63 - 1)}, required=("type",)
        ),
        "dateSent": moment,
    },
    required=("typing",),
)
"""MessageTypingEventRequest."""
agentless: Check = object_of(
    {
        "fromAddress": text(may_be_empty=False),
        "toAddress": text(),
        "toAddressMessengerType": text(choices=MESSENGER_TYPES),
        "textBody": text(),
        "messagingTemplate": _TEMPLATE,
        "useExistingActiveConversation": flag,
        "externalContactId": text(),
    },
    required=("fromAddress", "toAddressMessengerType"),
)
"""SendAgentlessOutboundMessageRequest."""
outbound_conversation: Check = object_of(
    {
        "queueId": text(may_be_empty=False),
        "toAddress": text(may_be_empty=False),
        "toAddressMessengerType": text(choices=("sms", "open", "whatsapp")),
        "useExistingConversation": flag,
        "externalContactId": text(),
        "useUserFromAddress": flag,
    },
    required=("queueId", "toAddress", "toAddressMessengerType"),
)
"""CreateOutboundMessagingConversationRequest."""
message_ids: Check = list_of(text(), most=BULK_IDS_MAX)
"""The ids of `POST …/messages/bulk`."""
conversation_update: Check = object_of(
    {"state": text(choices=("disconnected",))}, required=("state",)
)
"""Conversation, of which "on update, 'disconnected' will disconnect"."""
state_update: Check = object_of({"state": text(), "wrapup": anything})
"""MediaParticipantRequest, as far as it is used."""
attributes_update: Check = object_of({"attributes": map_of_text}, required=("attributes",))
"""ParticipantAttributes."""
_PREDICATE = object_of(
    {
        "dimension": text(),
        "operator": text(choices=("matches", "exists", "notExists")),
        "value": text(),
    },
    required=("dimension",),
)
_FILTERS = list_of(
    object_of(
        {"type": text(choices=("and", "or")), "predicates": list_of(_PREDICATE)},
        required=("type",),
    )
)
conversation_query: Check = object_of(
    {
        "interval": text(may_be_empty=False),
        "order": text(choices=("asc", "desc", "unordered")),
        "orderBy": text(
            choices=("conversationStart", "conversationEnd", "segmentStart", "segmentEnd")
        ),
        "paging": object_of(
            {"pageSize": whole(1, PAGE_SIZE_MAX), "pageNumber": whole(1, PAGE_NUMBER_MAX)},
            required=("pageSize", "pageNumber"),
        ),
        "conversationFilters": _FILTERS,
        "segmentFilters": _FILTERS,
    },
    required=("interval",),
)
"""ConversationQuery; clauses within filters are not reproduced."""
