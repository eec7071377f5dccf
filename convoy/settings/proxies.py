"""The HTTP proxies that the environment names, and which of them leads to an address."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from convoy.errors import Fault, SettingsError
from convoy.secrets import STARS, Secret

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_LOGIN_HINT = "; in its user name and password write / as %2F, # as %23, ? as %3F"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `login` is `user:password`, None where it asks for none."""

    host: str
    port: int
    login: Secret | None = None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def url_with_login(self) -> Secret:
        """The address as other libraries take it, with the login in it."""
        if self.login is None:
            return Secret(self.address)
        user, _, password = self.login.reveal().partition(":")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return Secret(self.address.replace("://", f"://{login}@"))

    @property
    def authorization(self) -> Secret | None:
        """The value of Proxy-Authorization, HTTP Basic (RFC 7617)."""
        if self.login is None:
            return None
        return Secret("Basic " + b64encode(self.login.reveal().encode()).decode())


@dataclass(frozen=True, slots=True)
class Proxies:
    """What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say; by itself no proxy for anything.

    A variable in lower case goes before the one in upper case, as with curl and requests.
    """

    _named: Mapping[str, tuple[str, Secret]] = field(default_factory=dict)
    _exempt: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Proxies:
        """Return the proxies of an environment; nothing is checked before it is needed."""
        named = {}
        for scheme in _DEFAULT_PORTS:
            name, value = _variable(environ, f"{scheme}_proxy")
            if value:
                named[scheme] = (name, Secret(value))
        return cls(named, _variable(environ, "no_proxy")[1])

    def leading_to(self, url: str) -> Proxy | None:
        """Return the proxy through which `url` is reached, None when directly.

        This machine itself is always reached directly. Raises SettingsError for a variable that
        names no proxy; a login in it is not shown.
        """
        target = urlsplit(url)
        host = target.hostname or ""
        if target.scheme not in self._named or _is_this_machine(host):
            return None
        if self._exempts(host, target.port or _DEFAULT_PORTS[target.scheme]):
            return None
        name, value = self._named[target.scheme]
        try:
            return _parsed(value.reveal())
        except ValueError as error:
            raise SettingsError([Fault(name, str(error))]) from None

    def secrets(self) -> Iterator[Secret]:
        """Yield what must not be printed: logins and passwords, as written and as sent."""
        for _, value in self._named.values():
            login = value.reveal().rpartition("@")[0].rpartition("//")[2]
            for text in (login, login.partition(":")[2]):
                yield from (Secret(each) for each in {text, unquote(text)} if each)

    def _exempts(self, host: str, port: int) -> bool:
        """Tell whether NO_PROXY lists a host, with or without port, a domain of it, or `*`."""
        for entry in self._exempt.lower().split(","):
            name = entry.strip().lstrip(".")
            asked = f"{host}:{port}" if ":" in name else host
            if name == "*" or asked == name or (name and asked.endswith(f".{name}")):
                return True
        return False


DIRECT = Proxies()
"""No proxies."""


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    used = name if name in environ else name.upper()
    return used, environ.get(used, "").strip()


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _parsed(value: str) -> Proxy:
    """Return the proxy that a variable names; raises ValueError with a sentence."""
    _, at, place = value.rpartition("@")
    shown, hint = (f"{STARS}@{place}", _LOGIN_HINT) if at else (value, "")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        host, port = "", 0
    if port == 0 or not (_HOST.fullmatch(host) and value.isprintable()):
        raise ValueError(f"{shown!r} is no proxy like http://proxy.example:3128{hint}")
    if parts.scheme != "http":
        raise ValueError(f"{shown!r} should start with http://, other proxies are not supported")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{shown!r} should end after the proxy's host and port{hint}")
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return Proxy(host, port or _DEFAULT_PORTS["http"], Secret(login) if parts.username else None)
