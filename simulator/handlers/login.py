"""Logging in by client credentials, and giving a token back.

Error bodies are OAuth's own, with the `description` that the real login adds
(https://github.com/tishige/CallFlowVisualizer issues 8 and 9, read 2026-11-22).
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qsl

from simulator.answers import NO_CONTENT, Answer, json_answer
from simulator.calls import Call
from simulator.ids import organisation_of
from simulator.world import World


def log_in(world: World, call: Call) -> Answer:
    """`POST /oauth/token`, HTTP Basic, form `grant_type=client_credentials`."""
    grant_type = _form(call.body).get("grant_type", "")
    if not grant_type:
        return _oauth_error("invalid_request", "grant_type is missing")
    if grant_type != "client_credentials":
        return _oauth_error("unsupported_grant_type", f"grant type {grant_type} is not supported")
    credentials = _basic_credentials(call.headers.get(b"authorization", b""))
    token = world.tokens.issue(*credentials, world.now_s()) if credentials else None
    if token is None:
        return _oauth_error("invalid_client", "authentication failed")
    return json_answer(
        {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": world.tokens.lifetime_s,
        }
    )


def show_own_token(world: World, call: Call) -> Answer:
    """`GET /api/v2/tokens/me`, TokenInfo of the published definition: whose the token is."""
    organisation = {"id": organisation_of(world.options.seed), "name": "Convoy simulator"}
    return json_answer({"organization": organisation, "homeOrganization": organisation})


def revoke_own_token(world: World, call: Call) -> Answer:
    """`DELETE /api/v2/tokens/me`."""
    world.tokens.revoke(call.token_text)
    return NO_CONTENT


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


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _oauth_error(error: str, description: str) -> Answer:
    content = {"error": error, "description": description, "error_description": description}
    return json_answer(content, 400, code=error)
