"""Logging in by client credentials, authorization code or refresh token; giving a token back.

Error bodies are OAuth's own (RFC 6749, 5.2), with the `description` that the real login adds
(https://github.com/tishige/CallFlowVisualizer issues 8 and 9, read 2026-11-22).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from simulator.answers import NO_CONTENT, Answer, json_answer
from simulator.calls import Call
from simulator.model.clients import PUBLIC, Client
from simulator.world import World


class RefusedLogin(Exception):
    """A login that is refused: OAuth's `error` and a description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


def log_in(world: World, call: Call) -> Answer:
    """`POST /oauth/token`, HTTP Basic, form `grant_type=…`."""
    form = _form(call.body)
    try:
        extra = _grant_of(form)(world, _client(world, call), form)
    except RefusedLogin as refused:
        return _oauth_error(refused)
    return json_answer(extra)


def show_own_token(world: World, call: Call) -> Answer:
    """`GET /api/v2/tokens/me`, TokenInfo of the published definition: whose the token is."""
    return json_answer({"organization": world.organisation, "homeOrganization": world.organisation})


def revoke_own_token(world: World, call: Call) -> Answer:
    """`DELETE /api/v2/tokens/me`."""
    world.tokens.revoke(call.token_text)
    return NO_CONTENT


Form = Mapping[str, str]
Grant = Callable[[World, Client, Form], dict[str, object]]


def _grant_of(form: Form) -> Grant:
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise RefusedLogin("invalid_request", "grant_type is missing")
    grant = GRANTS.get(grant_type)
    if grant is None:
        raise RefusedLogin("unsupported_grant_type", f"grant type {grant_type} is not supported")
    return grant


def _by_client_credentials(world: World, client: Client, form: Form) -> dict[str, object]:
    # The thread's client `user` logs in in this way, too: its dialect knows no other.
    if client.dialect == PUBLIC and client.is_user_grant:
        raise RefusedLogin("unauthorized_client", "the client is not for this grant type")
    return _token(world, client)


def _by_code(world: World, client: Client, form: Form) -> dict[str, object]:
    refresh_token = world.grants.use_code(client, form.get("code", ""))
    return _user_token(world, client, refresh_token)


def _by_refresh_token(world: World, client: Client, form: Form) -> dict[str, object]:
    refresh_token = world.grants.use_refresh_token(client, form.get("refresh_token", ""))
    return _user_token(world, client, refresh_token)


GRANTS: Mapping[str, Grant] = {
    "client_credentials": _by_client_credentials,
    "authorization_code": _by_code,
    "refresh_token": _by_refresh_token,
}


def _token(world: World, client: Client) -> dict[str, object]:
    return {
        "access_token": world.tokens.issue(client, world.now_s()),
        "token_type": "bearer",
        "expires_in": world.tokens.lifetime_s,
    }


def _user_token(world: World, client: Client, refresh_token: str | None) -> dict[str, object]:
    if refresh_token is None:
        raise RefusedLogin("invalid_grant", "the code or refresh token is not valid")
    return _token(world, client) | {"refresh_token": refresh_token}


def _client(world: World, call: Call) -> Client:
    credentials = _basic_credentials(call.headers.get(b"authorization", b""))
    client = world.tokens.client(*credentials) if credentials else None
    if client is None:
        raise RefusedLogin("invalid_client", "authentication failed")
    return client


def _basic_credentials(header: bytes) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, secret = decoded.partition(":")
    return client_id, secret


def _form(body: bytes) -> Form:
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _oauth_error(refused: RefusedLogin) -> Answer:
    content = {
        "error": refused.error,
        "description": refused.description,
        "error_description": refused.description,
    }
    return json_answer(content, 400, code=refused.error)
