"""What a web messaging guest does over HTTP: read its history, and put files where it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import msgspec

from convoy.errors import RefusalError
from convoy.remote.addresses import is_public
from convoy.remote.guest_events import PresignedUrl
from convoy.remote.guests import Guests
from convoy.remote.http import OF_ALL, Answer, request_of
from convoy.remote.transport import Transport
from convoy.routes.codes import UNEXPECTED_ANSWER, UPLOAD_REFUSED, error_code
from convoy.secrets import Secret
from convoy.settings import Origin
from convoy.settings.origin import is_loopback
from convoy.untrusted_text import UNREADABLE

_GOOD_STATUSES = range(200, 300)
# Read 2026-11-26 in https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk.
_HISTORY = "/api/v2/webmessaging/messages?pageSize={size}&pageNumber={number}"
PAGE_SIZE, _MOST_PAGES = 25, 10
"""The size is the published clients'. That a guest may read ten a minute is said by
https://github.com/Safricloud-PTY-Ltd/genesys-cloud-headless-webmessage-reference, a third party,
read 2026-11-26."""
_UNTOLD = "an address with a secret in it"
_OF_FILES = ("x-amz-", "content-")
"""What the headers begin with that are taken from the server; the rest of a request is ours."""


class HistoryMessage(msgspec.Struct):
    """A message of a guest's history, by whomever; clients know by its id what they were told."""

    id: str = ""
    text: str | None = None


class HistoryPage(msgspec.Struct, rename="camel"):
    """A page of a guest's messages; `total` counts those of all pages."""

    entities: list[HistoryMessage]
    total: int = 0


class HistorySearch:
    """What a guest looks for in its history: messages that it was told of, and one that it sent.

    The former it knows by `ids`, the latter by a part of its text. What was found is looked for no
    longer.
    """

    __slots__ = ("_text", "ids")

    def __init__(self, ids: Iterable[str], text: str) -> None:
        self.ids = set(ids)
        self._text: str | None = text

    @property
    def has_text(self) -> bool:
        """True once the message that was sent has been found."""
        return self._text is None

    @property
    def is_over(self) -> bool:
        """True once all has been found."""
        return self.has_text and not self.ids

    def take(self, messages: Iterable[HistoryMessage]) -> None:
        """Look for it in a part of the history."""
        for each in messages:
            self.ids.discard(each.id)
            if self._text is not None and self._text in (each.text or ""):
                self._text = None

    def take_pages(self, read: Callable[[int], HistoryPage]) -> None:
        """Look for it page by page, each read by its number from 1 on, until all is found.

        It ends after the last page, and after ten pages, which is as many as a guest may read in a
        minute.
        """
        for number in range(1, _MOST_PAGES + 1):
            page = read(number)
            self.take(page.entities)
            if self.is_over or number * PAGE_SIZE >= page.total:
                return


def read_history(
    shared: Guests,
    api: Origin,
    jwt: Secret,
    deadline_s: float,
    number: int = 1,
) -> HistoryPage:
    """Return a page of the history of the guest whose `getJwt` brought the token.

    Raises WireError, and RefusalError for an answer that is no page of messages.
    """
    path = _HISTORY.format(size=PAGE_SIZE, number=number)
    headers = {"Authorization": f"Bearer {jwt.reveal()}"} | OF_ALL
    transport = Transport(api, shared.dialler)
    answer = _exchange(transport, request_of("GET", api, path, headers), deadline_s)
    try:
        return msgspec.json.decode(answer.plain().body, type=HistoryPage)
    except UNREADABLE as exc:
        raise RefusalError(UNEXPECTED_ANSWER, "no page of messages") from exc


def put_file(shared: Guests, place: PresignedUrl, data: bytes, deadline_s: float) -> None:
    """Put a file where a presigned URL says, with those headers that come with it and are of files.

    It goes to an origin of the target's own; with an approval, by https, also to any that stands
    for public addresses alone. Raises WireError, and RefusalError where the file is not taken, or
    would go elsewhere: nothing is sent then.
    """
    headers = {"User-Agent": "convoy"} | {
        name: value
        for name, value in place.headers.items()
        if name.lower().startswith(_OF_FILES) and name.lower() != "content-length"
    }
    url = place.url.reveal()
    try:
        parts = urlsplit(url)
        origin = Origin.parse(f"{parts.scheme}://{parts.netloc}")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        request = request_of("PUT", origin, path, headers, data)
    except ValueError as exc:
        raise RefusalError(UNEXPECTED_ANSWER, "no URL to put a file") from exc
    # Named only where it is no part of a secret.
    is_plain = shared.redact(url).startswith(f"{parts.scheme}://{parts.netloc}")
    where, host = (origin.url, origin.host) if is_plain else (_UNTOLD, _UNTOLD)

    def check(name: str, address: str) -> None:
        check_public(host, address, told=address if is_plain or address != name else _UNTOLD)

    dialler = shared.dialler
    if origin not in shared.origins:
        if not shared.is_approved:
            raise _refusal(where, "not an address of the target, which has no approval")
        if not origin.is_https:
            raise _refusal(where, "not https")
        check(origin.host, origin.host)  # a proxy would be asked for it unseen
        dialler = dialler.checking(check)
    _exchange(Transport(origin, dialler), request, deadline_s)


def check_public(host: str, address: str, *, told: str = "") -> None:
    """Raise RefusalError where an address of a host, or its name, is not of the public internet.

    The address is told, or what stands for it.
    """
    plain = address.rstrip(".")
    try:
        is_inside = not is_public(plain)
    except ValueError:
        is_inside = is_loopback(plain)
    if is_inside:
        raise _refusal(host, f"{told or address} is of this machine or of a private network")


def _refusal(where: str, why: str) -> RefusalError:
    return RefusalError(UPLOAD_REFUSED, f"the file was to be put to {where}: {why}")


def _exchange(transport: Transport, request: bytes, deadline_s: float) -> Answer:
    try:
        answer = transport.exchange(request, deadline_s)
    finally:
        transport.close()
    if answer.status not in _GOOD_STATUSES:
        raise RefusalError(error_code(answer.status, answer.plain().body))
    return answer
