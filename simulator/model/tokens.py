"""Access tokens, and the authorization codes and refresh tokens that users' tokens come from."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.errors import rejection
from simulator.model.clients import CLIENTS, Client
from simulator.model.rates import Window


@dataclass(slots=True)
class Token:
    """An issued token with its own rate window."""

    client: Client
    expires_at_s: float
    window: Window = field(default_factory=Window, repr=False)


class Tokens:
    """All tokens that are valid, by their text."""

    def __init__(self, lifetime_s: float, clients: Mapping[str, Client] = CLIENTS) -> None:
        self.lifetime_s = lifetime_s
        self._clients = clients
        self._valid: dict[str, Token] = {}

    def client(self, client_id: str, secret: str) -> Client | None:
        """The client with this id and secret."""
        client = self._clients.get(client_id)
        return client if client is not None and client.secret == secret else None

    def issue(self, client: Client, now_s: float) -> str:
        """A new token's text."""
        # Not from the seed: a restarted simulator must not honour the tokens of its last life.
        text = secrets.token_urlsafe(48)
        self._valid[text] = Token(client, now_s + self.lifetime_s)
        return text

    def find(self, text: str) -> Token | None:
        """The token of that text, expired or not."""
        return self._valid.get(text)

    def revoke(self, text: str) -> None:
        self._valid.pop(text, None)

    def revoke_all(self) -> None:
        self._valid.clear()


class Grants:
    """Authorization codes, good for one login, and refresh tokens, by the id of their client.

    Whether a refresh token stays valid after its use is not documented; the reply to a refresh
    holds one either way (official Python SDK 269.0.0, `refresh_code_authorization_token`).
    """

    def __init__(
        self, *, is_rotating: bool = False, clients: Mapping[str, Client] = CLIENTS
    ) -> None:
        self._is_rotating = is_rotating
        self._codes: dict[str, str] = {}
        self._refresh_tokens = {
            client.refresh_token: client.id for client in clients.values() if client.refresh_token
        }

    def issue_code(self, client: Client) -> str:
        code = secrets.token_urlsafe(24)
        self._codes[code] = client.id
        return code

    def use_code(self, client: Client, code: str) -> str | None:
        """A refresh token for a code, which is then used up; None if it is not the client's."""
        if self._codes.get(code) != client.id:
            return None
        del self._codes[code]
        return self._new_refresh_token(client)

    def use_refresh_token(self, client: Client, text: str) -> str | None:
        """The refresh token to go on with; None if this one is not the client's."""
        if self._refresh_tokens.get(text) != client.id:
            return None
        if not self._is_rotating:
            return text
        del self._refresh_tokens[text]
        return self._new_refresh_token(client)

    def _new_refresh_token(self, client: Client) -> str:
        text = secrets.token_urlsafe(48)
        self._refresh_tokens[text] = client.id
        return text


def check_token(token: Token | None, text: str, now_s: float) -> Token:
    """The token if it is valid; raises `Rejection` if it is absent, wrong or expired."""
    if not text:
        raise rejection("authentication.required")
    # The definition has no code of its own for an expired token.
    if token is None or now_s >= token.expires_at_s:
        raise rejection("bad.credentials")
    return token
