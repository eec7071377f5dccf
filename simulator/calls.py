"""A request as the handlers see it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec

from simulator.answers import Answer
from simulator.model.tokens import Token
from simulator.world import World


class Call(msgspec.Struct):
    """One request with its whole body; header names are lower case.

    `path_values` are the variable parts of the path; `token` is set on routes that need one;
    `token_text` is what the Authorization header bears, or "".
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    correlation_id: str
    is_too_large: bool = False
    path_values: tuple[str, ...] = ()
    token: Token | None = None

    @property
    def token_text(self) -> str:
        scheme, _, text = self.headers.get(b"authorization", b"").partition(b" ")
        return text.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""

    @property
    def comes_from_another_origin(self) -> bool:
        """True for what a page of another origin has a browser send.

        A browser names the page's origin, or how it stands to this one (https://fetch.spec.whatwg.org
        and https://www.w3.org/TR/fetch-metadata, read 2026-11-26); no other client does.
        """
        origin = self.headers.get(b"origin")
        host = self.headers.get(b"host", b"")
        is_own = origin is None or origin.rpartition(b"://")[2] == host
        return not is_own or self.headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site")

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last counts."""
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))


Handle = Callable[[World, Call], Answer]
