"""TLS of the transport: what is trusted, what is not, and that refusals send nothing."""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import WireError
from convoy.files import FileError
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer
from convoy.remote.tls import tls_context
from convoy.remote.transport import Transport
from convoy.settings import Origin
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import LONG_S, REQUEST, deadline, transport_to
from tests.unit.remote.misbehaving_server import OK, Visitor, answers_all, serving
from tests.unit.remote.openssl_server import OpensslServer, openssl_serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is needed to make test certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


def asked(port: int, authority: Authority, host: str = "localhost", times: int = 1) -> list[Answer]:
    transport = Transport(Origin("https", host, port), Dialler(tls=tls_context(authority.ca_file)))
    try:
        deadline_s = clock_s() + LONG_S
        return [transport.exchange(REQUEST, deadline_s) for _ in range(times)]
    finally:
        transport.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_trusted_server_answers_many_requests_on_one_connection(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.server_context("localhost")
    context.minimum_version = context.maximum_version = version
    with serving(answers_all, tls=context) as server:
        found = asked(server.port, authority, times=5)

        assert [(a.status, a.body) for a in found] == [(200, b"ok")] * 5
        assert (server.connections, len(server.requests)) == (1, 5)


def test_an_address_in_the_certificate_is_trusted_too(authority: Authority) -> None:
    with serving(answers_all, tls=authority.server_context("127.0.0.1")) as server:
        found = asked(server.port, authority, host="127.0.0.1")

        assert found[0].status == 200


def test_the_host_name_is_told_to_the_server(authority: Authority) -> None:
    names: list[str | None] = []
    context = authority.server_context("localhost")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serving(answers_all, tls=context) as server:
        asked(server.port, authority)

        assert names == ["localhost"]


def refused_code(port: int, authority: Authority) -> str:
    with pytest.raises(WireError) as caught:
        asked(port, authority)
    assert caught.value.sent_s is None
    return caught.value.code


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    context = authority.server_context("localhost", is_expired=True)
    with serving(answers_all, tls=context) as server:
        code = refused_code(server.port, authority)

        assert (code, server.requests) == ("tls", [])


def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    with serving(answers_all, tls=authority.server_context("other.example")) as server:
        code = refused_code(server.port, authority)

        assert (code, server.requests) == ("tls", [])


def test_a_self_signed_certificate_is_refused(authority: Authority) -> None:
    with serving(answers_all, tls=authority.self_signed_context()) as server:
        code = refused_code(server.port, authority)

        assert (code, server.requests) == ("tls", [])


def test_a_certificate_of_an_unknown_authority_is_refused_by_the_default_store(
    authority: Authority,
) -> None:
    with serving(answers_all, tls=authority.server_context("localhost")) as server:
        transport = Transport(Origin("https", "localhost", server.port))

        with pytest.raises(WireError) as caught:
            transport.exchange(REQUEST, clock_s() + LONG_S)

        assert (caught.value.code, caught.value.sent_s) == ("tls", None)


def test_a_server_without_tls_is_refused(authority: Authority) -> None:
    def speaks_plainly(visitor: Visitor) -> None:
        visitor.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        visitor.wait_for_close()

    with serving(speaks_plainly) as server:
        code = refused_code(server.port, authority)

        assert code == "no tls"


def test_a_server_that_says_nothing_in_the_handshake_is_a_timeout_that_sent_nothing(
    authority: Authority,
) -> None:
    with serving(Visitor.wait_for_close) as server:
        origin = Origin("https", "127.0.0.1", server.port)
        transport = Transport(origin, Dialler(tls=tls_context(authority.ca_file)))

        with pytest.raises(WireError) as caught:
            transport.exchange(REQUEST, clock_s() + 0.3)

        assert (caught.value.code, caught.value.sent_s) == ("timeout", None)


def test_an_idle_close_over_tls_is_noticed_before_the_write(authority: Authority) -> None:
    def closes_after_one(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)

    with serving(closes_after_one, tls=authority.server_context("localhost")) as server:
        tls = tls_context(authority.ca_file)
        transport = Transport(Origin("https", "localhost", server.port), Dialler(tls=tls))
        for number in range(1, 4):
            found = transport.exchange(REQUEST, clock_s() + LONG_S)
            server.wait_for_closed(number)

            assert found.status == 200
        transport.close()

        assert (len(server.requests), server.connections) == (3, 3)


def test_an_answer_cut_off_without_a_goodbye_is_not_whole(authority: Authority) -> None:
    def cuts_off(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the close")

    with serving(cuts_off, tls=authority.server_context("localhost")) as server:
        with pytest.raises(WireError) as caught:
            asked(server.port, authority)

        assert (caught.value.code, caught.value.sent_s is not None) == ("connection closed", True)


def test_an_answer_ended_by_a_proper_goodbye_is_whole(authority: Authority) -> None:
    def says_goodbye(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the close")
        assert isinstance(visitor.connection, ssl.SSLSocket)
        visitor.connection.unwrap()

    with serving(says_goodbye, tls=authority.server_context("localhost")) as server:
        found = asked(server.port, authority)

        assert found[0].body == b"until the close"


def test_an_answer_that_came_before_its_request_and_was_cut_off_is_not_whole(
    authority: Authority,
) -> None:
    context = authority.server_context("localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the server has the last word of a handshake

    def answers_with_its_handshake(visitor: Visitor) -> None:
        arrived, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(arrived, outgoing, server_side=True)
        is_done = False
        while not is_done:
            try:
                tls.do_handshake()
                is_done = True
                tls.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the close")
            except ssl.SSLWantReadError:
                pass
            visitor.send(outgoing.read())
            if not is_done:
                arrived.write(visitor.connection.recv(65_536))
        visitor.connection.shutdown(socket.SHUT_WR)
        visitor.wait_for_close()

    with serving(answers_with_its_handshake) as server:
        with pytest.raises(WireError) as caught:
            asked(server.port, authority)

        assert caught.value.code == "connection closed"


def test_a_close_adds_nothing_to_a_record_that_has_not_left(authority: Authority) -> None:
    ends: list[OSError] = []

    def reads(visitor: Visitor) -> None:
        try:
            visitor.read_request()
        except OSError as error:
            ends.append(error)

    with serving(reads, tls=authority.server_context("localhost")) as server:
        origin = Origin("https", "localhost", server.port)
        dialler = Dialler(tls=tls_context(authority.ca_file))
        connection = dialler.dial(origin, deadline(), lambda each: None)
        connection.post(REQUEST)
        connection.close()
        server.wait_for_closed(1)

    assert [type(each) for each in ends] == [ssl.SSLEOFError]


def test_large_bodies_pass_both_ways(authority: Authority) -> None:
    body = bytes(range(256)) * 38_000
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def echoes(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        visitor.wait_for_close()

    with serving(echoes, tls=authority.server_context("localhost")) as server:
        tls = tls_context(authority.ca_file)
        transport = Transport(Origin("https", "localhost", server.port), Dialler(tls=tls))

        found = transport.exchange(request, clock_s() + LONG_S)
        transport.close()

        assert (found.body == body, server.requests == [request]) == (True, True)


CHANGED = rb"SSL_do_handshake -> 1\n"
"""What the server prints, together with the next request, once it has changed its keys."""


def test_an_exchange_goes_on_when_the_server_changes_its_keys(authority: Authority) -> None:
    authority.server_context("localhost")
    with openssl_serving(authority.folder, "localhost-False", "-tls1_3") as server:
        origin = Origin("https", "localhost", server.port)
        dialler = Dialler(tls=tls_context(authority.ca_file))

        with transport_to(server.port, dialler, origin=origin) as transport:
            found = []
            for command, told in (("", b""), ("K\n", b""), ("K\n", CHANGED), ("", CHANGED)):
                caller = gevent.spawn(transport.exchange, REQUEST, deadline())
                server_side = (server, told + rb"[\s\S]*\r\nhello", command)
                answering = gevent.get_hub().threadpool.spawn(answer_after, *server_side)
                gevent.joinall([caller, answering], LONG_S)
                answering.get(timeout=0)
                found.append(caller.get(timeout=0).body)

    assert found == [b"ok"] * 4


def answer_after(server: OpensslServer, request: bytes, command: str) -> None:
    """Have the server read a request, do a command, and answer."""
    server.read_until(request)
    server.say(command)
    server.say("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")


def test_a_missing_ca_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        tls_context(str(tmp_path / "nowhere.pem"))
