"""The simulator without a process: its answers, on a clock that a test moves."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from simulator.answering import Answering
from simulator.answers import Answer
from simulator.calls import Call
from simulator.ids import new_id
from simulator.model.organisation import INTEGRATIONS, QUEUES
from simulator.options import parse_options
from simulator.world import build_world

ACTIVE, INACTIVE, WITHOUT_AGENT, TEXT_ONLY = INTEGRATIONS
QUEUE, QUEUE_WITHOUT_ADDRESS, QUEUE_WITHOUT_USER = QUEUES
MESSAGES = "/api/v2/conversations/messages"
START_WALL_S = 1_780_000_000.0
JSON_CONTENT = {b"content-type": b"application/json"}
ENVELOPE = {"message", "code", "status", "messageParams", "contextId", "details", "errors"}


def inbound(integration_id: str = ACTIVE, kind: str = "message") -> str:
    return f"{MESSAGES}/{integration_id}/inbound/open/{kind}"


def open_message(sender: str = "vu-1", text: str = "hello", **members: object) -> dict[str, Any]:
    """OpenInboundNormalizedMessage."""
    channel = {
        "from": {"id": sender, "idType": "Opaque", "nickname": "VU"},
        "time": "2026-11-22T10:00:00.000Z",
    }
    return {"channel": channel, "text": text, **members}


class Organisation:
    """A simulator with these options, and a token of each client at need."""

    def __init__(self, *options: str) -> None:
        self.now_s = 1_000.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        limits = ("--token-rate-per-minute", "1000000", "--analytics-delay-s", "0")
        few = ("--conversations", "3")
        self.world = build_world(
            parse_options((*limits, *few, *options)),
            now_s=lambda: self.now_s,
            wall_s=lambda: START_WALL_S + self.now_s,
            later=self._later,
        )
        self._answering = Answering(self.world)

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and do what falls due meanwhile at its time."""
        end_s = self.now_s + seconds
        while self._timers and self._timers[0][0] <= end_s:
            self.now_s, _, do = heapq.heappop(self._timers)
            do()
        self.now_s = end_s

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now_s + delay_s, next(self._order), do))

    def token(self, client: str = "public") -> str:
        found = self.world.tokens.client(client, client)
        assert found is not None
        return self.world.tokens.issue(found, self.now_s)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        client: str = "public",
        token: str | None = None,
        headers: Mapping[bytes, bytes] = JSON_CONTENT,
    ) -> Answer:
        """The answer to one request; a body of bytes is sent as it is."""
        bearer = self.token(client) if token is None else token
        path, _, query = path.partition("?")
        sent = body if isinstance(body, bytes) else b""
        if body is not None and body is not sent:
            sent = json.dumps(body).encode()
        return self._answering.answer(
            Call(
                method=method,
                path=path,
                query=query.encode(),
                headers={**headers, b"authorization": f"Bearer {bearer}".encode()},
                body=sent,
                correlation_id=new_id(),
                body_bytes=len(sent),
            )
        )

    def get(self, path: str, *, client: str = "public") -> Any:
        """The body of an answer that must be a success."""
        answer = self.ask("GET", path, client=client)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def post(self, path: str, body: object, *, client: str = "public") -> Any:
        """The body of an answer that must be a success."""
        answer = self.ask("POST", path, body, client=client)
        assert answer.status in (200, 202, 204), answer.body
        return json.loads(answer.body) if answer.body else None

    def code(self, method: str, path: str, body: object = None, client: str = "public") -> str:
        """`status code` of an answer that must be an error in the full envelope."""
        answer = self.ask(method, path, body, client=client)
        envelope = json.loads(answer.body)
        assert envelope.keys() >= ENVELOPE, envelope
        assert envelope["code"] == answer.code
        return f"{answer.status} {answer.code}"

    def receive(self, sender: str = "vu-1", text: str = "hello", **members: object) -> str:
        """Take a message in; its conversation's id."""
        path = inbound() + "?prefetchConversationId=true"
        answer = self.post(path, open_message(sender, text, **members))
        conversation_id: str = answer["conversationId"]
        return conversation_id

    def reply_path(self, conversation_id: str, tail: str = "messages") -> str:
        """Where an agent writes to a conversation, found as the documentation says."""
        found = self.get(f"{MESSAGES}/{conversation_id}")
        [customer] = [each for each in found["participants"] if each["purpose"] == "customer"]
        return f"{MESSAGES}/{conversation_id}/communications/{customer['peer']}/{tail}"

    def message_ids(self, conversation_id: str) -> list[str]:
        """The ids of a conversation's messages that can be seen, by time."""
        found = self.get(f"{MESSAGES}/{conversation_id}")
        details = [one for each in found["participants"] for one in each["messages"]]
        details.sort(key=lambda each: each["messageTime"])
        return [each["messageId"] for each in details]

    def texts(self, conversation_id: str) -> list[str]:
        """The texts of a conversation's messages that can be seen, by time."""
        path = f"{MESSAGES}/{conversation_id}/messages/bulk"
        found = self.post(path, self.message_ids(conversation_id))["entities"]
        found.sort(key=lambda each: each["timestamp"])
        return [each["normalizedMessage"]["text"] for each in found]
