"""What a relay can do to a message on its way: answer it itself, alter it, or spoil the answer."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

from bench.sabotage.relay import Passage, RelayedAnswer

_HTML = (("Content-Type", "text/html"),)
_PAGE = b"<!doctype html><html><body><h1>It works!</h1></body></html>"
_LOGIN_PAGE = b"<!doctype html><html><body><form action='/login'>Sign in</form></body></html>"
_ERROR = {"status": 400, "code": "invalid_payload", "message": "Message payload is invalid."}
_KEPT_CHARACTERS = 8
"""As much of a text as is kept: shorter than its marker."""


def nothing_spoiled(passage: Passage) -> RelayedAnswer:
    return passage.send(passage.body)


def html_page(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(200, _PAGE, _HTML)


def empty_answer(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(200)


def error_in_200(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(200, json.dumps(_ERROR).encode())


def no_content(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(204, headers=())


def errors_in_207(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(207, json.dumps({"errors": [_ERROR, _ERROR]}).encode())


def redirect(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(302, headers=(("Location", "/login"),))


def login_page(_: Passage) -> RelayedAnswer:
    return RelayedAnswer(200, _LOGIN_PAGE, _HTML)


def cached_answer(passage: Passage) -> RelayedAnswer:
    """Pass the first message on, and give its answer to all others."""
    if "answer" not in passage.memory:
        passage.memory["answer"] = passage.send(passage.body).body
    return RelayedAnswer(200, passage.memory["answer"])


def swallowed(passage: Passage) -> RelayedAnswer:
    """Answer as the API does, with an id of its own, and pass nothing on."""
    answer = {
        "id": str(uuid.uuid4()),
        "conversationId": json.loads(passage.body)["to"]["id"],
        "direction": "inbound",
        "timestamp": "2026-11-22T12:00:00.000Z",
        "status": "sent",
        "selfUri": "/api/v2/conversations/messages",
    }
    return RelayedAnswer(200, json.dumps(answer).encode())


def doubled(passage: Passage) -> RelayedAnswer:
    passage.send(passage.body)
    return passage.send(passage.body)


def text_cut(passage: Passage) -> RelayedAnswer:
    message = json.loads(passage.body)
    return passage.send(_encoded(message | {"text": message["text"][:_KEPT_CHARACTERS]}))


def other_conversation(passage: Passage) -> RelayedAnswer:
    """Send every message into the conversation of the one that came first."""
    message = json.loads(passage.body)
    to = passage.memory.setdefault("conversation", message["to"]["id"])
    return passage.send(_encoded(message | {"to": message["to"] | {"id": to}}))


def half_an_answer(passage: Passage) -> RelayedAnswer:
    return replace(passage.send(passage.body), is_cut=True)


def _encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()
