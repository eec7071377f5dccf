"""Guests of a test: sessions with a peer of a test, which keep what they were told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convoy.remote.guest_events import Event
from convoy.remote.guest_session import GuestSession
from convoy.remote.guests import Deployment, Guests
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.pace import Pace
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin
from tests.unit.remote.exchanges import LONG_S, dialler_with
from tests.unit.remote.misbehaving_server import Behaviour, MisbehavingServer, serving
from tests.unit.remote.websocket_peer import Peer

HELLO = b'{"type": "Text", "text": "Hello"}'
SHORT_S = 0.1


def guests_at(
    port: int,
    *,
    kill_switch: KillSwitch | RunSwitch | None = None,
    pace: Pace | None = None,
    **options: Any,
) -> Guests:
    tokens = (Secret(f"token-{number}") for number in itertools.count(1))
    host = Origin("http", "127.0.0.1", port)
    given = {
        "dialler": dialler_with(kill_switch, pace),
        "deployment": Deployment(host, "d 1", "https://shop.example", {"X-Test": "1"}),
        "new_guest": lambda: (next(tokens), None),
        "register": lambda secret: None,
        "code_book": CodeBook(),
        "timeout_s": LONG_S,
    }
    return Guests(**(given | options))


class Guest(GuestSession):
    """A session that keeps what it was told."""

    def __init__(self, guests: Guests) -> None:
        self.told: list[Event] = []
        self.times_s: list[float] = []
        super().__init__(guests, self._keep)

    def _keep(self, event: Event, received_s: float) -> None:
        self.told.append(event)
        self.times_s.append(received_s)


@contextmanager
def guest_of(*behaviours: Behaviour, **options: Any) -> Iterator[tuple[Guest, MisbehavingServer]]:
    """Open a session with a server for the time of a with-block."""
    with serving(*behaviours) as server:
        guest = Guest(guests_at(server.port, **options))
        guest.open()
        try:
            yield guest, server
        finally:
            guest.close()


def copies_all(peer: Peer) -> None:
    peer.configure()
    peer.copy_all()


def resumes(peer: Peer) -> None:
    peer.configure(newSession=False)
    peer.copy_all()


def stays(peer: Peer) -> None:
    peer.hear()
