"""The least a Locust user can do for a message: write it to a socket, wait, parse, fire the event.

It is the measure of what Convoy adds, not a client to use: one whole answer per read is all it
understands, and it has no deadline.
"""

from __future__ import annotations

import locust  # isort: skip  # it patches sockets
import _socket
import socket
from time import perf_counter
from urllib.parse import urlsplit

import httptools
from gevent import get_hub

from bench.message import STATUS, request_to

_READ = 1
_BUFFER_BYTES = 65_536


class Reply:
    """What httptools calls back while it parses an answer."""

    def __init__(self) -> None:
        self.is_whole = False
        self.body_bytes = 0

    def on_body(self, piece: bytes) -> None:
        self.body_bytes += len(piece)

    def on_message_complete(self) -> None:
        self.is_whole = True


class RawSocketUser(locust.User):
    """Posts the one message again and again over a socket of the interpreter's own class."""

    def on_start(self) -> None:
        where = urlsplit(self.host or "")
        self._request = request_to(where.netloc)
        self._socket = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect((where.hostname, where.port))
        self._socket.setblocking(False)
        self._reply = Reply()
        self._parser = httptools.HttpResponseParser(self._reply)
        self._hub = get_hub()
        self._readable = self._hub.loop.io(self._socket.fileno(), _READ)

    def on_stop(self) -> None:
        self._readable.stop()
        self._socket.close()

    @locust.task
    def post_message(self) -> None:
        reply = self._reply
        reply.is_whole, reply.body_bytes = False, 0
        started_s = perf_counter()
        self._socket.send(self._request)
        while not reply.is_whole:
            self._hub.wait(self._readable)
            self._parser.feed_data(self._socket.recv(_BUFFER_BYTES))
        self.environment.events.request.fire(
            request_type="POST",
            name="message",
            response_time=(perf_counter() - started_s) * 1000,
            response_length=reply.body_bytes,
            exception=None if self._parser.get_status_code() == STATUS else _Refused(),
            context={},
        )


class _Refused(Exception):
    """The answer was not the one that nginx gives to the message."""
