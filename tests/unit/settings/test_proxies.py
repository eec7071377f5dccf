"""Which proxy the environment names for an address, and what it says of a wrong one."""

from __future__ import annotations

import pytest

from convoy.errors import ExitCode, SettingsError
from convoy.secrets import Redactor
from convoy.settings import DIRECT, Proxies

API = "https://api.mypurecloud.de"
BOTH = {"HTTPS_PROXY": "http://secure.test:3128", "HTTP_PROXY": "http://plain.test:3129"}


def way(environ: dict[str, str], url: str = API) -> str | None:
    proxy = Proxies.of(environ).leading_to(url)
    return None if proxy is None else proxy.address


NAMED = {
    "https": (BOTH, API, "http://secure.test:3128"),
    "http": (BOTH, "http://api.test:8080", "http://plain.test:3129"),
    "no scheme": ({"HTTPS_PROXY": "proxy.test:1"}, API, "http://proxy.test:1"),
    "no port": ({"HTTPS_PROXY": "http://proxy.test/"}, API, "http://proxy.test:80"),
    "IPv6": ({"HTTPS_PROXY": "http://[fe80::1]:1"}, API, "http://[fe80::1]:1"),
    "upper-case host": ({"HTTPS_PROXY": "HTTP://Proxy.Test:1"}, API, "http://proxy.test:1"),
    "lower case first": (BOTH | {"https_proxy": "http://l.test:1"}, API, "http://l.test:1"),
    "lower case empty": (BOTH | {"https_proxy": ""}, API, None),
    "blank": ({"HTTPS_PROXY": "  "}, API, None),
    "none": ({}, API, None),
    "only the other scheme's": ({"HTTP_PROXY": "http://plain.test:1"}, API, None),
}


@pytest.mark.parametrize(("environ", "url", "expected"), NAMED.values(), ids=NAMED)
def test_the_variable_of_the_scheme_names_the_proxy(
    environ: dict[str, str], url: str, expected: str | None
) -> None:
    assert way(environ, url) == expected


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "api.localhost", "127.0.0.1", "127.8.9.1", "[::1]"]
    + ["[::ffff:127.0.0.1]"],
)
def test_this_machine_is_always_reached_directly(host: str) -> None:
    assert way(BOTH, f"https://{host}:8443") is None


EXEMPTIONS = {
    "the host": ("api.mypurecloud.de", True),
    "its domain": ("mypurecloud.de", True),
    "its domain with a dot": (".mypurecloud.de", True),
    "in upper case": ("API.MyPureCloud.DE", True),
    "one of several": ("a.test, mypurecloud.de ,b.test", True),
    "all": ("*", True),
    "host and port": ("api.mypurecloud.de:443", True),
    "another port": ("api.mypurecloud.de:8443", False),
    "the end of another name": ("cloud.de", False),
    "another host": ("login.mypurecloud.de", False),
    "empty entries": (",,", False),
}


@pytest.mark.parametrize(("listed", "is_exempt"), EXEMPTIONS.values(), ids=EXEMPTIONS)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_lists_what_is_reached_directly(name: str, listed: str, is_exempt: bool) -> None:
    assert (way(BOTH | {name: listed}) is None) is is_exempt


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
]


@pytest.mark.parametrize("value", WRONG)
def test_a_value_that_names_no_proxy_is_a_fault_of_its_variable(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        way({"https_proxy": value})

    assert caught.value.exit_code is ExitCode.USAGE
    assert str(caught.value).startswith(f"https_proxy: '{value.replace('@', '**********@')}' ")
    assert len(caught.value.faults) == 1


def test_a_wrong_value_is_no_fault_where_no_proxy_is_used() -> None:
    wrong = {"HTTPS_PROXY": "socks5://x", "NO_PROXY": "api.mypurecloud.de"}

    assert way(wrong) is None
    assert way(wrong, "https://localhost:1") is None
    assert way(wrong, "http://api.test") is None


LOGINS = {
    "plain": ("me:hunter22", "me:hunter22", "Basic bWU6aHVudGVyMjI="),
    "escaped": ("m%40e:hun%2Fter%3A22", "m@e:hun/ter:22", "Basic bUBlOmh1bi90ZXI6MjI="),
    "no password": ("justme", "justme:", "Basic anVzdG1lOg=="),
    "outside ASCII": ("me:%C3%BC", "me:ü", "Basic bWU6w7w="),
}


@pytest.mark.parametrize(("written", "login", "header"), LOGINS.values(), ids=LOGINS)
def test_the_login_of_a_proxy_is_kept_as_a_secret(written: str, login: str, header: str) -> None:
    proxies = Proxies.of({"HTTPS_PROXY": f"http://{written}@proxy.test:3128"})

    proxy = proxies.leading_to(API)

    assert proxy is not None and proxy.login is not None and proxy.authorization is not None
    assert (proxy.login.reveal(), proxy.authorization.reveal()) == (login, header)
    assert proxy.address == "http://proxy.test:3128"
    assert login not in f"{proxies!r} {proxy!r}" and written not in f"{proxies!r} {proxy!r}"


@pytest.mark.parametrize(
    "value", ["http://me:hunter22@proxy.test:no", "socks5://me:hunter22@x", "me:hun/hunter22@x"]
)
def test_a_wrong_value_is_told_without_its_login(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        way({"HTTPS_PROXY": value})

    assert "hunter22" not in str(caught.value)
    assert "**********@" in str(caught.value)


def test_registered_secrets_hide_a_login_as_written_as_meant_and_as_sent() -> None:
    proxies = Proxies.of({"HTTP_PROXY": "http://me:hun%2Fter22@proxy.test:1"})
    redactor = Redactor()
    for secret in proxies.secrets():
        redactor.register(secret, permanent=True)
    proxy = proxies.leading_to("http://api.test")
    assert proxy is not None and proxy.login is not None and proxy.authorization is not None

    shown = redactor.redact(
        f"hun%2Fter22 hun/ter22 {proxy.url_with_login.reveal()} {proxy.authorization.reveal()}"
    )

    assert "ter22" not in shown
    assert proxy.authorization.reveal() not in shown
    assert "proxy.test" in shown


def test_no_environment_has_no_proxies_and_no_secrets() -> None:
    assert DIRECT.leading_to(API) is None
    assert list(DIRECT.secrets()) == []
    assert list(Proxies.of(BOTH).secrets()) == []
