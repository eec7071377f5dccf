"""HTTP proxies: which one leads to an origin, and the tunnel through it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from convoy.errors import Fault, SettingsError
from convoy.remote.connection import Connection
from convoy.remote.wire_faults import ProxyError, ProxyRefusedError
from convoy.secrets import Secret
from convoy.settings import Origin

_VARIABLE = "_proxy"
"""What the names of variables that name proxies end in, in either case."""
_LOGIN_NEEDED = 407
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r]")
_HEAD_END = b"\r\n\r\n"
_MOST_HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `login` is `user:password`, None where it needs none."""

    origin: Origin
    login: Secret | None = None

    @property
    def authorization(self) -> Secret | None:
        """The value of Proxy-Authorization, HTTP Basic (RFC 7617)."""
        if self.login is None:
            return None
        return Secret("Basic " + b64encode(self.login.reveal().encode()).decode())


def proxy_to(origin: Origin) -> Proxy | None:
    """Return the proxy that the environment names for `origin`, None for a direct connection.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read as `requests` reads them, but this
    machine is always reached directly. Raises SettingsError for a proxy that does not begin with
    http://, and for any proxy to an http origin, because only tunnels to https origins are
    supported. The message shows no login.
    """
    if origin.is_loopback:
        return None
    # Imported here: this module may be imported before gevent has patched the sockets.
    from requests.utils import get_environ_proxies, select_proxy

    named = get_environ_proxies(origin.url)
    value = (select_proxy(origin.url, named) or "").strip()
    if not value:
        return None
    problem = "proxies lead to https targets only; give it an https address"
    if origin.is_https:
        try:
            return _parsed(value)
        except ValueError:
            problem = "only proxies like http://proxy.example:3128 are supported; name one"
    variable = f"{origin.scheme if origin.scheme in named else 'all'}_proxy".upper()
    # Its value may hold a login, however that is written.
    told = f"names the proxy on the way to {origin.url}, but {problem}"
    raise SettingsError([Fault(variable, f"{told}, or list {origin.host} in NO_PROXY")])


def proxy_secrets(environ: Mapping[str, str]) -> Iterator[Secret]:
    """Yield the logins of all proxies that an environment names, whatever they are for.

    With each comes its password or, without one, its user, because that opens the proxy then, and
    what is sent of it.
    """
    for name, value in environ.items():
        for encoding in ("utf-8", "latin-1") if name.lower().endswith(_VARIABLE) else ():
            _, user, password, _ = _parts(value.strip(), encoding)
            if user or password:
                login = f"{user}:{password}"
                yield Secret(login)
                yield Secret(password or user)
                yield Secret(b64encode(login.encode(errors="surrogateescape")).decode())


def _parsed(value: str) -> Proxy:
    """Return the proxy that a variable names; raises ValueError for one that is not supported."""
    scheme, user, password, place = _parts(value)
    origin = Origin.parse(f"{scheme}://{place}")
    # A value that is not UTF-8 is not printable either.
    if origin.is_https or origin.base_path or not value.isprintable():
        raise ValueError
    return Proxy(origin, Secret(f"{user}:{password}") if user else None)


def _parts(value: str, encoding: str = "utf-8") -> tuple[str, str, str, str]:
    """Return scheme, user, password and the rest of a proxy's address."""
    scheme, rest = value.split("://", 1) if "://" in value else ("http", value)
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    return scheme, unquote(user, encoding), unquote(password, encoding), place


def open_tunnel(connection: Connection, proxy: Proxy, origin: Origin, deadline_s: float) -> None:
    """Open a tunnel to `origin` by CONNECT, on a new connection to the proxy.

    Raises ProxyRefusedError for a status other than 2xx, ProxyError for any other answer or none.
    """
    login = proxy.authorization
    request = (
        f"CONNECT {origin.authority} HTTP/1.1\r\nHost: {origin.authority}\r\nUser-Agent: convoy\r\n"
    )
    if login is not None:
        request += f"Proxy-Authorization: {login.reveal()}\r\n"
    connection.write(f"{request}\r\n".encode("ascii"))
    head = b""
    while _HEAD_END not in head and len(head) <= _MOST_HEAD_BYTES:
        data = connection.read_some(deadline_s)
        if not data:
            raise ProxyError(f"{proxy.origin.url} closed the connection")
        head += data
    told = _STATUS_LINE.match(head)
    status = int(told[1]) if told is not None and _HEAD_END in head else 0
    # In a tunnel to a TLS server the client sends first: bytes after the head are no tunnel.
    if not status or (200 <= status < 300 and not head.endswith(_HEAD_END)):
        raise ProxyError(f"what listens at {proxy.origin.url} does not answer as a proxy")
    if status == _LOGIN_NEEDED:
        wish = "wants user name and password" if login is None else "takes another login"
        raise ProxyRefusedError(f"{proxy.origin.url} answered {status}; it {wish}")
    if not 200 <= status < 300:
        raise ProxyRefusedError(f"{proxy.origin.url} answered {status}")
