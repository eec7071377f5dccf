"""Requests as they are written: first line, headers and body, for all that is not kept ready."""

from __future__ import annotations

from collections.abc import Mapping

from convoy.settings import Origin

OF_ALL = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "convoy"}
"""What every request to an API says, besides its own headers. A packed answer would be unpacked
while other messages wait."""


def head_of(method: str, origin: Origin, path: str, headers: Mapping[str, str]) -> bytes:
    """Return what a request begins with, up to the headers on its body.

    Raises ValueError for a path or a header that no request can carry.
    """
    if not path.startswith("/") or " " in path or not (path.isascii() and path.isprintable()):
        raise ValueError(f"{path!r} is no path that a request can carry")
    given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    # One end of a line for each header: another one, within a value, would begin a header of its
    # own, and is not printable.
    if not given.isascii() or not given.replace("\r\n", "", len(headers)).isprintable():
        raise ValueError("there is a header that no request can carry")
    first = f"{method} {origin.base_path}{path} HTTP/1.1\r\nHost: {origin.host_header}\r\n"
    return f"{first}{given}".encode("ascii")


def request_of(
    method: str, origin: Origin, path: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Return a whole request; raises as `head_of`."""
    length = f"Content-Length: {len(body)}\r\n" if method != "GET" else ""
    return head_of(method, origin, path, headers) + f"{length}\r\n".encode() + body
