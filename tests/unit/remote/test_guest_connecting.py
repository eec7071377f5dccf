"""How guests connect: by turns, in order, and not at all once nothing may leave."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from wsproto.events import Ping

from convoy.clock import clock_s
from convoy.errors import RemoteError, WireError
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler, Hold
from convoy.remote.guest_protocol import GuestProtocol
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.login_turns import Turns
from convoy.remote.pace import Pace
from convoy.results.outcome import ACCEPTED, FAILED, UNKNOWN
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.remote.exchanges import LONG_S, wait_in_loop
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
    serving,
)
from tests.unit.remote.websocket_peer import (
    Peer,
    plays,
)


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
        guest = Guest(guests_at(server.port, dialler=Slow(kill_switch=RunSwitch(kill_switch))))

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
