"""HTTP/1.1 exchanges on one kept-alive connection: bytes in, a whole answer or a WireError out."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import gevent
from gevent import get_hub

from convoy.errors import WireError
from convoy.remote.answers import Answer, AnswerReader
from convoy.remote.connection import Address, Connection
from convoy.remote.tls import TlsConnection, tls_context
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, wire_code

__all__ = ["Answer", "Origin", "Transport", "tls_context"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: scheme (`http` or `https`), host in lower case, port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of `url`; raises ValueError with a sentence for the operator."""
        if "@" in url:
            raise ValueError("an address must not carry a user name or a password")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except ValueError as exc:
            raise ValueError(f"{url!r} is no address like https://api.mypurecloud.de") from exc
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"{url!r} must start with http:// or https://")
        if not _HOST.fullmatch(host) or port == 0:
            raise ValueError(f"{url!r} names no host and port to connect to")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"{url!r} must end after the host and port: paths are added to it")
        return cls(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])

    @property
    def host_header(self) -> str:
        """The value of the Host header: no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The origin as an address without a slash at its end."""
        return f"{self.scheme}://{self.host_header}"


class Transport:
    """One connection to an origin, for one caller greenlet at a time.

    A request is written at most once per `exchange`. A connection that the server closed while it
    was idle is found out before the first byte is written, and replaced; once a byte has left
    there is no second write. `max_answer_bytes` counts headers and body.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        tls: ssl.SSLContext | None = None,
        max_answer_bytes: int = 10 * 2**20,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.origin = origin
        self._tls = tls
        if origin.scheme == "https" and tls is None:
            self._tls = tls_context()
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._connection: Connection | None = None
        self._reader = AnswerReader(max_answer_bytes)

    @property
    def sent_s(self) -> float | None:
        """When the exchange in progress (or the last one) wrote its first byte; None if never."""
        return self._connection.sent_s if self._connection else None

    @property
    def certificate_ends_s(self) -> float | None:
        """Until when the certificate of the last connection is valid, in Unix seconds."""
        return self._connection.certificate_ends_s if self._connection else None

    def exchange(self, request: bytes, deadline_s: float) -> Answer:
        """Write `request` once and return the whole answer to it.

        `deadline_s` is in clock time and covers all: name, connection, TLS, write and answer.
        Raises WireError, after which the connection is closed and the next exchange opens a new
        one. Any other exception thrown into the greenlet closes the connection, too, and passes.
        """
        try:
            connection = self._ready_connection(deadline_s)
            return self._converse(connection, request, deadline_s)
        except WIRE_EXCEPTIONS as exc:
            self.close()
            raise WireError(
                wire_code(exc), str(exc), sent_s=self.sent_s, done_s=self._clock()
            ) from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; an exchange in progress ends with WireError `stopped`."""
        if self._connection is not None:
            self._connection.close()

    def _ready_connection(self, deadline_s: float) -> Connection:
        connection = self._connection
        if connection is not None:
            connection.begin_exchange()
            if connection.is_quiet():
                return connection
            connection.close()
        if deadline_s <= self._clock():
            raise TimeoutError("the deadline passed before a connection was open")
        connection = self._open(deadline_s)
        self._reader = AnswerReader(self._max_answer_bytes)
        return connection

    def _open(self, deadline_s: float) -> Connection:
        """Connect to the first of the host's addresses that takes us, each given an equal time."""
        addresses = _addresses(self.origin, deadline_s - self._clock())
        for left in range(len(addresses), 0, -1):
            now_s = self._clock()
            connection = self._connection = self._make_connection(addresses[-left])
            try:
                connection.connect(now_s + (deadline_s - now_s) / left)
                return connection
            except OSError as exc:
                connection.close()
                connection.begin_exchange()
                if left == 1 or isinstance(exc, ssl.SSLCertVerificationError):
                    raise
            except BaseException:
                # Only a handshake has left, and no byte of the request.
                connection.close()
                connection.begin_exchange()
                raise
        raise socket.gaierror(socket.EAI_NONAME, f"{self.origin.host} has no address")

    def _make_connection(self, address: Address) -> Connection:
        if self._tls is None or self.origin.scheme == "http":
            return Connection(address, self._clock)
        return TlsConnection(address, self._clock, self._tls, self.origin.host)

    def _converse(self, connection: Connection, request: bytes, deadline_s: float) -> Answer:
        reader = self._reader
        reader.begin()
        is_sent = connection.send(request)
        if not is_sent:
            is_sent = self._send_rest(connection, deadline_s)
        while not reader.is_whole:
            connection.wait_readable(deadline_s)
            self._read(connection, deadline_s)
        if not (reader.is_reusable and is_sent) or connection.is_ended:
            connection.close()
        return reader.answer(cast(float, connection.sent_s), connection.received_s)

    def _send_rest(self, connection: Connection, deadline_s: float) -> bool:
        """Write what the kernel did not take at once; false if the answer came before the end.

        A server that refuses a large body answers while we are writing and then closes: its
        answer is worth more than the broken pipe.
        """
        is_sent = False
        while not is_sent and not self._reader.is_whole:
            connection.wait_any(deadline_s)
            try:
                is_sent = connection.send_rest()
            except (BrokenPipeError, ConnectionResetError):
                return False
            self._read(connection, deadline_s)
        return is_sent

    def _read(self, connection: Connection, deadline_s: float) -> None:
        data = connection.receive()
        if data:
            self._reader.feed(data)
        if connection.is_ended and not self._reader.is_whole:
            self._reader.end()
        elif connection.received_s > deadline_s and not self._reader.is_whole:
            raise TimeoutError("no whole answer by the deadline")


def _addresses(origin: Origin, timeout_s: float) -> list[Address]:
    """Return the addresses of the host, asked for in a thread so that the loop goes on."""
    where = (origin.host, origin.port)
    try:
        version = ipaddress.ip_address(origin.host).version
    except ValueError:
        return _looked_up(where, timeout_s)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return [(family, socket.SOCK_STREAM, 0, "", where)]


def _looked_up(where: tuple[str, int], timeout_s: float) -> list[Address]:
    with gevent.Timeout(timeout_s, TimeoutError(f"looking up {where[0]} took too long")):
        found = get_hub().resolver.getaddrinfo(*where, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return list(dict.fromkeys(cast(list[Address], found)))
