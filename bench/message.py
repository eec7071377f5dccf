"""The one message that every generator posts: path, headers, body and the answer to it."""

from __future__ import annotations

PATH = "/api/v2/conversations/messages"
TOKEN = "bench-token-with-as-many-characters-as-a-real-one-has"
HEADERS = {
    "Authorization": f"Bearer {TOKEN}",
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "convoy",
}
BODY = (
    b'{\n  "to": {"id": "5bba6d0c-3d4c-4bd1-bb43-7a9bb0a1ee10", "type": "conversation"},\n'
    b'  "from": {"name": "Load Test Guest 17", "address": "guest-17@load-test.invalid", '
    b'"type": "user"},\n  "text": "[convoy:20261122-193343-67bda5:conversation_messages:140321] '
    b'Could you tell me when it arrives?",\n  "type": "text"\n}'
)
"""As long as Convoy's own bodies are on average; a test compares the two."""
STATUS = 200
ANSWER = (
    '{"id":"${request_id}0000",'
    '"conversationId":"5bba6d0c-3d4c-4bd1-bb43-7a9bb0a1ee10","direction":"inbound",'
    '"timestamp":"2026-11-22T12:00:00.000Z","status":"sent"}'
)
"""As nginx's configuration has it: each answer has an id of its own, from a variable of nginx."""


def request_to(host: str) -> bytes:
    """Return the message as Convoy writes it to the wire; `host` is the Host header's value."""
    fields = {"Host": host, **HEADERS, "Content-Length": str(len(BODY))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + BODY
