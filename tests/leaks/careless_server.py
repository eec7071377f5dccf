"""An API that says to everybody what it was told in confidence, in every form and field."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any
from urllib.parse import quote

from tests.leaks.secrets_planted import (
    ACCESS_TOKEN,
    BASIC,
    HEADER_OF_FILE,
    LOCATION,
    NEXT_REFRESH_TOKEN,
    REGISTERED,
    strangers,
    told_of,
)

CONVERSATIONS = ["conversation-1", "conversation-2"]
ANSWERS = 8
"""So many careless answers there are."""


class CarelessServer(ThreadingHTTPServer):
    """Answers what `answers` holds, in turn, to messages that are no canaries."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        """The headers of each request, names in small letters, with `path`."""
        self.refuses_canaries = False
        self.turn = count()
        self.answered: set[int] = set()
        """Which of the careless answers somebody has got."""
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Visit(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CarelessServer

    def do_GET(self) -> None:
        self._note()
        if not self.path.startswith("/api/v2/conversations"):
            self._answer(404, b"{}")
            return
        entities: list[Any] = [
            {"id": each, "state": "connected", "type": "webchat", "participants": []}
            for each in CONVERSATIONS
        ]
        entities.append({"id": 5, "secret": told_of(ACCESS_TOKEN)})
        self._answer(200, json.dumps({"entities": entities, "pageCount": 1}).encode())

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/oauth/token":
            token = {"access_token": ACCESS_TOKEN, "refresh_token": NEXT_REFRESH_TOKEN}
            self._answer(200, json.dumps(token).encode())
            return
        addressed = re.search(r"conversation-\d", body)
        own = {"id": f"m-{next(self.server.turn)}", "conversationId": (addressed or [""])[0]}
        if "-canary:" in body:
            self._answer_canary(own)
            return
        self._answer_carelessly(next(self.server.turn) // 2 % ANSWERS, own)

    def _answer_canary(self, own: dict[str, str]) -> None:
        if not self.server.refuses_canaries:
            self._answer(200, json.dumps(own).encode())
            return
        told: dict[str, Any] = {"code": "bad.request", "contextId": f"c-{ACCESS_TOKEN}"}
        told |= {"message": f"The token {told_of(ACCESS_TOKEN)} does not allow it"}
        told |= {"details": [{"fieldName": f"headers/authorization/{ACCESS_TOKEN}"}]}
        self._answer(400, json.dumps(told).encode())

    def _answer_carelessly(self, turn: int, own: dict[str, str]) -> None:
        registered = "\n".join(map(told_of, REGISTERED))
        told: dict[str, Any] = {"code": "invalid_payload", "message": strangers()}
        self.server.answered.add(turn)
        match turn:
            case 0:
                self._answer(
                    200, json.dumps({**own, "id": f"{HEADER_OF_FILE}-{own['id']}"}).encode()
                )
            case 1:
                self._answer(400, json.dumps({**told, "said": REGISTERED, "more": own}).encode())
            case 2:
                self._answer(400, json.dumps({"code": HEADER_OF_FILE}).encode())
            case 3:
                where = f"https://x.example/n?access_token={LOCATION}&token={quote(ACCESS_TOKEN)}"
                self._answer(302, html.escape(where).encode(), Location=where)
            case 4:
                page = f"<h1>{html.escape(registered)}</h1> Basic {BASIC} {strangers()}"
                self._answer(500, page.encode())
            case 5:
                self._answer(422, f"x=1&said={quote(registered)}&{strangers()}".encode())
            case 6:
                headers = {"ININ-Correlation-Id": f"{HEADER_OF_FILE} {quote(ACCESS_TOKEN)}"}
                self._answer(
                    400, json.dumps({"code": "x.y", "all": REGISTERED}).encode(), **headers
                )
            case _:
                tail = "." * 2_000 + ACCESS_TOKEN + HEADER_OF_FILE * 3
                self._answer(409, json.dumps({"code": "z.z", "message": tail}).encode())

    def _note(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({**headers, "path": self.path})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status, HEADER_OF_FILE)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def careless_server() -> Iterator[CarelessServer]:
    with CarelessServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
