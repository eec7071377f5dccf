"""A guest's session against a server that misbehaves, written on another WebSocket library."""

from __future__ import annotations

import gc
import itertools
import json
import threading
from collections.abc import Callable
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from wsproto.events import Ping

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote import guest_session, websocket
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler, Hold
from convoy.remote.guest_connection import GuestConnection
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
from convoy.remote.guest_protocol import GuestProtocol, GuestProtocolError, State
from convoy.remote.guests import Leaving
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.limits import Budget, Limit
from convoy.remote.login_turns import Turns
from convoy.remote.pace import Pace
from convoy.results.outcome import ACCEPTED, FAILED, REJECTED, UNKNOWN
from convoy.secrets import Secret
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.engine import let_the_loop_run
from tests.unit.remote.exchanges import LONG_S, deadline, wait_in_loop
from tests.unit.remote.guests_of_a_test import (
    HELLO,
    SHORT_S,
    Guest,
    copies_all,
    guest_of,
    guests_at,
    resumes,
)
from tests.unit.remote.held import Held
from tests.unit.remote.misbehaving_server import (
    answer,
    sends,
    serving,
    silent,
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


def stays(peer: Peer) -> None:
    peer.hear()


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


def test_messages_of_a_session_are_limited() -> None:
    limits = [Limit("session", 2, 60.0), Limit("connection", 9, 60.0)]
    with guest_of(plays(copies_all), limits=limits) as (guest, _):
        first = guest.post("k1", HELLO, LONG_S)
        assert guest.ready_at(first.done_s) == first.done_s
        second = guest.post("k2", HELLO, LONG_S)

        assert 59.0 < guest.ready_at(second.done_s) - second.done_s <= 60.0


def test_all_that_is_sent_on_a_connection_is_limited() -> None:
    with guest_of(plays(copies_all), limits=[Limit("connection", 2, 60.0)]) as (guest, _):
        now_s = clock_s()
        assert guest.ready_at(now_s) == now_s

        guest.tell(GuestProtocol.type)

        assert guest.ready_at(now_s) > now_s + 50.0


def test_connections_to_a_deployment_are_limited() -> None:
    connects = Budget([Limit("deployment", 1, SHORT_S)])
    with serving(plays(copies_all)) as server:
        guests = guests_at(server.port, connects=connects)
        first, second = Guest(guests), Guest(guests)
        began_s = clock_s()
        first.open()

        second.open()

        assert clock_s() - began_s >= SHORT_S
        first.close()
        second.close()


def test_messages_and_steps_keep_to_the_pace_of_an_approval() -> None:
    with guest_of(plays(copies_all), pace=Pace(2)) as (guest, _):
        began_s = clock_s()
        guest.tell(GuestProtocol.type)
        guest.post("k1", HELLO, LONG_S)

        early, late = guest.post("k2", HELLO, SHORT_S), guest.post("k3", HELLO, LONG_S)

        assert (early.fate, early.code, late.fate) == (FAILED, "timeout", ACCEPTED)
        assert late.sent_s - began_s >= 1.0


class PaceMeanwhile(Pace):
    """A pace by which something happens while one waits for room."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
        super().wait(deadline_s, is_message=is_message)
        self.meanwhile()

    @property
    def has_room(self) -> bool:
        """True where nothing counts as leaving any more, and what has left did long ago."""
        later_s = self.clock() + 10.0
        return self.ready_at(later_s) == later_s


def come_to(state: State) -> Callable[[Guest], None]:
    def come(guest: Guest) -> None:
        guest.connection.protocol.state = state

    return come


def be_reset(guest: Guest) -> None:
    guest.socket._end(ConnectionResetError("a test"))


MEANWHILE = [
    pytest.param(come_to(State.READ_ONLY), "guest 409", id="read-only"),
    pytest.param(come_to(State.DISCONNECTED), "connection closed", id="disconnected"),
    pytest.param(come_to(State.EXPIRED), "connection closed", id="expired"),
    pytest.param(be_reset, "connection reset", id="reset"),
]


@pytest.mark.parametrize(("meanwhile", "code"), MEANWHILE)
def test_a_message_whose_session_ends_while_it_waits_fails_and_takes_no_room(
    meanwhile: Callable[[Guest], None], code: str
) -> None:
    pace = PaceMeanwhile(2)
    with guest_of(plays(copies_all), pace=pace) as (guest, _):
        assert guest.post("k1", HELLO, LONG_S).fate is ACCEPTED
        pace.meanwhile = lambda: meanwhile(guest)

        attempt = guest.post("k2", HELLO, LONG_S)

        assert (attempt.fate, attempt.code, guest.sent_s) == (FAILED, code, None)
        assert pace.has_room


@pytest.mark.parametrize(("meanwhile", "code"), MEANWHILE)
@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.request(GuestProtocol.join, OwnCopy),
        lambda guest: guest.tell(GuestProtocol.type),
        lambda guest: guest.drop("k1", HELLO, deadline(), is_cut=True),
    ],
    ids=["request", "tell", "drop"],
)
def test_whatever_else_waits_then_is_a_failure_by_its_code_and_takes_no_room(
    act: Callable[[Guest], object], meanwhile: Callable[[Guest], None], code: str
) -> None:
    pace = PaceMeanwhile(2)
    with guest_of(plays(copies_all), pace=pace) as (guest, _):
        pace.meanwhile = lambda: meanwhile(guest)

        with pytest.raises(RemoteError) as caught:
            act(guest)

        assert (getattr(caught.value, "code", ""), pace.has_room) == (code, True)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda guest: guest.request(GuestProtocol.configure, OwnCopy), GuestProtocolError),
        (lambda guest: guest.tell(GuestProtocol.configure), GuestProtocolError),
        (lambda guest: guest.request(lambda *given: 1 / 0, OwnCopy), ZeroDivisionError),
    ],
    ids=["request", "tell", "a fault of the scenario"],
)
def test_what_cannot_be_said_takes_no_room(
    act: Callable[[Guest], object], error: type[Exception]
) -> None:
    pace = PaceMeanwhile(1)
    with guest_of(plays(copies_all), pace=pace) as (guest, _):
        with pytest.raises(error):
            act(guest)

        assert pace.has_room


def test_a_text_that_the_server_never_took_takes_no_room_once_the_connection_has_ended() -> None:
    pace = PaceMeanwhile(1)
    with guest_of(plays(copies_all), pace=pace) as (guest, _):
        guest.tell(GuestProtocol.type)  # it is posted, and sent before the loop polls again
        be_reset(guest)

        assert pace.has_room


def test_a_session_that_is_read_only_takes_no_message_to_drop_with() -> None:
    def is_read_only(peer: Peer) -> None:
        peer.configure(readOnly=True)
        peer.hear()

    with (
        guest_of(plays(is_read_only)) as (guest, _),
        pytest.raises(RefusalError, match="guest 409"),
    ):
        guest.drop("k1", HELLO, deadline(), is_cut=True)


def test_texts_do_not_pile_up_that_a_server_copies_and_does_not_read() -> None:
    """They would count as gone with the first byte of any, and leave together."""
    piled = list[int]()

    with guest_of(plays(copies_all), pace=Pace(1_000)) as (guest, _):
        connection = guest.socket._connection
        assert connection is not None
        connection.unsent = b"x"  # what the kernel did not take

        with pytest.raises(WireError, match="takes nothing any more"):
            guest.request(GuestProtocol.join, OwnCopy, clock_s() + SHORT_S)
        piled.append(len(connection.unsent))
        attempt = guest.post("k1", HELLO, SHORT_S)
        piled.append(len(connection.unsent))

    assert (attempt.fate, attempt.code) == (FAILED, "timeout")
    assert piled == [1, 1], "nothing came behind it"


@pytest.mark.parametrize("ends", ["by the kill switch", "by a reset of the connection"])
def test_nobody_waits_for_a_server_that_takes_nothing_once_that_is_over(
    tmp_path: Path, ends: str
) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")

    with guest_of(plays(copies_all), pace=Pace(1_000), kill_switch=kill_switch) as (guest, _):
        assert guest.socket._connection is not None
        guest.socket._connection.unsent = b"x"
        asking = gevent.spawn(guest.request, GuestProtocol.join, OwnCopy, inf)
        gevent.sleep(0.03)
        assert not asking.ready()

        if ends == "by the kill switch":
            kill_switch.throw("a test")
        else:
            guest.socket._connection.reset()
        asking.join(timeout=LONG_S / 2)  # before the server gives up
        fault = asking.exception

    assert isinstance(fault, WireError)


def test_a_connection_takes_a_turn_to_log_in() -> None:
    with serving(plays(copies_all), plays(Peer.close), plays(resumes)) as server:
        guests = guests_at(server.port, turns=Turns(2.0, clock_s))
        first, second = Guest(guests), Guest(guests)
        began_s = clock_s()
        first.open()

        with pytest.raises(RemoteError):  # the server drops it
            second.open()
        early = second.post("k1", HELLO, SHORT_S)
        upgrades, late = len(server.requests), second.post("k2", HELLO, LONG_S)

        assert (early.fate, early.code, upgrades) == (FAILED, "timeout", 2)
        assert (late.fate, len(server.requests)) == (ACCEPTED, 3)
        assert late.sent_s - began_s >= 2 * 0.55
        first.close()
        second.close()


class Noting(Dialler):
    """Connects, and notes when a connection stands; so do its places and turns."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []
        self.turns: Any = SimpleNamespace(
            await_place=lambda deadline_s: self.noted.append("place"),
            take=lambda deadline_s, connection: self._note("turn", connection),
            leave_place=lambda: self.noted.append("left"),
        )
        self.starts: Any = SimpleNamespace(
            take=lambda deadline_s, connection: self._note("start", connection)
        )

    def _note(self, what: str, connection: Connection) -> None:
        self.noted.append(what)
        assert connection.is_open

    def dial(self, *given: Any) -> Connection:
        connection = super().dial(*given)
        self.noted.append("connected")
        return connection


def test_a_turn_is_taken_once_the_connection_stands_and_the_place_is_kept_until_it_begins() -> None:
    dialler = Noting()
    with serving(plays(copies_all), plays(copies_all)) as server:
        guests = guests_at(server.port, dialler=dialler, turns=dialler.turns, starts=dialler.starts)
        guest = Guest(guests)

        guest.await_turn(5.0)
        guest.await_turn(6.0)
        for _ in range(2):
            guest.connect()
            assert dialler.noted.pop() == "turn"
            guest.configure()
            guest.close()

        assert dialler.noted == ["place", "connected", "start", "left"] * 2


def test_sessions_begin_no_faster_than_guests_may_log_in_however_late_upgrades_are_answered() -> (
    None
):
    began_s: list[float] = []

    def notes(peer: Peer) -> None:
        peer.configure()
        began_s.append(clock_s())
        peer.hear()

    starts = Turns(5.0, clock_s)
    with serving(*[plays(notes)] * 3) as server:
        guests = guests_at(server.port, turns=Turns(100.0, clock_s), starts=starts)
        all_three = [Guest(guests) for _ in range(3)]
        for each in all_three:
            each.connect()

        beginning = [gevent.spawn(each.configure) for each in all_three]
        gevent.joinall(beginning, timeout=LONG_S, raise_error=True)
        for each in all_three:
            each.close()

    assert min(b - a for a, b in zip(began_s, began_s[1:], strict=False)) > 0.1


def test_who_waits_to_begin_has_a_deadline_and_leaves_its_place() -> None:
    dialler = Noting()
    starts = Turns(0.1, clock_s, is_after_another=True)
    with serving(plays(stays)) as server:
        guests = guests_at(server.port, dialler=dialler, turns=dialler.turns, starts=starts)
        guest = Guest(guests)
        guest.connect()

        with pytest.raises(WireError, match="timeout"):
            guest.configure(clock_s() + SHORT_S)

        assert dialler.noted == ["place", "connected", "turn", "left"]
        guest.close()


def test_who_does_not_connect_leaves_its_place() -> None:
    dialler = Noting()
    guests = guests_at(free_port(), dialler=dialler, turns=dialler.turns)
    going, failing = Guest(guests), Guest(guests)

    going.await_turn()
    going.close()
    with pytest.raises(WireError):
        failing.connect()

    assert dialler.noted == ["place", "left"] * 2


def test_no_connection_is_upgraded_once_its_run_was_stopped() -> None:
    pace = Pace(5)
    pace.ends_s = -inf
    with serving(plays(stays)) as server:
        guest = Guest(guests_at(server.port, turns=Turns(5.0, clock_s), pace=pace))

        with pytest.raises(WireError) as caught:
            guest.connect()

        assert (caught.value.code, caught.value.sent_s, server.requests) == ("stopped", None, [])


def test_how_long_it_waited_for_its_turn_is_known_and_delays_no_deadline() -> None:
    turns = Turns(10.0, clock_s, is_after_another=True)
    with serving(plays(stays)) as server:
        guest = Guest(guests_at(server.port, turns=turns))

        guest.connect()

        assert guest.waited_s > 0.05
        guest.close()


def test_what_a_guest_has_sent_and_the_server_not_received_takes_its_room() -> None:
    now_s = clock_s()
    pace, held = Pace(2, lambda: now_s), Held()
    leaving = Leaving(guests_at(9, pace=pace))
    for _ in range(2):
        leaving.wait(inf)
    leaving.has_left(held)

    now_s += 5.0
    assert pace.ready_at(now_s) > now_s
    held.keeps = False
    now_s += 0.1
    pace.ready_at(now_s)
    now_s += 5.0

    assert pace.ready_at(now_s) == now_s


def test_a_new_chat_keeps_to_the_pace_of_an_approval() -> None:
    def begins_again(peer: Peer) -> None:
        peer.configure(readOnly=True)
        peer.hear()
        peer.say("SessionResponse", {"connected": False, "readOnly": True})
        peer.configure()
        peer.copy_all()

    with guest_of(plays(begins_again), pace=Pace(2)) as (guest, _):
        began_s = clock_s()
        attempt = guest.post("k1", HELLO, LONG_S)

        assert attempt.fate is ACCEPTED
        assert attempt.sent_s - began_s >= 1.0


@pytest.mark.parametrize(("most", "pings"), [(1, 0), (2, 1)], ids=["no room", "room"])
def test_a_ping_keeps_to_the_pace_and_without_one_a_silent_server_is_not_left(
    most: int, pings: int
) -> None:
    peers: list[Peer] = []

    def falls_silent(peer: Peer) -> None:
        peer.configure()
        peer.hear()
        peer.hear()

    with guest_of(plays(falls_silent, peers=peers), pace=Pace(most)) as (guest, _):
        attempt = guest.post("k1", HELLO, 4 * SHORT_S)

        assert (attempt.fate, attempt.code) == (UNKNOWN, "timeout")
        assert guest.socket.is_open == (pings == 0)
        guest.close()
        wait_in_loop(lambda: len(peers[0].ends) > pings)
    assert sum(isinstance(each, Ping) for each in peers[0].ends) == pings


def test_a_ping_is_sent_as_soon_as_the_pace_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_PINGS_AGAIN_S", 0.02)
    pace, peers = Pace(1), list[Peer]()

    def answers_a_ping(peer: Peer) -> None:
        request = peer.configure() and peer.hear()
        peer.await_ping()
        assert request is not None
        peer.copy(request)

    with guest_of(plays(answers_a_ping, peers=peers), pace=pace) as (guest, _):
        giving = gevent.spawn_later(3 * SHORT_S, pace.allow, 5, 0.0, others_may_have_sent=False)
        attempt = guest.post("k1", HELLO, 4 * SHORT_S)

        giving.join()
        assert attempt.fate is ACCEPTED


Ends = Callable[[RunSwitch, Pace], object]
ends = pytest.mark.parametrize(
    "end",
    [lambda switch, pace: switch.stop(), lambda switch, pace: setattr(pace, "ends_s", -inf)],
    ids=["the run was stopped", "the lease is over"],
)


@ends
def test_no_ping_leaves_once_nothing_may(end: Ends) -> None:
    switch, pace, peers = RunSwitch(), Pace(5), list[Peer]()

    def falls_silent(peer: Peer) -> None:
        peer.configure()
        peer.hear()
        end(switch, pace)
        peer.hear()

    script = plays(falls_silent, peers=peers)
    with guest_of(script, kill_switch=switch, pace=pace) as (guest, _):
        attempt = guest.post("k1", HELLO, 4 * SHORT_S)

        assert (attempt.fate, attempt.code) == (UNKNOWN, "timeout")
        assert guest.socket.is_open  # whether the server is still there is not known
        guest.close()
        wait_in_loop(lambda: len(peers[0].ends) > 0)
    assert not any(isinstance(each, Ping) for each in peers[0].ends)


def test_nothing_leaves_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    with guest_of(plays(copies_all), pace=Pace(2), kill_switch=kill_switch) as (guest, _):
        before = guest.post("k1", HELLO, LONG_S)
        kill_switch.throw("a test")

        after = guest.post("k2", HELLO, LONG_S)

        assert (before.fate, after.fate, after.code) == (ACCEPTED, FAILED, "stopped")
        with pytest.raises(WireError, match="stopped"):
            guest.tell(GuestProtocol.type)


def test_nothing_is_opened_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    kill_switch.throw("a test")
    with serving(plays(copies_all)) as server:
        guest = Guest(guests_at(server.port, kill_switch=kill_switch))

        with pytest.raises(WireError, match="stopped"):
            guest.connect()
        attempt = guest.post("k1", HELLO, LONG_S)

        assert (attempt.fate, attempt.code, server.connections) == (FAILED, "stopped", 0)


def test_no_upgrade_leaves_a_connection_during_which_the_kill_switch_came_on(
    tmp_path: Path,
) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")

    class Slow(Dialler):
        def dial(self, origin: Origin, deadline_s: float, hold: Hold) -> Connection:
            connection = super().dial(origin, deadline_s, hold)
            kill_switch.throw("a test")
            return connection

    received: list[bytes] = []
    with serving(lambda visitor: received.append(visitor.connection.recv(1))) as server:
        guest = Guest(guests_at(server.port, dialler=Slow(), kill_switch=kill_switch))

        with pytest.raises(WireError, match="stopped"):
            guest.connect()

        wait_in_loop(lambda: received == [b""])


@ends
def test_no_session_begins_once_nothing_may_leave(end: Ends) -> None:
    switch, pace = RunSwitch(), Pace(5)
    heard: list[Any] = []
    with serving(plays(lambda peer: heard.append(peer.hear()))) as server:
        guest = Guest(guests_at(server.port, kill_switch=switch, pace=pace))
        guest.connect()
        end(switch, pace)

        with pytest.raises(WireError, match="stopped"):
            guest.configure()

        guest.close()
        wait_in_loop(lambda: heard == [None])


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
        with pytest.raises(GuestProtocolError, match="join does not fit the state disconnected"):
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


def test_a_session_is_closed_with_a_close_frame_and_without_a_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest_session, "_CLOSE_S", LONG_S)
    codes: list[int | None] = []

    def closes(peer: Peer) -> None:
        peer.configure()
        codes.append(peer.close_code())
        peer.close(1000)

    with guest_of(plays(closes)) as (guest, _):
        began_s = clock_s()

        guest.close()

        assert clock_s() - began_s < LONG_S / 2
        assert not guest.is_ready
        wait_in_loop(lambda: codes == [1000])
        guest.close()


def test_a_close_waits_for_a_silent_server_no_longer_than_a_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest_session, "_CLOSE_S", SHORT_S)

    is_over = threading.Event()

    def is_silent(peer: Peer) -> None:
        peer.configure()
        is_over.wait(LONG_S)

    with guest_of(plays(is_silent)) as (guest, _):
        began_s = clock_s()

        guest.close()

        assert SHORT_S / 2 <= clock_s() - began_s < LONG_S / 2
        is_over.set()


def test_a_close_from_another_greenlet_ends_a_post() -> None:
    with guest_of(plays(Peer.configure, Peer.hear, stays)) as (guest, _):
        post = gevent.spawn(guest.post, "k1", HELLO, LONG_S)
        wait_in_loop(lambda: guest.sent_s is not None)

        guest.close()

        attempt = post.get(timeout=LONG_S)
        assert (attempt.fate, attempt.code) == (UNKNOWN, "stopped")


def test_a_killed_post_leaves_a_session_that_can_be_closed() -> None:
    with guest_of(plays(Peer.configure, Peer.hear, stays)) as (guest, _):
        post = gevent.spawn(guest.post, "k1", HELLO, LONG_S)
        wait_in_loop(lambda: guest.sent_s is not None)

        post.kill()

        assert (guest.attempts, guest.is_ready) == (1, True)


class Interrupted:
    """A share of the event loop's time that is not there before something has happened."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def wait(self, *, has_begun: bool = False) -> None:
        if has_begun:
            self._act()


@pytest.mark.parametrize("waits", [1, 2], ids=["before the upgrade", "after its answer"])
def test_a_close_while_it_waits_for_its_share_of_the_loop_ends_that(waits: int) -> None:
    with serving(plays(Peer.hear)) as server:
        guests = guests_at(server.port)
        guest, calls = Guest(guests), itertools.count(1)
        guests.dialler.loop_share = Interrupted(  # type: ignore[assignment]
            lambda: guest.close() if next(calls) == waits else None
        )

        with pytest.raises(WireError, match="^stopped: "):
            guest.open()

        connection = guest.socket._connection
        assert connection is not None and not connection.is_open


@pytest.mark.parametrize("waits", [1, 2], ids=["before the upgrade", "after its answer"])
def test_who_is_killed_while_it_waits_for_its_share_leaves_no_connection(waits: int) -> None:
    def kill() -> None:
        if next(calls) == waits:
            raise gevent.GreenletExit

    with serving(plays(Peer.hear)) as server:
        guests, calls = guests_at(server.port), itertools.count(1)
        guests.dialler.loop_share = Interrupted(kill)  # type: ignore[assignment]
        guest = Guest(guests)

        with pytest.raises(gevent.GreenletExit):
            guest.open()

        connection = guest.socket._connection
        assert connection is not None and not connection.is_open


def test_a_close_while_it_connects_ends_that() -> None:
    with serving(silent) as server:
        guest = Guest(guests_at(server.port))
        opening = gevent.spawn(guest.open)
        wait_in_loop(lambda: len(server.requests) == 1)

        guest.close()

        with pytest.raises(WireError, match="stopped"):
            opening.get(timeout=LONG_S)


def test_a_connection_that_was_replaced_is_no_garbage_to_be_collected() -> None:
    def connections() -> int:
        return sum(isinstance(each, GuestConnection) for each in gc.get_objects())

    with guest_of(plays(copies_all), plays(copies_all)) as (guest, _):
        guest.post("k1", HELLO, LONG_S)
        gc.collect()
        gc.disable()
        try:
            before = connections()
            guest.leave()
            guest.open()
            guest.post("k2", HELLO, LONG_S)
            let_the_loop_run()

            assert connections() == before
        finally:
            gc.enable()
