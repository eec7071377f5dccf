"""Origins: the scheme, host and port that requests go to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: scheme (`http` or `https`), host in lower case, port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Return the origin of `url`; raises ValueError with a sentence for the operator."""
        if "@" in url:
            raise ValueError("an address must not carry a user name or a password")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except ValueError as exc:
            raise ValueError(f"{url!r} is no address like https://api.mypurecloud.de") from exc
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"{url!r} must start with http:// or https://")
        if not _HOST.fullmatch(host) or port == 0:
            raise ValueError(f"{url!r} names no host and port to connect to")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"{url!r} must end after the host and port: paths are added to it")
        return cls(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

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
        """The origin as an address without a slash at its end."""
        return f"{self.scheme}://{self.host_header}"
