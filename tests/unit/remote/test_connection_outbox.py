"""Requests that leave together: when, in which order, and what comes of those that cannot leave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

import gevent
import pytest

from convoy.errors import WireError
from convoy.remote import outbox as outbox_module
from convoy.remote.dialling import Dialler
from convoy.remote.outbox import Outbox
from convoy.remote.transport import Transport
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    fault_of,
    transport_to,
    wait_in_loop,
)
from tests.unit.remote.misbehaving_server import OK, Visitor, answers_all, serving

SEVERAL = 40


class Letter:
    """Something to send that notes in a log when it was sent and when its sender was woken."""

    def __init__(self, name: int, log: list[object], number: int | None = None) -> None:
        self.number = -1 if number is None else number
        self.expects_silence = number is not None
        self.is_open = True
        self.is_readable = False
        self.may_go_on: None = None
        self._name = name
        self._log = log

    def send(self) -> None:
        self._log.append(self._name)

    def flush(self) -> None:
        self._log.append(f"{self._name} if it may")

    def wake(self) -> None:
        self._log.append("woken")


def test_what_is_put_in_one_turn_of_the_loop_is_sent_in_order_at_its_end() -> None:
    log: list[object] = []
    outbox = Outbox()

    for name in range(3):
        outbox.put(Letter(name, log))
    log.append("turn ends")
    gevent.sleep(0)

    assert log == ["turn ends", 0, 1, 2]


def test_what_is_left_after_a_pause_of_the_process_leaves_only_if_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[object] = []
    moments = iter([0.0, 0.0, 4.0, 4.0])
    monkeypatch.setattr(outbox_module, "clock_s", lambda: next(moments))
    outbox = Outbox()

    for name in range(3):
        outbox.put(Letter(name, log))
    gevent.sleep(0)

    assert log == [0, "1 if it may", "2 if it may"]


def test_a_full_outbox_is_sent_at_once_and_goes_on_in_order() -> None:
    log: list[object] = []
    outbox = Outbox()

    for name in range(SEVERAL):
        outbox.put(Letter(name, log))
    sent_at_once = len(log)
    gevent.sleep(0)

    assert 0 < sent_at_once < SEVERAL
    assert log == list(range(SEVERAL))


def test_a_sender_that_expects_silence_is_woken_where_something_has_arrived() -> None:
    log: list[object] = []
    outbox = Outbox()
    near, far = socket.socketpair()
    far.send(b"unasked")

    with near, far:
        for name in range(3):
            outbox.put(Letter(name, log, near.fileno() if name == 1 else None))
        gevent.sleep(0)

    assert log == [0, "woken", 2]


def test_more_connections_than_leave_at_a_time_get_their_answers() -> None:
    dialler = Dialler()
    with serving(answers_all) as server, ExitStack() as stack:
        transports = [
            stack.enter_context(transport_to(server.port, dialler)) for _ in range(SEVERAL)
        ]

        callers = [gevent.spawn(each.exchange, REQUEST, deadline()) for each in transports]
        gevent.joinall(callers, LONG_S)
        again = [gevent.spawn(each.exchange, REQUEST, deadline()) for each in transports]
        gevent.joinall(again, LONG_S)

        assert [caller.value.status for caller in callers + again] == [200] * 2 * SEVERAL
        assert all(a.value.sent_s <= b.value.sent_s for a, b in zip(again, again[1:], strict=False))
        assert (server.connections, len(server.requests)) == (SEVERAL, 2 * SEVERAL)


End = Callable[[Transport, "gevent.Greenlet[..., WireError]"], None]
ENDS: dict[str, End] = {
    "killed": lambda _, caller: caller.throw(gevent.GreenletExit),
    "closed": lambda transport, _: transport.close(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_request_that_ends_in_the_outbox_was_never_sent(end: End) -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline())
        caller = gevent.spawn(fault_of, transport)
        # Comes right behind the caller, and before what the caller itself leaves to the loop.
        gevent.get_hub().loop.run_callback(end, transport, caller)

        caller.join(LONG_S)
        wait_in_loop(lambda: server.closed == 1)

        assert caller.ready() and transport.sent_s is None
        assert len(server.requests) == 1
        assert transport.exchange(REQUEST, deadline()).status == 200


def test_whoever_is_closed_as_its_server_goes_does_not_begin_anew() -> None:
    may_close = threading.Event()

    def closes(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        may_close.wait(LONG_S)

    with serving(closes, answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline())
        may_close.set()
        server.wait_for_closed(1)
        caller = gevent.spawn(fault_of, transport)
        # Behind the outbox, which has the caller woken, and before the caller.
        run_callback = gevent.get_hub().loop.run_callback
        run_callback(run_callback, transport.close)

        caller.join(LONG_S)

        assert (caller.value.code, caller.value.sent_s) == ("stopped", None)
        assert (server.connections, len(server.requests)) == (1, 1)


def test_a_reset_that_comes_while_a_request_is_in_the_outbox_costs_a_new_connection() -> None:
    may_reset = threading.Event()

    def resets(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        may_reset.wait(LONG_S)
        visitor.reset()

    with serving(resets, answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline())
        caller = gevent.spawn(transport.exchange, REQUEST, deadline())
        gevent.sleep(0)

        may_reset.set()
        server.wait_for_closed(1)
        caller.join(LONG_S)

        assert (caller.value.status, caller.value.body) == (200, b"ok")
        assert (server.connections, len(server.requests)) == (2, 2)


def test_a_request_that_the_kernel_takes_in_part_is_sent_whole() -> None:
    body = bytes(range(256)) * 40_000
    request = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    dialler = Dialler()
    with (
        serving(answers_all) as server,
        transport_to(server.port, dialler) as first,
        transport_to(server.port, dialler) as second,
    ):
        callers = [gevent.spawn(each.exchange, request, deadline()) for each in (first, second)]
        gevent.joinall(callers, LONG_S)

        assert [caller.value.status for caller in callers] == [200, 200]
        assert server.requests == [request] * 2
