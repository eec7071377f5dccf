"""The protocol of a web messaging guest on one connection: text in, frozen events out.

It knows no socket, no clock and no chance: tokens and tracing ids are handed in. What a guest may
say in which state is the table at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from convoy.errors import ConvoyError
from convoy.remote.guest_events import (
    Choice,
    ConnectionClosed,
    Disconnected,
    Event,
    LoggedOut,
    OwnCopy,
    Refused,
    Reply,
    SessionCleared,
    SessionClosed,
    SessionConfigured,
    SessionExpired,
    TooManyRequests,
)
from convoy.remote.guest_frames import read_frame
from convoy.secrets import Secret


class State(StrEnum):
    """Where a guest stands with its session."""

    NEW = "new"
    CONFIGURING = "configuring"
    CONFIGURED = "configured"
    READ_ONLY = "read-only"
    CLEARING = "clearing"
    CLEARED = "cleared"
    CLOSING = "closing"
    CLOSED = "closed"
    EXPIRED = "expired"
    DISCONNECTED = "disconnected"


_TAKING, _OPEN = (State.CONFIGURED,), (State.CONFIGURED, State.READ_ONLY)
_BEFORE = (State.NEW, State.CLOSED)
FITS: dict[str, tuple[State, ...]] = {
    "configureSession": _BEFORE,
    "configureAuthenticatedSession": _BEFORE,
    "getConfiguration": (*_BEFORE, *_OPEN),
    "onMessage": _TAKING,
    "echo": _OPEN,
    "onAttachment": _TAKING,
    "getAttachment": _OPEN,
    "deleteAttachment": _TAKING,
    "getJwt": _OPEN,
    "closeSession": _OPEN,
}
"""In which states a guest may do what; while an answer decides on the state, and after the end of
the session on this connection, nothing."""

_GONE = (4006, 4007)
"""Codes for a session that has expired, or is not there any more (`ErrorCode.kt` in
https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk, read 2026-11-26)."""
_IS_READ_ONLY = 409
"""The session takes no messages. Only a third party documents this code
(https://github.com/Safricloud-PTY-Ltd/genesys-cloud-headless-webmessage-reference, read
2026-11-26)."""
ENDED = (State.EXPIRED, State.DISCONNECTED)
"""What a session comes to on a connection, whatever the server still says there."""
_WAITING = (State.CONFIGURING, State.CLEARING, State.CLOSING)
_OF_THE_CHAT = (OwnCopy, Reply)
_encode = msgspec.json.Encoder().encode


class GuestProtocolError(ConvoyError):
    """A guest wanted to do what does not fit the state of its session."""


class GuestProtocol:
    """One guest on one connection; on the next one a new GuestProtocol has the same `token`.

    A method for an action returns the text to send, in UTF-8, and raises GuestProtocolError where
    the action does not fit the state. `hear` takes what the server sends.
    """

    __slots__ = ("_awaited", "_before", "_deployment_id", "_token", "state")

    def __init__(self, deployment_id: str, token: Secret) -> None:
        self.state = State.NEW
        self._deployment_id = deployment_id
        self._token = token
        # The latest request that changes the state, and the state to go back to if it is refused.
        self._awaited = ""
        self._before = State.NEW

    def hear(self, text: str) -> tuple[Event, ...]:
        """Return what a frame says, and take over what follows from it for the session.

        It raises nothing, whatever the text, and the tuple is never empty.
        """
        told = read_frame(text)
        for event in told:
            if not isinstance(event, _OF_THE_CHAT):
                self._follow(event)
        return told

    def _follow(self, event: Event) -> None:
        match event:
            case SessionExpired():
                self.state = State.EXPIRED
            case Refused() if event.code in _GONE:
                self.state = State.EXPIRED
            # Above this only an expiry, which counts on any connection, also on an ended one: the
            # next connection has to begin another session.
            case _ if self.state in ENDED:
                pass
            case ConnectionClosed() | LoggedOut():
                self.state = State.DISCONNECTED
            case SessionCleared():
                self.state = State.CLEARED
            case SessionClosed():
                self.state = State.CLOSED
            case SessionConfigured() if self.state is State.CONFIGURING:
                self.state = State.READ_ONLY if event.is_read_only else State.CONFIGURED
            case Disconnected() if event.is_read_only and self.state is State.CONFIGURED:
                self.state = State.READ_ONLY
            case Refused(code=code) if code == _IS_READ_ONLY and self.state is State.CONFIGURED:
                self.state = State.READ_ONLY
            case Refused() | TooManyRequests() if self.state in _WAITING:
                # Not every refusal names the request that it answers.
                if event.tracing_id in ("", self._awaited):
                    self.state = self._before

    def configure(
        self, tracing_id: str, *, start_new: bool = False, code: Secret | None = None
    ) -> bytes:
        """Begin the session, or go on with it; `start_new` begins a chat after one was closed.

        With `code`, what a login gave, it is an authenticated session.
        """
        more: dict[str, object] = {"deploymentId": self._deployment_id, "startNew": start_new}
        name = "configureSession"
        if code is not None:
            name, more["data"] = "configureAuthenticatedSession", {"code": code.reveal()}
        return self._change(State.CONFIGURING, name, tracing_id, more)

    def get_configuration(self, tracing_id: str) -> bytes:
        """Ask what the deployment allows."""
        more = {"deploymentId": self._deployment_id}
        return self._request("getConfiguration", tracing_id, more)

    def join(self, tracing_id: str) -> bytes:
        """Begin the conversation without a message, as a deployment with autostart expects it."""
        return self.say(tracing_id, _event("Presence", presence={"type": "Join"}))

    def say(
        self,
        tracing_id: str,
        message: Mapping[str, object] | msgspec.Raw,
        attributes: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a message: one that the functions below return, or one's own JSON.

        `attributes` are the custom attributes of its channel.
        """
        more: dict[str, object] = {"message": message}
        # Beside the message, as Genesys' Java SDK has it; their mobile SDK has them within.
        if attributes:
            more["channel"] = {"metadata": {"customAttributes": attributes}}
        return self._request("onMessage", tracing_id, more)

    def type(self, tracing_id: str) -> bytes:
        """Show that the guest is writing; clients do so every 5 s at most."""
        return self.say(tracing_id, _event("Typing", typing={"type": "On"}))

    def clear(self, tracing_id: str) -> bytes:
        """Clear the conversation; then the server ends session and connection."""
        more = {"message": _event("Presence", presence={"type": "Clear"})}
        return self._change(State.CLEARING, "onMessage", tracing_id, more)

    def echo(self, tracing_id: str) -> bytes:
        """Ask whether the session is alive, which prolongs it."""
        return self._request("echo", tracing_id, {"message": text_message("ping")})

    def attach(
        self, tracing_id: str, attachment_id: str, name: str, media_type: str, size: int
    ) -> bytes:
        """Ask where to put a file of so many bytes."""
        file = {"fileName": name, "fileType": media_type, "fileSize": size}
        more = {"attachmentId": attachment_id, **file, "errorsAsJson": True}
        return self._request("onAttachment", tracing_id, more)

    def fetch_attachment(self, tracing_id: str, attachment_id: str) -> bytes:
        """Ask where to fetch an attachment from."""
        more = {"attachmentId": attachment_id}
        return self._request("getAttachment", tracing_id, more)

    def delete_attachment(self, tracing_id: str, attachment_id: str) -> bytes:
        """Take back an attachment that no message names yet."""
        more = {"attachmentId": attachment_id}
        return self._request("deleteAttachment", tracing_id, more)

    def get_jwt(self, tracing_id: str) -> bytes:
        """Ask for the token that the history is read with."""
        return self._request("getJwt", tracing_id, {})

    def close_session(self, tracing_id: str, *, all_connections: bool = True) -> bytes:
        """End the conversation, also for the guest's other connections."""
        more = {"closeAllConnections": all_connections}
        return self._change(State.CLOSING, "closeSession", tracing_id, more)

    def _request(self, name: str, tracing_id: str, more: Mapping[str, object]) -> bytes:
        if self.state not in FITS[name]:
            raise GuestProtocolError(f"{name} does not fit the state {self.state}")
        head = {"action": name, "token": self._token.reveal(), "tracingId": tracing_id}
        return _encode({**head, **more})

    def _change(
        self, state: State, name: str, tracing_id: str, more: Mapping[str, object]
    ) -> bytes:
        text = self._request(name, tracing_id, more)
        self._before, self.state, self._awaited = self.state, state, tracing_id
        return text


def text_message(text: str) -> dict[str, object]:
    """Return a message of text."""
    return {"type": "Text", "text": text}


def answer_message(choice: Choice, to_message_id: str = "") -> dict[str, object]:
    """Return the message that picks one of the choices that a reply offered."""
    button = {"type": choice.kind, "text": choice.text, "payload": choice.payload}
    if to_message_id:
        button["originatingMessageId"] = to_message_id
    content = [{"contentType": "ButtonResponse", "buttonResponse": button}]
    # As Genesys' web client, by a third party's word, also for a quick reply, for which their
    # mobile SDK sends `Text` and no text (docs/guests.md).
    return {"type": "Structured", "text": choice.text, "content": content}


def attachment_message(attachment_id: str, text: str = "") -> dict[str, object]:
    """Return the message that names an attachment which was uploaded."""
    content = [{"contentType": "Attachment", "attachment": {"id": attachment_id}}]
    return {"type": "Text", "text": text, "content": content}


def _event(kind: str, **event: object) -> dict[str, object]:
    return {"type": "Event", "events": [{"eventType": kind, **event}]}
