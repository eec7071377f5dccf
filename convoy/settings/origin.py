"""Origins: the scheme, host and port that requests go to, and whether that is this machine.

A gateway may have the API below a path of its own, which an address then ends with.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_OWN_PATHS = ("/api/v2", "/oauth/token")
_EXPECTED = "should be http://host[:port] or https://host[:port], with a gateway's path at most"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: scheme (`http` or `https`), host in lower case, port.

    `base_path` is what every path begins with, "" or `/like/this`; it is no part of the origin
    itself, so that two that differ in it alone are equal.
    """

    scheme: str
    host: str
    port: int
    base_path: str = field(default="", compare=False)

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of `url`; raises ValueError, which says what `url` should be.

        The message never repeats a user name or a password.
        """
        if "@" in url:
            raise ValueError("should hold no user name or password")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except ValueError:
            raise ValueError(_EXPECTED) from None
        # `urlsplit` silently drops line ends and tabs, so the text itself is checked, too.
        is_origin = parts.scheme in _DEFAULT_PORTS and _HOST.fullmatch(host) and port != 0
        if not is_origin or not url.isprintable():
            raise ValueError(_EXPECTED)
        base_path = parts.path.rstrip("/")
        if parts.query or parts.fragment or not _BASE_PATH.fullmatch(base_path):
            raise ValueError(_EXPECTED)
        if {".", ".."} & set(base_path.split("/")):
            raise ValueError(_EXPECTED)
        for own in _OWN_PATHS:
            if base_path.endswith(own):
                raise ValueError(f"should end before {own}, which Convoy adds itself")
        return cls(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], base_path)

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """True when the host is this machine by its name or address alone; nothing is looked up."""
        return is_loopback(self.host)

    @property
    def authority(self) -> str:
        """Host and port, the latter always given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The value of the Host header: no port where it is the scheme's own."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.authority.rpartition(":")[0] if is_default else self.authority

    @property
    def url(self) -> str:
        """The origin and its base path as an address without a slash at its end."""
        return f"{self.scheme}://{self.host_header}{self.base_path}"


def is_certainly_loopback(host: str) -> bool:
    """Tell whether a host is this machine whatever resolves it, as `a.localhost` need not be."""
    return is_loopback(host) and not host.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Tell whether a host name (RFC 6761) or an address always means this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return bool((getattr(address, "ipv4_mapped", None) or address).is_loopback)
