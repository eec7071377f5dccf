"""A user's session with the API: transport, token, budget, and one call that posts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, cast

import gevent

from convoy.clock import clock_s
from convoy.errors import LoginError, RemoteError, WireError
from convoy.remote.http import OF_ALL, Answer, head_of
from convoy.remote.limits import Budget, rest_after_429_s
from convoy.remote.oauth import OAuthSession, Token
from convoy.remote.transport import Transport
from convoy.results.outcome import ACCEPTED, FAILED, REJECTED, UNKNOWN, Attempt, Fate
from convoy.routes.answers import AnswerRule
from convoy.routes.codes import UNEXPECTED_ANSWER, CodeBook, error_code
from convoy.settings import Origin

_UNAUTHORIZED = 401
"""Asked of each message, for which a member of an enum takes too long."""
_SILENT = (408, 502, 504)
"""What a gateway answers when the API behind it was silent: the message may have arrived."""
_AT_ONCE_S = 0.001
_MOST_HEADS = 64
_OPENING_PAUSE_S, _LONGEST_OPENING_PAUSE_S = 1.0, 16.0
_REST_AFTER_LOGIN_S = 5.0


class Session(Protocol):
    """What a user needs of its session, whatever protocol that speaks.

    `attempts` counts those at the call in progress, or at the last one; `sent_s` is when its first
    byte left, None while nothing has. By them a message is accounted for when its user is stopped.
    """

    @property
    def attempts(self) -> int: ...

    @property
    def sent_s(self) -> float | None: ...

    def open(self) -> object:
        """Get ready to send; raises RemoteError, and may be called again then."""

    def close(self) -> None:
        """Close it; a call in progress ends."""

    def ready_at(self, now_s: float) -> float:
        """Return when the next message may be sent: at most `now_s` when that is now."""


def open_patiently(
    session: Session, report: Callable[[str], None], is_wanted: Callable[[], bool]
) -> None:
    """Open a session, again and again until it opens; `report` takes why it does not.

    Each pause is twice as long as the one before. Ends its greenlet once it is not wanted any more.
    """
    pause_s = _OPENING_PAUSE_S
    while is_wanted():
        try:
            session.open()
            return
        except RemoteError as error:
            report(str(error))
            gevent.sleep(error.retry_after_s or pause_s)
            pause_s = min(2 * pause_s, _LONGEST_OPENING_PAUSE_S)
    raise gevent.GreenletExit  # Locust would show any other exception as a fault of the user


def lost_attempt(session: Session, handed_s: float, code: str) -> Attempt:
    """Return what is known of a message that a session was asked to send, without an answer.

    Only the session can say whether anything has left since the message was handed over.
    """
    now_s = clock_s()
    if session.sent_s is None or session.sent_s < handed_s:
        return Attempt(FAILED, code, handed_s, now_s)
    return Attempt(UNKNOWN, code, session.sent_s, now_s, session.attempts)


class HttpAttempt(Attempt, frozen=True, gc=False):
    """An attempt over HTTP and its whole answer, None without one.

    The code is `UNEXPECTED_ANSWER` for a 2xx that is not the route's own.
    """

    answer: Answer | None = None

    @property
    def correlation_id(self) -> str:
        return "" if self.answer is None else self.answer.correlation_id


class _LoginTookTooLong(BaseException):
    """Ends a login like a kill; as a BaseException it makes a waiting greenlet log in."""


class RequestHeads:
    """The heads of the requests of one session, with `headers` besides its own.

    Those of requests with a body are `kept` for the last `token`, by method and path: making one
    takes longer than sending it.
    """

    def __init__(self, origin: Origin, headers: Mapping[str, str]) -> None:
        self.kept: dict[str, bytes] = {}
        self.token: Token | None = None
        self._origin = origin
        self._headers = OF_ALL | dict(headers)

    def of_body(self, token: Token, path: str, method: str) -> bytes:
        """Return what a request with a body begins with, up to the value of Content-Length.

        Raises ValueError for a path that no request can carry.
        """
        # Bounded, because a path may name the conversation, and each has a head of its own then.
        if token is not self.token or len(self.kept) >= _MOST_HEADS:
            self.kept.clear()
            self.token = token
        of_body = {"Content-Type": "application/json"}
        kept = self.kept[method + path] = (
            self._head(token, path, method, of_body) + b"Content-Length: "
        )
        return kept

    def of_get(self, token: Token, path: str) -> bytes:
        """Return what a GET begins with; raises as `of_body`."""
        return self._head(token, path, "GET", {})

    def _head(self, token: Token, path: str, method: str, of_body: Mapping[str, str]) -> bytes:
        own = {"Authorization": f"Bearer {token.value.reveal()}", **of_body}
        return head_of(method, self._origin, path, own | self._headers)


@dataclass(eq=False, repr=False)
class ApiSession:
    """One user's session with the API (a `Session`); used by one greenlet at a time.

    `redact` hides secrets in what is read out of an answer.
    """

    transport: Transport
    oauth: OAuthSession
    budget: Budget
    code_book: CodeBook
    clock: Callable[[], float]
    headers: Mapping[str, str] = field(default_factory=dict)
    redact: Callable[[str], str] = str

    def __post_init__(self) -> None:
        self._has_limits = self.budget.has_limits
        self._heads = RequestHeads(self.transport.origin, self.headers)
        self._first_sent_s: float | None = None
        self._rests_until_s = float("-inf")
        self._asked_s = self._started_s = 0.0
        self.attempts = 0

    @property
    def sent_s(self) -> float | None:
        """When the post in progress wrote its first byte; None when it has not."""
        if self.attempts == 0:
            return None
        return self._first_sent_s if self.attempts > 1 else self.transport.sent_s

    def open(self) -> Token:
        """Return the session's token, after a login where there is none yet. Raises LoginError."""
        return self.oauth.token()

    def head(self, path: str, method: str = "POST") -> bytes:
        """Return what a request to `path` begins with, up to the value of Content-Length.

        The token is in it. Raises LoginError, and ValueError for a path that no request can carry.
        """
        return self._heads.of_body(self.oauth.token(), path, method)

    def close(self) -> None:
        """Close the connection; a post in progress ends with code `stopped`."""
        self.transport.close()

    def keep_room(self, requests: int) -> None:
        """Be ready only where the limits allow so many requests besides the next message."""
        self.budget.keep_room(requests)

    def ready_at(self, now_s: float) -> float:
        """Return when limits and rests allow the next message: at most `now_s` when now."""
        ready_s = self.budget.ready_at(now_s)
        return self._rests_until_s if self._rests_until_s > ready_s else ready_s

    def post(
        self,
        path: str,
        body: bytes | None,
        timeout_s: float,
        answers: AnswerRule,
        conversation_id: str,
        method: str = "POST",
    ) -> HttpAttempt:
        """Send `body`, None for none, and return the result, an answer or a fault on the wire.

        It is accepted when `answers` holds the answer for the route's own to a message for this
        conversation. Another 2xx says nothing of the message, nor does a gateway's word for an API
        that was silent: its fate is unknown then.

        A message is sent again only after a 401: once, after one new login, and within the same
        `timeout_s`. Raises LoginError when there is no token and the login fails; then nothing was
        sent, and the session rests.
        """
        self.attempts = 0
        self._first_sent_s = None
        self._asked_s = self._started_s = started_s = self.clock()
        deadline_s = started_s + timeout_s
        token = self.oauth.fresh_token(started_s)
        if token is None:
            token = self._token_after_login()
            self._started_s = started_s = self.clock()
        try:
            answer = self._attempt(token, method, path, body, started_s, deadline_s)
            self._first_sent_s = answer.sent_s
            if answer.status == _UNAUTHORIZED:
                renewed = self._renewed(token, deadline_s)
                # One that cannot be renewed comes back as it was. The 401 also stands where nothing
                # may leave any more, because the run was stopped or the lease has ended.
                is_new = renewed is not token and self.transport.may_send_by(deadline_s)
                if renewed is not None and is_new:
                    answer = self._attempt(renewed, method, path, body, self.clock(), deadline_s)
        except WireError as exc:
            return self._lost(exc, started_s)
        if answers.holds(answer.status, answer.body, conversation_id):
            return self._answered(ACCEPTED, "", answer)
        # Only here, because what is accepted should not pay for what was asked not to be packed.
        plain = answer.plain()
        if not 200 <= answer.status < 300:
            return self._refused(plain)
        if plain is not answer and answers.holds(plain.status, plain.body, conversation_id):
            return self._answered(ACCEPTED, "", plain)
        return self._answered(UNKNOWN, UNEXPECTED_ANSWER, plain)

    def _token_after_login(self) -> Token:
        try:
            return self.oauth.token()
        except LoginError as error:
            self._rest(error.retry_after_s or _REST_AFTER_LOGIN_S)
            raise

    def _attempt(
        self,
        token: Token,
        method: str,
        path: str,
        body: bytes | None,
        now_s: float,
        deadline_s: float,
    ) -> Answer:
        if body is None and method == "GET":
            request = self._heads.of_get(token, path) + b"\r\n"
        else:
            heads = self._heads
            head = heads.kept.get(method + path) if token is heads.token else None
            if head is None:
                head = heads.of_body(token, path, method)
            content = body or b""
            request = b"%b%d\r\n\r\n%b" % (head, len(content), content)
        if self._has_limits:
            self.budget.spend(now_s)
        self.attempts += 1
        answer = self.transport.exchange(request, deadline_s)
        if self._has_limits:
            self.budget.correct(answer.headers, answer.done_s)
        return answer

    def _renewed(self, token: Token, deadline_s: float) -> Token | None:
        """Return a new token after a 401; None when there is none in time, and then rest."""
        self.oauth.reject(token)
        try:
            with gevent.Timeout(max(0.0, deadline_s - self.clock()), _LoginTookTooLong):
                return self.oauth.token()
        except (LoginError, _LoginTookTooLong) as exc:
            asked_s = exc.retry_after_s if isinstance(exc, LoginError) else None
            self._rest(asked_s or _REST_AFTER_LOGIN_S)
            return None

    def _rest(self, pause_s: float) -> None:
        self._rests_until_s = self.clock() + pause_s

    def _refused(self, answer: Answer) -> HttpAttempt:
        status = answer.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.budget.rest(answer.done_s + rest_after_429_s(answer.headers))
        code = self.code_book.name(error_code(status, answer.body))
        return self._answered(UNKNOWN if status in _SILENT else REJECTED, code, answer)

    def _answered(self, fate: Fate, code: str, answer: Answer) -> HttpAttempt:
        sent_s = cast(float, self._first_sent_s)
        # Most messages leave at once, so that nothing has to be asked of the transport.
        waited_s = self._waited_s() if sent_s - self._asked_s > _AT_ONCE_S else 0.0
        # By position, because keyword arguments would take twice as long.
        return HttpAttempt(
            fate,
            code,
            sent_s,
            answer.done_s,
            self.attempts,
            answer.status,
            answer.body,
            waited_s,
            answer,
        )

    def _waited_s(self) -> float:
        """Return how long the post in progress waited for a token and a connection."""
        began_s, ended_s = self.transport.connecting_s
        is_of_this_post = began_s >= self._started_s
        logged_in_s = self._started_s - self._asked_s
        return logged_in_s + (ended_s - began_s) * is_of_this_post

    def _lost(self, fault: WireError, started_s: float) -> HttpAttempt:
        fate = FAILED if fault.sent_s is None else UNKNOWN
        sent_s = fault.sent_s if self._first_sent_s is None else self._first_sent_s
        return HttpAttempt(
            fate,
            fault.code,
            started_s if sent_s is None else sent_s,
            fault.done_s,
            self.attempts,
            waited_s=self._waited_s(),
        )
