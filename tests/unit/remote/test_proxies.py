"""HTTP proxies: which one the environment names, the tunnel through it, and proxies that refuse."""

from __future__ import annotations

import shutil
from base64 import b64decode

import gevent
import pytest

from convoy.errors import ExitCode, SettingsError
from convoy.remote.dialling import Dialler
from convoy.remote.proxies import Proxy, proxy_secrets, proxy_to
from convoy.remote.tls import tls_context
from convoy.secrets import Redactor
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    dialler_without_names,
    fault_of,
    transport_to,
    wait_in_loop,
)
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    answer,
    answers_all,
    sends,
    serving,
    silent,
)
from tests.unit.remote.proxy_server import (
    ESTABLISHED,
    answers_connect,
    name_proxies,
    name_proxy_at,
    tunnels,
)

API = "https://api.mypurecloud.de"
HOST = "api.test"
HTTPS = Origin("https", HOST, 443)
LOGIN = "me:hunter22@"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is needed to make test certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


def way(url: str = API) -> str | None:
    proxy = proxy_to(Origin.parse(url))
    return None if proxy is None else proxy.origin.url


def proxy_named(value: str, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    monkeypatch.setenv("HTTPS_PROXY", value)
    proxy = proxy_to(Origin.parse(API))
    assert proxy is not None
    return proxy


def problem_with(url: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        way(url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert len(caught.value.faults) == 1
    return caught.value


SECURE, ALL = "http://secure.test:3128", "http://all.test:3129"
NAMED = {
    "https": ({"HTTPS_PROXY": SECURE, "ALL_PROXY": ALL}, SECURE),
    "all": ({"ALL_PROXY": ALL}, ALL),
    "no scheme": ({"HTTPS_PROXY": "proxy.test:1"}, "http://proxy.test:1"),
    "no port": ({"HTTPS_PROXY": "http://proxy.test/"}, "http://proxy.test"),
    "IPv6": ({"HTTPS_PROXY": "http://[fe80::1]:1"}, "http://[fe80::1]:1"),
    "upper-case host": ({"HTTPS_PROXY": "HTTP://Proxy.Test:1"}, "http://proxy.test:1"),
    "lower case first": ({"HTTPS_PROXY": SECURE, "https_proxy": ALL}, ALL),
    "lower case empty": ({"HTTPS_PROXY": SECURE, "https_proxy": ""}, None),
    "blank": ({"HTTPS_PROXY": "  "}, None),
    "none": ({}, None),
    "only the other scheme's": ({"HTTP_PROXY": "http://plain.test:1"}, None),
}


@pytest.mark.parametrize(("variables", "expected"), NAMED.values(), ids=NAMED)
def test_the_environment_names_the_proxy(
    variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, **variables)

    assert way() == expected


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "API.localhost", "127.8.9.1", "[::1]"])
def test_this_machine_is_always_reached_directly(
    scheme: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, HTTP_PROXY=ALL, HTTPS_PROXY="socks5://x", ALL_PROXY=ALL)

    assert way(f"{scheme}://{host}:8443") is None


EXEMPTIONS = {
    "the host": ("api.mypurecloud.de", True),
    "its domain": ("mypurecloud.de", True),
    "its domain with a dot": (".mypurecloud.de", True),
    "in upper case": ("API.MyPureCloud.DE", True),
    "one of several": ("a.test, mypurecloud.de ,b.test", True),
    "all": ("*", True),
    "another port": ("api.mypurecloud.de:8443", False),
    "the end of another name": ("cloud.de", False),
    "another host": ("login.mypurecloud.de", False),
    "empty entries": (",,", False),
}


@pytest.mark.parametrize(("listed", "is_exempt"), EXEMPTIONS.values(), ids=EXEMPTIONS)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_lists_what_is_reached_directly(
    name: str, listed: str, is_exempt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, HTTPS_PROXY=SECURE, **{name: listed})

    assert (way() is None) is is_exempt


@pytest.mark.parametrize("listed", ["192.0.2.0/24", "192.0.2.1"])
def test_no_proxy_lists_addresses_and_networks(
    listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, HTTP_PROXY=ALL, NO_PROXY=listed)

    assert way("http://192.0.2.1:8080") is None


WRONG = [
    "socks5://proxy.test:1080",
    "https://proxy.test:3128",
    "http://",
    "http://proxy.test:port",
    "http://proxy.test:0",
    "http://proxy.test:99999",
    "http://proxy.test/path",
    "http://proxy.test?a=1",
    "http://pro xy.test",
    "http://a..b",
    "http://[::1",
    "::",
    "@",
    "http://me:hunter22@x:no",
    "socks5://me:hunter22@x",
    "m:h22@:1",
    "user:passw0rd%40h:3128",
    "http://user:passw0rd",
]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", WRONG)
def test_a_value_that_names_no_http_proxy_is_a_fault_of_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, **{variable: value})

    assert str(problem_with(API)) == (
        f"{variable}: names the proxy on the way to {API}, but only proxies like "
        "http://proxy.example:3128 are supported; name one, or list api.mypurecloud.de in NO_PROXY"
    )


@pytest.mark.parametrize("url", ["http://api.test:8080", "http://api.test:8080/gateway"])
def test_a_proxy_on_the_way_to_an_http_origin_is_a_fault(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, http_proxy="http://me:hunter22@proxy.test:1")

    assert str(problem_with(url)) == (
        f"HTTP_PROXY: names the proxy on the way to {url}, but proxies "
        "lead to https targets only; give it an https address, or list api.test in NO_PROXY"
    )


def test_a_wrong_value_is_no_fault_where_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    name_proxies(monkeypatch, HTTPS_PROXY="socks5://x", NO_PROXY="api.mypurecloud.de")

    assert way() is None
    assert way("http://api.test") is None


LOGINS = {
    "plain": ("me:hunter22", "me:hunter22", "Basic bWU6aHVudGVyMjI="),
    "escaped": ("m%40e:hun%2Fter%3A22", "m@e:hun/ter:22", "Basic bUBlOmh1bi90ZXI6MjI="),
    "not escaped": ("me:hun/t@er", "me:hun/t@er", "Basic bWU6aHVuL3RAZXI="),
    "no password": ("justme", "justme:", "Basic anVzdG1lOg=="),
    "outside ASCII": ("me:%C3%BC%E2%82%AC", "me:ü€", "Basic bWU6w7zigqw="),
}


@pytest.mark.parametrize(("written", "login", "header"), LOGINS.values(), ids=LOGINS)
def test_the_login_of_a_proxy_is_kept_as_a_secret(
    written: str, login: str, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = proxy_named(f"http://{written}@proxy.test:3128", monkeypatch)

    assert proxy.login is not None and proxy.authorization is not None
    assert (proxy.login.reveal(), proxy.authorization.reveal()) == (login, header)
    assert proxy.origin.url == "http://proxy.test:3128"
    assert login not in repr(proxy) and written not in repr(proxy)


def secrets_of(**variables: str) -> list[str]:
    return [secret.reveal() for secret in proxy_secrets(variables)]


@pytest.mark.parametrize(
    ("login", "secrets"),
    [
        pytest.param("me:hun%2Fter22", ["me:hun/ter22", "hun/ter22"], id="user and password"),
        pytest.param("an-api-key", ["an-api-key:", "an-api-key"], id="user alone"),
        pytest.param("an-api-key:", ["an-api-key:", "an-api-key"], id="empty password"),
        pytest.param(":hunter22", [":hunter22", "hunter22"], id="password alone"),
        pytest.param("me:hun/t@er", ["me:hun/t@er", "hun/t@er"], id="not escaped"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY", "Https_Proxy"])
def test_what_opens_a_proxy_is_a_secret_whatever_it_is_for(
    name: str, login: str, secrets: list[str]
) -> None:
    for place in ("http://{}@proxy.test:3128", "{}@proxy.test", "socks5://{}@proxy.test"):
        known = secrets_of(**{name: f" {place.format(login)}"})
        assert known[:2] == secrets
        assert b64decode(known[2]).decode() == secrets[0]


def test_what_holds_no_login_holds_no_secret() -> None:
    assert secrets_of(HTTPS_PROXY=SECURE, http_proxy="", NO_PROXY="a.test", PATH="a:b@c") == []


def test_registered_secrets_hide_a_login_as_written_as_meant_and_as_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = "http://me:hun%2Fter22@proxy.test:1"
    proxy = proxy_named(named, monkeypatch)
    assert proxy.authorization is not None
    redactor = Redactor()
    for secret in proxy_secrets({"HTTPS_PROXY": named}):
        redactor.register(secret, permanent=True)

    shown = redactor.redact(
        f"http://me:hun%2Fter22@proxy.test:1 hun/ter22 {proxy.authorization.reveal()}"
    )

    assert "ter22" not in shown
    assert proxy.authorization.reveal() not in shown
    assert "proxy.test" in shown


def test_an_https_origin_is_reached_through_a_tunnel_that_is_kept(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(answers_all, tls=authority.server_context(HOST)) as server,
        serving(tunnels) as proxy,
    ):
        name_proxy_at(monkeypatch, proxy.port)
        dialler = Dialler(tls=tls_context(authority.ca_file))
        with transport_to(0, dialler, origin=Origin("https", HOST, server.port)) as transport:
            found = [transport.exchange(REQUEST, deadline()) for _ in range(3)]

        asked = f"CONNECT {HOST}:{server.port} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
        assert proxy.requests == [f"{asked}User-Agent: convoy\r\n\r\n".encode()]
        assert [each.status for each in found] == [200] * 3
        assert (server.requests, server.connections) == ([REQUEST] * 3, 1)


def test_the_certificate_behind_a_tunnel_is_verified(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(answers_all, tls=authority.server_context("other.test")) as server,
        serving(tunnels) as proxy,
    ):
        name_proxy_at(monkeypatch, proxy.port)
        dialler = Dialler(tls=tls_context(authority.ca_file))
        with transport_to(0, dialler, origin=Origin("https", HOST, server.port)) as transport:
            fault = fault_of(transport)

        assert (fault.code, fault.sent_s, server.requests) == ("tls", None, [])


def test_the_login_of_the_proxy_is_sent_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(sends(answer("502 Bad Gateway"))) as proxy:
        name_proxy_at(monkeypatch, proxy.port, LOGIN)
        with transport_to(0, origin=HTTPS) as transport:
            fault = fault_of(transport)

        assert "hunter22" not in f"{fault} {fault.__cause__!r}"
        assert b"\r\nProxy-Authorization: Basic bWU6aHVudGVyMjI=\r\n" in proxy.requests[0]


def test_the_origin_never_sees_the_login_of_the_proxy(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(answers_all, tls=authority.server_context(HOST)) as server,
        serving(tunnels) as proxy,
    ):
        name_proxy_at(monkeypatch, proxy.port, LOGIN)
        dialler = Dialler(tls=tls_context(authority.ca_file))
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
def test_a_proxy_that_opens_no_tunnel_has_its_own_code_and_nothing_left(
    behave: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(behave) as proxy:
        name_proxy_at(monkeypatch, proxy.port)
        with transport_to(0, origin=HTTPS) as transport:
            faults = [fault_of(transport) for _ in range(2)]

        assert [(each.code, each.sent_s) for each in faults] == [("proxy", None)] * 2
        assert transport.sent_s is None
        assert len(proxy.requests) <= proxy.connections == 2


WISHES = {"no login": ("", "wants user name and password"), "a login": (LOGIN, "takes another")}


@pytest.mark.parametrize("page", [b"", b"<html>log in</html>"], ids=["nothing else", "a page"])
@pytest.mark.parametrize(("login", "wish"), WISHES.values(), ids=WISHES)
def test_a_proxy_that_wants_a_login_says_so(
    login: str, wish: str, page: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answers_connect(answer("407 Proxy Authentication Required", page))) as proxy:
        name_proxy_at(monkeypatch, proxy.port, login)
        with transport_to(0, origin=HTTPS) as transport:
            assert wish in str(fault_of(transport))


def test_a_proxy_that_is_silent_until_the_deadline_is_a_proxy_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(silent) as proxy:
        name_proxy_at(monkeypatch, proxy.port)
        with transport_to(0, origin=HTTPS) as transport:
            fault = fault_of(transport, 0.2)

        assert (fault.code, fault.sent_s) == ("proxy", None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "http://nonexistent.invalid:{}"])
def test_a_proxy_that_cannot_be_reached_is_a_proxy_fault(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = url.format(free_port())
    name_proxies(monkeypatch, HTTPS_PROXY=named)
    with transport_to(0, dialler_without_names(), origin=HTTPS) as transport:
        fault = fault_of(transport)

    assert (fault.code, fault.sent_s) == ("proxy", None)
    assert named in str(fault)


def test_closing_while_the_proxy_is_asked_ends_the_exchange_as_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(silent) as proxy:
        name_proxy_at(monkeypatch, proxy.port)
        with transport_to(0, origin=HTTPS) as transport:
            caller = gevent.spawn(fault_of, transport)
            wait_in_loop(lambda: len(proxy.requests) == 1)

            transport.close()
            caller.join(LONG_S)

        assert (caller.value.code, caller.value.sent_s) == ("stopped", None)


def test_a_login_that_is_escaped_as_latin_1_is_a_secret_in_both_readings() -> None:
    assert "me:Z\u00fcrich-7" in secrets_of(HTTPS_PROXY="http://me:Z%FCrich-7@proxy.test:1")
