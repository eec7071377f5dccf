"""A client for what is no message: it asks an API one thing after the other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

import gevent
import msgspec

from convoy.errors import RemoteError, WireError
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer, Transport
from convoy.remote.limits import rest_after_429_s, retry_after_s
from convoy.remote.oauth import Token
from convoy.remote.request_head import OF_ALL, request_of
from convoy.remote.tls import tls_context
from convoy.routes.codes import error_code, meaning
from convoy.routes.refusals import read_refusal
from convoy.settings import Origin

T = TypeVar("T")
PASSING_STATUSES = (500, 502, 503, 504)
_PASSING_CODES = ("connection closed", "connection reset")
_PAUSES_S = (0.0, 0.4, 0.8)
"""Before each further try of a GET, which changes nothing."""
_MOST_BYTES = 2**24
_ASKED_TOO_OFTEN = (
    "The token's budget is spent; wait a minute, or keep the conversations in a file (`cache`)."
)


class ApiClient(AbstractContextManager["ApiClient"]):
    """Asks an API over a connection of its own, to what has an admission; for a `with` block."""

    def __init__(
        self,
        url: str,
        admission: Admission,
        ca_file: str | None = None,
        headers: Mapping[str, str] | None = None,
        token: Token | None = None,
    ) -> None:
        origin = Origin.parse(url)
        self.url = origin.url
        tls = tls_context(ca_file) if origin.is_https else None
        dialler = Dialler(AddressBook(admission), tls=tls)
        self._transport = Transport(origin, dialler, max_answer_bytes=_MOST_BYTES)
        bearer = {"Authorization": f"Bearer {token.value.reveal()}"} if token else {}
        self._headers = bearer | OF_ALL | dict(headers or {})

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    @property
    def peer(self) -> str:
        """Where its last connection led to, `address port`."""
        return self._transport.peer

    def get(self, path: str, timeout_s: float, **params: str | int) -> Answer:
        """Return what a GET answers, asked for again where that may help; raises WireError."""
        deadline_s = self._transport.dialler.clock() + timeout_s
        query = f"?{urlencode(params)}" if params else ""
        request = request_of("GET", self._transport.origin, path + query, self._headers)
        for pause_s in _PAUSES_S:
            try:
                answer = self._transport.exchange(request, deadline_s)
                if answer.status not in PASSING_STATUSES:
                    return answer.plain()
            except WireError as exc:
                if exc.code not in _PASSING_CODES:
                    raise
            gevent.sleep(pause_s)
        return self._transport.exchange(request, deadline_s).plain()

    def read(self, path: str, what: str, type: type[T], timeout_s: float, **params: str | int) -> T:
        """Return what a GET answers; raises RemoteError with its code, and `what` was asked for."""
        url = self.url + path
        try:
            answer = self.get(path, timeout_s, **params)
        except WireError as exc:
            raise RemoteError(f"{url} did not give {what}: {meaning(exc.code)}") from exc
        if answer.status != HTTPStatus.OK:
            is_too_often = answer.status == HTTPStatus.TOO_MANY_REQUESTS
            refusal = refusal_of(answer, url, what, advice=_ASKED_TOO_OFTEN * is_too_often)
            after_s = rest_after_429_s if is_too_often else retry_after_s
            refusal.retry_after_s = after_s(answer.headers)
            raise refusal
        try:
            return msgspec.json.decode(answer.body, type=type)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise RemoteError(f"{url} answered 200, but not {what}: {exc}") from exc


def refusal_of(
    answer: Answer, url: str, what: str, *, advice: str = "", permission: str = ""
) -> RemoteError:
    """Return what an answer that says no means, with its code; `what` was asked for.

    `advice` stands in the place of what the code usually means. The `permission` that it takes is
    named, or those that the answer itself says are missing.
    """
    status, code = answer.status, error_code(answer.status, answer.body)
    told = (
        f"{url} answered {status} ({code}, correlation id {answer.correlation_id or 'none given'}) "
        f"when asked for {what}. {advice or meaning(code)}"
    )
    if permission and status == HTTPStatus.FORBIDDEN:
        told += f" It takes the permission {permission}."
    elif missing := read_refusal(answer.body).permissions:
        told += f" It lacks {', '.join(missing)}."
    refusal = RemoteError(told.rstrip())
    refusal.code = code
    return refusal
