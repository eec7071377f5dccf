"""The head of each request to the API: its first line and headers, kept by path for one token."""

from __future__ import annotations

from collections.abc import Mapping

from convoy.remote.oauth import Token
from convoy.settings import Origin

_MOST_KEPT = 64


class RequestHeads:
    """Makes the heads of the requests of one session, with `headers` besides its own.

    Heads of requests with a body are `kept` for the last `token`, by method and path: making one
    takes longer than sending it.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self.kept: dict[str, bytes] = {}
        self.token: Token | None = None
        self._origin = origin
        self._more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def of_body(self, token: Token, path: str, method: str) -> bytes:
        """Return what a request with a body begins with, up to the value of Content-Length.

        Raises ValueError for a path that no request can carry.
        """
        if token is not self.token or len(self.kept) >= _MOST_KEPT:
            self.kept.clear()
            self.token = token
        head = self._lines(token, path, method, "Content-Type: application/json\r\n")
        kept = self.kept[method + path] = head + b"Content-Length: "
        return kept

    def of_get(self, token: Token, path: str) -> bytes:
        """Return what a GET begins with; raises as `of_body`."""
        return self._lines(token, path, "GET", "")

    def _lines(self, token: Token, path: str, method: str, of_body: str) -> bytes:
        if not (path.startswith("/") and path.isascii() and path.isprintable()) or " " in path:
            raise ValueError(f"{path!r} is no path that a request can carry")
        origin = self._origin
        return (
            f"{method} {origin.base_path}{path} HTTP/1.1\r\nHost: {origin.host_header}\r\n"
            f"Authorization: Bearer {token.value.reveal()}\r\n{of_body}"
            "Accept: application/json\r\nAccept-Encoding: identity\r\n"
            f"User-Agent: convoy\r\n{self._more}"
        ).encode("ascii")
