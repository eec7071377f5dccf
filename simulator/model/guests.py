"""Guests of web messaging: their sessions, up to three connections each, and how those end."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Protocol

from simulator.errors import rejection
from simulator.ids import new_id
from simulator.model.guest_errors import SESSION_EXPIRED, SESSION_NOT_FOUND, GuestError
from simulator.model.guest_rates import GuestLimits, GuestRates
from simulator.model.messaging import MessagingConversation
from simulator.model.organisation import DEPLOYMENTS, Deployment
from simulator.model.rates import Window

CONNECTIONS_MAX = 3
"""Of a session: https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk, PR 127."""
EXPIRED_KEPT = 10_000


class Link(Protocol):
    """A connection's way to its guest; once it is closed nothing has an effect."""

    def send(self, frame: bytes) -> None: ...

    def close(self, code: int) -> None: ...

    def cut(self) -> None: ...


@dataclass(slots=True)
class Attachment:
    """A file that a guest has announced, and sent once `is_uploaded`; its content is not kept."""

    id: str
    key: str
    name: str
    type: str
    size: int
    is_uploaded: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """One guest: whoever knows `token`. Everybody else knows the guest by `guest_id`.

    `expires_at_s` is by the simulator's clock; `connections` are those that are configured for it,
    the oldest first.
    """

    token: str
    deployment: Deployment
    expires_at_s: float
    guest_id: str = field(default_factory=new_id)
    conversation: MessagingConversation | None = None
    is_read_only: bool = False
    is_joined: bool = False
    has_login: bool = False
    connections: list[Connection] = field(default_factory=list)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    messages: Window = field(default_factory=Window)
    configures: Window = field(default_factory=Window)
    histories: Window = field(default_factory=Window)


@dataclass(slots=True, eq=False)
class Traffic:
    """Frames on their way to a guest, and the one that the next will overtake."""

    frames: deque[bytes] = field(default_factory=deque)
    arrives_at_s: float = 0.0
    overtaken: bytes | None = None


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket to a deployment; `base_url` is where its guest reached the simulator."""

    deployment: Deployment
    link: Link
    base_url: str
    session: Session | None = None
    requests: Window = field(default_factory=Window)
    echoes: Window = field(default_factory=Window)
    traffic: Traffic | None = None
    """None until a fault strikes a frame."""

    def session_of(self, token: str) -> Session | None:
        """The session that it is configured for, if that is the one of this token."""
        session = self.session
        return session if session is not None and session.token == token else None


class Guests:
    """All guests and their connections."""

    def __init__(self, limits: GuestLimits) -> None:
        self.limits, self.rates = limits, GuestRates(limits)
        # By it guests' JSON web tokens are signed; a restarted simulator must not honour them.
        self.key = secrets.token_bytes(32)
        self.connections: dict[Connection, None] = {}
        self.is_looked_after = False
        self.by_conversation: dict[str, Session] = {}
        self.by_guest: dict[str, Session] = {}
        self.uploads: dict[str, tuple[Session, Attachment]] = {}
        # Each session lives equally long from its last message on, so that this is their order.
        self._soonest_first: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self._expired: OrderedDict[tuple[str, str] | str, None] = OrderedDict()

    def admit(self, deployment_id: str, origin: str, now_s: float) -> Deployment:
        """The deployment that a WebSocket may be opened to; raises `Rejection`.

        403 is documented for a refusal, which of its causes there are besides the Origin is not;
        nor is what answers too many connections.
        """
        deployment = DEPLOYMENTS.get(deployment_id)
        if deployment is None or not deployment.is_active or not deployment.allows(origin):
            raise rejection("not.authorized")
        self.rates.spend_connection(deployment, now_s)
        return deployment

    def begin(self, deployment: Deployment, token: str, now_s: float) -> Session:
        """A new session in place of the one that the token had."""
        key = deployment.id, token
        self._expired.pop(key, None)
        session = Session(token, deployment, now_s + self.limits.session_life_s)
        self._soonest_first[key] = session
        self.by_guest[session.guest_id] = session
        return session

    def find(self, deployment: Deployment, token: str) -> Session | None:
        return self._soonest_first.get((deployment.id, token))

    def join(self, connection: Connection, session: Session) -> Connection | None:
        """Configure a connection for a session; the one that has to go for it, if there is one."""
        if connection.session is session:
            return None
        self.leave(connection)
        connection.session = session
        session.connections.append(connection)
        if len(session.connections) <= CONNECTIONS_MAX:
            return None
        oldest = session.connections[0]
        self.leave(oldest)
        return oldest

    def leave(self, connection: Connection) -> None:
        """Let a connection be configured for no session."""
        if connection.session is not None:
            connection.session.connections.remove(connection)
            connection.session = None

    def touch(self, session: Session, now_s: float) -> None:
        """Let a session live its whole life from now on."""
        session.expires_at_s = now_s + self.limits.session_life_s
        self._soonest_first.move_to_end((session.deployment.id, session.token))

    def converse(self, session: Session, conversation: MessagingConversation) -> None:
        """Let this be the session's conversation."""
        self._forget_conversation(session)
        session.conversation = conversation
        self.by_conversation[conversation.id] = session

    def attach(self, session: Session, attachment: Attachment) -> None:
        session.attachments[attachment.id] = attachment
        self.uploads[attachment.key] = session, attachment

    def detach(self, session: Session, attachment: Attachment) -> None:
        del session.attachments[attachment.id], self.uploads[attachment.key]

    def remove(self, session: Session) -> list[Connection]:
        """Forget a session; the connections that were configured for it."""
        self._soonest_first.pop((session.deployment.id, session.token), None)
        self.by_guest.pop(session.guest_id, None)
        self._forget_conversation(session)
        for attachment in list(session.attachments.values()):
            self.detach(session, attachment)
        connections, session.connections = session.connections, []
        for connection in connections:
            connection.session = None
        return connections

    def take_expired(self, now_s: float) -> list[Session]:
        """The sessions whose life is over, of which each is had once; they are to be removed."""
        found = []
        while self._soonest_first:
            key, session = next(iter(self._soonest_first.items()))
            if now_s < session.expires_at_s:
                break
            del self._soonest_first[key]
            self._expired[key] = self._expired[session.guest_id] = None
            found.append(session)
        while len(self._expired) > EXPIRED_KEPT:
            self._expired.popitem(last=False)
        return found

    def has_expired(self, key: tuple[str, str] | str) -> bool:
        """Whether the session of this deployment and token, or of this guest, came to its end."""
        return key in self._expired

    def require(self, connection: Connection, token: str) -> Session:
        """The session that a connection is configured for; raises `GuestError`."""
        session = connection.session_of(token)
        if session is not None:
            return session
        has_expired = self.has_expired((connection.deployment.id, token))
        raise GuestError(SESSION_EXPIRED if has_expired else SESSION_NOT_FOUND)

    def _forget_conversation(self, session: Session) -> None:
        if session.conversation is not None:
            self.by_conversation.pop(session.conversation.id, None)
