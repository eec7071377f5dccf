"""Frames to guests: what they look like, and nothing of when they are sent.

Forms: the schema that Genesys publishes with its Java web messaging SDK
(https://github.com/MyPureCloud/web-messaging-sdk-java, swagger "shyrka-chat") and the fixtures of
its mobile one (https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk), both read
2026-11-26. Where they contradict each other: `ConnectionClosedEvent` has an empty body,
`SessionExpiredEvent` is a `response`, `GenerateUrlError` a `response` with code 400.
"""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.ids import new_digits, new_id
from simulator.model.guest_errors import FileRefused, GuestError, RequestRateExceeded
from simulator.model.guest_rates import GuestLimits
from simulator.model.guests import Attachment, Session
from simulator.model.messaging import INBOUND, Message
from simulator.model.organisation import USER
from simulator.timestamps import stamp

Json = dict[str, Any]
MESSAGE, RESPONSE = "message", "response"
STRUCTURED = "StructuredMessage"
FILE_TYPES = (
    "application/pdf",
    "image/gif",
    "image/jpeg",
    "image/png",
    "text/plain",
    "video/3gpp",
)
FILE_KILOBYTES_MAX = 10_240
BLOCKED_EXTENSIONS = (".ade", ".bat", ".exe")
TYPING_MS = 5_000

_encode = msgspec.json.Encoder().encode


def frame(
    kind: str, what: str, body: Json | str, *, code: int = 200, tracing_id: str | None = None
) -> bytes:
    """A frame of one class; an answer and a guest's own message bear the request's tracing id."""
    envelope: Json = {"type": kind, "class": what, "code": code, "body": body}
    if tracing_id is not None:
        envelope["tracingId"] = tracing_id
    return _encode(envelope)


def refusal(error: GuestError, tracing_id: str | None) -> bytes:
    """What a request is answered that is refused."""
    sentence = str(error)
    if isinstance(error, RequestRateExceeded):
        what, code = "TooManyRequestsErrorMessage", 429
        body: Json | str = {
            "retryAfter": error.retry_after_s,
            "errorCode": error.code,
            "errorMessage": sentence,
        }
    elif isinstance(error, FileRefused):
        what, code = "GenerateUrlError", 400
        body = {
            "errorCode": error.code,
            "errorMessage": sentence,
            "attachmentId": error.attachment_id,
        }
    else:
        what, code, body = "string", error.code, sentence
    return frame(RESPONSE, what, body, code=code, tracing_id=tracing_id)


def session_body(
    session: Session, limits: GuestLimits, expires_s: float, *, is_connected: bool, is_new: bool
) -> Json:
    """SessionResponse; `expires_s` is Unix time."""
    body = {
        "connected": is_connected,
        "newSession": is_new,
        "readOnly": session.is_read_only,
        "maxCustomDataBytes": limits.attributes_bytes_max,
        "allowedMedia": _allowed_media(),
        "blockedExtensions": BLOCKED_EXTENSIONS,
        "clearedExistingSession": False,
        "durationSeconds": limits.session_life_s,
        "expirationDate": int(expires_s),
    }
    if session.deployment.is_autostarted:
        body["autoStarted"] = session.is_joined
    return body


def configuration_body(limits: GuestLimits) -> Json:
    """GetConfigurationResponse."""
    return {
        "allowedMedia": _allowed_media(),
        "blockedExtensions": BLOCKED_EXTENSIONS,
        "maxCustomDataBytes": limits.attributes_bytes_max,
        "messageRoutingEnabled": True,
        "sessionDurationSeconds": limits.session_life_s,
    }


def message_body(message: Message) -> Json:
    """A stored message as guests see it, on a socket or in their history."""
    is_inbound = message.direction == INBOUND
    channel: Json = {"time": stamp(message.at_s)}
    body: Json = {
        "text": message.text,
        "direction": "Inbound" if is_inbound else "Outbound",
        "id": message.id,
        "channel": channel,
        "type": message.kind,
    }
    if is_inbound:
        channel["messageId"] = message.provider_id
    else:
        channel["type"] = "Private"
        body["originatingEntity"] = "Human" if message.is_by_user else "Bot"
        if message.is_by_user:
            channel["from"] = {"nickname": USER.name}
    if message.content:
        body["content"] = message.content
    if message.metadata:
        body["metadata"] = message.metadata
    return body


def pushed_message(message: Message) -> bytes:
    """A message of the other side."""
    body = message_body(message)
    body["metadata"] = {"correlationId": new_id(), **(message.metadata or {})}
    return frame(MESSAGE, STRUCTURED, body)


def own_event(event: Json, wall_s: float, tracing_id: str | None) -> bytes:
    """A guest's event, which comes back as its messages do."""
    body = _event_body("Inbound", event, wall_s)
    return frame(MESSAGE, STRUCTURED, body, tracing_id=tracing_id)


def typing(wall_s: float, duration_ms: int = TYPING_MS) -> bytes:
    """The other side is typing."""
    event = {"eventType": "Typing", "typing": {"type": "On", "duration": duration_ms}}
    body = _event_body("Outbound", event, wall_s) | {"metadata": {"correlationId": new_id()}}
    return frame(MESSAGE, STRUCTURED, body)


def disconnection(wall_s: float, *, is_read_only: bool) -> bytes:
    """The conversation is over."""
    event = {"eventType": "Presence", "presence": {"type": "Disconnect"}}
    metadata = {"correlationId": new_id(), "readOnly": "true" if is_read_only else "false"}
    body = _event_body("Outbound", event, wall_s) | {"metadata": metadata}
    return frame(MESSAGE, STRUCTURED, body)


def upload_address(attachment: Attachment, base_url: str) -> Json:
    """PresignedUrlResponse, or of an uploaded file its form without headers, to load it down."""
    headers = {} if attachment.is_uploaded else {"x-amz-tagging": f"key={attachment.key}"}
    return {
        "attachmentId": attachment.id,
        "headers": headers,
        "url": f"{base_url}{upload_path(attachment)}",
        "fileName": attachment.name,
        "fileSize": attachment.size,
        "fileType": attachment.type,
    }


def upload_path(attachment: Attachment) -> str:
    return f"/uploads/{attachment.key}"


def _allowed_media() -> Json:
    file_types = [{"type": each} for each in FILE_TYPES]
    return {"inbound": {"fileTypes": file_types, "maxFileSizeKB": FILE_KILOBYTES_MAX}}


def _event_body(direction: str, event: Json, wall_s: float) -> Json:
    return {
        "direction": direction,
        "id": new_digits(),
        "channel": {"time": stamp(wall_s), "messageId": new_id()},
        "type": "Event",
        "events": [event],
    }
