"""The simulator answers every literal request of the contract with its literal answer.

Placeholders stand for what cannot be literal: in requests `<conversation>` and the like and
`<N bytes>`, in answers also `<uuid>`, `<timestamp>`, `<token>` and `<sentence>` (any text that is
not empty). In what `varies` lists, numbers may differ.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.api import MESSAGES, Reply, basic, bearer, call, conversations
from tests.simulator.in_process import ACTIVE, inbound, open_message
from tests.simulator_process import SimulatorProcess

EXAMPLES = [
    example
    for path in sorted(Path(__file__).parent.glob("*.json"))
    if path.name != "guest-frames.json"
    for example in json.loads(path.read_text("utf-8"))
]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SHAPES = {
    "<uuid>": UUID,
    "<timestamp>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "<token>": r"[\w-]{40,}",
    "<sentence>": r".+",
}


class Stage:
    """One simulator for each set of options, started when first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._simulators: dict[tuple[str, ...], SimulatorProcess] = {}
        self._open_names: dict[SimulatorProcess, dict[str, str]] = {}

    def simulator(self, options: tuple[str, ...]) -> SimulatorProcess:
        if options not in self._simulators:
            self._simulators[options] = self._stack.enter_context(SimulatorProcess(*options))
        return self._simulators[options]

    def names(self) -> dict[str, str]:
        """What the placeholders stand for; all simulators hold the same conversations."""
        known = conversations(self.simulator(()))
        opened = [each for each in known if each["state"] == "connected"]
        closed = [each for each in known if each["state"] == "disconnected"]
        customer, agent = opened[0]["participants"]
        return {
            "<conversation>": opened[0]["id"],
            "<other conversation>": opened[1]["id"],
            "<closed conversation>": closed[0]["id"],
            "<customer>": customer["id"],
            "<agent>": agent["id"],
        }

    def open_names(self, simulator: SimulatorProcess) -> dict[str, str]:
        """What the placeholders of the public routes stand for, in one simulator."""
        if simulator not in self._open_names:
            self._open_names[simulator] = _begun_conversation(simulator)
        return self._open_names[simulator]


def _begun_conversation(simulator: SimulatorProcess) -> dict[str, str]:
    """An open messaging conversation with a message of each side."""
    token, user = bearer(simulator, "public"), bearer(simulator, "public-user")
    path = inbound() + "?prefetchConversationId=true"
    taken = call(simulator, "POST", path, open_message("vu-0"), token).json
    conversation = taken["conversationId"]
    shown = call(simulator, "GET", f"{MESSAGES}/{conversation}", headers=token).json
    communication = shown["participants"][0]["peer"]
    reply = f"{MESSAGES}/{conversation}/communications/{communication}/messages"
    answered = call(simulator, "POST", reply, {"textBody": "hi"}, user).body
    return {
        "<integration>": ACTIVE,
        "<open conversation>": conversation,
        "<communication>": communication,
        "<open message>": taken["id"],
        "<agent message>": json.loads(answered)["id"] if answered else "",
    }


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_example_is_answered_to_the_letter(example: dict[str, Any], stage: Stage) -> None:
    simulator = stage.simulator(tuple(example.get("simulator", ())))
    is_public = "<integration>" in json.dumps(example) or "<open " in json.dumps(example)
    names = stage.open_names(simulator) if is_public else stage.names()
    request, expected = _filled(example["request"], names), _filled(example["answer"], names)
    authorization = _authorization(simulator, request)

    replies = [_asked(simulator, request, authorization) for _ in range(example.get("repeat", 1))]

    _assert_answered(replies[-1], expected)


def test_every_code_of_the_contract_has_an_example() -> None:
    codes = {example["answer"].get("code") for example in EXAMPLES}

    assert codes >= {
        "invalid_payload",
        "conversation.error.conversation.not.found",
        "conversation.closed",
        "authentication.required",
        "bad.credentials",
        "invalid_client",
        "not.a.client",
        "app.not.authorized.for.scope",
        "too.many.requests.retry.after",
        "request.entity.too.large",
        "internal.server.error",
        "service.unavailable",
        "request.timeout",
        "missing.open.channel.date",
        "constraint.validation",
        "invalid.value",
        "invalid.date",
        "not.a.user",
        "missing.permissions",
        "missing.any.permissions",
        "not.found",
        "max.length.exceeded",
        "active.conversation",
        "organization.outbound.usage.limit.exceeded",
        "invalid_grant",
    }


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, names) for each in value]
    if isinstance(value, str):
        for name, meaning in names.items():
            value = value.replace(name, meaning)
        return re.sub(r"<(\d+) bytes>", lambda match: "x" * int(match[1]), value)
    return value


def _authorization(simulator: SimulatorProcess, request: dict[str, Any]) -> dict[str, str]:
    if "basic" in request:
        return basic(*request["basic"].split(":"))
    if request["as"] == "none":
        return {}
    if request["as"] != "revoked":
        return bearer(simulator, request["as"])
    revoked = bearer(simulator)
    call(simulator, "DELETE", "/api/v2/tokens/me", headers=revoked)
    return revoked


def _asked(
    simulator: SimulatorProcess, request: dict[str, Any], authorization: dict[str, str]
) -> Reply | None:
    raw_body = request.get("raw_body")
    body = raw_body.encode() if raw_body is not None else request.get("body")
    headers = authorization | request.get("headers", {})
    try:
        return call(simulator, request["method"], request["path"], body, headers)
    except http.client.RemoteDisconnected:
        return None


def _assert_answered(reply: Reply | None, expected: dict[str, Any]) -> None:
    if reply is None or expected.get("connection") == "closed":
        assert reply is None and expected.get("connection") == "closed"
        return
    varies = set(expected.get("varies", ()))
    assert reply.status == expected["status"], reply.body
    for name, value in expected["headers"].items():
        _assert_same(reply.headers.get(name), value, f"headers.{name}", varies)
    if expected["body"] is None:
        assert reply.body == b""
        return
    _assert_same(reply.json, expected["body"], "body", varies)


def _assert_same(actual: Any, expected: Any, path: str, varies: set[str]) -> None:
    if isinstance(expected, dict):
        assert isinstance(actual, dict) and actual.keys() == expected.keys(), path
        for key in expected:
            _assert_same(actual[key], expected[key], f"{path}.{key}", varies)
    elif isinstance(expected, list):
        assert isinstance(actual, list) and len(actual) == len(expected), path
        for index, each in enumerate(expected):
            _assert_same(actual[index], each, f"{path}.{index}", varies)
    elif isinstance(expected, str) and expected in SHAPES:
        assert re.fullmatch(SHAPES[expected], actual), f"{path}: {actual!r}"
    elif path in varies:
        assert re.sub(r"\d+", "N", str(actual)) == re.sub(r"\d+", "N", expected), path
    else:
        assert actual == expected, path
