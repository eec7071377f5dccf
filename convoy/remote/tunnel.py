"""What is said to an HTTP proxy: CONNECT for https origins, the absolute form for http ones.

That is what curl and requests do: proxies commonly refuse CONNECT to other ports than 443.
"""

from __future__ import annotations

import re

from convoy.remote.connection import Connection
from convoy.remote.origin import Origin
from convoy.remote.wire_faults import ProxyError, ProxyRefusedError
from convoy.settings import Proxy

PROXY_LOGIN_NEEDED = 407
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r]")
_HEAD_END = b"\r\n\r\n"
_MOST_HEAD_BYTES = 65_536


def open_tunnel(connection: Connection, proxy: Proxy, origin: Origin, deadline_s: float) -> None:
    """Have the proxy at the other end of a fresh connection connect it to `origin`.

    Raises ProxyRefusedError when it says no, ProxyError for any other end than a tunnel.
    """
    request = (
        f"CONNECT {origin.authority} HTTP/1.1\r\nHost: {origin.authority}\r\n"
        f"User-Agent: convoy\r\n{_login_header(proxy)}\r\n"
    )
    connection.write_all(request.encode("ascii"), deadline_s)
    head = b""
    while _HEAD_END not in head and len(head) <= _MOST_HEAD_BYTES:
        data = connection.read_some(deadline_s)
        if not data:
            raise ProxyError(f"{proxy.address} closed the connection")
        head += data
    told = _STATUS_LINE.match(head)
    if told is None or not head.endswith(_HEAD_END):
        # Nobody speaks in a tunnel before us, so what follows the head is no part of one either.
        raise ProxyError(f"what listens at {proxy.address} does not answer as a proxy")
    if not told[1].startswith(b"2"):
        raise refusal(proxy, int(told[1]))


def in_absolute_form(request: bytes, origin: Origin, proxy: Proxy) -> bytes:
    """Return a request as a proxy takes it: for an address instead of a path, with the login."""
    line, separator, rest = request.partition(b"\r\n")
    method, _, target = line.partition(b" ")
    url, login = origin.url.encode("ascii"), _login_header(proxy).encode("ascii")
    return b"".join((method, b" ", url, target, separator, login, rest))


def refusal(proxy: Proxy, status: int) -> ProxyRefusedError:
    """Return the fault of a proxy that answered instead of passing anything on."""
    wish = ""
    if status == PROXY_LOGIN_NEEDED:
        has_login = proxy.login is not None
        wish = "; it takes another login" if has_login else "; it wants user name and password"
    return ProxyRefusedError(f"{proxy.address} answered {status}{wish}")


def _login_header(proxy: Proxy) -> str:
    login = proxy.authorization
    return "" if login is None else f"Proxy-Authorization: {login.reveal()}\r\n"
