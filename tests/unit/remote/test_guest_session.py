"""A guest's session against a server that misbehaves, written on another WebSocket library."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from convoy.clock import clock_s
from convoy.errors import RefusalError, WireError
from convoy.remote.guest_events import (
    EchoBack,
    Jwt,
    OwnCopy,
    Refused,
    Reply,
    SessionCleared,
    Typing,
    Unreadable,
)
from convoy.remote.guest_protocol import GuestProtocol, State
from convoy.results.outcome import ACCEPTED, FAILED, REJECTED, UNKNOWN
from convoy.secrets import Secret
from tests.unit.remote.exchanges import LONG_S, deadline, wait_in_loop
from tests.unit.remote.guests_of_a_test import (
    HELLO,
    SHORT_S,
    Guest,
    copies_all,
    guest_of,
    guests_at,
    resumes,
    stays,
)
from tests.unit.remote.misbehaving_server import (
    answer,
    sends,
    serving,
)
from tests.unit.remote.websocket_peer import (
    Peer,
    Script,
    plays,
    reply,
)


def test_a_message_is_accepted_when_it_comes_back() -> None:
    peers: list[Peer] = []
    with guest_of(plays(copies_all, peers=peers)) as (guest, _):
        before_s = clock_s()

        attempts = [guest.post(f"k{number}", HELLO, LONG_S) for number in range(3)]

        after_s = clock_s()
        times_s = [(each.sent_s, each.done_s) for each in attempts]
        assert [(each.fate, each.code, each.status) for each in attempts] == [
            (ACCEPTED, "", 200)
        ] * 3
        assert (
            before_s <= times_s[0][0] <= times_s[0][1] <= times_s[1][0] <= times_s[2][1] <= after_s
        )
        assert json.loads(attempts[0].body)["tracingId"] == "k0"
        assert guest.sent_s == attempts[2].sent_s
        assert guest.times_s[-1] == attempts[2].done_s
        assert (guest.is_new, guest.attempts, guest.is_ready) == (True, 1, True)
    upgrade = peers[0].upgrade
    assert upgrade.target == "/v1?deploymentId=d%201"
    headers = dict(upgrade.extra_headers)
    assert (headers[b"origin"], headers[b"x-test"]) == (b"https://shop.example", b"1")
    assert upgrade.extensions == [] and upgrade.subprotocols == []
    first, *messages = peers[0].requests
    assert (first["token"], first["deploymentId"]) == ("token-1", "d 1")
    assert [each["message"] for each in messages] == [json.loads(HELLO)] * 3


def refuses(code: int, kind: str = "string", body: Any = "no") -> Script:
    """Refuse the guest's next request, whatever it is."""

    def play(peer: Peer) -> None:
        request = peer.hear()
        if request is not None:
            peer.say(kind, body, code, tracingId=request["tracingId"])

    return play


def test_an_unknown_deployment_is_a_refusal() -> None:
    with serving(plays(refuses(404), stays)) as server:
        guest = Guest(guests_at(server.port))

        with pytest.raises(RefusalError, match="guest 404: no"):
            guest.open()

        assert guest.state is State.NEW
        guest.close()


LIMIT = {"retryAfter": 3, "errorCode": 4029, "errorMessage": "Message rate too high"}


CODES: dict[str, tuple[Script, str, int]] = {
    "too long": (refuses(4011), "guest 4011", 4011),
    "attributes": (refuses(4013), "guest 4013", 4013),
    "bad": (refuses(400), "guest 400", 400),
    "an error": (refuses(500, "Error", {"errorCode": 5000}), "guest 5000", 5000),
    "a limit": (refuses(429, "TooManyRequestsErrorMessage", LIMIT), "guest 4029", 429),
    "gone": (refuses(4007), "guest 4007", 4007),
    "expired": (refuses(200, "SessionExpiredEvent", {}), "guest 4006", 4006),
}


@pytest.mark.parametrize(("refuse", "code", "status"), CODES.values(), ids=CODES)
def test_a_refused_message_has_the_code_of_its_refusal(
    refuse: Script, code: str, status: int
) -> None:
    with guest_of(plays(Peer.configure, refuse, stays)) as (guest, _):
        attempt = guest.post("k1", HELLO, LONG_S)

    assert (attempt.fate, attempt.code, attempt.status) == (REJECTED, code, status)
    assert b"tracingId" in attempt.body


def test_a_guest_rests_as_long_as_it_was_asked_to() -> None:
    refuse = refuses(429, "TooManyRequestsErrorMessage", LIMIT)
    with guest_of(plays(Peer.configure, refuse, stays)) as (guest, _):
        attempt = guest.post("k1", HELLO, LONG_S)

        assert guest.ready_at(attempt.done_s) == attempt.done_s + 3.0


def test_a_session_that_has_expired_begins_anew_as_another_guest() -> None:
    peers: list[Peer] = []
    expires = plays(Peer.configure, refuses(200, "SessionExpiredEvent", {}), stays, peers=peers)
    with guest_of(expires, plays(copies_all, peers=peers)) as (guest, server):
        first, second = guest.post("k1", HELLO, LONG_S), guest.post("k2", HELLO, LONG_S)

        assert (first.code, second.fate, server.connections) == ("guest 4006", ACCEPTED, 2)
    assert [peer.requests[0]["token"] for peer in peers] == ["token-1", "token-2"]


def dismisses(peer: Peer) -> None:
    peer.hear()
    peer.say("ConnectionClosedEvent", {"reason": "too many connections"})


def test_a_dismissed_connection_is_closed_and_the_session_goes_on() -> None:
    peers: list[Peer] = []
    codes: list[int | None] = []
    dismissing = plays(
        Peer.configure, dismisses, lambda peer: codes.append(peer.close_code()), peers=peers
    )
    with guest_of(dismissing, plays(resumes, peers=peers)) as (guest, _):
        first = guest.post("k1", HELLO, LONG_S)
        wait_in_loop(lambda: codes == [1000])
        wait_in_loop(lambda: guest.connection.loss == "guest dismissed")
        second = guest.post("k2", HELLO, LONG_S)

        assert (first.fate, first.code) == (UNKNOWN, "connection closed")
        assert (second.fate, guest.is_new, guest.connection.loss) == (ACCEPTED, False, "")
        assert second.waited_s > 0
    assert [peer.requests[0]["token"] for peer in peers] == ["token-1"] * 2


def test_a_read_only_session_becomes_a_new_chat() -> None:
    peers: list[Peer] = []

    def begins_again(peer: Peer) -> None:
        peer.configure(readOnly=True)
        peer.hear()
        peer.say("SessionResponse", {"connected": False, "readOnly": True})
        assert peer.configure()["startNew"]
        peer.copy_all()

    with guest_of(plays(begins_again, peers=peers)) as (guest, _):
        assert guest.state is State.READ_ONLY
        assert guest.post("k1", HELLO, LONG_S).fate is ACCEPTED
    assert [each["action"] for each in peers[0].requests] == [
        "configureSession",
        "closeSession",
        "configureSession",
        "onMessage",
    ]


def test_a_connection_that_ends_between_messages_is_replaced() -> None:
    def bursts(peer: Peer) -> None:
        peer.configure()
        for number in range(5):
            peer.frame(reply(str(number)))
        peer.close()

    with guest_of(plays(bursts), plays(resumes)) as (guest, server):
        wait_in_loop(lambda: not guest.is_ready)

        assert [each.text for each in guest.told if isinstance(each, Reply)] == list("01234")
        assert guest.post("k1", HELLO, LONG_S).fate is ACCEPTED
        assert server.connections == 2


@pytest.mark.parametrize(("is_cut", "end"), [(True, "reset"), (False, 1000)], ids=["cut", "closed"])
def test_a_guest_drops_with_a_message_in_flight_and_goes_on(is_cut: bool, end: object) -> None:
    requests: list[dict[str, Any] | None] = []
    ends: list[object] = []

    def hears_the_end(peer: Peer) -> None:
        peer.configure()
        requests.append(peer.hear())
        try:
            ends.append(peer.close_code())
        except ConnectionResetError:
            ends.append("reset")

    with guest_of(plays(hears_the_end), plays(resumes)) as (guest, server):
        began_s = clock_s()
        sent_s = guest.drop("k1", HELLO, deadline(), is_cut=is_cut)

        server.wait_for_closed(1)
        assert guest.connection.is_lost and guest.is_known
        assert [each and each["tracingId"] for each in requests] == ["k1"]
        assert ends == [end]
        guest.open(deadline())
        assert not guest.connection.is_lost and not guest.is_new
        assert began_s <= sent_s == guest.sent_s <= clock_s()
        assert guest.post("k2", HELLO, LONG_S).fate is ACCEPTED


def test_a_guest_with_a_login_shows_it_each_time_it_comes() -> None:
    logins = iter([(Secret("t1"), Secret("j1")), (Secret("t2"), Secret("j2"))])
    heard: list[tuple[str, str, str]] = []

    def asks_for_a_login(peer: Peer) -> None:
        while (request := peer.hear()) is not None:
            heard.append((request["action"], request["token"], request["data"]["code"]))
            peer.say("SessionResponse", {"connected": True})

    with guest_of(plays(asks_for_a_login), new_guest=lambda: next(logins)) as (guest, _):
        guest.close()
        guest.open(deadline())
        guest.leave()
        guest.open()

    assert heard == [
        ("configureAuthenticatedSession", token, jwt)
        for token, jwt in (("t1", "j1"), ("t1", "j1"), ("t2", "j2"))
    ]


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "closed"])
def test_a_guest_whose_connection_is_gone_drops_with_nothing(is_cut: bool) -> None:
    may_end = threading.Event()

    def resets(peer: Peer) -> None:
        peer.configure()
        may_end.wait(LONG_S)
        peer.visitor.reset()

    with guest_of(plays(resets), plays(resumes)) as (guest, server):
        may_end.set()
        server.wait_for_closed(1)  # without the loop, so that the session does not know it yet

        with pytest.raises(WireError, match="connection reset"):
            guest.drop("k1", HELLO, deadline(), is_cut=is_cut)

        assert guest.sent_s is None


def test_a_server_that_falls_silent_is_left_after_the_timeout() -> None:
    def falls_silent(peer: Peer) -> None:
        peer.configure()
        peer.visitor.wait_for_close()

    with guest_of(plays(falls_silent), plays(resumes)) as (guest, server):
        attempt = guest.post("k1", HELLO, SHORT_S)

        assert (attempt.fate, attempt.code) == (UNKNOWN, "timeout")
        assert attempt.done_s - attempt.sent_s >= SHORT_S / 2
        assert not guest.is_ready
        assert guest.post("k2", HELLO, LONG_S).fate is ACCEPTED
        assert server.connections == 2


def test_a_server_that_is_only_slow_is_kept_and_its_late_copy_is_told() -> None:
    def is_slow(peer: Peer) -> None:
        peer.configure()
        first = peer.hear()
        peer.await_ping()
        peer.pong()
        second = peer.hear()
        assert first is not None and second is not None
        peer.copy(first)
        peer.copy(second)
        peer.copy_all()

    with guest_of(plays(is_slow)) as (guest, server):
        # Within half of it the server has to answer a ping.
        first, second = guest.post("k1", HELLO, 4.0), guest.post("k2", HELLO, LONG_S)

        assert (first.code, second.fate, server.connections) == ("timeout", ACCEPTED, 1)
        assert [each.tracing_id for each in guest.told if isinstance(each, OwnCopy)] == ["k1", "k2"]


def test_a_message_that_the_server_does_not_take_ends_the_connection() -> None:
    is_over = threading.Event()

    def speaks_and_does_not_read(peer: Peer) -> None:
        peer.configure()
        while not is_over.wait(SHORT_S / 20):
            peer.frame(reply("I am here"))

    large = json.dumps({"type": "Text", "text": "x" * 20_000_000}).encode()
    with guest_of(plays(speaks_and_does_not_read), plays(resumes)) as (guest, _):
        attempt = guest.post("k1", large, SHORT_S)

        assert (attempt.code, guest.is_ready) == ("timeout", False)
        assert guest.post("k2", HELLO, LONG_S).fate is ACCEPTED
        is_over.set()


def test_a_message_of_which_nothing_left_has_failed() -> None:
    may_end = threading.Event()

    def resets(peer: Peer) -> None:
        peer.configure()
        may_end.wait(LONG_S)
        peer.visitor.reset()

    with guest_of(plays(resets)) as (guest, server):
        may_end.set()
        server.wait_for_closed(1)  # without the loop, so that the session does not know it yet

        attempt = guest.post("k1", HELLO, LONG_S)

        assert (attempt.fate, attempt.code, guest.sent_s) == (FAILED, "connection reset", None)


def test_a_message_fails_where_the_session_cannot_go_on() -> None:
    ends = plays(Peer.configure, Peer.close)
    with guest_of(ends, sends(answer("403 Forbidden")), plays(refuses(4007), stays)) as (guest, _):
        wait_in_loop(lambda: not guest.is_ready)

        attempts = [guest.post(f"k{number}", HELLO, LONG_S) for number in range(2)]

        assert [(each.fate, each.code) for each in attempts] == [
            (FAILED, "guest upgrade 403"),
            (FAILED, "guest 4007"),
        ]
        assert guest.sent_s is None
        assert all(each.waited_s == each.done_s - each.sent_s for each in attempts)


def test_steps_have_answers_of_their_own() -> None:
    def plays_along(peer: Peer) -> None:
        peer.configure()
        for kind, body, more in (
            ("StructuredMessage", {"direction": "Inbound"}, {}),
            ("StructuredMessage", {"text": "ping"}, {"type": "response"}),
            ("JwtResponse", {"jwt": "j", "exp": 1}, {}),
            ("StructuredMessage", {"direction": "Inbound"}, {}),
        ):
            request = peer.hear()
            assert request is not None
            peer.say(kind, body, tracingId=request["tracingId"], **more)
        peer.say("SessionClearedEvent", {})
        peer.say("ConnectionClosedEvent", {})
        peer.close_code()

    known: list[Secret] = []
    with guest_of(plays(plays_along), register=known.append) as (guest, _):
        assert isinstance(guest.request(GuestProtocol.join, OwnCopy), OwnCopy)
        assert isinstance(guest.request(GuestProtocol.echo, EchoBack), EchoBack)
        jwt = guest.request(GuestProtocol.get_jwt, Jwt).jwt
        assert known == [jwt] == [Secret("j")], "so that it is redacted from now on"
        assert known[0] is jwt, "so that it is redacted as long as it is in use"
        guest.request(GuestProtocol.clear, OwnCopy)
        wait_in_loop(lambda: guest.state is State.DISCONNECTED and not guest.is_ready)

        assert any(isinstance(each, SessionCleared) for each in guest.told)
        with pytest.raises(RefusalError, match="connection closed"):
            guest.request(GuestProtocol.join, OwnCopy)


@pytest.mark.parametrize(
    ("kind", "name", "more"),
    [
        ("PresignedUrlResponse", "url", {"attachmentId": "a", "headers": {"x-amz-tagging": 5}}),
        ("JwtResponse", "jwt", {"exp": "soon"}),
    ],
)
@pytest.mark.parametrize("code", [200, 400, "200"])
def test_a_credential_in_a_frame_that_cannot_be_read_is_redacted_from_now_on(
    kind: str, name: str, more: dict[str, Any], code: Any
) -> None:
    def tells(peer: Peer) -> None:
        peer.configure()
        peer.say(kind, {name: "https://x/the-credential", **more}, code=code)
        peer.close_code()

    known: list[Secret] = []
    with guest_of(plays(tells), register=known.append) as (guest, _):
        wait_in_loop(lambda: any(isinstance(each, (Unreadable, Refused)) for each in guest.told))

        assert known == [Secret("https://x/the-credential")]


def test_a_step_is_refused_by_code() -> None:
    refuses_it = plays(Peer.configure, refuses(403), stays)
    with guest_of(refuses_it) as (guest, _), pytest.raises(RefusalError) as caught:
        guest.request(GuestProtocol.join, OwnCopy)

    assert (caught.value.code, str(caught.value)) == ("guest 403", "refused with guest 403: no")


def test_what_has_no_answer_is_sent() -> None:
    with guest_of(plays(copies_all)) as (guest, _):
        guest.tell(GuestProtocol.type)
        assert guest.post("k1", HELLO, LONG_S).fate is ACCEPTED

        assert not any(isinstance(each, Typing) for each in guest.told)
