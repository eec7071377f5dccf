"""Guests' sessions: begun, resumed, on several connections, read-only, cleared, expired."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from simulator.model.rejection import RateExceeded, Rejection
from tests.simulator.guest_in_process import (
    AGENTS_ONLY,
    AUTOSTART,
    DISABLED,
    DOMAINS,
    READ_ONLY,
    UNLIMITED,
    WEB,
    Guest,
    brief,
    briefs,
)
from tests.simulator.in_process import MESSAGES, START_WALL_S, Organisation

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("deployment", "origin", "is_admitted"),
    [
        pytest.param(WEB, "", True, id="no origin"),
        pytest.param(WEB, "https://anything.test", True, id="any origin"),
        pytest.param(DOMAINS, "https://example.com", True, id="its domain"),
        pytest.param(DOMAINS, "shop.example.com", True, id="below it, without a scheme"),
        pytest.param(DOMAINS, "https://example.com:8443", True, id="another port"),
        pytest.param(DOMAINS, "https://badexample.com", False, id="a domain that ends like it"),
        pytest.param(DOMAINS, "", False, id="no origin where one is needed"),
        pytest.param(DISABLED, "", False, id="disabled"),
        pytest.param(NOWHERE, "", False, id="unknown"),
    ],
)
def test_who_may_connect(deployment: str, origin: str, is_admitted: bool) -> None:
    guests = Organisation().world.guests

    try:
        admitted = guests.admit(deployment, origin, 0.0).id == deployment
    except Rejection as refused:
        admitted = False
        assert refused.code == "not.authorized"

    assert admitted == is_admitted


def test_too_many_connections_to_a_deployment_are_refused_until_its_minute_is_over() -> None:
    guests = Organisation("--guest-connections-per-minute", "2").world.guests
    guests.admit(WEB, "", 0.0)
    guests.admit(WEB, "", 10.0)

    with pytest.raises(RateExceeded) as refused:
        guests.admit(WEB, "", 20.0)

    assert (refused.value.key, refused.value.retry_after_s) == ("connections.rate.per.minute", 40)
    assert guests.admit(AUTOSTART, "", 20.0).id == AUTOSTART
    assert guests.admit(WEB, "", 60.0).id == WEB


def test_a_new_session_is_told_what_it_may_do_and_how_long_it_lives() -> None:
    guest = Guest(Organisation("--guest-session-life-s", "900"))

    assert guest.session == {
        "connected": True,
        "newSession": True,
        "readOnly": False,
        "maxCustomDataBytes": 2048,
        "allowedMedia": guest.session["allowedMedia"],
        "blockedExtensions": [".ade", ".bat", ".exe"],
        "clearedExistingSession": False,
        "durationSeconds": 900,
        "expirationDate": START_WALL_S + 1_000 + 900,
    }
    assert {"type": "image/png"} in guest.session["allowedMedia"]["inbound"]["fileTypes"]


def test_a_token_resumes_its_session_and_conversation_on_another_connection() -> None:
    organisation = Organisation()
    first = Guest(organisation)
    first.say("one")
    conversation = first.conversation
    first.leave(1000)

    second = Guest(organisation, token=first.token)
    second.say("two")

    assert second.session["newSession"] is False
    assert second.conversation == conversation
    assert organisation.texts(conversation) == ["one", "two"]


def test_the_fourth_connection_of_a_session_closes_the_oldest() -> None:
    organisation = Organisation()
    first = Guest(organisation)
    others = [Guest(organisation, token=first.token) for _ in range(3)]

    said = others[2].say("to all three")

    assert briefs(first.frames) == ["SessionResponse", "ConnectionClosedEvent"]
    assert first.frames[-1]["body"] == {}
    assert briefs(first.say()) == ["4007"]
    assert all(brief(each.frames[1]) == "to all three" for each in others)
    assert brief(said[0]) == "to all three"


@pytest.mark.parametrize(
    ("closes_all", "heard"),
    [(True, ["SessionResponse", "ConnectionClosedEvent"]), (False, ["SessionResponse"])],
)
def test_closing_takes_this_connection_or_all_out_of_the_session(
    closes_all: bool, heard: list[str]
) -> None:
    organisation = Organisation()
    other = Guest(organisation)
    guest = Guest(organisation, token=other.token)

    answer = guest.only("closeSession", closeAllConnections=closes_all, tracingId="c")

    assert (answer["tracingId"], answer["body"]["connected"]) == ("c", False)
    assert briefs(other.frames) == heard
    assert briefs(guest.say()) == ["4007"]
    assert guest.configure()["newSession"] is False


def test_start_new_begins_another_session_and_ends_the_conversation() -> None:
    organisation = Organisation()
    other = Guest(organisation)
    other.say("one")
    before = other.conversation
    guest = Guest(organisation, token=other.token)

    anew = guest.configure(startNew=True)
    guest.say("two")

    assert anew["newSession"] is True
    assert brief(other.frames[-1]) == "ConnectionClosedEvent"
    assert guest.conversation != before
    assert organisation.world.messaging.by_id[before].is_over
    assert organisation.texts(guest.conversation) == ["two"]


def test_without_a_session_everything_but_the_configuration_is_refused() -> None:
    guest = Guest(Organisation(), configures=False)
    actions: dict[str, dict[str, Any]] = {
        "onMessage": {"message": {"text": "x"}},
        "echo": {"message": {"text": "ping", "type": "Text"}},
        "onAttachment": {"fileName": "a.png", "fileType": "image/png", "fileSize": 1},
        "getAttachment": {"attachmentId": "a"},
        "deleteAttachment": {"attachmentId": "a"},
        "getJwt": {},
        "closeSession": {"closeAllConnections": True},
        "disconnectCustomer": {},
        "resumeToken": {},
    }

    codes = [brief(guest.only(action, **members)) for action, members in actions.items()]

    assert codes == ["4007"] * len(actions)
    configuration = guest.only("getConfiguration", deploymentId=WEB)
    assert configuration["body"]["sessionDurationSeconds"] == 259_200


def test_another_deployment_is_none_of_the_connection_s() -> None:
    guest = Guest(Organisation(), configures=False)

    answers = [
        guest.only("configureSession", deploymentId=AUTOSTART),
        guest.only("getConfiguration", deploymentId=AUTOSTART),
    ]

    assert briefs(answers) == ["400", "400"]


def jwt(claims: bytes) -> str:
    return f"e30.{urlsafe_b64encode(claims).rstrip(b'=').decode()}.c2ln"


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (jwt(b"{}"), "SessionResponse"),
        (jwt(b'{"exp": 4e9}'), "SessionResponse"),
        (jwt(b'{"exp": 1.7e9}'), "401"),
        (jwt(b'{"exp": "soon"}'), "401"),
        (jwt(b"[]"), "401"),
        ("e30.e30", "401"),
        ("e30.\u00e4.e30", "401"),
        ("x", "401"),
        ("", "401"),
    ],
)
def test_a_guest_logs_in_with_a_jwt_that_has_not_expired(code: str, answer: str) -> None:
    guest = Guest(Organisation(), configures=False)

    answers = [
        guest.only("configureAuthenticatedSession", deploymentId=WEB, data={"code": code}),
        guest.only("configureSession", deploymentId=WEB),
    ]

    # What was begun with a login goes on with one only.
    assert briefs(answers) == ([answer, "4017"] if answer != "401" else ["401", "SessionResponse"])


def test_a_session_expires_a_life_after_its_last_message() -> None:
    organisation = Organisation("--guest-session-life-s", "60")
    guest, other = Guest(organisation), Guest(organisation)
    organisation.pass_time(50)
    guest.say("still here")
    conversation = guest.conversation

    organisation.pass_time(11)
    guest.only("getJwt")
    alive = briefs(guest.frames)
    organisation.pass_time(50)

    assert brief(other.frames[-1]) == "SessionExpiredEvent"
    assert "SessionExpiredEvent" not in alive
    assert brief(guest.frames[-1]) == "SessionExpiredEvent"
    assert organisation.world.messaging.by_id[conversation].is_over
    assert briefs(guest.say()) == ["4006"]
    assert guest.configure()["newSession"] is True
    assert "4006" not in briefs(guest.say())


def test_expiry_strikes_a_guest_who_is_away() -> None:
    organisation = Organisation("--guest-session-life-s", "60")
    guest = Guest(organisation)
    guest.leave(1000)
    organisation.pass_time(61)

    again = Guest(organisation, token=guest.token)

    assert again.session["newSession"] is True
    assert len(organisation.world.guests.by_guest) == 1


def test_clearing_forgets_the_session_on_all_its_connections() -> None:
    organisation = Organisation()
    other = Guest(organisation)
    guest = Guest(organisation, token=other.token)
    guest.say("forget this")
    conversation = guest.conversation

    answers = guest.do("Clear")

    assert briefs(answers) == ["Clear", "SessionClearedEvent", "ConnectionClosedEvent"]
    assert briefs(other.frames)[-3:] == briefs(answers)
    assert organisation.world.messaging.by_id[conversation].is_over
    assert guest.configure()["newSession"] is True


def test_a_deployment_may_not_support_clearing() -> None:
    answer = Guest(Organisation(), AGENTS_ONLY).do("Clear")

    assert briefs(answer) == ["403"]
    assert answer[0]["body"] == "Presence events Conversation Clear are not supported"


def end_by_control(organisation: Organisation, conversation: str) -> None:
    organisation.ask("POST", f"/simulator/conversations/{conversation}/close")


def end_by_agent(organisation: Organisation, conversation: str) -> None:
    body = {"state": "disconnected"}
    organisation.ask("PATCH", f"{MESSAGES}/{conversation}", body, client="public-user")


@pytest.mark.parametrize("end", [end_by_control, end_by_agent])
@pytest.mark.parametrize(("deployment", "is_read_only"), [(WEB, False), (READ_ONLY, True)])
def test_a_guest_hears_of_the_end_after_which_some_conversations_are_read_only(
    deployment: str, is_read_only: bool, end: Any
) -> None:
    organisation = Organisation()
    guest = Guest(organisation, deployment)
    guest.say("one")
    conversation = guest.conversation
    guest.hear()

    end(organisation, conversation)
    ended = guest.frames[-1]
    answer = brief(guest.say("two")[0])

    assert brief(ended) == "Disconnect"
    assert ended["body"]["metadata"]["readOnly"] == json.dumps(is_read_only)
    assert answer == ("409" if is_read_only else "two")
    assert guest.configure()["readOnly"] is is_read_only
    assert guest.only("closeSession", closeAllConnections=True)["body"]["readOnly"] is is_read_only
    assert guest.configure(startNew=True)["readOnly"] is False
    assert brief(guest.say("three")[0]) == "three"


def test_joining_an_autostarted_deployment_begins_the_conversation_and_is_welcomed() -> None:
    organisation = Organisation()
    guest = Guest(organisation, AUTOSTART)

    came_back = guest.do("Join")
    heard = briefs(guest.hear())

    assert guest.session["autoStarted"] is False
    assert brief(came_back[0]) == "Join"
    assert heard == ["Welcome, what can I do for you?"]
    assert organisation.world.messaging.by_id[guest.conversation].count == 1
    assert guest.configure()["autoStarted"] is True


@pytest.mark.parametrize("how", ["event", "request"])
def test_a_guest_can_end_the_conversation(how: str) -> None:
    organisation = Organisation()
    guest = Guest(organisation)
    guest.say("bye")

    answers = guest.do("Disconnect") if how == "event" else guest.ask("disconnectCustomer")

    assert set(briefs(answers)) == {"Disconnect"}
    assert organisation.world.messaging.by_id[guest.conversation].is_over
    assert guest.hear() == [], "the bot does not answer into a conversation that is over"


def test_an_echo_tells_until_when_the_session_lives() -> None:
    guest = Guest(Organisation())

    answer = guest.only("echo", message={"type": "Text", "text": "ping"}, tracingId="health")

    assert (answer["type"], answer["tracingId"], brief(answer)) == ("response", "health", "ping")
    expires = int(guest.session["expirationDate"])
    assert answer["body"]["metadata"] == {
        "durationSeconds": "259200",
        "expirationDate": str(expires),
    }


def test_a_resume_token_is_given() -> None:
    assert brief(Guest(Organisation()).only("resumeToken")) == "ResumeTokenResponse"


@pytest.mark.parametrize(
    ("options", "fill", "over", "wait_s"),
    [
        pytest.param(
            ("--guest-messages-per-second", "2"),
            [("onMessage", {"message": {"text": "x"}})] * 2,
            ("onMessage", {"message": {"text": "x"}}),
            1,
            id="messages of a session",
        ),
        pytest.param(
            (),
            [("onMessage", {"message": {"text": "x"}})] * 5,
            ("onMessage", {"message": {"text": "x"}}),
            1,
            id="five by default",
        ),
        pytest.param(
            ("--guest-requests-per-minute", "3"),
            [("getJwt", {}), ("resumeToken", {})],
            ("getJwt", {}),
            60,
            id="requests of a connection",
        ),
        pytest.param(
            ("--guest-configures-per-minute", "2"),
            [("configureSession", {"deploymentId": WEB, "startNew": True})],
            ("configureSession", {"deploymentId": WEB}),
            60,
            id="configurations of a token",
        ),
        pytest.param(
            (),
            [("echo", {"message": {"text": "ping"}})] * 2,
            ("echo", {"message": {"text": "ping"}}),
            60,
            id="echoes of a connection",
        ),
    ],
)
def test_beyond_a_limit_requests_are_refused_until_its_window_is_over(
    options: tuple[str, ...],
    fill: list[tuple[str, dict[str, Any]]],
    over: tuple[str, dict[str, Any]],
    wait_s: int,
) -> None:
    guest = Guest(Organisation(*options))
    for action, members in fill:
        assert "TooManyRequestsErrorMessage 4029" not in briefs(guest.ask(action, **members))

    refused = guest.only(over[0], tracingId="over", **over[1])
    guest.hear(wait_s)
    again = guest.ask(over[0], **over[1])

    assert brief(refused) == "TooManyRequestsErrorMessage 4029"
    assert (refused["code"], refused["tracingId"]) == (429, "over")
    assert refused["body"]["retryAfter"] == wait_s
    assert brief(again[0]) != "TooManyRequestsErrorMessage 4029"


def test_a_limit_of_0_is_none_and_limits_in_force_are_listed() -> None:
    organisation = Organisation(*UNLIMITED)
    guest = Guest(organisation)

    codes = {brief(guest.only("echo", message={"text": "ping"})) for _ in range(100)}
    listed = organisation.get("/api/v2/organizations/limits/namespaces/web.messaging")["entities"]

    assert codes == {"ping"}
    assert {each["key"]: each["value"] for each in listed} == {
        "configure.per.session.rate.per.minute": 60,
        "get.history.rate.per.minute": 10,
        "metadata.custom.attributes.bytes.max": 2048,
        "session.connections.max": 3,
    }
