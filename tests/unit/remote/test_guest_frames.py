"""Each class of the server's frames, in every form that Genesys' own material has it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.remote.guest_events import (
    AttachmentDeleted,
    Choice,
    Configuration,
    ConnectionClosed,
    Disconnected,
    EchoBack,
    Event,
    Jwt,
    LoggedOut,
    OwnCopy,
    Presence,
    PresignedUrl,
    Refused,
    Reply,
    SessionCleared,
    SessionClosed,
    SessionConfigured,
    SessionExpired,
    TooManyRequests,
    Typing,
    Unknown,
    Unreadable,
    UploadDone,
    UploadFailed,
)
from convoy.remote.guest_frames import credentials_in, read_frame
from convoy.secrets import Secret

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "contract" / "guest-frames.json").read_text("utf-8")
)
CLASSES = SCHEMA["definitions"]["MessageDataType"]["enum"]
TIME, TIME_S = "2022-08-22T19:24:26.704Z", 1661196266.704


def frame(kind: str, body: Any = None, *, code: int = 200, **more: Any) -> str:
    return json.dumps({"type": "message", "class": kind, "code": code, "body": body} | more)


def message(**body: Any) -> str:
    return frame("StructuredMessage", {"id": "m1", "channel": {"time": TIME}} | body)


def outbound(*contents: dict[str, Any], **body: Any) -> str:
    about = {"direction": "Outbound", "type": "Structured", "originatingEntity": "Bot"}
    return message(**about, text="Choose", content=list(contents), **body)


def event(kind: str, more: dict[str, Any], metadata: dict[str, Any] | None = None) -> str:
    events = [{"eventType": kind} | more]
    return message(direction="Outbound", type="Event", events=events, metadata=metadata or {})


def choosing(*contents: str, choices: tuple[Choice, ...]) -> Reply:
    return Reply("", "m1", "Bot", "Choose", contents, choices, TIME_S)


def card(*actions: dict[str, str]) -> dict[str, Any]:
    return {"title": "Card", "actions": list(actions)}


POSTBACK = {"type": "Postback", "text": "Yes", "payload": "y"}
LINK = {"type": "Link", "text": "More", "url": "https://x.example"}
ITEMS = {"sections": [{"title": "s", "items": [{"id": "i1", "title": "One"}]}]}
TIMES = {"availableTimes": [{"dateTime": TIME, "duration": 60}]}
TOO_MANY = {"retryAfter": 3, "errorCode": 4029, "errorMessage": "Message rate too high"}
NO_URL = {"errorCode": 4001, "errorMessage": "File type not supported", "attachmentId": "a1"}
READ: dict[str, tuple[str, Event]] = {
    "a new session": (
        frame(
            "SessionResponse", {"connected": True, "newSession": True, "expirationDate": 1791139}
        ),
        SessionConfigured(is_new=True, expires_s=1791139.0),
    ),
    "a session that is resumed read-only": (
        frame("SessionResponse", {"connected": True, "newSession": False, "readOnly": True}),
        SessionConfigured(is_read_only=True),
    ),
    "a session of which little is said": (
        frame("SessionResponse", {"connected": True}, tracingId="t1"),
        SessionConfigured("t1"),
    ),
    "a session that was cleared": (
        frame("SessionResponse", {"connected": True, "clearedExistingSession": True}),
        SessionConfigured(has_cleared=True),
    ),
    "a session that was closed": (
        frame("SessionResponse", {"connected": False, "readOnly": True}),
        SessionClosed(),
    ),
    "an own copy": (
        message(direction="Inbound", type="Text", text="Hi", tracingId="t1"),
        OwnCopy("t1", "m1", TIME_S),
    ),
    "an own copy without text and type": (
        frame("StructuredMessage", {"direction": "Inbound", "id": "m1"}, tracingId="t1"),
        OwnCopy("t1", "m1"),
    ),
    "an own copy with nulls": (
        frame("StructuredMessage", {"direction": "Inbound", "text": None, "channel": None}),
        OwnCopy(),
    ),
    "an own copy without a time zone": (
        message(direction="Inbound", channel={"time": TIME[:-1]}),
        OwnCopy("", "m1", TIME_S),
    ),
    "an own copy with a malformed time": (
        message(direction="Inbound", channel={"time": "yesterday"}),
        OwnCopy("", "m1"),
    ),
    "an answer to an echo": (
        frame(
            "StructuredMessage",
            {"direction": "Inbound", "metadata": {"expirationDate": "1791139"}},
            type="response",
            tracingId="t1",
        ),
        EchoBack("t1", 1791139.0),
    ),
    "an answer to an echo that is a number": (
        frame("StructuredMessage", {"metadata": {"expirationDate": 5}}, type="response"),
        EchoBack("", 5.0),
    ),
    "an answer to an echo that says nothing": (
        frame("StructuredMessage", {"text": "ping"}, type="response"),
        EchoBack(),
    ),
    "a reply": (
        message(direction="Outbound", type="Text", text="Hi", originatingEntity="Human"),
        Reply("", "m1", "Human", "Hi", time_s=TIME_S),
    ),
    "quick replies": (
        outbound(
            {"contentType": "QuickReply", "quickReply": {"text": "Yes", "payload": "y"}},
            {"contentType": "QuickReply", "quickReply": {"text": "No", "payload": "n"}},
        ),
        choosing(
            "QuickReply",
            "QuickReply",
            choices=(Choice("QuickReply", "Yes", "y"), Choice("QuickReply", "No", "n")),
        ),
    ),
    "a card": (
        outbound({"contentType": "Card", "card": card(POSTBACK, LINK)}),
        choosing("Card", choices=(Choice("Button", "Yes", "y"),)),
    ),
    "a carousel": (
        outbound({"contentType": "Carousel", "carousel": {"cards": [card(POSTBACK), card(LINK)]}}),
        choosing("Carousel", choices=(Choice("Button", "Yes", "y"),)),
    ),
    "a list picker": (
        outbound({"contentType": "ListPicker", "listPicker": ITEMS}),
        choosing("ListPicker", choices=(Choice("ListPicker", "One", "i1"),)),
    ),
    "a date picker": (
        outbound({"contentType": "DatePicker", "datePicker": TIMES}),
        choosing("DatePicker", choices=(Choice("DatePicker", TIME, TIME),)),
    ),
    "an attachment": (
        outbound({"contentType": "Attachment", "attachment": {"mediaType": "Image"}}),
        choosing("Attachment", choices=()),
    ),
    "typing": (
        event("Typing", {"typing": {"type": "On", "duration": 5000}}),
        Typing(duration_s=5.0),
    ),
    "typing, as the web client reads it": (
        event("Typing", {"typing": {"type": "On", "durationMs": 500}}),
        Typing(duration_s=0.5),
    ),
    "typing without a length": (event("Typing", {"typing": {"type": "On"}}), Typing()),
    "presence": (event("Presence", {"presence": {"type": "SignIn"}}), Presence(kind="SignIn")),
    "the end of a conversation": (
        event("Presence", {"presence": {"type": "Disconnect"}}),
        Disconnected(),
    ),
    "a read-only end": (
        event("Presence", {"presence": {"type": "Disconnect"}}, {"readOnly": "true"}),
        Disconnected(is_read_only=True),
    ),
    "a read-only end that is no text": (
        event("Presence", {"presence": {"type": "Disconnect"}}, {"readOnly": True}),
        Disconnected(is_read_only=True),
    ),
    "another event": (event("CoBrowse", {"coBrowse": {}}), Unknown(kind="CoBrowse")),
    "an event without one": (message(direction="Outbound", type="Event"), Unknown(kind="Event")),
    "a URL to put a file": (
        frame("PresignedUrlResponse", {"attachmentId": "a1", "url": "u", "headers": {"h": "v"}}),
        PresignedUrl("", "a1", Secret("u"), {"h": "v"}),
    ),
    "a URL to fetch a file": (
        frame(
            "PresignedUrlResponse", {"attachmentId": "a1", "url": "u", "headers": {}, "fileSize": 1}
        ),
        PresignedUrl("", "a1", Secret("u"), is_download=True),
    ),
    "an upload": (
        frame("UploadSuccessEvent", {"attachmentId": "a1", "downloadUrl": "u", "timestamp": TIME}),
        UploadDone("", "a1"),
    ),
    "a failed upload": (
        frame("UploadFailureEvent", NO_URL | {"timestamp": TIME}),
        UploadFailed("", "a1", 4001, "File type not supported"),
    ),
    "no URL, as a message": (
        frame("GenerateUrlError", NO_URL),
        UploadFailed("", "a1", 4001, "File type not supported"),
    ),
    "no URL, as a response": (
        frame("GenerateUrlError", NO_URL, code=400, type="response", tracingId="t1"),
        UploadFailed("t1", "a1", 4001, "File type not supported"),
    ),
    "a deleted attachment": (
        frame("AttachmentDeletedResponse", {"attachmentId": "a1"}),
        AttachmentDeleted("", "a1"),
    ),
    "an end of the connection": (frame("ConnectionClosedEvent", {}), ConnectionClosed()),
    "its reason by the schema": (
        frame("ConnectionClosedEvent", {"reasonCode": "signedIn"}),
        ConnectionClosed(reason="signedIn"),
    ),
    "its reason by the mobile SDK": (
        frame("ConnectionClosedEvent", {"reason": "signedIn"}),
        ConnectionClosed(reason="signedIn"),
    ),
    "a logout": (frame("LogoutEvent", {}), LoggedOut()),
    "an expired session, as a response": (
        frame("SessionExpiredEvent", {}, type="response"),
        SessionExpired(),
    ),
    "an expired session, as a message": (frame("SessionExpiredEvent", {}), SessionExpired()),
    "a cleared session": (frame("SessionClearedEvent", {}), SessionCleared()),
    "a JWT": (frame("JwtResponse", {"jwt": "eyJ", "exp": 16}), Jwt("", Secret("eyJ"), 16.0)),
    "a configuration": (
        frame("GetConfigurationResponse", {"maxCustomDataBytes": 2048, "allowedMedia": {}}),
        Configuration("", 2048.0),
    ),
    "too many requests": (
        frame("TooManyRequestsErrorMessage", TOO_MANY, code=429, type="response"),
        TooManyRequests("", 4029, 3.0),
    ),
    "too many requests for ever": (
        frame("TooManyRequestsErrorMessage", TOO_MANY | {"retryAfter": 1e300}, code=429),
        TooManyRequests("", 4029, 3600.0),
    ),
    "too many requests as a text": (
        frame("string", "slow down", code=429),
        TooManyRequests("", 429, 1.0),
    ),
    "a refusal": (
        frame("string", "message too long", code=4011),
        Refused("", 4011, "message too long"),
    ),
    "a long refusal": (frame("string", "a" * 999, code=400), Refused("", 400, "a" * 999)),
    "a refusal on many lines": (frame("string", "a\n\x1bb", code=400), Refused("", 400, "a \x1bb")),
    "a text that is no refusal": (frame("string", "fine"), Unknown(kind="string")),
    "an error": (
        frame("Error", {"errorCode": 4013, "errorMessage": "larger than 2048"}, tracingId="t1"),
        Refused("t1", 4013, "larger than 2048"),
    ),
    "an error as the schema has it": (
        frame("Error", {"name": "E", "message": "m", "errorCode": 5000, "errorMessage": "e"}),
        Refused("", 5000, "e"),
    ),
    "an error with the code of its frame": (frame("Error", {}, code=500), Refused("", 500)),
    "a tracing id in the body": (
        frame("JwtResponse", {"jwt": "eyJ", "exp": 16, "tracingId": "t1"}),
        Jwt("t1", Secret("eyJ"), 16.0),
    ),
    "a token without a meaning": (
        frame("ResumeTokenResponse", {"resumeToken": "r", "exp": 1}),
        Unknown(kind="ResumeTokenResponse"),
    ),
    "a class that says nothing": (frame("Unknown", {}), Unknown(kind="Unknown")),
    "a class of the future": (frame("Fax", {}, tracingId="t1"), Unknown("t1", "Fax")),
    "unknown members": (
        frame("SessionExpiredEvent", {"a": [{}]}, b={"c": None}),
        SessionExpired(),
    ),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ)
def test_a_frame_says(text: str, expected: Event) -> None:
    assert read_frame(text) == (expected,)


def test_every_class_of_the_schema_is_among_them() -> None:
    assert {json.loads(text)["class"] for text, _ in READ.values()} >= set(CLASSES)


UNREADABLE = {
    "nothing": "",
    "no JSON": "hello",
    "half a frame": '{"class": "LogoutEvent", ',
    "two frames": frame("LogoutEvent") * 2,
    "no object": "[1]",
    "a number": "1",
    "no class": '{"type": "message", "code": 200, "body": {}}',
    "a class that is no text": '{"class": 1, "code": 200}',
    "a code that is no number": frame("LogoutEvent", code="200"),  # type: ignore[arg-type]
    "no body": '{"class": "StructuredMessage"}',
    "a body that is no object": frame("SessionResponse", "connected"),
    "a text that is none": message(text=5),
    "a JWT without itself": frame("JwtResponse", {"exp": 1}),
    "a URL without itself": frame("PresignedUrlResponse", {"attachmentId": "a1"}),
    "a number out of range": frame("JwtResponse", {"jwt": "x", "exp": 10**400}),
    "too many events": message(type="Event", events=[{"eventType": "Typing"}] * 101),
    "too many contents": outbound(*[{"contentType": "Card"}] * 101),
    "deep": '{"class": "Fax", "body": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "half of a pair": '{"class": "\ud800"}',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_frame_is_an_event_that_says_so(text: str) -> None:
    (event,) = read_frame(text)

    assert isinstance(event, Unreadable)
    assert 0 < len(event.problem) <= 200


def test_a_code_that_says_no_is_a_refusal_whatever_else_the_frame_holds() -> None:
    assert read_frame(frame("StructuredMessage", "no", code=401, tracingId="t1")) == (
        Refused("t1", 401, "Expected `object`, got `str` - at `$.body`"),
    )
    assert isinstance(read_frame(frame("Fax", code=4029))[0], TooManyRequests)


def test_each_event_of_a_message_is_told() -> None:
    events = [{"eventType": "Typing", "typing": {}}, {"eventType": "Video"}]

    assert read_frame(message(type="Event", events=events, tracingId="t1")) == (
        Typing("t1"),
        Unknown("t1", "Video"),
    )


def test_no_secret_is_in_what_an_event_prints() -> None:
    jwt = frame("JwtResponse", {"jwt": "top-secret", "exp": 1})
    url = frame("PresignedUrlResponse", {"attachmentId": "a", "url": "https://x?sig=top-secret"})

    assert "top-secret" not in repr(read_frame(jwt) + read_frame(url))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = ["id", "text", "type", "direction", "content", "events", "channel", "metadata"]
MEMBERS += ["connected", "attachmentId", "url", "headers", "errorCode", "retryAfter", "jwt", "exp"]
BODIES = st.dictionaries(st.sampled_from(MEMBERS) | st.text(), JSON, max_size=6)
FRAMES = st.fixed_dictionaries(
    {"class": st.sampled_from(CLASSES) | JSON, "body": BODIES | JSON},
    optional={"code": st.integers() | JSON, "type": JSON, "tracingId": st.text() | JSON},
)


def test_the_signature_of_a_url_is_a_credential_by_itself() -> None:
    url = "https://files.example/a?X-Amz-Signature=a1%2Bb2&x=1"
    text = frame("PresignedUrlResponse", {"attachmentId": "a", "url": url})
    (event,) = read_frame(text)

    assert [each.reveal() for each in credentials_in(event, text)] == [url, "a1+b2"]


@given(st.text() | JSON.map(json.dumps) | FRAMES.map(json.dumps))
def test_any_text_is_read_as_a_few_events(text: str) -> None:
    told = read_frame(text)

    assert 1 <= len(told) <= 100
    assert all(isinstance(each, Event) for each in told)


@pytest.mark.parametrize(
    ("text", "in_use"),
    [
        pytest.param(frame("JwtResponse", {"jwt": "j", "url": "u", "exp": 16}), "j", id="JWT"),
        pytest.param(
            frame("PresignedUrlResponse", {"attachmentId": "a", "jwt": "j", "url": "u"}),
            "u",
            id="URL",
        ),
    ],
)
def test_the_credential_that_is_used_is_the_one_that_is_redacted(text: str, in_use: str) -> None:
    (event,) = read_frame(text)

    found = credentials_in(event, text)

    assert isinstance(event, (Jwt, PresignedUrl))
    used = event.jwt if isinstance(event, Jwt) else event.url
    assert used.reveal() == in_use and any(each is used for each in found)
    assert sorted(each.reveal() for each in found) == ["j", "u"]
