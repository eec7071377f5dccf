"""Servers that misbehave: each has its own error code, and no request is written twice."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.remote.dialling import Dialler
from convoy.remote.http import AnswerReader
from convoy.remote.wire_faults import WIRE_EXCEPTIONS
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    fault_of,
    transport_to,
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

HEADERS = [
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
]

BROKEN = {
    "an alert of TLS": (b"\x15\x03\x01\x00\x02\x02\x46", "tls expected"),
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

        assert (fault.code, fault.sent_s is not None) == ("timeout", True)
        assert len(server.requests) == 1


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


def test_headers_are_not_read_as_far_as_a_body_would_be() -> None:
    def floods(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 2**20)
        visitor.wait_for_close()

    with serving(floods) as server, transport_to(server.port) as transport:
        fault = fault_of(transport)

        assert fault.code == "answer too large"
        assert "headers" in str(fault)


def test_an_answer_over_ten_mebibytes_is_not_read_on_and_one_below_is_read() -> None:
    def floods(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(answer("200 OK", bytes(10 * 2**20 - 1000)))
        visitor.read_request()
        visitor.send(answer("200 OK", bytes(10 * 2**20)))

    with serving(floods, answers_all) as server, transport_to(server.port) as transport:
        read = transport.exchange(REQUEST, deadline())
        fault = fault_of(transport)
        found = transport.exchange(REQUEST, deadline())

        assert len(read.body) == 10 * 2**20 - 1000
        assert (fault.code, fault.sent_s is not None) == ("answer too large", True)
        assert (found.status, server.requests) == (200, [REQUEST] * 3)


@given(
    start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", OK[:-2], OK, b"HTTP/1.1 100 x\r\n\r\n"]),
    rest=st.lists(st.binary(max_size=40) | st.sampled_from(HEADERS), max_size=8),
)
def test_no_bytes_make_anything_but_an_answer_or_a_fault_of_the_table(
    start: bytes, rest: list[bytes]
) -> None:
    reader = AnswerReader(max_bytes=300)
    try:
        for data in (start, *rest):
            reader.feed(data)
        if not reader.is_whole:
            reader.end()
    except WIRE_EXCEPTIONS:
        return

    assert 200 <= reader.answer(0.0, 0.0).status < 1000


def test_a_reset_in_mid_answer_is_unknown() -> None:
    def resets(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        visitor.reset()

    with serving(resets) as server, transport_to(server.port) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s is not None) == ("connection reset", True)
        assert server.connections == 1


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


def test_idle_connections_that_the_server_closes_cost_no_request() -> None:
    may_close = threading.Event()

    def closes_when_idle(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        may_close.wait(LONG_S)

    with serving(closes_when_idle) as server:
        with ExitStack() as stack:
            transports = [stack.enter_context(transport_to(server.port)) for _ in range(20)]
            for each in transports:
                each.exchange(REQUEST, deadline())
            may_close.set()
            server.wait_for_closed(20)

            found = [each.exchange(REQUEST, deadline()).status for each in transports]

        assert found == [200] * 20
        assert (len(server.requests), server.connections) == (40, 40)


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


def test_a_request_that_finds_its_server_gone_never_left() -> None:
    with serving(answers_all) as server, transport_to(server.port) as transport:
        transport.exchange(REQUEST, deadline())
        server.stop()

        fault = fault_of(transport)

        assert (fault.code, fault.sent_s, transport.sent_s) == ("connection refused", None, None)


def test_a_request_whose_deadline_is_over_never_left() -> None:
    dialler = Dialler(max_age_s=0)
    with serving(answers_all) as server, transport_to(server.port, dialler) as transport:
        transport.exchange(REQUEST, deadline())

        fault = fault_of(transport, seconds=0)

        assert (fault.code, fault.sent_s, len(server.requests)) == ("timeout", None, 1)


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
