"""The web UI's server: what is no request takes little time, and is a line in ten seconds.

Whoever reaches the port can send such, a page in the tester's browser included, and gevent's own
server says each in up to fifty lines. Connections are bounded, so that thousands of them leave the
run its file descriptors.
"""

from __future__ import annotations

import re
import ssl
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from io import BytesIO
from typing import Any

import gevent
from gevent import pywsgi
from locust.web import WebUI

from convoy.engine.alarm import A_POLL_S
from convoy.plugin.limited_log import LimitedLog

_LARGEST_HEAD = 64 * 1024
"""Bytes of all headers together; to read cookies of 6 MB takes Flask a second."""
_LONGEST_LINES = {b"cookie": 64 * 1024, b"content-type": 256}
"""Cookies are those of all ports; what a type holds in quotes takes the parser long."""
_LONGEST_LINE = 8 * 1024
_MOST_LINES = 100
_HEADER = re.compile(rb"([!-9;-~]+):[^\r]*\r?\n")
_FRAMING = re.compile(rb"(?:content-length|transfer-encoding):", re.IGNORECASE)
_CLEAR_FRAMING = re.compile(
    rb"(?:content-length:[ \t]*[0-9]{1,18}|transfer-encoding:[ \t]*chunked)[ \t]*\r?\n",
    re.IGNORECASE,
)
_LARGEST_BODY = 64 * 1024
_MOST_CONNECTIONS = 256
"""At a time; more of them wait. Each takes a file descriptor, and the run needs some of its own."""
_LONGEST_SILENCE_S = 75.0
"""Of who connects, or does not read its answer: the connection is closed then. nginx closes those
that it keeps after 60 s, and no request of its may meet an end of ours."""
_PIECE_BYTES = 64 * 1024
"""Of an answer that are sent in one call, because gevent counts the silence from its begin."""
_OF_TLS = "\x16\x03"
"""What a client begins with that wants TLS."""


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return the server's side of TLS by these files; raises OSError where they do not do."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # With no password, or OpenSSL would ask for one on the terminal.
    context.load_cert_chain(certificate, key, password="")
    return context


def install(web_ui: WebUI) -> None:
    """Have the web UI served by this server when Locust starts it."""
    web_ui.start_server = partial(_serve, web_ui)  # type: ignore[method-assign]


def _serve(web_ui: WebUI) -> None:
    tls = None
    if web_ui.tls_cert and web_ui.tls_key:
        tls = tls_context(web_ui.tls_cert, web_ui.tls_key)
    web_ui.server = Server((web_ui.host, web_ui.port), web_ui.app, tls)
    web_ui.server.serve_forever()


class Server(pywsgi.WSGIServer):
    """Serves an app at an address; of its own it logs what is no request, and nothing else."""

    def __init__(self, address: tuple[str, int], app: Any, tls: ssl.SSLContext | None) -> None:
        self.refused = LimitedLog()
        given: Any = {} if tls is None else {"ssl_context": tls}
        given["spawn"] = _MOST_CONNECTIONS
        super().__init__(address, app, log=None, handler_class=_Handler, **given)

    def stop(self, timeout: float | None = None) -> None:
        """Take no more connections; what is being answered goes on, where gevent would end it."""
        self.close()

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        client_socket.settimeout(_LONGEST_SILENCE_S)  # in the handshake, too
        try:
            super().wrap_socket_and_handle(client_socket, address)
        except OSError:  # of the handshake: the handler passes none on of what follows
            self.refused.say(
                "did not agree on TLS (a certificate that is not trusted, plain http, or a check "
                "whether the port is open)",
                "something that connected to the web UI",
            )


class _Handler(pywsgi.WSGIHandler):
    server: Server

    def MessageClass(self, fp: Any, *_: object) -> Any:
        """Read headers, as gevent does, of a bounded size; raises HTTPException."""
        lines, size = list[bytes](), 0
        while (line := fp.readline(_LARGEST_HEAD + 1)) not in (b"\r\n", b"\n"):
            if not line:
                raise HTTPException("its headers have no end")
            lines.append(line)
            size += len(line)
            # The parser takes a return within a line for the end of that, and what follows a line
            # that is no header for a body of parts: a few such requests took it seconds.
            header = _HEADER.fullmatch(line)
            most = _LONGEST_LINES.get(header[1].lower(), _LONGEST_LINE) if header else 0
            if len(line) > most or size > _LARGEST_HEAD or len(lines) > _MOST_LINES:
                raise HTTPException("its headers are too large, or no header is on a line")
        # Else a proxy may find its end elsewhere, and a request within it (RFC 9112, 6.3).
        framing = [line for line in lines if _FRAMING.match(line)]
        if len(framing) > 1 or not all(map(_CLEAR_FRAMING.fullmatch, framing)):
            raise HTTPException("it does not say in one way where its body ends")
        return super().MessageClass(BytesIO(b"".join(lines)))

    def read_request(self, raw_requestline: str) -> Any:
        """Read a request; raises ValueError for what is none, which gevent says in a line."""
        try:
            return super().read_request(raw_requestline)
        except (HTTPException, IndexError, OSError) as error:
            raise ValueError(str(error)) from error

    def handle_one_request(self) -> Any:
        """Handle the next request of a connection, after others have had a turn."""
        # Requests that have come already are read without waiting, and nothing else would run
        # meanwhile, not even what ends the run.
        gevent.sleep(A_POLL_S)
        return super().handle_one_request()

    def run_application(self) -> None:
        """Answer a request; of a large body, which no request here has, no rest is read."""
        try:
            super().run_application()
        finally:
            body: Any = self.wsgi_input
            if body.chunked_input or (body.content_length or 0) > _LARGEST_BODY:
                self.close_connection = True
                body.chunked_input, body.content_length = False, body.position

    def _connection_upgrade_requested(self) -> bool:
        return False  # else a body would have no end, and what follows be taken for a part of it

    def _sendall(self, data: bytes) -> None:
        for begin in range(0, len(data), _PIECE_BYTES):
            super()._sendall(data[begin : begin + _PIECE_BYTES])  # type: ignore[misc]
            gevent.sleep(A_POLL_S)  # who reads quickly lets nothing wait, however large this is

    def handle(self) -> None:
        self.socket.settimeout(_LONGEST_SILENCE_S)
        with suppress(OSError):  # gone before its answer, or silent
            super().handle()

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Say what went wrong with an answer, unless who asked is gone."""
        if issubclass(t, (ConnectionError, TimeoutError, ssl.SSLError)):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)

    def log_error(self, msg: str, *args: object) -> None:
        kind = "was no request that it takes"
        if (self.requestline or "").startswith(_OF_TLS):
            kind = "wanted https, which it does not speak; its address begins with http://"
        self.server.refused.say(kind, "something that connected to the web UI")
