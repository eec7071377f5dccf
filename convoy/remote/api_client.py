"""A client for what is no message: it asks an API one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from math import inf
from typing import TypeVar
from urllib.parse import urlencode

import gevent
import msgspec

from convoy.errors import RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.http import Answer
from convoy.remote.limits import rest_after_429_s
from convoy.remote.session import ApiSession
from convoy.routes.answers import AnswerRule
from convoy.routes.catalogue import Route
from convoy.routes.codes import error_code, meaning
from convoy.routes.refusals import read_refusal
from convoy.settings import Settings
from convoy.untrusted_text import UNREADABLE, readable

T = TypeVar("T")
_TRIES = 3
_PASSING_STATUSES = (500, 502, 503, 504)
_MOST_WAITS = 5
"""For one request, each as long as a 429 asks: a budget that others spend may never be there."""
_PAUSE_S = 1.0
_NO_RULE = AnswerRule({})
"""Takes no answer for a route's own: statuses and bodies are judged here. The rule of a route would
refuse an answer whose id came before, and the same thing may be asked for again."""


class ApiClient(AbstractContextManager["ApiClient"]):
    """Sends what is no message over a session, which it closes at the end of a `with` block.

    It keeps to the limits, obeys a 429, logs in again after a 401, and asks again where a fault may
    pass: all that it asks for may be asked twice. It keeps to an approved rate where its session
    does, and asks for nothing once the kill switch is on. Each wait is within a `with` block of
    what `waiting` returns, which is called with what is waited for and for how long. `patience_s`
    is how long a request waits at most for limits that are spent, by default `prepare_timeout_s`.
    """

    def __init__(
        self,
        session: ApiSession,
        settings: Settings,
        waiting: Callable[[str, float], AbstractContextManager[None]] = lambda *_: nullcontext(),
        *,
        patience_s: float | None = None,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self.url = session.transport.origin.url
        self.redact = session.redact
        own = [each for each in settings.limits if each.scope == "token"]
        self.most_at_once = min((each.count for each in own), default=inf)
        """So many requests can be asked without a pause."""
        self.is_even = False
        """Whether requests are evenly apart, so that none has to wait until a window is over."""
        self._gap_s = max((each.per_s / each.count for each in own), default=0.0)
        self._asked_s = -inf
        self._session = session
        self._timeout_s = settings.request_timeout_s
        self._patience_s = settings.prepare_timeout_s if patience_s is None else patience_s
        self._waiting = waiting
        self._sleep = sleep

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(
        self,
        route: Route,
        values: Mapping[str, str],
        type: type[T],
        body: object = None,
        **params: str | int,
    ) -> T:
        """Return the answer to a request; `values` are for the placeholders of the route's path.

        Raises RemoteError, whose `code` begins with the status of the answer, and LoginError.
        """
        conversation = Conversation(values.get("conversation_id", ""))
        path = route.path_to(values)(conversation) + f"?{urlencode(params)}" * bool(params)
        answer = self._answer(route, path, None if body is None else msgspec.json.encode(body))
        try:
            return msgspec.json.decode(answer or b"null", type=type)
        except UNREADABLE as exc:
            raise RemoteError(f"{self.url}{path} did not answer what it should: {exc}") from exc

    def _answer(self, route: Route, path: str, body: bytes | None) -> bytes:
        url, faults, waits, patience_s = self.url + path, 0, 0, self._patience_s
        while True:
            self._session.transport.dialler.kill_switch.check()
            self._await_budget()
            attempt = self._session.post(path, body, self._timeout_s, _NO_RULE, "", route.method)
            answer, status, rest_s = attempt.answer, attempt.status, inf
            if answer is not None and status in route.accepts:
                return answer.body
            if answer is not None and status == HTTPStatus.TOO_MANY_REQUESTS:
                rest_s = rest_after_429_s(answer.headers)
            if (answer is None or status in _PASSING_STATUSES) and faults < _TRIES - 1:
                faults += 1
                self._sleep(_PAUSE_S)
            elif waits < _MOST_WAITS and rest_s <= patience_s:
                waits, patience_s = waits + 1, patience_s - rest_s
                self._wait(rest_s)
            elif answer is None:
                raise RemoteError(f"no answer from {url}: {meaning(attempt.code)}")
            else:
                what = route.name.replace("_", " ")
                raise refusal_of(answer, url, what, route.permission, self.redact)

    def _await_budget(self) -> None:
        clock = self._session.clock
        if self.is_even and (pause_s := self._asked_s + self._gap_s - clock()) > 0:
            self._sleep(pause_s)
        self._asked_s = clock()
        while (left_s := self._session.ready_at(clock()) - clock()) > 0:
            if left_s > self._patience_s:  # a server may say when its window ends, and says so much
                raise RemoteError(f"the token's budget at {self.url} is spent for {left_s:,.0f} s")
            self._wait(left_s)

    def _wait(self, for_s: float) -> None:
        with self._waiting(f"the token's budget at {self.url}", for_s):
            self._sleep(for_s)


def refusal_of(
    answer: Answer,
    url: str,
    what: str,
    permission: str = "",
    redact: Callable[[str], str] = str,
) -> RemoteError:
    """Return what an answer that says no means, with its code; `what` was asked for.

    The permissions that the answer itself says are missing are named, else the `permission` that it
    takes.
    """
    status, code = answer.status, error_code(answer.status, answer.body)
    told = (
        f"{url} answered {status} ({code}, correlation id {answer.correlation_id or 'none given'}) "
        f"when asked for {what}. {meaning(code)}"
    )
    # Redacted before it is read: what looks like a permission may be a part of a secret.
    body = readable(answer.body, redact).encode()
    if missing := read_refusal(body).permissions:
        told += f" It lacks {', '.join(missing)}."
    elif permission and status == HTTPStatus.FORBIDDEN:
        told += f" It takes the permission {permission}."
    refusal = RemoteError(told.rstrip())
    refusal.code = code
    return refusal
