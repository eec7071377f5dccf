"""One deadline over the whole of an exchange, however often it changes."""

from __future__ import annotations

import socket
import time

from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler, Hold
from convoy.settings import Origin
from tests.unit.remote.exchanges import (
    REQUEST,
    deadline,
    fault_of,
    transport_to,
)
from tests.unit.remote.misbehaving_server import (
    OK,
    Visitor,
    answers_all,
    serving,
    silent,
)


def test_a_shorter_deadline_after_a_longer_one_is_kept() -> None:
    def once_then_silent(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        silent(visitor)

    with serving(once_then_silent) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline(60))

        fault = fault_of(transport, 0.2)

        assert fault.code == "timeout"


def test_an_earlier_timer_does_not_cut_a_later_deadline_short() -> None:
    def slow_second(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        visitor.read_request()
        time.sleep(0.5)
        visitor.send(OK)

    with serving(slow_second) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline(0.3))

        found = transport.exchange(REQUEST, deadline())

        assert found.status == 200


def test_a_deadline_in_the_past_connects_and_sends_nothing() -> None:
    dialled: list[Origin] = []

    class Noting(Dialler):
        def dial(self, origin: Origin, deadline_s: float, hold: Hold) -> Connection:
            dialled.append(origin)
            return super().dial(origin, deadline_s, hold)

    with serving(answers_all) as server, transport_to(server.port, Noting()) as transport:
        fault = fault_of(transport, -1)

        assert (fault.code, fault.sent_s, server.requests) == ("timeout", None, [])
        assert dialled == []


def test_a_connect_that_gets_no_answer_is_a_timeout_that_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        with transport_to(listener.getsockname()[1]) as transport:
            fault = fault_of(transport, 0.3)
        for each in waiting:
            each.close()

    assert (fault.code, fault.sent_s) == ("timeout", None)
