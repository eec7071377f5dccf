"""A client that asks an API one thing after the other, as slowly as the limits of its token ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from math import inf
from typing import TypeVar

import gevent
import msgspec

from convoy.errors import RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.api_client import PASSING_STATUSES, refusal_of
from convoy.remote.connections import Connections
from convoy.routes.answers import AnswerRule
from convoy.routes.catalogue import Route
from convoy.routes.codes import meaning
from convoy.settings import Settings

T = TypeVar("T")
_TRIES = 3
_MOST_WAITS = 5
"""For one request, each as long as a 429 asks: a budget that others spend may never be there."""
_LONGEST_WAIT_S = 600.0
_PAUSE_S = 1.0
_TOLD_FROM_S = 3.0
_NO_RULE = AnswerRule({})
"""An answer may come again and again; what it holds is looked at here."""


class PacedClient(AbstractContextManager["PacedClient"]):
    """Asks what is no message, in a session of its own; to be used in a `with` block.

    It keeps to the limits, obeys a 429, logs in again after a 401, and asks again where a fault may
    pass: all that it asks for may be asked twice. Under an approval it keeps to the rate of that,
    too, and it asks for nothing once the kill switch is on. `tell` is called with a sentence where
    it has to wait for long.
    """

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        tell: Callable[[str], None],
        *,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self.url = connections.api.url
        self.redact = connections.redact
        """Hides secrets in what is kept of an answer."""
        self._session = connections.open_session(connections.token_kinds[0])
        self._kill_switch = connections.kill_switch
        own = [each for each in settings.limits if each.scope == "token"]
        self.most_at_once = min((each.count for each in own), default=inf)
        """So many requests can be asked without a pause."""
        self.is_even = False
        """Whether requests are evenly apart, so that none has to wait until a window is over."""
        self._gap_s = max((each.per_s / each.count for each in own), default=0.0)
        self._asked_s = -inf
        self._timeout_s = settings.request_timeout_s
        self._tell = tell
        self._clock = connections.clock
        self._sleep = sleep

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, route: Route, values: Mapping[str, str], type: type[T], body: object = None) -> T:
        """Return the answer to a request; `values` are for the placeholders of the route's path.

        Raises RemoteError, whose `code` begins with the status of the answer, and LoginError.
        """
        conversation = Conversation(values.get("conversation_id", ""))
        path = route.path_to(values)(conversation)
        answer = self._answer(route, path, None if body is None else msgspec.json.encode(body))
        try:
            return msgspec.json.decode(answer or b"null", type=type)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise RemoteError(f"{self.url}{path} did not answer what it should: {exc}") from exc

    def _answer(self, route: Route, path: str, body: bytes | None) -> bytes:
        url, faults, waits = self.url + path, 0, 0
        while True:
            if self._kill_switch is not None:
                self._kill_switch.check()
            self._await_budget()
            attempt = self._session.post(path, body, self._timeout_s, _NO_RULE, "", route.method)
            answer, status, now_s = attempt.answer, attempt.status, self._clock()
            is_soon = self._session.ready_at(now_s) <= now_s + _LONGEST_WAIT_S
            if answer is not None and status in route.accepts:
                return answer.body
            if (answer is None or status in PASSING_STATUSES) and faults < _TRIES - 1:
                faults += 1
                self._sleep(_PAUSE_S)
            elif status == HTTPStatus.TOO_MANY_REQUESTS and waits < _MOST_WAITS and is_soon:
                waits += 1
            elif answer is None:
                raise RemoteError(f"no answer from {url}: {meaning(attempt.code)}")
            else:
                what, permission = route.name.replace("_", " "), route.permission
                raise refusal_of(answer, url, what, permission=permission)

    def _await_budget(self) -> None:
        if self.is_even and (pause_s := self._asked_s + self._gap_s - self._clock()) > 0:
            self._sleep(pause_s)
        self._asked_s = self._clock()
        told = False
        while (left_s := self._session.ready_at(self._clock()) - self._clock()) > 0:
            if left_s > _TOLD_FROM_S and not told:
                told = True
                self._tell(f"the token's budget is spent; going on in {left_s:.0f} s")
            self._sleep(left_s)
