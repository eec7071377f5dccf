"""What a web messaging guest does over HTTP: read its history, and put files where it was told."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from convoy.errors import RefusalError
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer, Transport
from convoy.routes.codes import UNEXPECTED_ANSWER, error_code
from convoy.secrets import Secret
from convoy.settings import Origin

_GOOD_STATUSES = range(200, 300)
# Read 2026-11-26 in https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk.
_HISTORY = "/api/v2/webmessaging/messages?pageSize={size}&pageNumber={number}"


class HistoryPage(msgspec.Struct, rename="camel"):
    """A page of a guest's messages; `total` counts those of all pages."""

    entities: list[msgspec.Raw]
    total: int = 0


def read_history(
    transport: Transport, jwt: Secret, deadline_s: float, *, size: int = 25, number: int = 1
) -> HistoryPage:
    """Return a page of the history of the guest whose `getJwt` brought the token.

    Raises WireError, and RefusalError for an answer that is no page of messages.
    """
    path = _HISTORY.format(size=size, number=number)
    headers = {"Authorization": f"Bearer {jwt.reveal()}", "Accept": "application/json"}
    answer = transport.exchange(_request("GET", transport.origin, path, headers), deadline_s)
    _check(answer)
    try:
        return msgspec.json.decode(answer.plain().body, type=HistoryPage)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RefusalError(UNEXPECTED_ANSWER, "no page of messages") from exc


def put_file(
    dialler: Dialler, url: Secret, headers: Mapping[str, str], data: bytes, deadline_s: float
) -> None:
    """Put a file where a presigned URL says, with the headers that came with it.

    Only an address that has an admission is connected to, whatever the URL says. Raises WireError,
    and RefusalError where the file is not taken.
    """
    try:
        parts = urlsplit(url.reveal())
        origin = Origin.parse(f"{parts.scheme}://{parts.netloc}")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        request = _request("PUT", origin, path, headers, data)
    except ValueError as exc:
        raise RefusalError(UNEXPECTED_ANSWER, "no URL to put a file") from exc
    transport = Transport(origin, dialler)
    try:
        _check(transport.exchange(request, deadline_s))
    finally:
        transport.close()


def _request(
    method: str, origin: Origin, path: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Return a request; raises ValueError for parts that would not be one line each."""
    given = {"Host": origin.host_header, "User-Agent": "convoy", **headers}
    given["Content-Length"] = str(len(body))
    lines = [f"{method} {origin.base_path}{path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    if not all(line.isprintable() and line.isascii() for line in lines) or " " in path:
        raise ValueError("a line of the request cannot be sent")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _check(answer: Answer) -> None:
    if answer.status not in _GOOD_STATUSES:
        raise RefusalError(error_code(answer.status, answer.plain().body))
