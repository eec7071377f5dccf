"""The OAuth clients that a simulator is born with, and in which dialect each is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

THREAD = "thread"
PUBLIC = "public"

PERMISSIONS = frozenset(
    {
        "analytics:conversationDetail:view",
        "conversation:communication:disconnect",
        "conversation:communication:view",
        "conversation:message:create",
        "conversation:message:receive",
        "conversation:message:view",
        "messaging:integration:view",
        "routing:queue:view",
        "webDeployments:deployment:view",
    }
)
"""One for each route that needs any, as a role for load tests would hold them."""
SCOPES = frozenset(
    {
        "analytics",
        "conversations",
        "messaging",
        "organization",
        "routing",
        "user-basic-info",
        "webdeployments",
    }
)


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client.

    `dialect` decides which routes its tokens find where both dialects have a path. `is_user_grant`
    makes its tokens a user's: in the public dialect they are had by authorization code and refresh
    token only. `may_message` stands for the thread's scopes; permissions and scopes are the
    definition's. `refresh_token` is one that is valid from the start, "" for none.
    """

    id: str
    secret: str
    dialect: str = THREAD
    may_message: bool = True
    is_user_grant: bool = False
    permissions: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    refresh_token: str = ""


CLIENTS: Mapping[str, Client] = {
    client.id: client
    for client in (
        Client("demo", "demo", permissions=PERMISSIONS),
        Client("no-scope", "no-scope", may_message=False),
        Client("user", "user", is_user_grant=True, permissions=PERMISSIONS, scopes=SCOPES),
        Client("public", "public", PUBLIC, permissions=PERMISSIONS),
        Client("public-no-permission", "public-no-permission", PUBLIC),
        Client(
            "public-user",
            "public-user",
            PUBLIC,
            is_user_grant=True,
            permissions=PERMISSIONS,
            scopes=SCOPES,
            refresh_token="public-user",
        ),
        Client(
            "public-no-scope",
            "public-no-scope",
            PUBLIC,
            is_user_grant=True,
            permissions=PERMISSIONS,
            refresh_token="public-no-scope",
        ),
    )
}


def clients_with(permissions: Mapping[str, frozenset[str]]) -> Mapping[str, Client]:
    """The clients, those named with these permissions in place of their own."""
    return {
        id: replace(client, permissions=permissions.get(id, client.permissions))
        for id, client in CLIENTS.items()
    }
