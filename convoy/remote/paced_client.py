"""A client that asks an API one thing after the other, as slowly as the limits of its token ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import gevent
import msgspec

from convoy.errors import RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.connections import Connections
from convoy.remote.limits import Budget, Limit, retry_after_s
from convoy.remote.oauth import OAuthSession
from convoy.remote.requests_client import (
    PASSING_STATUSES,
    cause_of,
    open_client,
    refusal_of,
    whole_answer,
)
from convoy.routes.catalogue import Route
from convoy.settings import Settings

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
_TRIES = 3
_MOST_WAITS = 5
"""For one request, each as long as a 429 asks: a budget that others spend may never be there."""
_LONGEST_WAIT_S = 600.0
_PAUSE_S = 1.0
_TOLD_FROM_S = 3.0


class PacedClient:
    """Asks what is no message, with a token of its own; to be used in a `with` block.

    It keeps to the limits of a token whatever the run did, obeys a 429, logs in again after a 401,
    and asks again where a fault may pass: all that it asks for may be asked twice. Under an
    approval it keeps to the rate of that, too, and it asks for nothing once the kill switch is on.
    `tell` is called with a sentence where it has to wait for long.
    """

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        target = settings.target
        self.url = target.api_url.rstrip("/")
        # Each request spends the budget, so that none is repeated out of its sight.
        self._client = open_client(
            target.api_url,
            connections.admission,
            target.ca_file,
            connections.headers,
            repeats=False,
        )
        self._pace, self._kill_switch = connections.pace, connections.kill_switch
        self.redact = connections.redact
        """Hides secrets in what is kept of an answer."""
        self._client.headers["Content-Type"] = "application/json"
        log_in = partial(connections.log_in, connections.token_kinds[0])
        self._oauth = OAuthSession(
            log_in, refresh_before_s=settings.oauth.refresh_before_s, clock=clock
        )
        limits = [Limit(each.scope, each.count, each.per_s) for each in settings.limits]
        own = [each for each in limits if each.scope == "token"]
        self._budget = Budget(own)
        self.most_at_once = min((each.count for each in own), default=inf)
        """So many requests can be asked without a pause."""
        self.is_even = False
        """Whether requests are evenly apart, so that none has to wait until a window is over."""
        self._gap_s = max((each.per_s / each.count for each in own), default=0.0)
        self._asked_s = -inf
        self._timeout_s = settings.request_timeout_s
        self._tell = tell
        self._clock = clock
        self._sleep = sleep

    def __enter__(self) -> PacedClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def ask(self, route: Route, values: Mapping[str, str], type: type[T], body: object = None) -> T:
        """Return the answer to a request; `values` are for the placeholders of the route's path.

        Raises RemoteError, whose `code` begins with the status of the answer, and LoginError.
        """
        conversation = Conversation(values.get("conversation_id", ""))
        url = self.url + route.path_to(values)(conversation)
        answer = self._answer(route, url, b"" if body is None else msgspec.json.encode(body))
        try:
            return msgspec.json.decode(answer or b"null", type=type)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise RemoteError(f"{url} did not answer what it should: {exc}") from exc

    def _answer(self, route: Route, url: str, body: bytes) -> bytes:
        import requests

        faults = renewals = waits = 0
        while True:
            token = self._oauth.token()
            self._await_budget()
            self._budget.spend(self._clock())
            self._client.headers["Authorization"] = f"Bearer {token.value.reveal()}"
            try:
                answer = self._answer_to(route.method, url, body or None)
            except requests.RequestException as exc:
                faults += 1
                if faults == _TRIES:
                    raise RemoteError(f"no answer from {url}: {cause_of(exc)}") from exc
                self._sleep(_PAUSE_S)
                continue
            status = answer.status_code
            self._keep_to(answer)
            if status in route.accepts:
                return answer.content
            if status == HTTPStatus.UNAUTHORIZED and not renewals:
                renewals += 1
                self._oauth.reject(token)
            elif status in PASSING_STATUSES and faults < _TRIES - 1:
                faults += 1
                self._sleep(_PAUSE_S)
            elif status == HTTPStatus.TOO_MANY_REQUESTS and waits < _MOST_WAITS and self._is_soon():
                waits += 1
            else:
                what, permission = route.name.replace("_", " "), route.permission
                raise refusal_of(answer, url, what, permission=permission)

    def _answer_to(self, method: str, url: str, body: bytes | None) -> requests.Response:
        """Wait for the approval's rate, and ask once; raises as `whole_answer`, KillSwitchError."""
        if self._pace is not None:
            self._pace.wait_for_question(inf)
        try:
            if self._kill_switch is not None:
                self._kill_switch.check()
            return whole_answer(self._client, method, url, self._timeout_s, body=body)
        finally:
            # By then it has left for certain; before it is connected it has not.
            if self._pace is not None:
                self._pace.has_left()

    def _is_soon(self) -> bool:
        now_s = self._clock()
        return self._budget.ready_at(now_s) <= now_s + _LONGEST_WAIT_S

    def _keep_to(self, answer: requests.Response) -> None:
        """Correct the budget by what an answer says of it."""
        now_s = self._clock()
        headers = {
            name.lower().encode(): value.encode("utf-8", "surrogateescape")
            for name, value in answer.headers.items()
        }
        self._budget.correct(headers, now_s)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            asked_s = retry_after_s(headers)
            self._budget.rest(now_s + (_PAUSE_S if asked_s is None else asked_s))

    def _await_budget(self) -> None:
        if self.is_even and (pause_s := self._asked_s + self._gap_s - self._clock()) > 0:
            self._sleep(pause_s)
        self._asked_s = self._clock()
        told = False
        while (left_s := self._budget.ready_at(self._clock()) - self._clock()) > 0:
            if left_s > _TOLD_FROM_S and not told:
                told = True
                self._tell(f"the token's budget is spent; going on in {left_s:.0f} s")
            self._sleep(left_s)
