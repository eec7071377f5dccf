"""The paths of the remote API that Convoy uses, each with where it is written down."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from convoy.plan.pool import Conversation

Route = Callable[[Conversation], str]
"""Takes a conversation, returns the path that messages to it are posted to."""

OAUTH_TOKEN = "/oauth/token"
"""On the login host. Served there by the SDK PureCloudPlatformClientV2 269.0.0
(package PureCloudPlatformClientV2 on PyPI), read 2026-11-22."""

CONVERSATIONS = "/api/v2/conversations"
"""Lists conversations. https://github.com/api-evangelist/genesys (the published API definition),
read 2026-11-22."""

CONVERSATION_MESSAGES = "/api/v2/conversations/messages"
"""Takes a message of the support thread's dialect.
https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
read 2026-11-22; the published definition gives the same path another meaning."""

SIMULATOR = "/simulator"
"""Convoy's own: only a Convoy simulator answers it."""


def guest_messages(guest_id: str) -> str:
    """Return the path that takes a guest's message in the support thread's dialect.

    Source: the thread named at `CONVERSATION_MESSAGES`, read 2026-11-22.
    """
    return f"/api/v2/webmessaging/guests/{quote(guest_id, safe='')}/conversations/messages"
