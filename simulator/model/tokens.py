"""OAuth clients, the tokens they hold, and each token's rate window."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from simulator.model.rejection import Rejection


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client; `is_user_grant` makes its tokens count as a user's."""

    id: str
    secret: str
    may_message: bool = True
    is_user_grant: bool = False


CLIENTS = {
    client.id: client
    for client in (
        Client("demo", "demo"),
        Client("no-scope", "no-scope", may_message=False),
        Client("user", "user", is_user_grant=True),
    )
}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests a token may make in each fixed window of `per_s` seconds."""

    count: int
    per_s: float


class Spent(NamedTuple):
    """Where a token stands in its window after a request; `reset_s` is whole seconds, never 0."""

    used: int
    allowed: int
    reset_s: int
    is_exceeded: bool


@dataclass(slots=True)
class Token:
    """An issued token with its own fixed window, which opens at the first request in it."""

    client: Client
    expires_at_s: float
    _limit: RateLimit | None = field(default=None, repr=False)
    _window_ends_at_s: float = 0.0
    _count: int = 0

    def spend(self, limit: RateLimit, now_s: float) -> Spent:
        """Take one request out of the budget; another limit than before opens a new window."""
        if now_s >= self._window_ends_at_s or limit is not self._limit:
            self._limit = limit
            self._window_ends_at_s = now_s + limit.per_s
            self._count = 0
        reset_s = max(1, math.ceil(self._window_ends_at_s - now_s))
        if self._count >= limit.count:
            return Spent(self._count, limit.count, reset_s, True)
        self._count += 1
        return Spent(self._count, limit.count, reset_s, False)


class Tokens:
    """All tokens that are valid, by their text."""

    def __init__(self, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._valid: dict[str, Token] = {}

    def issue(self, client_id: str, secret: str, now_s: float) -> str | None:
        """A new token's text, or None if client or secret are wrong."""
        client = CLIENTS.get(client_id)
        if client is None or client.secret != secret:
            return None
        # Not from the seed: a restarted simulator must not honour the tokens of its last life.
        text = secrets.token_urlsafe(48)
        self._valid[text] = Token(client, now_s + self.lifetime_s)
        return text

    def authenticate(self, text: str, now_s: float) -> Token:
        """The valid token of that text; raises `Rejection` if it is absent, wrong or expired."""
        if not text:
            raise Rejection(
                "authentication.required",
                "No authentication bearer token specified in authorization header.",
            )
        token = self._valid.get(text)
        if token is None or now_s >= token.expires_at_s:
            raise Rejection("bad.credentials", "Invalid login credentials.")
        return token

    def revoke(self, text: str) -> None:
        self._valid.pop(text, None)

    def revoke_all(self) -> None:
        self._valid.clear()
