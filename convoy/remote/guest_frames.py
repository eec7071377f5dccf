"""The server's frames to a web messaging guest: each decoded once, by its class, into events.

The classes are those of Genesys' machine schema, published in their Java SDK for web messaging
(https://github.com/MyPureCloud/web-messaging-sdk-java, swagger.json "shyrka-chat", version 18.1.0,
read 2026-11-26). Their other SDKs and examples contradict it here and there: either form is read,
and a member that the schema requires is required here only if an event says nothing without it.
"""

from __future__ import annotations

from typing import Annotated, get_args

import msgspec
from msgspec import Meta

from convoy.redaction.credential_shapes import credentials_in_address
from convoy.remote import guest_events as events
from convoy.remote.guest_events import Event
from convoy.remote.guest_messages import Body, Message, Struct
from convoy.secrets import Secret
from convoy.untrusted_text import UNREADABLE, unbroken

_GOOD = range(200, 300)
_TOO_MANY = (429, 4029)
"""Codes of a limit that was reached (`ErrorCode.kt` in
https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk, read 2026-11-26)."""
_LEAST_WAIT_S, _MOST_WAIT_S = 1.0, 3600.0


def read_frame(text: str) -> tuple[Event, ...]:
    """Return what a frame says; never empty, and never raises for what a server may send.

    `Unreadable` stands for a text that is no frame, `Unknown` for a frame of an unknown class. The
    class decides, not `type` and `code`: of an expired session and of a refused upload Genesys'
    examples have two forms that differ in these.
    """
    try:
        frame: _Frame = _decode(text)
        return frame.told()
    except msgspec.ValidationError as exc:  # a DecodeError, too, so it comes first
        return (_other(text, str(exc)),)
    except UNREADABLE as exc:
        return (events.Unreadable(problem=unbroken(str(exc))),)


class _Frame(Struct, kw_only=True, tag_field="class"):
    type: str = ""
    code: int = 0
    tracing_id: str | None = None

    def told(self) -> tuple[Event, ...]:
        """Return what the frame says."""
        raise NotImplementedError

    def id_of(self, body: Body | None) -> str:
        """Return the tracing id, which the schema has in the frame and in its body."""
        return self.tracing_id or (body and body.tracing_id) or ""


class _SessionBody(Body):
    connected: bool = True
    new_session: bool = False
    read_only: bool = False
    cleared_existing_session: bool = False
    expiration_date: float | None = None


class _SessionFrame(_Frame, tag="SessionResponse"):
    body: _SessionBody

    def told(self) -> tuple[Event, ...]:
        body = self.body
        id = self.id_of(body)
        if body.connected:
            has_cleared, ends_s = body.cleared_existing_session, body.expiration_date
            return (
                events.SessionConfigured(id, body.new_session, body.read_only, has_cleared, ends_s),
            )
        return (events.SessionClosed(id),)


class _MessageFrame(_Frame, tag="StructuredMessage"):
    body: Message

    def told(self) -> tuple[Event, ...]:
        id = self.id_of(self.body)
        if self.type == "response":
            return (events.EchoBack(id, self.body.expires_s),)
        else:
            return self.body.told(id)


class _UrlBody(Body):
    attachment_id: str
    url: str
    headers: Annotated[dict[str, str], Meta(max_length=100)] = {}
    file_size: float | None = None


class _UrlFrame(_Frame, tag="PresignedUrlResponse"):
    body: _UrlBody

    def told(self) -> tuple[Event, ...]:
        body = self.body
        # One to fetch from has no headers and the size of what was put there.
        is_download = not body.headers and body.file_size is not None
        url = Secret(body.url)
        return (
            events.PresignedUrl(
                self.id_of(body), body.attachment_id, url, body.headers, is_download
            ),
        )


class _AttachmentBody(Body):
    attachment_id: str = ""
    error_code: int = 0
    error_message: str = ""


class _DeletedFrame(_Frame, tag="AttachmentDeletedResponse"):
    body: _AttachmentBody

    def told(self) -> tuple[Event, ...]:
        return (events.AttachmentDeleted(self.id_of(self.body), self.body.attachment_id),)


class _UploadedFrame(_Frame, tag="UploadSuccessEvent"):
    body: _AttachmentBody

    def told(self) -> tuple[Event, ...]:
        return (events.UploadDone(self.id_of(self.body), self.body.attachment_id),)


class _NotUploadedFrame(_Frame, tag="UploadFailureEvent"):
    body: _AttachmentBody

    def told(self) -> tuple[Event, ...]:
        body = self.body
        text = unbroken(body.error_message)
        return (events.UploadFailed(self.id_of(body), body.attachment_id, body.error_code, text),)


class _NoUrlFrame(_NotUploadedFrame, tag="GenerateUrlError"):
    pass


class _ClosedBody(Body):
    """Why, under the schema's name or that of Genesys' mobile SDK."""

    reason_code: str | None = None
    reason: str | None = None


class _ClosedFrame(_Frame, tag="ConnectionClosedEvent"):
    body: _ClosedBody | None = None

    def told(self) -> tuple[Event, ...]:
        body = self.body or _ClosedBody()
        return (
            events.ConnectionClosed(
                self.id_of(body), unbroken(body.reason_code or body.reason or "")
            ),
        )


class _LogoutFrame(_Frame, tag="LogoutEvent"):
    def told(self) -> tuple[Event, ...]:
        return (events.LoggedOut(self.id_of(None)),)


class _ExpiredFrame(_Frame, tag="SessionExpiredEvent"):
    def told(self) -> tuple[Event, ...]:
        return (events.SessionExpired(self.id_of(None)),)


class _ClearedFrame(_Frame, tag="SessionClearedEvent"):
    def told(self) -> tuple[Event, ...]:
        return (events.SessionCleared(self.id_of(None)),)


class _JwtBody(Body):
    jwt: str
    exp: float


class _JwtFrame(_Frame, tag="JwtResponse"):
    body: _JwtBody

    def told(self) -> tuple[Event, ...]:
        return (events.Jwt(self.id_of(self.body), Secret(self.body.jwt), self.body.exp),)


class _ConfigurationBody(Body):
    max_custom_data_bytes: float
    session_duration_seconds: float | None = None


class _ConfigurationFrame(_Frame, tag="GetConfigurationResponse"):
    body: _ConfigurationBody

    def told(self) -> tuple[Event, ...]:
        body = self.body
        return (
            events.Configuration(
                self.id_of(body), body.max_custom_data_bytes, body.session_duration_seconds
            ),
        )


class _ErrorBody(Body):
    error_code: int | None = None
    error_message: str = ""
    retry_after: float | None = None


class _ErrorFrame(_Frame, tag="Error"):
    body: _ErrorBody

    def told(self) -> tuple[Event, ...]:
        body = self.body
        code = self.code if body.error_code is None else body.error_code
        return (_refusal(self.id_of(body), code, body.error_message, body.retry_after),)


class _TooManyFrame(_ErrorFrame, tag="TooManyRequestsErrorMessage"):
    pass


class _StringFrame(_Frame, tag="string"):
    body: str

    def told(self) -> tuple[Event, ...]:
        if self.code in _GOOD:
            return (events.Unknown(self.id_of(None), "string"),)
        else:
            return (_refusal(self.id_of(None), self.code, self.body),)


class _AnyFrame(msgspec.Struct):
    """What can be said of a frame that was not read as one of its class."""

    kind: str = msgspec.field(name="class", default="")
    code: int = 0
    tracing_id: str | None = msgspec.field(name="tracingId", default=None)


_Known = (
    _SessionFrame
    | _MessageFrame
    | _UrlFrame
    | _DeletedFrame
    | _UploadedFrame
    | _NotUploadedFrame
    | _NoUrlFrame
    | _ClosedFrame
    | _LogoutFrame
    | _ExpiredFrame
    | _ClearedFrame
    | _JwtFrame
    | _ConfigurationFrame
    | _ErrorFrame
    | _TooManyFrame
    | _StringFrame
)
_KNOWN = {each.__struct_config__.tag for each in get_args(_Known)}
_decode = msgspec.json.Decoder(_Known).decode


class _AnyBody(msgspec.Struct):
    url: object = None
    jwt: object = None


class _AnyCredentials(msgspec.Struct):
    body: _AnyBody


def credentials_in(event: Event, text: str) -> tuple[Secret, ...]:
    """Return the credentials in a frame, whether or not the rest of it is as the schema says.

    Those that its event has are the event's own: they are in use as long as it is. A URL's
    signature is one by itself.
    """
    own: tuple[Secret, ...] = ()
    if isinstance(event, events.Jwt):
        own = (event.jwt,)
    elif isinstance(event, events.PresignedUrl):
        own = (event.url,)
    try:
        body = msgspec.json.decode(text, type=_AnyCredentials).body
    except UNREADABLE:
        return own
    texts = [each for each in (body.url, body.jwt) if isinstance(each, str)]
    if isinstance(body.url, str):
        texts += credentials_in_address(body.url)
    said = map(Secret, texts)
    return (*own, *(each for each in said if each not in own))


def _other(text: str, problem: str) -> Event:
    """Return what a frame says that is JSON and no frame of the schema's.

    With a code that says no it is a refusal, whatever its class and body.
    """
    try:
        frame = msgspec.json.decode(text, type=_AnyFrame)
    except UNREADABLE:
        frame = _AnyFrame()
    id = frame.tracing_id or ""
    if frame.code and frame.code not in _GOOD:
        return _refusal(id, frame.code, problem)
    if not frame.kind or frame.kind in _KNOWN:
        return events.Unreadable(id, unbroken(problem))
    return events.Unknown(id, unbroken(frame.kind))


def _refusal(id: str, code: int, text: str, wait_s: float | None = None) -> Event:
    if wait_s is None and code not in _TOO_MANY:
        return events.Refused(id, code, unbroken(text))
    asked_s = _LEAST_WAIT_S if wait_s is None else wait_s
    return events.TooManyRequests(id, code, min(max(asked_s, _LEAST_WAIT_S), _MOST_WAIT_S))
