"""The URL table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from simulator.calls import Handle
from simulator.handlers import control, conversations, login, messages


class Route(NamedTuple):
    """A method, a path whose `{}` parts vary, and who answers; messages enter the ledger."""

    method: str
    path: str
    handle: Handle
    needs_token: bool = False
    is_message: bool = False


ROUTES = (
    Route("POST", "/oauth/token", login.log_in),
    Route("GET", "/api/v2/tokens/me", login.show_own_token, needs_token=True),
    Route("DELETE", "/api/v2/tokens/me", login.revoke_own_token, needs_token=True),
    Route("GET", "/api/v2/conversations", conversations.list_page, needs_token=True),
    Route("GET", "/api/v2/conversations/{}", conversations.show, needs_token=True),
    Route("POST", "/api/v2/conversations/messages", messages.send, True, True),
    Route(
        "POST",
        "/api/v2/webmessaging/guests/{}/conversations/messages",
        messages.send_as_guest,
        needs_token=True,
        is_message=True,
    ),
    Route("GET", "/simulator", control.show),
    Route("GET", "/simulator/ledger", control.show_ledger),
    Route("DELETE", "/simulator/ledger", control.clear_ledger),
    Route("GET", "/simulator/faults", control.show_faults),
    Route("POST", "/simulator/faults", control.add_faults),
    Route("DELETE", "/simulator/faults", control.clear_faults),
    Route("POST", "/simulator/tokens/revoke", control.revoke_tokens),
    Route("POST", "/simulator/conversations/{}/close", control.close_conversation),
)

Methods = Mapping[str, Route]
NO_METHODS: Methods = {}


class RouteTable:
    """Routes by path; a fixed path is found by one lookup and wins over a varying one."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._varying: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            if "{}" in route.path:
                key = tuple(route.path.split("/"))
                self._varying.setdefault(key, {})[route.method] = route
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, path: str) -> tuple[Methods, tuple[str, ...]]:
        """The routes of a path by method, none if it is unknown, and the path's varying parts."""
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, ()
        parts = path.split("/")
        for template, varying_methods in self._varying.items():
            if len(template) == len(parts):
                pairs = list(zip(template, parts, strict=True))
                if all(wanted in ("{}", part) for wanted, part in pairs):
                    return varying_methods, tuple(p for wanted, p in pairs if wanted == "{}")
        return NO_METHODS, ()
