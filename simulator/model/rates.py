"""Rate limits: fixed windows, a token's own and those that tokens share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from simulator.errors import rejection
from simulator.model.clients import PUBLIC, Client
from simulator.model.rejection import RateExceeded

MINUTE_S = 60.0
TOKEN_KEY = "token.rate.per.minute"
CLIENT_TOKEN_KEY = "client.credentials.token.rate.per.minute"
APP_USER_KEY = "org.app.user.rate.per.minute"
# The definition names no limit of a whole organisation; this key is the simulator's.
ORGANISATION_KEY = "org.rate.per.minute"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests there may be in each fixed window of `per_s` seconds."""

    count: int
    per_s: float


class Spent(NamedTuple):
    """Where a window stands after a request; `reset_s` is whole seconds, never 0."""

    used: int
    allowed: int
    reset_s: int
    is_exceeded: bool


@dataclass(slots=True)
class Window:
    """A fixed window, which opens at the first request in it."""

    _limit: RateLimit | None = None
    _ends_at_s: float = 0.0
    _count: int = 0

    def spend(self, limit: RateLimit, now_s: float) -> Spent:
        """Take one request out of the budget; another limit than before opens a new window."""
        if now_s >= self._ends_at_s or limit is not self._limit:
            self._limit = limit
            self._ends_at_s = now_s + limit.per_s
            self._count = 0
        reset_s = max(1, math.ceil(self._ends_at_s - now_s))
        if self._count >= limit.count:
            return Spent(self._count, limit.count, reset_s, True)
        self._count += 1
        return Spent(self._count, limit.count, reset_s, False)


class SharedLimits:
    """The limits that all tokens of the public dialect, or all of one client and user, share."""

    def __init__(self, organisation: RateLimit | None, app_user: RateLimit) -> None:
        self._organisation = organisation
        self._app_user = app_user
        self._organisation_window = Window()
        self._app_user_windows: dict[str, Window] = {}

    def check(self, client: Client, now_s: float) -> None:
        """Take one request of this client out of both budgets; raises `RateExceeded`."""
        if client.dialect != PUBLIC:
            return
        if self._organisation is not None:
            spent = self._organisation_window.spend(self._organisation, now_s)
            _raise_if_exceeded(spent, ORGANISATION_KEY)
        if client.is_user_grant:
            # The simulator's organisation has one user, so that a client's tokens are all his.
            window = self._app_user_windows.setdefault(client.id, Window())
            _raise_if_exceeded(window.spend(self._app_user, now_s), APP_USER_KEY)


class OutboundUsage:
    """How many outbound messages the organisation has sent, and may send."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._count = 0

    def spend(self) -> None:
        """Count one; raises `Rejection` if there may be no more."""
        if self._most is not None and self._count >= self._most:
            raise rejection("organization.outbound.usage.limit.exceeded")
        self._count += 1


def token_key(client: Client) -> str:
    """The name of the limit that a token of this client has."""
    return TOKEN_KEY if client.is_user_grant and client.dialect == PUBLIC else CLIENT_TOKEN_KEY


def _raise_if_exceeded(spent: Spent, key: str) -> None:
    if spent.is_exceeded:
        raise RateExceeded(spent.reset_s, spent.allowed, key)
