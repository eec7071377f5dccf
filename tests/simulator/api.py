"""Plain HTTP to a simulator, without any of the project's client code."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulator_process import SimulatorProcess

MESSAGES = "/api/v2/conversations/messages"
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Reply:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    simulator: SimulatorProcess,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own; anything but bytes is sent as JSON."""
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, sent, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read())
    finally:
        connection.close()


def basic(client: str, secret: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{client}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def bearer(simulator: SimulatorProcess, client: str = "demo") -> dict[str, str]:
    """The header of a new token; that of a user is had by the refresh token born with it."""
    form = b"grant_type=client_credentials"
    if client in ("public-user", "public-no-scope"):
        form = f"grant_type=refresh_token&refresh_token={client}".encode()
    reply = call(simulator, "POST", "/oauth/token", form, basic(client, client))
    return {"Authorization": f"Bearer {reply.json['access_token']}"}


def conversations(simulator: SimulatorProcess) -> list[dict[str, Any]]:
    """The first hundred conversations."""
    path = "/api/v2/conversations?pageSize=100"
    entities: list[dict[str, Any]] = call(simulator, "GET", path, headers=bearer(simulator)).json[
        "entities"
    ]
    return entities


def open_conversations(simulator: SimulatorProcess) -> list[dict[str, Any]]:
    return [each for each in conversations(simulator) if each["state"] == "connected"]


def canonical_body(conversation_id: str, text: str = "hello") -> dict[str, Any]:
    return {
        "to": {"id": conversation_id, "type": "conversation"},
        "from": {"name": "Ada", "address": "ada@example.com", "type": "user"},
        "text": text,
        "type": "text",
    }
