"""A guest's states: what may be said in which, what leads from one to another, and each request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import jsonschema
import msgspec
import pytest

from convoy.remote.guest_events import Choice
from convoy.remote.guest_protocol import (
    FITS,
    GuestProtocol,
    GuestProtocolError,
    State,
    answer_message,
    attachment_message,
    text_message,
)
from convoy.secrets import Secret
from tests.unit.remote.test_guest_frames import SCHEMA, event, frame

OF_CLIENTS_ONLY = {"errorsAsJson"}
"""Members that Genesys' clients send and their schema does not have."""

Step = Callable[[GuestProtocol], object]
ACTIONS: dict[str, Callable[[GuestProtocol], bytes]] = {
    "configure": lambda guest: guest.configure("t1"),
    "get_configuration": lambda guest: guest.get_configuration("t1"),
    "join": lambda guest: guest.join("t1"),
    "say": lambda guest: guest.say("t1", text_message("Hi")),
    "type": lambda guest: guest.type("t1"),
    "clear": lambda guest: guest.clear("t1"),
    "echo": lambda guest: guest.echo("t1"),
    "attach": lambda guest: guest.attach("t1", "a1", "a.png", "image/png", 9),
    "fetch_attachment": lambda guest: guest.fetch_attachment("t1", "a1"),
    "delete_attachment": lambda guest: guest.delete_attachment("t1", "a1"),
    "get_jwt": lambda guest: guest.get_jwt("t1"),
    "close_session": lambda guest: guest.close_session("t1"),
}
NAMES = {
    "configure": "configureSession",
    "get_configuration": "getConfiguration",
    **dict.fromkeys(("join", "say", "type", "clear"), "onMessage"),
    "echo": "echo",
    "attach": "onAttachment",
    "fetch_attachment": "getAttachment",
    "delete_attachment": "deleteAttachment",
    "get_jwt": "getJwt",
    "close_session": "closeSession",
}
"""What the API calls them."""


def hears(text: str) -> Step:
    return lambda guest: guest.hear(text)


def does(action: str) -> Step:
    return ACTIONS[action]


STANDS = hears(frame("SessionResponse", {"connected": True}))
READ_ONLY = hears(frame("SessionResponse", {"connected": True, "readOnly": True}))
CLOSED = hears(frame("SessionResponse", {"connected": False}))
CLEARED = hears(frame("SessionClearedEvent", {}))
EXPIRED = hears(frame("SessionExpiredEvent", {}))
DISMISSED = hears(frame("ConnectionClosedEvent", {}))
CONFIGURED = (does("configure"), STANDS)
WAYS: dict[State, tuple[Step, ...]] = {
    State.NEW: (),
    State.CONFIGURING: (does("configure"),),
    State.CONFIGURED: CONFIGURED,
    State.READ_ONLY: (does("configure"), READ_ONLY),
    State.CLEARING: (*CONFIGURED, does("clear")),
    State.CLEARED: (*CONFIGURED, does("clear"), CLEARED),
    State.CLOSING: (*CONFIGURED, does("close_session")),
    State.CLOSED: (*CONFIGURED, does("close_session"), CLOSED),
    State.EXPIRED: (*CONFIGURED, EXPIRED),
    State.DISCONNECTED: (*CONFIGURED, DISMISSED),
}


def guest_after(*steps: Step) -> GuestProtocol:
    guest = GuestProtocol("d1", Secret("token-1"))
    for step in steps:
        step(guest)
    return guest


@pytest.mark.parametrize(("state", "action"), list(product(State, ACTIONS)))
def test_an_action_fits_a_state_or_names_both(state: State, action: str) -> None:
    guest = guest_after(*WAYS[state])
    assert guest.state is state

    if state in FITS[NAMES[action]]:
        request = json.loads(ACTIONS[action](guest))
        assert (request["token"], request["action"]) == ("token-1", NAMES[action])
    else:
        misfit = f"^{NAMES[action]} does not fit the state {state}$"
        with pytest.raises(GuestProtocolError, match=misfit):
            ACTIONS[action](guest)
        assert guest.state is state


def test_only_these_fit() -> None:
    fits = {state: {each for each in ACTIONS if state in FITS[NAMES[each]]} for state in State}

    assert {state for state in State if not fits[state]} == {
        State.CONFIGURING,
        State.CLEARING,
        State.CLEARED,
        State.CLOSING,
        State.EXPIRED,
        State.DISCONNECTED,
    }
    assert fits[State.NEW] == fits[State.CLOSED] == {"configure", "get_configuration"}
    assert fits[State.CONFIGURED] == set(ACTIONS) - {"configure"}
    assert "say" not in fits[State.READ_ONLY] and "close_session" in fits[State.READ_ONLY]


def refusal(code: int, tracing_id: str = "") -> Step:
    return hears(frame("string", "no", code=code, tracingId=tracing_id))


TOO_MANY = hears(frame("TooManyRequestsErrorMessage", {"retryAfter": 3}, code=429))
DISCONNECT = {"presence": {"type": "Disconnect"}}
LEADS: dict[str, tuple[State, tuple[Step, ...], State]] = {
    "a refusal to configure": (State.CONFIGURING, (refusal(401),), State.NEW),
    "one that names the request": (State.CONFIGURING, (refusal(403, "t1"),), State.NEW),
    "one of another request": (State.CONFIGURING, (refusal(403, "t2"),), State.CONFIGURING),
    "too many configures": (State.CONFIGURING, (TOO_MANY,), State.NEW),
    "a refusal to clear": (State.CLEARING, (refusal(403),), State.CONFIGURED),
    "a refusal to close": (State.CLOSING, (refusal(500),), State.CONFIGURED),
    "a refused message": (State.CONFIGURED, (refusal(4011, "t1"),), State.CONFIGURED),
    "a session that has expired, by code": (State.CONFIGURED, (refusal(4006),), State.EXPIRED),
    "a session that is not there": (State.CONFIGURING, (refusal(4007),), State.EXPIRED),
    "an expiry while it is configured": (State.CONFIGURING, (EXPIRED,), State.EXPIRED),
    "an end of the conversation": (
        State.CONFIGURED,
        (hears(event("Presence", DISCONNECT)),),
        State.CONFIGURED,
    ),
    "a read-only end": (
        State.CONFIGURED,
        (hears(event("Presence", DISCONNECT, {"readOnly": "true"})),),
        State.READ_ONLY,
    ),
    "a refusal by a read-only session": (
        State.CONFIGURED,
        (refusal(409, "t1"),),
        State.READ_ONLY,
    ),
    "a new chat": (
        State.READ_ONLY,
        (does("close_session"), CLOSED, does("configure"), STANDS),
        State.CONFIGURED,
    ),
    "a close on another device": (State.CONFIGURED, (CLOSED,), State.CLOSED),
    "the end after a clear": (State.CLEARED, (DISMISSED,), State.DISCONNECTED),
    "a logout": (State.CONFIGURED, (hears(frame("LogoutEvent", {})),), State.DISCONNECTED),
    "an answer nobody asked for": (State.NEW, (STANDS,), State.NEW),
    "an answer after the end": (State.DISCONNECTED, (STANDS, CLOSED, CLEARED), State.DISCONNECTED),
    "an answer after the expiry": (State.EXPIRED, (STANDS, CLOSED, DISMISSED), State.EXPIRED),
    "what is no frame": (State.CONFIGURED, (hears("}"),), State.CONFIGURED),
}


@pytest.mark.parametrize(("before", "steps", "after"), LEADS.values(), ids=LEADS)
def test_a_state_leads_to(before: State, steps: tuple[Step, ...], after: State) -> None:
    assert guest_after(*WAYS[before], *steps).state is after


def test_a_session_goes_on_after_another_connect_with_the_same_token() -> None:
    first, second = guest_after(*CONFIGURED), guest_after()

    said = [json.loads(each.configure("t2")) for each in (guest_after(), second)]

    assert first.state is State.CONFIGURED
    assert said[0] == said[1]


BUTTON = {"type": "QuickReply", "text": "Yes", "payload": "y"}
PICKED = {"contentType": "ButtonResponse", "buttonResponse": BUTTON}
FILE = {"contentType": "Attachment", "attachment": {"id": "a1"}}


def said(**event: Any) -> dict[str, Any]:
    return {"message": {"type": "Event", "events": [event]}}


REQUESTS: dict[str, tuple[State, Callable[[GuestProtocol], bytes], dict[str, Any]]] = {
    "configure": (
        State.NEW,
        lambda guest: guest.configure("t1"),
        {"action": "configureSession", "deploymentId": "d1", "startNew": False},
    ),
    "configure anew": (
        State.CLOSED,
        lambda guest: guest.configure("t1", start_new=True),
        {"action": "configureSession", "deploymentId": "d1", "startNew": True},
    ),
    "configure authenticated": (
        State.NEW,
        lambda guest: guest.configure("t1", code=Secret("c1")),
        {
            "action": "configureAuthenticatedSession",
            "deploymentId": "d1",
            "startNew": False,
            "data": {"code": "c1"},
        },
    ),
    "get configuration": (
        State.NEW,
        ACTIONS["get_configuration"],
        {"action": "getConfiguration", "deploymentId": "d1"},
    ),
    "join": (
        State.CONFIGURED,
        ACTIONS["join"],
        {"action": "onMessage"} | said(eventType="Presence", presence={"type": "Join"}),
    ),
    "clear": (
        State.CONFIGURED,
        ACTIONS["clear"],
        {"action": "onMessage"} | said(eventType="Presence", presence={"type": "Clear"}),
    ),
    "type": (
        State.CONFIGURED,
        ACTIONS["type"],
        {"action": "onMessage"} | said(eventType="Typing", typing={"type": "On"}),
    ),
    "a text": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", text_message("Grüße")),
        {"action": "onMessage", "message": {"type": "Text", "text": "Grüße"}},
    ),
    "one's own JSON": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", msgspec.Raw(b'{"type": "Text", "text": "raw"}')),
        {"action": "onMessage", "message": {"type": "Text", "text": "raw"}},
    ),
    "custom attributes": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", text_message("Hi"), {"A": "B"}),
        {
            "action": "onMessage",
            "message": {"type": "Text", "text": "Hi"},
            "channel": {"metadata": {"customAttributes": {"A": "B"}}},
        },
    ),
    "an answer": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", answer_message(Choice("QuickReply", "Yes", "y"))),
        {
            "action": "onMessage",
            "message": {"type": "Structured", "text": "Yes", "content": [PICKED]},
        },
    ),
    "an answer to a message": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", answer_message(Choice("ListPicker", "One", "i1"), "m1")),
        {
            "action": "onMessage",
            "message": {
                "type": "Structured",
                "text": "One",
                "content": [
                    {
                        "contentType": "ButtonResponse",
                        "buttonResponse": {
                            "type": "ListPicker",
                            "text": "One",
                            "payload": "i1",
                            "originatingMessageId": "m1",
                        },
                    }
                ],
            },
        },
    ),
    "a file": (
        State.CONFIGURED,
        lambda guest: guest.say("t1", attachment_message("a1", "Look")),
        {
            "action": "onMessage",
            "message": {"type": "Text", "text": "Look", "content": [FILE]},
        },
    ),
    "echo": (
        State.CONFIGURED,
        ACTIONS["echo"],
        {"action": "echo", "message": {"type": "Text", "text": "ping"}},
    ),
    "attach": (
        State.CONFIGURED,
        ACTIONS["attach"],
        {
            "action": "onAttachment",
            "attachmentId": "a1",
            "fileName": "a.png",
            "fileType": "image/png",
            "fileSize": 9,
            "errorsAsJson": True,
        },
    ),
    "fetch": (
        State.CONFIGURED,
        ACTIONS["fetch_attachment"],
        {"action": "getAttachment", "attachmentId": "a1"},
    ),
    "delete": (
        State.CONFIGURED,
        ACTIONS["delete_attachment"],
        {"action": "deleteAttachment", "attachmentId": "a1"},
    ),
    "get a JWT": (State.CONFIGURED, ACTIONS["get_jwt"], {"action": "getJwt"}),
    "close": (
        State.CONFIGURED,
        ACTIONS["close_session"],
        {"action": "closeSession", "closeAllConnections": True},
    ),
    "close this one": (
        State.READ_ONLY,
        lambda guest: guest.close_session("t1", all_connections=False),
        {"action": "closeSession", "closeAllConnections": False},
    ),
}


@pytest.mark.parametrize(("state", "request_of", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_valid_by_the_schema(
    state: State, request_of: Callable[[GuestProtocol], bytes], expected: dict[str, Any]
) -> None:
    request = json.loads(request_of(guest_after(*WAYS[state])))

    assert request == {"token": "token-1", "tracingId": "t1"} | expected
    name = SCHEMA["requests"][request["action"]]
    rules = {"$ref": f"#/definitions/{name}", "definitions": SCHEMA["definitions"]}
    jsonschema.Draft4Validator(rules).validate(request)
    members = set(SCHEMA["definitions"][name]["properties"])
    assert set(request) <= members | OF_CLIENTS_ONLY


def test_every_request_of_the_schema_is_among_them() -> None:
    assert {each["action"] for *_, each in REQUESTS.values()} == set(SCHEMA["requests"])


def test_a_protocol_is_small() -> None:
    assert sys.getsizeof(GuestProtocol("d1", Secret("token-1"))) <= 80
