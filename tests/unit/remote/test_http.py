"""The transport against real sockets: answers in every form, bodies, ends from outside."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from math import inf
from threading import Event

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import WireError
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler, Hold
from convoy.remote.http import Answer
from convoy.remote.pace import Pace
from convoy.remote.transport import Sends, Transport
from convoy.settings import Origin
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    fault_of,
    transport_to,
    wait_in_loop,
)
from tests.unit.remote.misbehaving_server import (
    OK,
    Visitor,
    answer,
    answers_all,
    sends,
    serving,
    silent,
)


def test_many_exchanges_use_one_connection() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        found = [transport.exchange(REQUEST, deadline()) for _ in range(20)]

        assert [(a.status, a.body) for a in found] == [(200, b"ok")] * 20
        assert (server.connections, server.requests) == (1, [REQUEST] * 20)


def test_an_answer_is_done_after_it_was_sent() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        before_s = clock_s()

        found = transport.exchange(REQUEST, deadline())

        assert before_s <= found.sent_s <= found.done_s <= clock_s()
        assert transport.sent_s == found.sent_s


WHOLE = {
    "content length": (answer("200 OK", b"hello"), b"hello"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "1xx first": (b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + OK, b"ok"),
    "several 1xx": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + OK, b"ok"),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"hello",
    ),
    "until the close": (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "two answers": (OK + OK, b"ok"),
    "garbage behind": (OK + b"\x00garbage", b"ok"),
}


@pytest.mark.parametrize(("sent", "body"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("by_byte", [False, True], ids=["at once", "byte by byte"])
def test_a_whole_answer_is_read_however_it_comes(sent: bytes, body: bytes, by_byte: bool) -> None:
    pieces = [sent[i : i + 1] for i in range(len(sent))] if by_byte else [sent]
    with serving(sends(*pieces)) as server, transport_to(server.port) as transport:
        found = transport.exchange(REQUEST, deadline())

        assert (found.body, found.headers.get(b"x-early")) == (body, None)
        assert len(server.requests) == 1


KEPT = {
    "content length": OK,
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 with the length of what it stands for": b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "1xx first": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
}
ENDED = {
    "Connection: close": answer("200 OK", b"ok", "Connection: close"),
    "HTTP/1.0 that does not keep": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a second answer behind": OK + OK,
    "half an answer behind": OK + OK[:9],
    "garbage behind": OK + b"\x00",
}


@pytest.mark.parametrize(
    ("sent", "connections"),
    [(each, 1) for each in KEPT.values()] + [(each, 3) for each in ENDED.values()],
    ids=[*KEPT, *ENDED],
)
def test_a_connection_is_kept_only_when_the_answer_leaves_it_clean(
    sent: bytes, connections: int
) -> None:
    with (
        serving(lambda visitor: visitor.answer_all(sent)) as server,
        transport_to(server.port) as transport,
    ):
        for _ in range(3):
            transport.exchange(REQUEST, deadline())

        assert (server.connections, server.requests) == (connections, [REQUEST] * 3)


def test_headers_come_in_lower_case_and_repeated_ones_joined() -> None:
    sent = answer("429 Slow", b"", "ReTry-After: 3", "X-Empty:", "Via: a", "via: b")
    with serving(sends(sent)) as server, transport_to(server.port) as transport:
        found = transport.exchange(REQUEST, deadline())

        assert found.headers == {
            b"content-length": b"0",
            b"retry-after": b"3",
            b"x-empty": b"",
            b"via": b"a, b",
        }


def test_a_body_larger_than_the_buffers_is_sent_whole() -> None:
    body = bytes(range(256)) * 40_000
    request = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(request, deadline(60))  # the server takes its time

        assert server.requests == [request]


def test_an_early_refusal_of_a_large_body_is_an_answer_and_ends_the_connection() -> None:
    body = b"x" * 20_000_000
    request = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    is_answered = threading.Event()

    def refuses_early(visitor: Visitor) -> None:
        visitor.connection.recv(1000)
        visitor.send(answer("413 Too Large"))
        is_answered.wait(LONG_S)

    with serving(refuses_early, answers_all) as server, transport_to(server.port) as transport:
        found = transport.exchange(request, deadline())
        again = transport.exchange(REQUEST, deadline(10))  # the server keeps the first one open
        is_answered.set()

        assert (found.status, again.status, server.connections) == (413, 200, 2)


def test_a_killed_greenlet_leaves_a_closed_connection_and_the_time_of_its_write() -> None:
    with serving(silent, answers_all) as server, transport_to(server.port) as transport:
        caller = gevent.spawn(transport.exchange, REQUEST, deadline())
        wait_in_loop(lambda: len(server.requests) == 1)

        caller.kill()

        assert isinstance(caller.value, gevent.GreenletExit)
        assert transport.sent_s is not None
        assert transport.exchange(REQUEST, deadline()).status == 200


def test_a_timeout_of_the_caller_passes_unchanged() -> None:
    with serving(silent) as server, transport_to(server.port) as transport:
        with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.1) as timeout:
            transport.exchange(REQUEST, deadline())

        assert caught.value is timeout


def test_closing_from_another_greenlet_ends_an_exchange_as_stopped() -> None:
    with serving(silent) as server, transport_to(server.port) as transport:
        caller = gevent.spawn(fault_of, transport)
        wait_in_loop(lambda: len(server.requests) == 1)

        transport.close()
        caller.join(LONG_S)

        assert (caller.value.code, caller.value.sent_s is not None) == ("stopped", True)


def test_fifty_greenlets_wait_side_by_side() -> None:
    def post(port: int) -> Answer:
        with transport_to(port) as transport:
            return transport.exchange(REQUEST, deadline())

    with serving(answers_all) as server:
        callers = [gevent.spawn(post, server.port) for _ in range(50)]
        gevent.joinall(callers, LONG_S)

        assert [caller.value.status for caller in callers] == [200] * 50
        assert (server.connections, len(server.requests)) == (50, 50)


class Clock:
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return clock_s() + self.ahead_s


def test_a_connection_over_its_age_is_replaced_between_two_exchanges() -> None:
    clock = Clock()
    dialler = Dialler(max_age_s=300, clock=clock)
    with serving(answers_all) as server, transport_to(server.port, dialler) as transport:
        connections = []
        for ahead_s in (0, 0, 200, 301, 301, 700):
            clock.ahead_s = ahead_s
            transport.exchange(REQUEST, clock() + LONG_S)
            connections.append(server.connections)

        assert connections == [1, 1, 1, 2, 2, 3]
        assert server.requests == [REQUEST] * 6


def test_a_connection_that_gets_too_old_in_an_exchange_ends_it() -> None:
    clock = Clock()

    def ages(visitor: Visitor) -> None:
        while visitor.read_request():
            clock.ahead_s += 1000
            visitor.send(OK)

    with serving(ages) as server:
        dialler = Dialler(max_age_s=300, clock=clock)
        with transport_to(server.port, dialler) as transport:
            found = [transport.exchange(REQUEST, clock() + 5000).status for _ in range(3)]

        assert (found, server.connections, len(server.requests)) == ([200] * 3, 3, 3)


def test_connections_opened_together_get_too_old_at_different_times() -> None:
    dialler = Dialler(max_age_s=100, clock=lambda: 0.0)

    ages_s = sorted(dialler.end_of_use_s() for _ in range(20))

    assert ages_s[0] > 80 and ages_s[-1] == 100
    assert max(b - a for a, b in zip(ages_s, ages_s[1:], strict=False)) < 3


def test_what_waits_while_others_are_rendered_counts_when_the_kernel_takes_it() -> None:
    most, left = 2, list[float]()
    pace = Pace(most)

    def render_and_send(transport: Transport) -> None:
        ends_s = clock_s() + 0.25
        while clock_s() < ends_s:
            pass
        left.append(transport.exchange(REQUEST, deadline()).sent_s)

    with serving(answers_all) as server, ExitStack() as stack:
        transports = [stack.enter_context(transport_to(server.port, pace=pace)) for _ in range(5)]
        for transport in transports:  # connected already, as in the middle of a run
            transport._connect(deadline())
        sending = [gevent.spawn(render_and_send, each) for each in transports]
        gevent.joinall(sending, timeout=LONG_S, raise_error=True)

    assert max(sum(first <= each < first + 1 for each in left) for first in left) <= most


@pytest.mark.parametrize(
    ("sends", "request_line", "is_held"),
    [
        (Sends.MESSAGES, b"POST", True),
        (Sends.MESSAGES, b"GET", True),
        (Sends.QUESTIONS, b"POST", True),
        (Sends.QUESTIONS, b"GET", False),
        (Sends.LOGINS, b"POST", False),
    ],
)
def test_all_but_logins_and_what_only_asks_keeps_to_the_pace(
    sends: Sends, request_line: bytes, is_held: bool
) -> None:
    pace = Pace(1)
    with serving(answers_all) as server:
        pace.wait(0.0)
        with transport_to(server.port, pace=pace, sends=sends) as transport:
            request = request_line + REQUEST.removeprefix(b"POST")
            if is_held:
                with pytest.raises(WireError, match="no room"):
                    transport.exchange(request, deadline(0.3))
            else:
                transport.exchange(request, deadline())

        assert len(server.requests) == (not is_held)


def test_what_had_room_does_not_leave_once_the_lease_is_over() -> None:
    """It may have, and then another connection has to be made, which takes time."""

    class Ends(Pace):
        def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
            super().wait(deadline_s, is_message=is_message)
            self.ends_s = -inf

    pace = Ends(1)
    with serving(answers_all) as server, transport_to(server.port, pace=pace) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s, server.requests) == ("stopped", None, [])
        pace.ends_s = inf
        assert pace.ready_at(0.0) == 0.0


def test_what_does_not_leave_takes_no_room() -> None:
    class Stops(Pace):
        def wait(self, deadline_s: float, *, is_message: bool = True) -> None:
            super().wait(deadline_s, is_message=is_message)
            transport.close()

    pace = Stops(1)
    with serving(answers_all) as server, transport_to(server.port, pace=pace) as transport:
        assert fault_of(transport).code == "stopped"

        assert (pace.ready_at(0.0), server.requests) == (0.0, [])


def test_what_has_to_connect_anew_gives_its_place_back_meanwhile() -> None:
    """Its worker's lanes may go to another one while it connects."""
    pace, left_meanwhile = Pace(1), list[bool]()
    server_ends = Event()

    def ends_when_told(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        server_ends.wait()

    class Watched(Dialler):
        def dial(self, origin: Origin, deadline_s: float, hold: Hold) -> Connection:
            left_meanwhile.append(pace.ready_at(clock_s()) <= clock_s())
            return super().dial(origin, deadline_s, hold)

    with (
        serving(ends_when_told, answers_all) as server,
        transport_to(server.port, Watched(pace=pace)) as transport,
    ):
        transport.exchange(REQUEST, deadline())
        server_ends.set()
        wait_in_loop(lambda: server.closed == 1)
        pace.wait(deadline())  # the second after is over
        pace.keep()

        transport.exchange(REQUEST, deadline())

        assert (left_meanwhile, server.connections) == ([True, True], 2)
