"""How many requests a token may make: fixed windows, corrected by what the remote answers."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_COUNT = b"inin-ratelimit-count"
_ALLOWED = b"inin-ratelimit-allowed"
_RESET = b"inin-ratelimit-reset"
_LONGEST_NUMBER = 9
_RESET_ROUNDING_S = 1.0  # the header has whole seconds
_REST_AFTER_429_S = 1.0


@dataclass(frozen=True)
class Limit:
    """At most `count` requests in each window of `per_s` seconds, for one `scope` (a token …)."""

    scope: str
    count: int
    per_s: float


class _Window:
    """The present window of one limit; it opens with a request and closes `per_s` later."""

    __slots__ = ("count", "ends_s", "is_answered", "limit", "used")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.count = limit.count
        self.used = 0
        self.ends_s = float("-inf")
        self.is_answered = False

    def spend(self, now_s: float) -> None:
        if now_s >= self.ends_s:
            self.used = 0
            self.ends_s = now_s + self.limit.per_s
            self.is_answered = False
        self.used += 1

    def start_at_answer(self, now_s: float) -> None:
        # The remote opened its window at some moment between our first request and its answer.
        # Counted from the answer, our window never ends before the remote's.
        if not self.is_answered:
            self.is_answered = True
            self.ends_s = now_s + self.limit.per_s

    def correct(self, used: int, count: int, reset_s: int, now_s: float) -> None:
        self.count = count
        ends_s = now_s + reset_s
        if ends_s > self.ends_s + _RESET_ROUNDING_S:
            self.used = used
            self.ends_s = ends_s
            return
        # The same window. The remote's count lacks requests that are still on their way, and its
        # whole seconds may be rounded down, so the larger of two values is kept.
        self.used = max(self.used, used)
        is_rounded = abs(ends_s - self.ends_s) <= _RESET_ROUNDING_S
        self.ends_s = max(self.ends_s, ends_s) if is_rounded else ends_s


class Budget:
    """The limits that the requests of one token share; an empty list means no limits.

    A request needs room in the budgets `beside` this one, too, which other tokens share. All times
    are in clock seconds. With `is_obeyed` false a request is always allowed now. Where `has_limits`
    is false, calls of `spend` and `correct` can be left out.
    """

    def __init__(
        self, limits: Sequence[Limit], *, is_obeyed: bool = True, beside: Sequence[Budget] = ()
    ) -> None:
        self._beside = beside
        self._windows = [_Window(limit) for limit in limits]
        self._token_window = next((w for w in self._windows if w.limit.scope == "token"), None)
        self._is_obeyed = is_obeyed
        self._rests_until_s = float("-inf")
        self._ready_s = float("-inf")
        self._spare = 0
        self.has_limits: bool = bool(self._windows) or any(each.has_limits for each in beside)

    def ready_at(self, now_s: float) -> float:
        """Return when a request may be sent: at most `now_s` when that is now."""
        ready_s = self._ready_s if self._ready_s > now_s else now_s
        for budget in self._beside:
            ready_s = max(ready_s, budget.ready_at(now_s))
        return ready_s

    def keep_room(self, requests: int) -> None:
        """Be ready only where so many more requests may follow the next one at once."""
        self._spare = max(self._spare, requests)
        for budget in self._beside:
            budget.keep_room(requests)

    def spend(self, now_s: float) -> None:
        """Count one request sent at `now_s`."""
        for window in self._windows:
            window.spend(now_s)
            if self._is_full(window):
                self._block_until(window.ends_s)
        for budget in self._beside:
            budget.spend(now_s)

    def correct(self, headers: Mapping[bytes, bytes], now_s: float) -> None:
        """Correct the windows by an answer received at `now_s`; its headers describe the token's.

        `inin-ratelimit-count` is what was used, `-allowed` the limit, `-reset` the seconds left:
        https://github.com/MyPureCloud/platform-client-sdk-python (README), read 2026-11-22.
        """
        for budget in self._beside:
            budget.correct({}, now_s)
        is_changed = has_figures = _COUNT in headers
        for window in self._windows:
            if not window.is_answered:
                window.start_at_answer(now_s)
                is_changed = True
        if self._token_window is not None and has_figures:
            used, count, reset_s = (_number(headers.get(n)) for n in (_COUNT, _ALLOWED, _RESET))
            if used is not None and reset_s is not None:
                limit = count or self._token_window.count
                self._token_window.correct(used, limit, reset_s, now_s)
        if is_changed:
            self._settle()

    def rest(self, until_s: float) -> None:
        """Allow no request before `until_s`, because the remote answered 429."""
        self._rests_until_s = max(self._rests_until_s, until_s)
        self._block_until(until_s)

    def _is_full(self, window: _Window) -> bool:
        # A window smaller than what follows a message would never have room for it.
        return window.used >= max(1, window.count - self._spare)

    def _block_until(self, until_s: float) -> None:
        if self._is_obeyed and until_s > self._ready_s:
            self._ready_s = until_s

    def _settle(self) -> None:
        self._ready_s = float("-inf")
        self._block_until(self._rests_until_s)
        for window in self._windows:
            if self._is_full(window):
                self._block_until(window.ends_s)


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it is missing or malformed.

    It holds a number of seconds or a date (RFC 9110, 10.2.3). A date is compared with the answer's
    own `Date`, so that our wall clock does not matter.
    """
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if value is None or seconds is not None:
        return seconds
    until_s, since_s = http_date_s(value), http_date_s(headers.get(b"date", b""))
    return None if until_s is None or since_s is None else max(0.0, until_s - since_s)


def rest_after_429_s(headers: Mapping[bytes, bytes]) -> float:
    """Return how long to rest after a 429: what `Retry-After` asks for, or a second."""
    asked_s = retry_after_s(headers)
    return _REST_AFTER_429_S if asked_s is None else asked_s


def http_date_s(value: bytes) -> float | None:
    """Return a date of HTTP in Unix seconds; None where it is missing, malformed or impossible."""
    try:
        return email.utils.parsedate_to_datetime(value.decode("latin-1")).timestamp()
    except (ValueError, ArithmeticError, LookupError, TypeError):
        return None


def _number(value: bytes | None) -> int | None:
    if value is None or not value.isdigit() or len(value) > _LONGEST_NUMBER:
        return None
    return int(value)
