"""A client at an address, with a token that is given, so that nobody logs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.oauth import Token
from convoy.routes.catalogue import CLIENT
from convoy.secrets import Secret
from tests.unit.settings.configuration import settings_of

TOKEN = Token(Secret("token-1"), 1e12)


def client_at(
    url: str,
    *sets: str,
    ca_file: str | None = None,
    redact: Callable[[str], str] = str,
    **of_client: Any,
) -> ApiClient:
    """Return a client without limits that pauses for no time before it asks again."""
    settings = settings_of("limits=[]", *sets)
    target = {"api_url": url.rstrip("/"), "login_url": url.rstrip("/"), "ca_file": ca_file}
    target_of_test = settings.target.model_copy(update=target)
    settings = settings.model_copy(update={"target": target_of_test})
    plain = {name: each for name, each in settings.headers.items() if isinstance(each, str)}
    connections = Connections(
        settings, {CLIENT: TOKEN}, lambda secret: None, headers=plain, redact=redact
    )
    return ApiClient(
        connections.open_session(), settings, **{"sleep": lambda for_s: None, **of_client}
    )
