"""What comes to the web UI's port and is no request: a line in ten seconds, and no traceback."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import pytest

from convoy.clock import clock_s
from convoy.plugin import web_server
from convoy.plugin.web_server import Server, tls_context
from tests.unit.remote.certificates import Authority

HELLO_OF_TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50
NONE_OF_ITS = "something that connected to the web UI was no request that it takes"


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), app, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def asked(server: Server, sent: bytes) -> bytes:
    """Return what the server answers until it ends the connection."""
    with gevent.Timeout(10), socket.create_connection(server.address) as peer:
        peer.sendall(sent)
        with peer.makefile("rb") as answers:
            return answers.read()


def wait_until_said(caplog: pytest.LogCaptureFixture) -> None:
    ends_s = clock_s() + 10
    while not caplog.messages and clock_s() < ends_s:
        gevent.sleep(0.005)


def test_a_request_is_answered_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        answer = asked(server, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"done")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(b"GET / HTTP/1\r\n\r\n", NONE_OF_ITS, id="half a version"),
        pytest.param(b"\x00" * 8000 + b"\r\n", NONE_OF_ITS, id="bytes"),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", NONE_OF_ITS, id="101 headers"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\n"
            + b"Cookie: "
            + b"a;" * 32_000
            + b"\r\nX: "
            + b"y" * 2_000
            + b"\r\n\r\n",
            NONE_OF_ITS,
            id="headers that are too large",
        ),
        *(
            pytest.param(
                b"GET / HTTP/1.1\r\nX: " + unit * 1_000 + b"\r\n\r\n", NONE_OF_ITS, id=f"{unit!r}"
            )
            for unit in (b"a:\r", b":\r")  # the parser of headers would make a line of each
        ),
        pytest.param(
            b'GET / HTTP/1.1\r\nContent-Type: multipart/x;"' + b";" * 9_000 + b"\r\n\r\n",
            NONE_OF_ITS,
            id="a long header",
        ),
        pytest.param(
            b'GET / HTTP/1.1\r\nContent-Type: multipart/x;"\r\n ' + b";" * 900 + b"\r\n\r\n",
            NONE_OF_ITS,
            id="a header that goes on",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nContent-Type: multipart/x;boundary=a\r\nx\r\n--a\r\nX: y\r\n\r\n",
            NONE_OF_ITS,
            id="a line that is no header",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nContent-Type: a/b;" + b"c" * 300 + b"\r\n\r\n",
            NONE_OF_ITS,
            id="a long type",
        ),
        pytest.param(b"GET / HTTP/1.1\r\n: y\r\n\r\n", NONE_OF_ITS, id="a header of no name"),
        *(
            pytest.param(
                b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n" + b"0" * 30, NONE_OF_ITS, id=f"{head!r}"
            )
            for head in (
                b"Content-Length: 1_0",
                b"Content-Length: +1",
                b"Content-Length: 1, 1",
                b"Content-Length: " + b"1" * 5_000,
                b"Content-Length: 1\r\ncontent-length: 2",
                b"Content-Length: 1\r\nTransfer-Encoding: chunked",
                b"Transfer-Encoding: gzip, chunked",
            )
        ),
        pytest.param(
            HELLO_OF_TLS + b"\n",
            "something that connected to the web UI wanted https, which it does not speak; its "
            "address begins with http://",
            id="the beginning of TLS",
        ),
    ],
)
def test_what_is_no_request_is_said_once_in_a_while(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], sent: bytes, said: str
) -> None:
    with serving() as server:
        answers = [asked(server, sent) for _ in range(20)]

    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 400"}
    assert caplog.messages == [said]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("sent", [b"GET / HT", b"GET / HTTP/1.1\r\nX: y", b"x" * 100 + b"\r\n"])
def test_who_is_gone_in_the_midst_is_no_fault(
    capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    with serving() as server:
        for _ in range(20):
            with socket.create_connection(server.address) as peer:
                peer.sendall(sent)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        answer = asked(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert capfd.readouterr().err == ""


def test_headers_that_are_cut_short_are_those_of_no_request() -> None:
    with serving() as server, socket.create_connection(server.address, 10) as peer:
        peer.sendall(b"POST /stop HTTP/1.1\r\nHost: here\r\n")
        peer.shutdown(socket.SHUT_WR)

        assert peer.recv(12) == b"HTTP/1.1 400"


def test_unfinished_headers_are_given_up_after_a_hundred_lines() -> None:
    with serving() as server:
        answer = asked(server, b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 101)

    assert answer.startswith(b"HTTP/1.1 400")


def test_a_body_ends_where_it_says_also_of_who_wants_another_protocol() -> None:
    def read_all(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1")])
        return [str(len(environ["wsgi.input"].read())).encode()]

    with serving() as server:
        server.application = read_all
        head = b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n"
        answers = asked(
            server,
            b"POST / HTTP/1.1\r\n" + head + b"a=b" + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        )

    assert answers.count(b"HTTP/1.1 200") == 2 and answers.endswith(b"0")


def test_the_cookies_of_other_ports_may_be_many() -> None:
    cookies = b"; ".join(b"of_port_%d=%s" % (port, b"x" * 3_000) for port in range(20))

    with serving() as server:
        head = b"GET / HTTP/1.1\r\nConnection: close\r\ncookie: " + cookies
        answer = asked(server, head + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")


def test_a_handshake_that_fails_is_said_once_in_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    Authority(tmp_path).self_signed_context()
    tls = tls_context(str(tmp_path / "alone.pem"), str(tmp_path / "alone.key"))

    with serving(tls) as server:
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", HELLO_OF_TLS):
            with socket.create_connection(server.address) as peer:
                peer.sendall(sent)
        wait_until_said(caplog)

    [said] = caplog.messages
    assert "did not agree on TLS" in said
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("unit", [b"a:\r", b":\r", b"a;"])
def test_no_more_of_a_head_is_read_than_it_may_have(unit: bytes) -> None:
    with serving() as server, socket.create_connection(server.address) as peer:
        peer.settimeout(10)
        line = b"X: " + unit * 100_000
        peer.sendall(b"GET / HTTP/1.1\r\n" + line)  # no end of it ever comes
        with peer.makefile("rb") as answers, suppress(ConnectionError):
            assert answers.read().startswith(b"HTTP/1.1 400")


def test_pipelined_requests_let_others_have_a_turn() -> None:
    turns: list[int] = []

    def watch() -> None:
        while True:
            turns.append(len(answered))
            gevent.sleep(0.0001)

    answered: list[None] = []

    def slow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answered.append(None)
        return app(environ, start_response)

    with serving() as server:
        server.application = slow
        watching = gevent.spawn(watch)
        asked(
            server, b"GET / HTTP/1.1\r\n\r\n" * 50 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        watching.kill()

    assert len(set(turns)) > 10


@pytest.mark.parametrize(
    "head", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"], ids=["long", "chunked"]
)
def test_of_a_body_that_nobody_takes_no_rest_is_read(head: bytes) -> None:
    with serving() as server, socket.create_connection(server.address) as peer:
        peer.settimeout(10)
        peer.sendall(b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n")
        with peer.makefile("rb") as answers:
            told = answers.read()

    assert told.startswith(b"HTTP/1.1 200") and told.endswith(b"done")


def test_what_is_being_answered_when_the_server_stops_is_answered() -> None:
    asked_for, may_answer = gevent.event.Event(), gevent.event.Event()

    def slow(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked_for.set()
        assert may_answer.wait(10)
        return app(environ, start_response)

    with serving() as server:
        server.application = slow
        asking = gevent.spawn(asked, server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert asked_for.wait(10)
        server.stop()
        may_answer.set()

        assert asking.get(timeout=10).endswith(b"done")


def test_connections_beyond_a_number_wait_until_others_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_server, "_MOST_CONNECTIONS", 3)
    request = b"GET / HTTP/1.1\r\n\r\n"

    with serving() as server, ExitStack() as held:
        *peers, last = (
            held.enter_context(socket.create_connection(server.address, 10)) for _ in range(4)
        )
        last.sendall(request)
        for _ in range(10):  # in which the last one would have had its turn
            peers[0].sendall(request)
            while not peers[0].recv(1_000).endswith(b"done"):
                pass
        assert not select.select([last], [], [], 0)[0]

        peers[2].close()

        assert last.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (b"GET / HT", b""), (b"GET / HTTP/1.1\r\nA: b\r\n", b"HTTP/1.1 400")],
    ids=["nothing", "half a line", "half a head"],
)
def test_who_stays_silent_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(web_server, "_LONGEST_SILENCE_S", 0.05)

    with serving() as server:
        assert asked(server, sent)[:12] == answer


@pytest.mark.parametrize("sent", [b"", HELLO_OF_TLS[:3]], ids=["nothing", "half a hello"])
def test_who_stays_silent_in_a_handshake_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: bytes
) -> None:
    monkeypatch.setattr(web_server, "_LONGEST_SILENCE_S", 0.05)
    Authority(tmp_path).self_signed_context()
    tls = tls_context(str(tmp_path / "alone.pem"), str(tmp_path / "alone.key"))
    answer = b""

    with serving(tls) as server, suppress(ConnectionError):
        answer = asked(server, sent)

    assert answer == b""


def test_who_reads_slowly_and_steadily_gets_the_whole_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_server, "_LONGEST_SILENCE_S", 0.2)
    whole = 2**23
    received = 0

    def large(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(whole))])
        return [b"x" * whole]

    with serving() as server, socket.create_connection(server.address, 10) as peer:
        server.application = large
        peer.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        while piece := peer.recv(2**18):
            received += len(piece)
            gevent.sleep(0.02)  # so that all of it takes longer than a silence may

    assert received > whole


def test_who_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_LONGEST_SILENCE_S", 0.05)
    ended = gevent.event.Event()

    def large(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            yield from (b"x" * 1_000_000 for _ in range(100))
        finally:
            ended.set()

    with serving() as server, socket.create_connection(server.address) as peer:
        server.application = large
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")

        assert ended.wait(10)
