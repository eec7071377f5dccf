"""Logging in for a client or for a user, and the session that keeps a token fresh."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import TypeGuard
from urllib.parse import urlencode

import msgspec
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from convoy.clock import clock_s
from convoy.errors import LoginError, WireError
from convoy.remote.http import OF_ALL, Answer, request_of
from convoy.remote.limits import retry_after_s
from convoy.remote.login_turns import Turns
from convoy.remote.pace import OVER
from convoy.remote.transport import Transport
from convoy.routes.catalogue import ROUTES
from convoy.routes.codes import error_code, meaning
from convoy.secrets import Secret
from convoy.untrusted_text import UNREADABLE

_PATH = ROUTES["oauth_token"].path
# A token's default life: https://github.com/api-evangelist/genesys (OAuthClient,
# accessTokenValiditySeconds), read 2026-11-22.
_DEFAULT_LIFE_S = 86_400.0
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_SHORTEST_RETRY_S = 1.0
_ASKED_TO_COME_BACK = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_LOGINS_TOO_OFTEN = (
    "There are more logins than the login host allows; lower oauth.logins_per_s, or let users "
    "share tokens (oauth.tokens)."
)


class RefreshToken:
    """The refresh token of a user that is valid now: each login may bring another in its place.

    A login host may take each of them once, so that all logins of a process share one of these, and
    log in one after the other.
    """

    def __init__(self, value: Secret) -> None:
        self.value = value
        self.turn = BoundedSemaphore()


@dataclass(frozen=True)
class Credentials:
    """What a client logs in with: for itself, or with a refresh token for a user."""

    client_id: Secret
    client_secret: Secret
    refresh_token: RefreshToken | None = None

    @property
    def authorization(self) -> Secret:
        """The value of Authorization, HTTP Basic (RFC 7617)."""
        pair = f"{self.client_id.reveal()}:{self.client_secret.reveal()}"
        return Secret("Basic " + b64encode(pair.encode()).decode())

    @property
    def form(self) -> bytes:
        """The body of a login (RFC 6749, 4.4 and 6)."""
        if self.refresh_token is None:
            return b"grant_type=client_credentials"
        value = self.refresh_token.value.reveal()
        return urlencode({"grant_type": "refresh_token", "refresh_token": value}).encode()


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and when it expires, in clock seconds."""

    value: Secret
    expires_at_s: float


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    token_type: str = "bearer"
    refresh_token: str | None = None


def log_in(
    transport: Transport,
    credentials: Credentials,
    timeout_s: float,
    register: Callable[[Secret], None],
    turns: Turns | None = None,
    may_leave: Callable[[], bool] = lambda: True,
) -> Token:
    """Ask the login host for a token (RFC 6749: HTTP Basic and a form body).

    Where there are `turns` it connects first, and asks at one of them, if it `may_leave` by then;
    connecting and the rest may take the timeout each. `register` is called with each token before
    it is used, so that it can be redacted. A refresh token that comes with the answer is the one of
    the next login. Raises LoginError whose message names address and code, never a secret.
    """
    url, clock = transport.origin.url + _PATH, transport.dialler.clock
    try:
        if turns is not None:
            with turns.place():
                transport.connect(clock() + timeout_s)
                # Not before, because logins that wait for connections would leave all at once.
                turns.take(connection=transport.connection)
        if not may_leave():
            raise LoginError("stopped", f"no login at {url}: {OVER}", refused=False)
        request = _login_request(transport, credentials)
        answer = transport.exchange(request, clock() + timeout_s).plain()
    except WireError as exc:
        raise LoginError(
            exc.code, f"no login at {url}: {exc}. {meaning(exc.code)}", refused=False
        ) from exc
    if answer.status != 200:
        raise _refusal(url, answer)
    return _read_token(url, answer, register, credentials.refresh_token)


def _login_request(transport: Transport, credentials: Credentials) -> bytes:
    headers = {
        "Authorization": credentials.authorization.reveal(),
        "Content-Type": "application/x-www-form-urlencoded",
        **OF_ALL,
    }
    return request_of("POST", transport.origin, _PATH, headers, credentials.form)


def _refusal(url: str, answer: Answer) -> LoginError:
    code = error_code(answer.status, answer.body)
    is_refused = 400 <= answer.status < 500 and answer.status not in _ASKED_TO_COME_BACK
    advice = _LOGINS_TOO_OFTEN if answer.status == HTTPStatus.TOO_MANY_REQUESTS else meaning(code)
    message = f"the login at {url} was answered with {answer.status} ({code}). {advice}"
    wait_s = retry_after_s(answer.headers)
    return LoginError(code, message.rstrip(), refused=is_refused, retry_after_s=wait_s)


def _read_token(
    url: str,
    answer: Answer,
    register: Callable[[Secret], None],
    refresh_token: RefreshToken | None,
) -> Token:
    try:
        # Not strict, because there are servers that write the number of seconds as a text.
        read = msgspec.json.decode(answer.body, type=_TokenAnswer, strict=False)
    except UNREADABLE as exc:
        raise _nonsense(url, "its body is not a JSON object with access_token") from exc
    value = Secret(read.access_token)
    # Before it is judged: also a token that cannot be used is not to be printed.
    register(value)
    renewing = Secret(read.refresh_token or "")
    # The one that is in use is registered already, unless everybody knows it.
    if renewing.reveal() and (refresh_token is None or renewing != refresh_token.value):
        register(renewing)
        if refresh_token is not None:
            refresh_token.value = renewing
    if not _HEADER_SAFE.fullmatch(read.access_token):
        raise _nonsense(url, "its access_token is empty or has characters no header can carry")
    if read.token_type.lower() != "bearer":
        raise _nonsense(url, "its token_type is not bearer")
    life_s = _DEFAULT_LIFE_S if read.expires_in is None else read.expires_in
    if not 0 < life_s < inf:
        raise _nonsense(url, f"its expires_in is {life_s:g} seconds")
    # From when the login left, because the host may count from any moment since then.
    return Token(value, answer.sent_s + life_s)


def _nonsense(url: str, what: str) -> LoginError:
    message = f"the login at {url} answered 200, but {what}. Is this a login host?"
    return LoginError("malformed answer", message, refused=False)


@dataclass(eq=False, repr=False)
class OAuthSession:
    """A token that is always fresh, for any number of greenlets, with one login at a time.

    `log_in` returns a new token or raises LoginError. Within `refresh_before_s` of the expiry (half
    the token's life when that is shorter) one caller renews the token, and the others use the
    present one meanwhile.
    """

    log_in: Callable[[], Token]
    refresh_before_s: float
    clock: Callable[[], float] = clock_s

    def __post_init__(self) -> None:
        self._token: Token | None = None
        self._refresh_at_s = 0.0
        self._login: AsyncResult[Token | None] | None = None

    def fresh_token(self, now_s: float) -> Token | None:
        """Return the token when it needs no renewal yet, else None."""
        return self._token if now_s < self._refresh_at_s else None

    def token(self) -> Token:
        """Return a valid token, after a login where there is none. Raises LoginError."""
        while True:
            now_s = self.clock()
            fresh = self.fresh_token(now_s)
            if fresh is not None:
                return fresh
            token = self._token
            is_valid = token is not None and now_s < token.expires_at_s
            if self._login is None:
                return self._renew(token if is_valid else None)
            if is_valid and token is not None:
                return token
            renewed = self._login.get()
            if renewed is not None:
                return renewed

    def reject(self, token: Token) -> None:
        """Forget `token` after the remote refused it, unless a newer one is there already."""
        if self._token is token:
            self._token = None

    def _renew(self, present: Token | None) -> Token:
        """Log in and wake the waiters; after a failure `present` stays in use while it is valid."""
        login: AsyncResult[Token | None] = AsyncResult()
        self._login = login
        try:
            token = self.log_in()
        except Exception as exc:
            self._login = None
            login.set_exception(exc)
            if isinstance(exc, LoginError) and self._keeps(present, exc.retry_after_s):
                return present
            raise
        except BaseException:
            # The greenlet was killed: one of those waiting logs in instead.
            self._login = None
            login.set(None)
            raise
        self._login = None
        self._token = token
        life_s = token.expires_at_s - self.clock()
        self._refresh_at_s = token.expires_at_s - min(self.refresh_before_s, life_s / 2)
        login.set(token)
        return token

    def _keeps(self, present: Token | None, wait_s: float | None) -> TypeGuard[Token]:
        """Return whether `present` can still be used; if so, postpone the next renewal."""
        now_s = self.clock()
        if present is None or present is not self._token or now_s >= present.expires_at_s:
            return False
        pause_s = max(_SHORTEST_RETRY_S, wait_s or (present.expires_at_s - now_s) / 2)
        self._refresh_at_s = min(present.expires_at_s, now_s + pause_s)
        return True
