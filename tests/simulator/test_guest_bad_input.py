"""The forms in which guests' clients send requests, and frames that are none."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from simulator.model.guest_requests import FRAME_BYTES_MAX
from tests.simulator.guest_in_process import (
    SCHEMA,
    UNLIMITED,
    WEB,
    Guest,
    brief,
    briefs,
    validator,
)
from tests.simulator.in_process import Organisation

BUTTON = {"type": "QuickReply", "text": "Red", "payload": "red"}
PRESSED = [{"contentType": "ButtonResponse", "buttonResponse": BUTTON}]
WRONG: list[Any] = [
    *(None, True, 0, -1, 2**70, 1e308, "", "x", "x" * 5_000, "Event", [], [[]], [None], {}),
    *({"type": "Join"}, {"a": None}, [{"eventType": "Presence", "presence": {"type": "Clear"}}]),
    [{"contentType": "Attachment", "attachment": {"id": "a"}}],
]
"""What may stand anywhere in a request that was spoilt."""
# The forms that published clients send, from their tests and sources.
REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"action": "configureSession", "deploymentId": WEB}, "SessionResponse"),
    (
        {
            "action": "configureSession",
            "deploymentId": WEB,
            "startNew": False,
            "journeyContext": {
                "customer": {"id": "c", "idType": "cookie"},
                "customerSession": {"id": "", "type": "web"},
            },
            "tracingId": "t",
        },
        "SessionResponse",
    ),
    ({"action": "onMessage", "message": {"text": "Hello", "type": "Text"}}, "Hello"),
    (
        {
            "action": "onMessage",
            "message": {
                "text": "Hello",
                "metadata": {"id": "aaa"},
                "channel": {"metadata": {"customAttributes": {"A": "B"}}},
                "type": "Text",
            },
        },
        "Hello",
    ),
    (
        {
            "action": "onMessage",
            "message": {"text": "Hello", "type": "Text"},
            "channel": {"metadata": {"customAttributes": {"A": "B"}}},
            "time": "2026-11-26T10:00:00.000Z",
            "unknown": [1],
        },
        "Hello",
    ),
    ({"action": "onMessage", "message": {"text": "", "type": "Text", "content": PRESSED}}, ""),
    ({"action": "onMessage", "message": {"type": "Structured", "content": PRESSED}}, ""),
    (
        {
            "action": "onMessage",
            "message": {
                "type": "Event",
                "events": [{"eventType": "Typing", "typing": {"type": "On"}}],
            },
        },
        "Typing",
    ),
    ({"action": "echo", "message": {"text": "ping", "type": "Text"}}, "ping"),
    (
        {
            "action": "onAttachment",
            "attachmentId": "a",
            "fileName": "foo.png",
            "fileType": "image/png",
            "fileSize": 424242,
            "errorsAsJson": True,
        },
        "PresignedUrlResponse",
    ),
    (
        {
            "action": "onAttachment",
            "fileName": "foo.png",
            "fileType": "image/png",
            "fileSize": 1,
            "fileMd5": "x",
        },
        "PresignedUrlResponse",
    ),
    ({"action": "getJwt", "tracingId": None}, "JwtResponse"),
    ({"action": "closeSession", "closeAllConnections": True}, "SessionResponse"),
    ({"action": "getConfiguration", "deploymentId": WEB}, "GetConfigurationResponse"),
]


@pytest.mark.parametrize(("request_", "answer"), REQUESTS, ids=lambda each: str(each)[:60])
def test_every_form_that_clients_send_is_understood(request_: dict[str, Any], answer: str) -> None:
    guest = Guest(Organisation(*UNLIMITED))
    whole = {"token": guest.token} | request_
    if whole.get("tracingId", "") is not None:
        validator(SCHEMA["requests"][request_["action"]]).validate(whole)

    came = guest.put(json.dumps(whole).encode())

    assert brief(came[0]) == answer


@pytest.mark.parametrize(
    ("frame", "is_text"),
    [
        pytest.param(b"", True, id="empty"),
        pytest.param(b"{", True, id="half"),
        pytest.param(b"[]", True, id="an array"),
        pytest.param(b'"onMessage"', True, id="a string"),
        pytest.param(b"{}", True, id="no action"),
        pytest.param(b'{"action": 7, "token": "TOKEN"}', True, id="a number for action"),
        pytest.param(b'{"action": ["onMessage"]}', True, id="a list for action"),
        pytest.param(b'{"action": "ping", "token": "TOKEN"}', True, id="unknown action"),
        pytest.param(b'{"action": "getJwt"}', True, id="no token"),
        pytest.param(b'{"action": "getJwt", "token": ""}', True, id="an empty token"),
        pytest.param(b'{"action": "getJwt", "token": {}}', True, id="an object for token"),
        pytest.param(b'{"action": "onMessage", "token": "TOKEN"}', True, id="no message"),
        pytest.param(
            b'{"action": "onMessage", "token": "TOKEN", "message": "hi"}', True, id="no object"
        ),
        pytest.param(
            b'{"action": "onMessage", "token": "TOKEN", "message": {"text": 1}}',
            True,
            id="a number for text",
        ),
        pytest.param(
            b'{"action": "onMessage", "token": "TOKEN", "message": {"type": "Poem"}}',
            True,
            id="unknown type",
        ),
        pytest.param(
            b'{"action": "closeSession", "token": "TOKEN", "closeAllConnections": "yes"}',
            True,
            id="a string for a flag",
        ),
        pytest.param(
            b'{"action": "onAttachment", "token": "TOKEN", "fileName": "a", "fileType": "b", '
            b'"fileSize": -1}',
            True,
            id="a negative size",
        ),
        pytest.param(b'{"action": "getJwt", "token": "TOKEN"}', False, id="binary"),
        pytest.param(b"[" * 100_000, True, id="nested too deep"),
        pytest.param(b'"' + b"x" * FRAME_BYTES_MAX + b'"', True, id="too large"),
    ],
)
def test_a_malformed_frame_is_answered_by_400_and_harms_nothing(
    frame: bytes, is_text: bool
) -> None:
    guest = Guest(Organisation())

    came = guest.put(frame.replace(b"TOKEN", guest.token.encode()), is_text=is_text)

    assert briefs(came) == ["400"]
    assert came[0]["body"].startswith("Request failed.")
    assert brief(guest.say("still here")[0]) == "still here"


def test_what_is_not_utf_8_is_answered_and_then_the_connection_closed() -> None:
    guest = Guest(Organisation())

    came = guest.put(b'{"action": "getJwt", "token": "\xff"}')

    assert briefs(came) == ["400"]
    assert guest.closed == 1007


def test_a_fault_of_its_own_is_answered_by_5000(monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = Organisation()
    guest = Guest(organisation)
    monkeypatch.setattr(organisation.world.ledger, "accept", None)

    assert briefs(guest.say()) == ["5000"]


def spoilt(value: Any, rng: Random) -> Any:
    """The value with a few of its parts missing or replaced."""
    if isinstance(value, list):
        return [spoilt(each, rng) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: rng.choice(WRONG) if rng.random() < 0.15 else spoilt(each, rng)
        for name, each in value.items()
        if rng.random() > 0.05
    }


def test_no_spoilt_request_is_a_fault_of_the_simulator_s_own() -> None:
    rng = Random(20261126)
    organisation = Organisation(*UNLIMITED, "--guest-configures-per-minute", "0")
    guest = Guest(organisation)
    codes = set()

    for _ in range(1_500):
        request, _ = rng.choice(REQUESTS)
        whole = spoilt({"token": guest.token} | request, rng)
        frame = bytearray(json.dumps(whole).encode())
        if rng.random() < 0.1:
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        codes |= set(briefs(guest.put(bytes(frame))))
        organisation.pass_time(0.01)
        if guest.closed:
            guest = Guest(organisation, token=guest.token)
        elif not guest.is_configured:
            guest.configure()

    assert codes >= {"400", "SessionResponse", "Hello", "ping", "4011"}
    assert "5000" not in codes
