"""TLS on a `Connection`, through memory buffers, so that no patched socket class takes part."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import certifi

from convoy.remote.connection import Address, Connection

_RECORD_BYTES = 16_384


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    It trusts `ca_file` (PEM) alone when given, else the system's store, else certifi's where the
    system has none. Raises OSError or ssl.SSLError for a file that cannot be used.
    """
    paths = ssl.get_default_verify_paths()
    if ca_file is None and paths.cafile is None and paths.capath is None:
        ca_file = certifi.where()
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


class TlsConnection(Connection):
    """A connection over TLS; certificate and `host` are verified before anything is sent."""

    def __init__(
        self, address: Address, clock: Callable[[], float], context: ssl.SSLContext, host: str
    ) -> None:
        super().__init__(address, clock)
        self._arrived = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._outgoing, server_hostname=host)

    @property
    def certificate_ends_s(self) -> float | None:
        ends = (self._tls.getpeercert() or {}).get("notAfter")
        return ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None

    def connect(self, deadline_s: float) -> None:
        """Connect and shake hands. Raises OSError, ssl.SSLError, TimeoutError, StoppedError."""
        super().connect(deadline_s)
        while not self._is_shaken():
            self._send_all(deadline_s)
            self.wait_readable(deadline_s)
            self._take_arrived()
        self._send_all(deadline_s)
        self.begin_exchange()

    def _is_shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            self._send_alert()
            raise
        return True

    def _send_alert(self) -> None:
        if self._outgoing.pending:
            super().send(self._outgoing.read())

    def _send_all(self, deadline_s: float) -> None:
        done = not self._outgoing.pending or super().send(self._outgoing.read())
        while not done:
            self.wait_any(deadline_s)
            done = self.send_rest()

    def _take_arrived(self) -> bool:
        data = super().receive()
        if data is None:
            return False
        if data:
            self._arrived.write(data)
        else:
            self._arrived.write_eof()
        return True

    def send(self, data: bytes) -> bool:
        """Encrypt `data` and hand to the kernel what it takes now; true when that was all."""
        self._tls.write(data)
        return super().send(self._outgoing.read())

    def receive(self) -> bytes | None:
        """Return the plain bytes that have arrived, as `Connection.receive`.

        Records without content (session tickets, key updates) count as nothing.
        """
        if not self._take_arrived():
            return None
        plain: list[bytes] = []
        self.is_ended = False
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                plain.append(piece)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            # Read whole records first; the next receive meets the missing goodbye again.
            if not plain:
                raise
        return b"".join(plain) if plain or self.is_ended else None
