"""An API whose every text, header and status reason is meant to harm who prints it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

FORGED = "[2026-11-26 00:00:00,000] vm/INFO/convoy: FORGED"
STEERING = f"a\x1b[2J\x1b]0;title\x07b\r\n{FORGED}\r\nc\x00d\u202ee\x9b31mf\u2028g\x7f"
LONG = STEERING + "x" * 2**20
IN_A_HEADER = b"a\x9b2J\x9d0;title\x9cb\xe2\x80\xae" + b"x" * 50_000
"""Other control characters are refused in a header, and a longer one is no header to most."""
CONVERSATIONS = [f"{number}{STEERING}" for number in range(2)]


class HostileServer(ThreadingTCPServer):
    """Takes every third message as the API does, and refuses the others."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken = 0
        self.refuses_canaries = True
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Visit(StreamRequestHandler):
    server: HostileServer

    def handle(self) -> None:
        with suppress(OSError):
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while line := self.rfile.readline():
                headers = b"".join(iter(self.rfile.readline, b"\r\n"))
                size = re.search(rb"(?i)content-length: (\d+)", headers)
                self._answer(line, self.rfile.read(int(size[1]) if size else 0))

    def _answer(self, line: bytes, body: bytes) -> None:
        refusal = dict.fromkeys(("message", "error_description", "contextId", "traceId"), LONG)
        status, told = 400, {**refusal, "code": STEERING, "details": [{"fieldName": STEERING}]}
        if b"/oauth/token" in line:
            status, told = 200, {"access_token": "token", "scope": LONG, "token_type": "bearer"}
        elif line.startswith(b"GET /api/v2/conversations"):
            kind = {"state": "connected", "type": "webchat"}
            customer = {"id": STEERING, "purpose": "customer", "name": LONG}
            entities: list[Any] = [
                {**kind, "id": each, "participants": [customer]} for each in CONVERSATIONS
            ]
            status, told = 200, {"entities": entities, "pageCount": 1, "selfUri": LONG}
        elif line.startswith(b"POST"):
            self.server.taken += 1
            is_canary = b"-canary:" in body and not self.server.refuses_canaries
            if is_canary or self.server.taken % 3 == 0:
                conversation = json.loads(body)["to"]["id"]
                id = f"{self.server.taken}{LONG}"
                status, told = 200, {"id": id, "conversationId": conversation, "x": LONG}
        self._send(status, json.dumps(told).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.wfile.write(
            b"HTTP/1.1 %d a\x9b31mb\xe2\x80\xaec\r\nContent-Length: %d\r\n" % (status, len(body))
            + b"ININ-Correlation-Id: %b\r\nX-More: %b\r\n\r\n%b" % (IN_A_HEADER, IN_A_HEADER, body)
        )


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
