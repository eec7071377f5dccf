"""Origins: which addresses are taken, and what becomes of them."""

from __future__ import annotations

import pytest

from convoy.settings import Origin

GOOD = {
    "https://api.mypurecloud.de": ("https", "api.mypurecloud.de", 443, "api.mypurecloud.de"),
    "http://127.0.0.1:8080/": ("http", "127.0.0.1", 8080, "127.0.0.1:8080"),
    "HTTP://LocalHost:80": ("http", "localhost", 80, "localhost"),
    "http://[::1]:81": ("http", "::1", 81, "[::1]:81"),
    "https://bücher.example": ("https", "xn--bcher-kva.example", 443, "xn--bcher-kva.example"),
}


@pytest.mark.parametrize(("url", "expected"), GOOD.items(), ids=GOOD)
def test_an_address_is_taken_apart(url: str, expected: tuple[str, str, int, str]) -> None:
    origin = Origin.parse(url)

    assert (origin.scheme, origin.host, origin.port, origin.host_header) == expected
    assert Origin.parse(origin.url) == origin


@pytest.mark.parametrize("url", ["https://gw.example/genesys/prod", "https://gw.example/a/"])
def test_a_gateways_path_belongs_to_the_address_and_not_to_the_origin(url: str) -> None:
    origin = Origin.parse(url)

    assert origin.url == url.rstrip("/")
    assert origin == Origin.parse("https://gw.example")


BAD = [
    "https://x/gw/oauth/token/",
    "https://x/a//b",
    "https://x/a/../b",
    "https://x/a%20b",
    "https://x/a b",
    "",
    "api.mypurecloud.de",
    "ftp://x",
    "https://",
    "https://x/api/v2",
    "https://x?a=1",
    "https://x#a",
    "http://x:0",
    "http://x:99999",
    "http://x:port",
    "http://a..b",
    "http://a b",
    "http://a\r\nX: y",
    "http://[::1",
    "http://a\tb",
]


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_cannot_be_used_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^.{10,}$"):
        Origin.parse(url)


@pytest.mark.parametrize("url", ["https://me:hunter2@x", "me:hunter2@x"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        Origin.parse(url)

    assert "hunter2" not in str(caught.value)


HOSTS = {
    "localhost": True,
    "api.localhost": True,
    "127.0.0.1": True,
    "127.8.9.1": True,
    "[::1]": True,
    "[::ffff:127.0.0.1]": True,
    "localhost.example": False,
    "127.0.0.1.example": False,
    "192.0.2.1": False,
    "[::ffff:192.0.2.1]": False,
}


@pytest.mark.parametrize(("host", "is_loopback"), HOSTS.items(), ids=HOSTS)
def test_this_machine_is_known_by_its_names_and_addresses(host: str, is_loopback: bool) -> None:
    assert Origin.parse(f"http://{host}:8080").is_loopback is is_loopback
