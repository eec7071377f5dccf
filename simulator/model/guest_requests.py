"""The requests of guests as tables of their members, in every form that clients send.

Source: the schema that Genesys publishes with its Java web messaging SDK
(https://github.com/MyPureCloud/web-messaging-sdk-java, swagger "shyrka-chat", read 2026-11-26).
What it requires and no published client sends is not required: `time` of a message, `fileMd5` of a
file. The Java client sends no `attachmentId` and custom attributes at the top, the mobile one has
them in the message; the web client sends a message of attachments alone without a type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.model.guest_errors import REQUEST_FAILED, GuestError
from simulator.model.rejection import Rejection
from simulator.model.shapes import (
    Check,
    anything,
    flag,
    list_of,
    map_of_text,
    object_of,
    text,
    whole,
)

FRAME_BYTES_MAX = 131_072
"""Beyond it a frame is refused; what the real limit is is not documented."""
BUTTONS = ("Button", "DatePicker", "Form", "ListPicker", "QuickReply")

_some = text(may_be_empty=False)
_CHANNEL = object_of({"metadata": object_of({"customAttributes": map_of_text})})
_CONTENT = object_of(
    {
        "contentType": text(choices=("Attachment", "ButtonResponse", "Text")),
        "attachment": object_of({"id": _some}, required=("id",)),
        "buttonResponse": object_of(
            {"type": text(choices=BUTTONS), "text": text(), "payload": text()},
            required=("type", "text", "payload"),
        ),
    },
    required=("contentType",),
)
_EVENT = object_of(
    {
        "eventType": text(choices=("Presence", "Typing")),
        "presence": object_of(
            {"type": text(choices=("Join", "Clear", "Disconnect"))}, required=("type",)
        ),
        "typing": object_of({"type": text(choices=("On",))}, required=("type",)),
    },
    required=("eventType",),
)
_MESSAGE = object_of(
    {
        "type": text(choices=("Text", "Structured", "Event")),
        "text": text(),
        "content": list_of(_CONTENT),
        "events": list_of(_EVENT),
        "metadata": map_of_text,
        "channel": _CHANNEL,
    }
)


def _request(members: Mapping[str, Check], *required: str) -> Check:
    always = {"token": _some, "tracingId": text()}
    return object_of(always | dict(members), ("token", *required))


CONFIGURE: Check = _request(
    {"deploymentId": _some, "startNew": flag, "journeyContext": object_of({})}, "deploymentId"
)
CONFIGURE_AUTHENTICATED: Check = _request(
    {"deploymentId": _some, "startNew": flag, "data": object_of({"code": text()})},
    *("deploymentId", "data"),
)
SEND: Check = _request({"message": _MESSAGE, "channel": _CHANNEL}, "message")
ECHO: Check = _request({"message": _MESSAGE}, "message")
ANNOUNCE_FILE: Check = _request(
    {"attachmentId": text(), "fileName": _some, "fileType": _some, "fileSize": whole(0, 2**31 - 1)},
    *("fileName", "fileType", "fileSize"),
)
OF_FILE: Check = _request({"attachmentId": _some}, "attachmentId")
CLOSE: Check = _request({"closeAllConnections": flag}, "closeAllConnections")
GET_CONFIGURATION: Check = _request({"deploymentId": _some}, "deploymentId")
OF_SESSION: Check = _request({"data": anything})


def checked(body: dict[str, Any], check: Check) -> None:
    """Raise `GuestError` where a request is not as its table says."""
    try:
        check(body)
    except Rejection as refused:
        where = f" ({refused.field})" if refused.field else ""
        raise GuestError(REQUEST_FAILED, f"Request failed. {refused.message}{where}") from None


def custom_attributes(body: dict[str, Any]) -> dict[str, str]:
    """Those of a message, wherever its client has them; the message's own win."""
    found: dict[str, str] = {}
    for holder in (body, body["message"]):
        metadata = (holder.get("channel") or {}).get("metadata") or {}
        found |= metadata.get("customAttributes") or {}
    return found
