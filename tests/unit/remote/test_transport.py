"""The transport against real sockets, most of which misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest

from convoy.errors import WireError
from convoy.remote.transport import Answer, Origin, Transport
from tests.unit.remote.misbehaving_server import OK, Visitor, answer, free_port, serving

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
LONG_S = 10.0


def deadline(seconds: float = LONG_S) -> float:
    return time.perf_counter() + seconds


@contextmanager
def transport_to(port: int, **options: int) -> Iterator[Transport]:
    transport = Transport(Origin("http", "127.0.0.1", port), **options)
    try:
        yield transport
    finally:
        transport.close()


def fault_of(transport: Transport, seconds: float = LONG_S) -> WireError:
    with pytest.raises(WireError) as caught:
        transport.exchange(REQUEST, deadline(seconds))
    return caught.value


def sends(*pieces: bytes) -> Callable[[Visitor], None]:
    """Behaviour: read one request, send the pieces, close."""

    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        for piece in pieces:
            visitor.send(piece)

    return behave


def silent(visitor: Visitor) -> None:
    visitor.read_request()
    visitor.wait_for_close()


def answers_all(visitor: Visitor) -> None:
    visitor.answer_all(OK)


def test_many_exchanges_use_one_connection() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        found = [transport.exchange(REQUEST, deadline()) for _ in range(20)]

        assert [(a.status, a.body) for a in found] == [(200, b"ok")] * 20
        assert (server.connections, server.requests) == (1, [REQUEST] * 20)


def test_an_answer_is_done_after_it_was_sent() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        before_s = time.perf_counter()

        found = transport.exchange(REQUEST, deadline())

        assert before_s <= found.sent_s <= found.done_s <= time.perf_counter()
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


BROKEN = {
    "garbage": (b"\x16\x03\x01 what is this\r\n\r\n", "malformed answer"),
    "an upgrade": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "malformed answer",
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "malformed answer",
    ),
    "half a body": (answer("200 OK", b"hello")[:-2], "connection closed"),
    "half a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
        "connection closed",
    ),
    "half a header": (b"HTTP/1.1 200 OK\r\nContent-Le", "connection closed"),
    "only a 1xx": (b"HTTP/1.1 100 Continue\r\n\r\n", "connection closed"),
    "nothing": (b"", "connection closed"),
}


@pytest.mark.parametrize(("sent", "code"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_has_its_own_code_and_the_next_exchange_works(
    sent: bytes, code: str
) -> None:
    with serving(sends(sent), answers_all) as server, transport_to(server.port) as transport:
        fault = fault_of(transport)
        found = transport.exchange(REQUEST, deadline())

        assert (fault.code, fault.sent_s is not None) == (code, True)
        assert (found.status, server.requests) == (200, [REQUEST] * 2)


def test_a_server_that_reads_and_says_nothing_is_a_timeout_after_sending() -> None:
    with serving(silent) as server, transport_to(server.port) as transport:
        fault = fault_of(transport, 0.2)

        assert fault.code == "timeout"
        assert fault.sent_s is not None
        assert fault.done_s - fault.sent_s >= 0.15
        assert len(server.requests) == 1


def test_one_deadline_covers_an_answer_that_drips() -> None:
    def drips(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(1000):
            visitor.send(b"x")
            time.sleep(0.01)

    with serving(drips) as server, transport_to(server.port) as transport:
        fault = fault_of(transport, 0.3)

        assert fault.code == "timeout"


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


TOO_LARGE = {
    "content length": answer("200 OK", b"x" * 20_000),
    "a header without end": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 2_000,
    "1xx without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_answer_over_the_limit_is_not_read_on(sent: bytes) -> None:
    def floods(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(sent)
        visitor.wait_for_close()

    with (
        serving(floods) as server,
        transport_to(server.port, max_answer_bytes=10_000) as transport,
    ):
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s is not None) == ("answer too large", True)


def test_a_reset_in_mid_answer_is_unknown() -> None:
    def resets(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        visitor.reset()

    with serving(resets) as server, transport_to(server.port) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s is not None) == ("connection reset", True)
        assert server.connections == 1


def test_a_refused_connection_never_sent_anything() -> None:
    with transport_to(free_port()) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s) == ("connection refused", None)


def test_an_unknown_host_is_a_dns_fault() -> None:
    transport = Transport(Origin.parse("http://nonexistent.invalid"))

    fault = fault_of(transport, 60)

    assert (fault.code, fault.sent_s) == ("dns", None)


def test_a_host_name_is_looked_up_and_its_addresses_are_tried() -> None:
    with serving(answers_all) as server:
        transport = Transport(Origin("http", "localhost", server.port))

        found = transport.exchange(REQUEST, deadline())
        transport.close()

        assert found.status == 200


def test_a_deadline_in_the_past_sends_nothing() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        fault = fault_of(transport, -1)

        assert (fault.code, fault.sent_s, server.requests) == ("timeout", None, [])


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


CLOSING = {
    "says so": answer("200 OK", b"ok", "Connection: close"),
    "does not say so": OK,
}


@pytest.mark.parametrize("sent", CLOSING.values(), ids=CLOSING)
def test_a_server_that_closes_after_each_answer_gets_each_request_once(sent: bytes) -> None:
    with serving(sends(sent)) as server, transport_to(server.port) as transport:
        for number in range(1, 11):
            found = transport.exchange(REQUEST, deadline())
            server.wait_for_closed(number)

            assert found.body == b"ok"
        assert (len(server.requests), server.connections) == (10, 10)


def test_an_idle_reset_is_noticed_before_the_write() -> None:
    def resets_after_one(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        visitor.reset()

    with serving(resets_after_one) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline())
        server.wait_for_closed(1)

        found = transport.exchange(REQUEST, deadline())

        assert (found.status, len(server.requests)) == (200, 2)


def test_bytes_on_an_idle_connection_are_no_answer_to_the_next_request() -> None:
    may_talk, has_talked = threading.Event(), threading.Event()

    def talks_unasked(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        may_talk.wait(LONG_S)
        visitor.send(answer("500 Unasked"))
        has_talked.set()
        visitor.wait_for_close()

    with serving(talks_unasked, answers_all) as server, transport_to(server.port) as transport:
        first = transport.exchange(REQUEST, deadline())
        may_talk.set()
        has_talked.wait(LONG_S)
        second = transport.exchange(REQUEST, deadline())

        assert (first.status, second.status) == (200, 200)
        assert (server.connections, len(server.requests)) == (2, 2)


def test_a_body_larger_than_the_buffers_is_sent_whole() -> None:
    body = bytes(range(256)) * 40_000
    request = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(request, deadline())

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
        is_answered.set()
        again = transport.exchange(REQUEST, deadline())

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


def wait_in_loop(condition: Callable[[], bool]) -> None:
    with gevent.Timeout(LONG_S):
        while not condition():
            gevent.sleep(0.002)
