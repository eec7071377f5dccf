"""A request as the handlers see it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec

from simulator.answers import Answer
from simulator.model.tokens import Token
from simulator.world import World


class Call(msgspec.Struct):
    """One request with its whole body; header names are lower case.

    `body_bytes` is how long the body was, also where it was not kept;
    `came_to` is the address and port that its connection arrived at; `path_values` are the variable
    parts of the path; `token` is set on routes that need one;
    `token_text` is what the Authorization header bears, or "".
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    correlation_id: str
    is_too_large: bool = False
    body_bytes: int = 0
    came_to: str = ""
    path_values: tuple[str, ...] = ()
    token: Token | None = None

    @property
    def token_text(self) -> str:
        scheme, _, text = self.headers.get(b"authorization", b"").partition(b" ")
        return text.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""

    @property
    def base_url(self) -> str:
        """Where its client reached the simulator."""
        return f"http://{self.headers.get(b'host', b'').decode('latin-1')}"

    def comes_from_another_origin(self, bound: str) -> bool:
        """Tell whether a page of another origin may have had a browser send this.

        A browser names the page's origin, or how it stands to this one (https://fetch.spec.whatwg.org
        and https://www.w3.org/TR/fetch-metadata, read 2026-11-26); no other client does. `bound` is
        the host that the simulator was told to listen at, which may be a name.
        """
        origin = self.headers.get(b"origin")
        host = self.headers.get(b"host", b"")
        if origin is not None and origin.rpartition(b"://")[2] != host:
            return True
        # A name may have been pointed here by whoever made the page, which can also choose how its
        # browser calls itself. On other machines programs know a simulator by any name.
        is_browser = origin is not None or self.headers.get(b"user-agent", b"")[:7] == b"Mozilla"
        is_its_own = _is_its_own(host.decode("latin-1").lower(), bound.lower())
        if not is_its_own and (is_browser or self._came_to_this_machine):
            return True
        # A prefetch by a page's speculation rules has `none`, as an address that was typed.
        is_prefetch = b"sec-purpose" in self.headers
        return is_prefetch or self.headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site")

    @property
    def _came_to_this_machine(self) -> bool:
        try:
            return ipaddress.ip_address(self.came_to.partition(" ")[0]).is_loopback
        except ValueError:  # it did not come over a network
            return False

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last counts."""
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))


def _is_its_own(host: str, bound: str) -> bool:
    """Return whether a Host header, port or not, has an address, `localhost` or what is `bound`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", bound) or name.endswith(".localhost")
    return True


Handle = Callable[[World, Call], Answer]
