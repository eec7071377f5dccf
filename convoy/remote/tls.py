"""TLS on a `Connection`, through memory buffers, so that no patched socket class takes part."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import certifi

from convoy.files import read_text
from convoy.remote.connection import Address, Connection
from convoy.remote.outbox import Outbox

_RECORD_BYTES = 16_384
_MOST_CA_BYTES = 10 * 2**20


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    It trusts `ca_file` (PEM) alone when given, else the system's store, else certifi's where the
    system has none. Raises FileError or ssl.SSLError for a file that cannot be used.
    """
    paths = ssl.get_default_verify_paths()
    if ca_file is None and paths.cafile is None and paths.capath is None:
        ca_file = certifi.where()
    # Read here, as every file that an operator names: it may have no end, or be a pipe.
    trusted = None if ca_file is None else read_text(Path(ca_file), _MOST_CA_BYTES)
    context = ssl.create_default_context(cadata=trusted)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # With this, and partial writes off as `ssl` has them, a write never waits for a read.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # Some Python versions set this option. With it, a connection that ends without close_notify
    # would count as the regular end of an answer.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


class TlsPeer:
    """The TLS side of an origin: host name to verify, and the latest session, to be resumed."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._context = context
        self._host = host
        self._session: ssl.SSLSession | None = None

    def wrap(self, arrived: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """Return TLS over two buffers, before its handshake."""
        return self._context.wrap_bio(
            arrived, outgoing, server_hostname=self._host, session=self._session
        )

    def keep(self, session: ssl.SSLSession | None) -> None:
        """Keep a session if it can be resumed: with TLS 1.3 only after a session ticket arrived."""
        if session is not None and (session.has_ticket or session.id):
            self._session = session

    def forget(self) -> None:
        """Drop the kept session after a failed handshake, because resuming it may be the cause."""
        self._session = None


class TlsConnection(Connection):
    """A connection over TLS; certificate and host are verified before anything is sent."""

    def __init__(
        self, address: Address, clock: Callable[[], float], outbox: Outbox, peer: TlsPeer
    ) -> None:
        super().__init__(address, clock, outbox)
        self._arrived = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._peer = peer
        self._tls = peer.wrap(self._arrived, self._outgoing)
        self._is_secure = False

    @property
    def certificate_ends_s(self) -> float | None:
        ends = (self._tls.getpeercert() or {}).get("notAfter")
        return ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None

    def do_handshake(self, deadline_s: float) -> None:
        """Begin TLS once connected. Raises OSError, ssl.SSLError, TimeoutError, StoppedError."""
        while not self._is_handshake_done():
            self.write(self._outgoing.read())
            self._take(self.read_some(deadline_s))
        self.write(self._outgoing.read())
        self._is_secure = True

    def _is_handshake_done(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            self._peer.forget()
            self._send_pending()
            raise
        return True

    def _send_pending(self) -> None:
        """Send an alert or close_notify if the kernel takes it; neither is part of a request."""
        if self._outgoing.pending:
            with suppress(OSError):
                self.given_bytes += self._socket.send(self._outgoing.read())

    def _take(self, data: bytes) -> None:
        if data:
            self._arrived.write(data)
        else:
            self._arrived.write_eof()

    def _sealed(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    def receive(self) -> bytes | None:
        """Return the plain bytes that have arrived, as `Connection.receive`; as is before TLS.

        Records without content (session tickets, key updates) count as nothing.
        """
        data = super().receive()
        if data is None or not self._is_secure:
            return data
        self._take(data)
        self.is_ended = False  # the end of TCP is no end of TLS, which is a close_notify
        plain: list[bytes] = []
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                plain.append(piece)
                # Another read would only raise that there is nothing, which takes 1 us.
                if data and not (self._arrived.pending or self._tls.pending()):
                    break
            else:
                self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if not _is_cut_off(error):
                raise
            # Return whole records first; the next receive finds the missing close_notify again.
            if not plain:
                raise ssl.SSLEOFError(*error.args) from error
        if not plain:
            return b"" if self.is_ended else None
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def is_quiet(self) -> bool:
        """True when a request may be written: not closed by the server, nothing unasked for."""
        if super().is_quiet():
            return True
        try:
            return self.is_open and self.receive() is None and not self.is_ended
        except OSError:
            return False

    def close(self) -> None:
        """Send close_notify and close; the session is kept for the next connection."""
        if self.is_open and self._is_secure:
            self._is_secure = False
            self._peer.keep(self._tls.session)
            # Behind a part of a record a close_notify would be read as the rest of that record.
            if not self.unsent:
                with suppress(ssl.SSLError):
                    self._tls.unwrap()
                self._send_pending()
        super().close()


def _is_cut_off(error: ssl.SSLError) -> bool:
    """Return whether close_notify was missing; the exception differs between Python versions."""
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"
