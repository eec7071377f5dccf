"""How a guest's session is closed, also while it does something else."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import WireError
from convoy.remote import guest_session
from convoy.remote.guest_connection import GuestConnection
from convoy.results.outcome import UNKNOWN
from tests.unit.engine import let_the_loop_run
from tests.unit.remote.exchanges import LONG_S, wait_in_loop
from tests.unit.remote.guests_of_a_test import (
    HELLO,
    SHORT_S,
    Guest,
    copies_all,
    guest_of,
    guests_at,
    stays,
)
from tests.unit.remote.misbehaving_server import (
    serving,
    silent,
)
from tests.unit.remote.websocket_peer import (
    Peer,
    plays,
)


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
