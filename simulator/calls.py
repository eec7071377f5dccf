"""A request as the handlers see it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec

from simulator.answers import Answer
from simulator.model.rejection import Rejection
from simulator.model.tokens import Token
from simulator.world import World

FOREIGN = Rejection("not.authorized", "A page of another origin may not use the simulator.")


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

        `bound` is the host that the simulator was told to listen at, which may be a name.
        """
        origin, host = self.headers.get(b"origin"), self.headers.get(b"host", b"")
        if origin is not None and origin.rpartition(b"://")[2] != host:
            return True
        # Also who calls itself no browser: a page can choose what its browser calls itself. On
        # other machines programs know a simulator by any name.
        is_its_own = _is_its_own(host.decode("latin-1"), bound)
        if not is_its_own and (origin is not None or self._came_to_this_machine):
            return True
        return self.comes_from_another_site(bound)

    def comes_from_another_site(self, bound: str) -> bool:
        """Tell whether a browser sent this that shows a page from elsewhere.

        Less than an origin: guests say that of the page that they write from, as deployments ask.
        """
        return is_of_another_site(
            lambda name: self.headers.get(name.lower().encode(), b"").decode("latin-1"), bound
        )

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


def is_of_another_site(header: Callable[[str], str], bound: str) -> bool:
    """Return whether headers are those of a browser that shows a page from elsewhere.

    It says how the page stands to this one (https://www.w3.org/TR/fetch-metadata, read 2026-11-26),
    for a WebSocket Chromium only by its origin, or calls this one by a name that it does not have:
    whoever made the page may have pointed that here. A prefetch by a page's speculation rules has
    `none`, as an address that was typed.
    """
    site, origin, host = header("Sec-Fetch-Site"), header("Origin"), header("Host")
    if site in ("cross-site", "same-site") or header("Sec-Purpose"):
        return True
    if not site and not header("User-Agent").startswith("Mozilla"):
        return False  # no browser
    is_of_another = not site and origin and origin.rpartition("://")[2] != host
    return bool(is_of_another) or not _is_its_own(host, bound)


def _is_its_own(host: str, bound: str) -> bool:
    """Return whether a Host header, port or not, has an address, `localhost` or what is `bound`."""
    host, bound = host.lower(), bound.lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", bound) or name.endswith(".localhost")
    return True


Handle = Callable[[World, Call], Answer]
