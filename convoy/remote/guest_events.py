"""The frozen events that a web messaging guest is told of, whatever frame they came in.

A text in them is as long as its frame allowed, since a secret that was cut is not found any more.
"""

from __future__ import annotations

import msgspec

from convoy.secrets import Secret


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that a guest was told; `tracing_id` is that of the request it answers, or ""."""

    tracing_id: str = ""


class SessionConfigured(Event, frozen=True):
    """The session stands; `is_new` is false where its token was known before.

    `expires_s` is in Unix seconds, None where nothing was said of it.
    """

    is_new: bool = False
    is_read_only: bool = False
    has_cleared: bool = False
    expires_s: float | None = None


class SessionClosed(Event, frozen=True):
    """The session was closed; the connection is still there, for a new chat."""


class OwnCopy(Event, frozen=True):
    """A message of the guest's own, as the server has it: that is how it says it took it."""

    message_id: str = ""
    time_s: float | None = None


class EchoBack(Event, frozen=True):
    """The answer to a health check; `expires_s` as in `SessionConfigured`."""

    expires_s: float | None = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One of the answers that a message offers; `kind` is the type of the button to answer with."""

    kind: str
    text: str
    payload: str


class Reply(Event, frozen=True):
    """A message of a bot or an agent; `sender` is `Bot`, `Human` or unknown, `contents` its kinds.

    `time_s` is when the server sent it, in Unix seconds by its clock.
    """

    message_id: str = ""
    sender: str = ""
    text: str = ""
    contents: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    time_s: float | None = None


class Typing(Event, frozen=True):
    """Somebody writes, for so many seconds."""

    duration_s: float = 0.0


class Presence(Event, frozen=True):
    """Somebody came, or wants something: `Join`, `SignIn`, `Authenticate` …"""

    kind: str = ""


class Disconnected(Event, frozen=True):
    """Bot or agent ended the conversation; nothing more may be said where it is read-only."""

    is_read_only: bool = False


class PresignedUrl(Event, frozen=True):
    """Where to put an attachment with which headers, or where to fetch it (`is_download`)."""

    attachment_id: str = ""
    url: Secret = Secret("")
    headers: dict[str, str] = {}
    is_download: bool = False


class UploadDone(Event, frozen=True):
    """An attachment was uploaded; a message may name it."""

    attachment_id: str = ""


class UploadFailed(Event, frozen=True):
    """An attachment was refused, before its upload or after it."""

    attachment_id: str = ""
    code: int = 0
    text: str = ""


class AttachmentDeleted(Event, frozen=True):
    attachment_id: str = ""


class Jwt(Event, frozen=True):
    """A token for reading the history over REST, until `expires_s` (Unix seconds)."""

    jwt: Secret = Secret("")
    expires_s: float = 0.0


class Configuration(Event, frozen=True):
    """What the deployment allows."""

    custom_bytes: float = 0
    session_s: float | None = None


class TooManyRequests(Event, frozen=True):
    """A limit was reached; the server asks to wait so long, from 1 s to an hour."""

    code: int = 0
    retry_after_s: float = 0.0


class Refused(Event, frozen=True):
    """A request was refused with a code, such as 4011 or 403."""

    code: int = 0
    text: str = ""


class SessionExpired(Event, frozen=True):
    """The session has expired: its token is of no use any more."""


class SessionCleared(Event, frozen=True):
    """The conversation was cleared."""


class ConnectionClosed(Event, frozen=True):
    """The guest is to close this connection: it has too many, or is at the end."""

    reason: str = ""


class LoggedOut(Event, frozen=True):
    """An authenticated guest was logged out."""


class Unknown(Event, frozen=True):
    """A frame or an event of a kind that the schema does not have, or gives no meaning."""

    kind: str = ""


class Unreadable(Event, frozen=True):
    """A frame that is no JSON object, or whose members are of other types; `problem` says why."""

    problem: str = ""
