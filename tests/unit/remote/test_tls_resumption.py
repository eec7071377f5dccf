"""TLS sessions: a connection resumes the one before it, when the server lets it."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable

import pytest

from convoy.remote.dialling import Dialler
from convoy.remote.tls import tls_context
from convoy.settings import Origin
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import REQUEST, deadline, fault_of, transport_to
from tests.unit.remote.misbehaving_server import OK, Visitor, answer, serving

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
CLOSING = answer("200 OK", b"ok", "Connection: close")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is needed to make test certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


def telling(told: list[bool | None], sent: bytes) -> Callable[[Visitor], None]:
    """Behaviour: note whether the connection resumed a session, and answer all requests."""

    def behave(visitor: Visitor) -> None:
        assert isinstance(visitor.connection, ssl.SSLSocket)
        told.append(visitor.connection.session_reused)
        visitor.answer_all(sent)

    return behave


def one_exchange(port: int, dialler: Dialler) -> int:
    with transport_to(port, dialler, origin=Origin("https", "localhost", port)) as transport:
        return transport.exchange(REQUEST, deadline()).status


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: each.name)
@pytest.mark.parametrize("sent", [OK, CLOSING], ids=["we close", "the server closes"])
def test_a_new_connection_resumes_the_session_of_an_earlier_one(
    authority: Authority, version: ssl.TLSVersion, sent: bytes
) -> None:
    told: list[bool | None] = []
    context = authority.server_context("localhost")
    context.minimum_version = context.maximum_version = version
    with serving(telling(told, sent), tls=context) as server:
        dialler = Dialler(tls=tls_context(authority.ca_file))

        statuses = [one_exchange(server.port, dialler) for _ in range(4)]

    assert (statuses, told) == ([200] * 4, [False, True, True, True])


def test_a_server_without_tickets_gets_whole_handshakes(authority: Authority) -> None:
    told: list[bool | None] = []
    context = authority.server_context("localhost")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    with serving(telling(told, OK), tls=context) as server:
        dialler = Dialler(tls=tls_context(authority.ca_file))

        statuses = [one_exchange(server.port, dialler) for _ in range(3)]

    assert (statuses, told) == ([200] * 3, [False] * 3)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: each.name)
def test_a_session_that_a_restarted_server_does_not_know_is_replaced(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    told: list[bool | None] = []
    dialler, port = Dialler(tls=tls_context(authority.ca_file)), 0
    for _ in range(2):
        context = authority.server_context("localhost")
        context.minimum_version = context.maximum_version = version
        with serving(telling(told, OK), tls=context, port=port) as server:
            port = server.port
            for _ in range(2):
                one_exchange(port, dialler)

    assert told == [False, True, False, True]


def test_after_a_failed_handshake_the_next_one_begins_anew(authority: Authority) -> None:
    told: list[bool | None] = []
    context = authority.server_context("localhost")
    handshakes = 0

    def refuse_the_second(*_: object) -> int | None:
        nonlocal handshakes
        handshakes += 1
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if handshakes == 2 else None

    context.sni_callback = refuse_the_second
    with serving(telling(told, OK), tls=context) as server:
        dialler = Dialler(tls=tls_context(authority.ca_file))
        one_exchange(server.port, dialler)
        origin = Origin("https", "localhost", server.port)
        with transport_to(server.port, dialler, origin=origin) as transport:
            fault = fault_of(transport)
        one_exchange(server.port, dialler)
        one_exchange(server.port, dialler)

    assert (fault.code, fault.sent_s) == ("tls", None)
    assert told == [False, False, True]


def test_sessions_belong_to_their_origin(authority: Authority) -> None:
    told: list[bool | None] = []
    context = authority.server_context("localhost")
    with (
        serving(telling(told, OK), tls=context) as one,
        serving(telling(told, OK), tls=context) as two,
    ):
        dialler = Dialler(tls=tls_context(authority.ca_file))
        for server in (one, two, one, two):
            one_exchange(server.port, dialler)

    assert told == [False, False, True, True]


def test_a_connection_that_ends_is_said_goodbye_to(authority: Authority) -> None:
    ends: list[bytes] = []

    def waits_for_the_end(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(OK)
        ends.append(visitor.connection.recv(100))

    with serving(waits_for_the_end, tls=authority.server_context("localhost")) as server:
        one_exchange(server.port, Dialler(tls=tls_context(authority.ca_file)))
        server.wait_for_closed(1)

    assert ends == [b""]
