"""The listings of the API: conversations to write to, page by page, and what else a GET answers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import msgspec

from convoy.errors import RefusedError, RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.remote.limits import retry_after_s
from convoy.remote.oauth import Token
from convoy.remote.participants import read_conversation
from convoy.remote.requests_client import cause_of, open_client, refusal_of, whole_answer
from convoy.routes.catalogue import ROUTES

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
ANY = "any"
"""As `state` or `type`: no filter."""
_LISTED_TOO_OFTEN = (
    "The token's budget is spent; wait a minute, or keep the conversations in a file (`cache`)."
)
PAGE_SIZE = 100
_MOST_PAGES = 200
"""20,000 conversations at 100 a page; well below what a token may ask for in a minute."""
_REST_AFTER_429_S = 1.0


class _Page(msgspec.Struct, rename="camel"):
    entities: list[msgspec.Raw]
    page_count: int | None = None


def find_conversations(
    origin_url: str,
    token: Token,
    *,
    timeout_s: float,
    page_size: int = PAGE_SIZE,
    state: str = "connected",
    type: str = "webchat",
    ca_file: str | None = None,
    admission: Admission = THIS_MACHINE,
    headers: Mapping[str, str] | None = None,
    route: str = "conversations",
) -> tuple[list[Conversation], int]:
    """Return the conversations in `state` and of `type` of a listing, each once, sorted by id.

    They are sorted so that the pool does not depend on the order in which the remote lists them.
    With them comes the number of those that were left out, because their id, state, type or
    participants are not what they should be. `route` is the listing; `timeout_s` and `headers` are
    for each page.
    Raises RemoteError with the remote's code and correlation id, RefusedError for a listing of more
    than 200 pages.
    """
    url = origin_url.rstrip("/") + ROUTES[route].path
    asked_for = [None if each == ANY else each for each in (state, type)]
    found: dict[str, Conversation] = {}
    left_out = 0
    with open_client(origin_url, admission, ca_file, headers) as client:
        client.headers["Authorization"] = f"Bearer {token.value.reveal()}"
        for number in range(1, _MOST_PAGES + 1):
            asked = {"pageSize": page_size, "pageNumber": number}
            page = read_json(client, url, "conversations", _Page, timeout_s, asked)
            for entity in page.entities:
                each = read_conversation(entity)
                if each is None:
                    left_out += 1
                elif each.is_of(*asked_for):
                    found[each.id] = each.for_pool()
            if _is_last(page, number, page_size):
                return [found[id] for id in sorted(found)], left_out
    raise RefusedError(
        f"{url} lists more than {_MOST_PAGES} pages of {page_size} conversations; "
        "give the conversations in a file instead"
    )


def read_json(
    client: requests.Session,
    url: str,
    what: str,
    type: type[T],
    timeout_s: float,
    params: Mapping[str, int] | None = None,
) -> T:
    """Return what a GET answers; raises RemoteError with its code, and `what` was asked for."""
    import requests

    try:
        answer = whole_answer(client, "GET", url, timeout_s, params)
    except requests.RequestException as exc:
        raise RemoteError(f"{url} did not give {what}: {cause_of(exc)}") from exc
    if answer.status_code != 200:
        is_too_often = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        refusal = refusal_of(answer, url, what, advice=_LISTED_TOO_OFTEN * is_too_often)
        headers = {name.lower().encode(): each.encode() for name, each in answer.headers.items()}
        refusal.retry_after_s = retry_after_s(headers)
        if is_too_often and refusal.retry_after_s is None:
            refusal.retry_after_s = _REST_AFTER_429_S
        raise refusal
    try:
        return msgspec.json.decode(answer.content, type=type)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RemoteError(f"{url} answered 200, but not {what}: {exc}") from exc


def _is_last(page: _Page, number: int, page_size: int) -> bool:
    if page.page_count is not None:
        return number >= page.page_count
    return len(page.entities) < page_size
