"""How many messages, steps and pings of a guest may leave, and what becomes of those that wait."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path

import gevent
import pytest
from wsproto.events import Ping

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote import websocket
from convoy.remote.guest_events import (
    OwnCopy,
    SessionClosed,
)
from convoy.remote.guest_protocol import GuestProtocol, GuestProtocolError, State
from convoy.remote.guests import Leaving
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.limits import Budget, Limit
from convoy.remote.login_turns import Turns
from convoy.remote.pace import Pace
from convoy.results.outcome import ACCEPTED, FAILED, UNKNOWN
from tests.unit.remote.exchanges import LONG_S, CountingPace, deadline, wait_in_loop
from tests.unit.remote.guests_of_a_test import (
    HELLO,
    SHORT_S,
    Guest,
    copies_all,
    guest_of,
    guests_at,
    stays,
)
from tests.unit.remote.held import Held
from tests.unit.remote.misbehaving_server import (
    serving,
)
from tests.unit.remote.websocket_peer import (
    Peer,
    plays,
)


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
        leaving.let_leave(bytes)
    leaving.has_left(held)

    now_s += 5.0
    assert pace.ready_at(now_s) > now_s
    held.keeps = False
    now_s += 0.1
    pace.ready_at(now_s)
    now_s += 5.0

    assert pace.ready_at(now_s) == now_s


def begins_again(peer: Peer) -> None:
    peer.configure(readOnly=True)
    peer.hear()
    peer.say("SessionResponse", {"connected": False, "readOnly": True})
    peer.configure()
    peer.copy_all()


def test_a_new_chat_keeps_to_the_pace_of_an_approval() -> None:
    with guest_of(plays(begins_again), pace=Pace(2)) as (guest, _):
        began_s = clock_s()
        attempt = guest.post("k1", HELLO, LONG_S)

        assert attempt.fate is ACCEPTED
        assert attempt.sent_s - began_s >= 1.0


A_TEXT = b'{"tracingId": "x"}'


@pytest.mark.parametrize(
    "act",
    [
        lambda guest: guest.connection.tell(GuestProtocol.type),
        lambda guest: guest.connection.call(GuestProtocol.join, OwnCopy, deadline()),
        lambda guest: guest.connection.send(A_TEXT),
        lambda guest: guest.connection.write(A_TEXT),
        lambda guest: guest.socket.send(A_TEXT),
    ],
    ids=["tell", "call", "send", "write", "the socket's own"],
)
def test_whatever_a_guest_sends_and_by_whichever_way_it_keeps_to_the_pace(
    act: Callable[[Guest], object],
) -> None:
    pace = CountingPace(2)
    with guest_of(plays(copies_all), pace=pace) as (guest, _):
        assert pace.waits == 0  # the login has a turn

        act(guest)
        act(guest)

        assert pace.waits == 2


def test_a_session_that_is_begun_again_on_its_connection_is_a_message() -> None:
    pace = CountingPace(3)
    with guest_of(plays(begins_again), pace=pace) as (guest, _):
        guest.request(GuestProtocol.close_session, SessionClosed)
        guest.configure(deadline(), start_new=True)

        assert pace.waits == 2


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
    pace, peers = Pace(2), list[Peer]()
    pace.wait(deadline())

    def answers_a_ping(peer: Peer) -> None:
        request = peer.configure() and peer.hear()
        peer.await_ping()
        assert request is not None
        peer.copy(request)

    with guest_of(plays(answers_a_ping, peers=peers), pace=pace) as (guest, _):
        giving = gevent.spawn_later(3 * SHORT_S, pace.keep)
        attempt = guest.post("k1", HELLO, 4 * SHORT_S)

        giving.join()
        assert attempt.fate is ACCEPTED
