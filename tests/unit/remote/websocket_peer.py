"""The far side of a WebSocket, on another library than Convoy's: a script for each connection."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import wsproto
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from tests.unit.remote.misbehaving_server import Behaviour, Visitor, answer

TEXT, BINARY, CONTINUATION, PING = 1, 2, 0, 9
EARLY, LATE = "2026-11-26T10:00:00.000Z", "2026-11-26T10:00:01.000Z"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


class Peer:
    """The server's side of one WebSocket; `requests` are the guest's frames so far."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.requests: list[dict[str, Any]] = []
        self.ends: list[Event] = []
        self._waiting: list[Event] = []
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        visitor.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._protocol.receive_data(visitor.read_request())
        self._waiting += self._protocol.events()
        self.upgrade = self._next(Request)
        if self.upgrade is None:
            raise ConnectionAbortedError("gone before its upgrade")
        self._send(AcceptConnection())

    def _send(self, event: Event) -> None:
        self.visitor.send(self._protocol.send(event))

    def _next(self, *kinds: type[Event]) -> Any:
        """Return the next event of one of the kinds, None when the guest has gone."""
        while True:
            while self._waiting:
                event = self._waiting.pop(0)
                if isinstance(event, (CloseConnection, Ping)):
                    self.ends += [event]
                if isinstance(event, kinds):
                    return event
            data = self.visitor.connection.recv(65_536)
            if not data:
                return None
            self._protocol.receive_data(data)
            self._waiting += self._protocol.events()

    def hear(self) -> dict[str, Any] | None:
        """Return the guest's next frame, None when it has closed, which is answered."""
        event = self._next(TextMessage, CloseConnection)
        if isinstance(event, CloseConnection):
            if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                with suppress(OSError):  # a guest need not wait for it
                    self._send(event.response())
            return None
        if event is None:
            return None
        request: dict[str, Any] = json.loads(event.data)
        self.requests.append(request)
        return request

    def close_code(self) -> int | None:
        """Wait for the guest's close frame and return its code; None where there is none."""
        event = self._next(CloseConnection)
        return None if event is None else int(event.code)

    def await_ping(self) -> None:
        self._next(Ping)

    def await_pong(self) -> bytes | None:
        event = self._next(Pong)
        return None if event is None else bytes(event.payload)

    def pong(self) -> None:
        self._send(Pong())

    def close(self, code: int = 1001, reason: str | None = None) -> None:
        self._send(CloseConnection(code, reason))

    def frame(
        self, data: bytes, opcode: int = TEXT, *, fin: bool = True, reserved: int = 0
    ) -> None:
        """Send a frame as it is given, whatever the rules say."""
        self.visitor.send(framed(data, opcode, fin=fin, reserved=reserved))

    def close_after(self, data: bytes, code: int) -> None:
        """Send a text and the close frame in one piece: the guest can do nothing in between."""
        self.visitor.send(framed(data) + self._protocol.send(CloseConnection(code)))

    def say(self, kind: str, body: Any = None, code: int = 200, **more: Any) -> None:
        self.frame(said(kind, body, code, **more))

    def configure(self, **body: Any) -> dict[str, Any]:
        """Answer the guest's next request as one to configure, and return it."""
        request = self.hear()
        assert request is not None and request["action"] == "configureSession", request
        self.say("SessionResponse", {"connected": True, "newSession": True} | body)
        return request

    def copy(self, request: dict[str, Any], time: str = EARLY) -> None:
        """Send a message back to who said it."""
        self.frame(copy_of(request, time))

    def copy_all(self) -> None:
        """Send each message back until the guest goes."""
        while (request := self.hear()) is not None:
            self.copy(request)


def framed(data: bytes, opcode: int = TEXT, *, fin: bool = True, reserved: int = 0) -> bytes:
    head = bytes([fin << 7 | reserved << 4 | opcode])
    size = len(data)
    if size < 126:
        head += bytes([size])
    else:
        head += bytes([126]) + struct.pack("!H", size) if size < 65_536 else b"\x7f"
        head += struct.pack("!Q", size) if size >= 65_536 else b""
    return head + data


def said(kind: str, body: Any = None, code: int = 200, **more: Any) -> bytes:
    frame = {"type": "message", "class": kind, "code": code, "body": body}
    return json.dumps(frame | more).encode()


def copy_of(request: dict[str, Any], time: str = EARLY) -> bytes:
    body = {"direction": "Inbound", "type": "Text", "id": "m1", "channel": {"time": time}}
    return said("StructuredMessage", body, tracingId=request["tracingId"])


def reply(text: str, time: str = EARLY) -> bytes:
    body = {"direction": "Outbound", "type": "Text", "text": text, "channel": {"time": time}}
    return said("StructuredMessage", body)


Script = Callable[[Peer], object]


UPGRADE_REQUIRED = answer("426 Upgrade Required", b"", "Connection: close")


def plays(
    *scripts: Script, peers: list[Peer] | None = None, otherwise: bytes = UPGRADE_REQUIRED
) -> Behaviour:
    """Upgrade and play the scripts one after the other; the peer is appended to `peers`.

    Any other request gets the answer `otherwise`.
    """

    def behave(visitor: Visitor) -> None:
        try:
            peer = Peer(visitor)
        except RemoteProtocolError:
            visitor.send(otherwise)
            return
        if peers is not None:
            peers.append(peer)
        for script in scripts:
            script(peer)

    return behave
