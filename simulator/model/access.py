"""Who may use a route of the public definition."""

from __future__ import annotations

from typing import NamedTuple

from simulator.errors import rejection
from simulator.model.clients import Client

CLIENT_ONLY = "client"
USER_ONLY = "user"


class Access(NamedTuple):
    """What a route asks of a token: any of `scopes`, any or all of `permissions`, a context.

    `context` is `CLIENT_ONLY`, `USER_ONLY`, or "" where both will do. The order of the checks is
    not documented; the one that an administrator can do something about comes first.
    """

    scopes: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    needs_all: bool = False
    context: str = ""

    def check(self, client: Client) -> None:
        """Raise `Rejection` if a token of this client may not use the route."""
        # "Scopes only apply to clients not using the client_credential grant": OAuthClient.scope.
        if client.is_user_grant and self.scopes and client.scopes.isdisjoint(self.scopes):
            raise rejection("app.not.authorized.for.scope", f"[{self.scopes[0]}]")
        self._check_permissions(client.permissions)
        if self.context == CLIENT_ONLY and client.is_user_grant:
            raise rejection("not.a.client")
        if self.context == USER_ONLY and not client.is_user_grant:
            raise rejection("not.a.user")

    def _check_permissions(self, held: frozenset[str]) -> None:
        missing = [each for each in self.permissions if each not in held]
        if self.needs_all and missing:
            raise rejection("missing.permissions", f"[{', '.join(missing)}]")
        if missing and len(missing) == len(self.permissions):
            raise rejection("missing.any.permissions", f"[{', '.join(missing)}]")
