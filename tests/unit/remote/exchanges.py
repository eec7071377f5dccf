"""Exchanges with a server of a test: a request, a transport to it, and what went wrong."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import WireError
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.dialling import Dialler
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.pace import Pace
from convoy.remote.transport import Transport
from convoy.settings import Origin

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
LONG_S = 60.0


def deadline(seconds: float = LONG_S) -> float:
    return clock_s() + seconds


class CountingPace(Pace):
    """A pace that counts what has waited for its turn."""

    waits = 0

    def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
        self.waits += 1
        super().wait(deadline_s, is_message=is_message)


@contextmanager
def transport_to(
    port: int,
    dialler: Dialler | None = None,
    *,
    origin: Origin | None = None,
    kill_switch: KillSwitch | RunSwitch | None = None,
    pace: Pace | None = None,
    **options: Any,
) -> Iterator[Transport]:
    """Open a transport for the time of a with-block, to a port of 127.0.0.1 or an origin."""
    dialler = dialler or dialler_with(kill_switch, pace)
    transport = Transport(origin or Origin("http", "127.0.0.1", port), dialler, **options)
    try:
        yield transport
    finally:
        transport.close()


def dialler_with(
    kill_switch: KillSwitch | RunSwitch | None = None, pace: Pace | None = None
) -> Dialler:
    """Return one that asks this kill switch, of a process or of a run, and keeps to the pace."""
    of_run = kill_switch if isinstance(kill_switch, RunSwitch) else RunSwitch(kill_switch)
    return Dialler(kill_switch=of_run, pace=pace)


def dialler_without_names() -> Dialler:
    """Return one whose resolver knows no name, so that no question leaves this machine."""

    def look_up(host: str, port: int) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return Dialler(AddressBook(Admission(), look_up=look_up))


def fault_of(transport: Transport, seconds: float = LONG_S) -> WireError:
    with pytest.raises(WireError) as caught:
        transport.exchange(REQUEST, deadline(seconds))
    return caught.value


def wait_in_loop(condition: Callable[[], bool]) -> None:
    """Wait for something that the server's threads bring about, and let greenlets run."""
    with gevent.Timeout(LONG_S):
        while not condition():
            gevent.sleep(0.002)
