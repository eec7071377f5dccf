"""Origins behind an HTTP proxy: tunnels, forwarded requests, and proxies that refuse."""

from __future__ import annotations

import shutil

import gevent
import pytest

from convoy.remote.http import Dialler, Origin
from convoy.remote.tls import tls_context
from convoy.settings import Proxies
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    fault_of,
    transport_to,
    wait_in_loop,
)
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    answer,
    answers_all,
    free_port,
    sends,
    serving,
    silent,
)
from tests.unit.remote.proxy_server import ESTABLISHED, answers_connect, proxies_at, tunnels

HOST = "api.test"
HTTP, HTTPS = Origin("http", HOST, 80), Origin("https", HOST, 443)
LOGIN = "me:hunter22@"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is needed to make test certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


def test_an_https_origin_is_reached_through_a_tunnel_that_is_kept(authority: Authority) -> None:
    with (
        serving(answers_all, tls=authority.server_context(HOST)) as server,
        serving(tunnels) as proxy,
    ):
        dialler = Dialler(tls=tls_context(authority.ca_file), proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=Origin("https", HOST, server.port)) as transport:
            found = [transport.exchange(REQUEST, deadline()) for _ in range(3)]

        asked = f"CONNECT {HOST}:{server.port} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
        assert proxy.requests == [f"{asked}User-Agent: convoy\r\n\r\n".encode()]
        assert [each.status for each in found] == [200] * 3
        assert (server.requests, server.connections) == ([REQUEST] * 3, 1)


def test_the_certificate_behind_a_tunnel_is_verified(authority: Authority) -> None:
    with (
        serving(answers_all, tls=authority.server_context("other.test")) as server,
        serving(tunnels) as proxy,
    ):
        dialler = Dialler(tls=tls_context(authority.ca_file), proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=Origin("https", HOST, server.port)) as transport:
            fault = fault_of(transport)

        assert (fault.code, fault.sent_s, server.requests) == ("tls", None, [])


def test_an_http_origin_is_asked_for_in_absolute_form_on_one_connection() -> None:
    with serving(answers_all) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=Origin("http", HOST, 8080)) as transport:
            found = [transport.exchange(REQUEST, deadline()) for _ in range(3)]

        forwarded = REQUEST.replace(b"POST /x ", b"POST http://api.test:8080/x ")
        assert [each.body for each in found] == [b"ok"] * 3
        assert (proxy.requests, proxy.connections) == ([forwarded] * 3, 1)


@pytest.mark.parametrize("origin", [HTTP, HTTPS], ids=["forwarded", "tunnelled"])
def test_the_login_of_the_proxy_is_sent_to_it(origin: Origin) -> None:
    with serving(sends(answer("502 Bad Gateway"))) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port, LOGIN))
        with transport_to(0, dialler, origin=origin) as transport:
            try:
                transport.exchange(REQUEST, deadline())
            except Exception as exc:
                assert "hunter22" not in f"{exc} {exc.__cause__!r}"

        assert b"\r\nProxy-Authorization: Basic bWU6aHVudGVyMjI=\r\n" in proxy.requests[0]


def test_the_origin_never_sees_the_login_of_the_proxy(authority: Authority) -> None:
    with (
        serving(answers_all, tls=authority.server_context(HOST)) as server,
        serving(tunnels) as proxy,
    ):
        proxies = proxies_at(proxy.port, LOGIN)
        dialler = Dialler(tls=tls_context(authority.ca_file), proxies=proxies)
        with transport_to(0, dialler, origin=Origin("https", HOST, server.port)) as transport:
            transport.exchange(REQUEST, deadline())

        assert server.requests == [REQUEST]


REFUSALS: dict[str, Behaviour] = {
    "407": answers_connect(answer("407 Proxy Authentication Required")),
    "403": answers_connect(answer("403 Forbidden", b"not you")),
    "502": answers_connect(answer("502 Bad Gateway")),
    "byte by byte": answers_connect(*(b"%c" % each for each in answer("503 Later"))),
    "a 1xx": answers_connect(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "garbage": answers_connect(b"\x16\x03\x01 what is this\r\n\r\n"),
    "garbage behind the head": answers_connect(ESTABLISHED + b"garbage"),
    "a head without end": answers_connect(b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 10_000),
    "a close": lambda visitor: None,
    "half a head": sends(ESTABLISHED[:-2]),
    "a reset": lambda visitor: (visitor.read_request(), visitor.reset())[1],
}


@pytest.mark.parametrize("behave", REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_opens_no_tunnel_has_its_own_code_and_nothing_left(behave: Behaviour) -> None:
    with serving(behave) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTPS) as transport:
            faults = [fault_of(transport) for _ in range(2)]

        assert [(each.code, each.sent_s) for each in faults] == [("proxy", None)] * 2
        assert transport.sent_s is None
        assert len(proxy.requests) <= proxy.connections == 2


def test_a_proxy_that_is_silent_until_the_deadline_is_a_proxy_fault() -> None:
    with serving(silent) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTPS) as transport:
            fault = fault_of(transport, 0.2)

        assert (fault.code, fault.sent_s) == ("proxy", None)


@pytest.mark.parametrize("origin", [HTTP, HTTPS], ids=["forwarded", "tunnelled"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "http://nonexistent.invalid:{}"])
def test_a_proxy_that_cannot_be_reached_is_a_proxy_fault(origin: Origin, url: str) -> None:
    named = url.format(free_port())
    dialler = Dialler(proxies=Proxies.of({"HTTP_PROXY": named, "HTTPS_PROXY": named}))
    with transport_to(0, dialler, origin=origin) as transport:
        fault = fault_of(transport, 60)

    assert (fault.code, fault.sent_s) == ("proxy", None)
    assert named in str(fault)


def test_a_proxy_that_wants_a_login_passed_nothing_on() -> None:
    with serving(sends(answer("407 Proxy Authentication Required")), answers_all) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTP) as transport:
            fault = fault_of(transport)
            found = transport.exchange(REQUEST, deadline())

        assert (fault.code, fault.sent_s) == ("proxy", None)
        assert "user name and password" in str(fault)
        assert (found.status, len(proxy.requests)) == (200, 2)


def test_other_answers_to_a_forwarded_request_may_be_the_origins() -> None:
    with serving(sends(answer("502 Bad Gateway"))) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTP) as transport:
            found = transport.exchange(REQUEST, deadline())

    assert found.status == 502


def test_a_forwarded_request_that_gets_no_answer_is_unknown() -> None:
    with serving(silent) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTP) as transport:
            fault = fault_of(transport, 0.2)

    assert (fault.code, fault.sent_s is not None) == ("timeout", True)


def test_this_machine_is_reached_without_the_proxy() -> None:
    with serving(answers_all) as server:
        with transport_to(server.port, Dialler(proxies=proxies_at(free_port()))) as transport:
            found = transport.exchange(REQUEST, deadline())

        assert (found.status, server.requests) == (200, [REQUEST])


def test_closing_while_the_proxy_is_asked_ends_the_exchange_as_stopped() -> None:
    with serving(silent) as proxy:
        dialler = Dialler(proxies=proxies_at(proxy.port))
        with transport_to(0, dialler, origin=HTTPS) as transport:
            caller = gevent.spawn(fault_of, transport)
            wait_in_loop(lambda: len(proxy.requests) == 1)

            transport.close()
            caller.join(LONG_S)

        assert (caller.value.code, caller.value.sent_s) == ("stopped", None)
