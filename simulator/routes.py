"""What a route is, how one is found by its path, and the routes beside the public definition's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from simulator.calls import Handle
from simulator.handlers import (
    control,
    conversations,
    guest_files,
    guest_history,
    login,
    messages,
)
from simulator.model.access import Access


class Route(NamedTuple):
    """A method, a path whose `{}` parts vary, and who answers; messages enter the ledger."""

    method: str
    path: str
    handle: Handle
    needs_token: bool = False
    is_message: bool = False
    access: Access | None = None


OWN_ROUTES = (
    Route("POST", "/oauth/token", login.log_in),
    Route("GET", "/simulator", control.show),
    Route("GET", "/simulator/ledger", control.show_ledger),
    Route("DELETE", "/simulator/ledger", control.clear_ledger),
    Route("GET", "/simulator/faults", control.show_faults),
    Route("POST", "/simulator/faults", control.add_faults),
    Route("DELETE", "/simulator/faults", control.clear_faults),
    Route("POST", "/simulator/oauth/codes", control.issue_code),
    Route("POST", "/simulator/tokens/revoke", control.revoke_tokens),
    Route("POST", "/simulator/conversations/{}/close", control.close_conversation),
    Route("GET", "/api/v2/webmessaging/messages", guest_history.list_messages),
    Route("PUT", "/uploads/{}", guest_files.take),
    Route("GET", "/uploads/{}", guest_files.fetch),
)
"""Routes for every client: the login, those of guests, and those that no real API has."""
THREAD_ROUTES = (
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
)
"""The routes of the support thread's dialect."""

Methods = Mapping[str, Route]
NO_METHODS: Methods = {}


@dataclass(slots=True)
class _Branch:
    """What may follow the beginning of a path, and the routes of a path that ends here."""

    next: dict[str, _Branch] = field(default_factory=dict)
    methods: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """Routes by path; a fixed part wins over a varying one."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._root = _Branch()
        for route in routes:
            if "{}" not in route.path:
                self._fixed.setdefault(route.path, {})[route.method] = route
                continue
            branch = self._root
            for part in route.path.split("/"):
                branch = branch.next.setdefault(part, _Branch())
            branch.methods[route.method] = route

    def find(self, path: str) -> tuple[Methods, tuple[str, ...]]:
        """The routes of a path by method, none if it is unknown, and the path's varying parts."""
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, ()
        return _follow(self._root, path.split("/"), 0) or (NO_METHODS, ())


def _follow(
    branch: _Branch, parts: list[str], place: int
) -> tuple[Methods, tuple[str, ...]] | None:
    """The routes that `parts` lead to from `place` on, and the varying ones among them."""
    if place == len(parts):
        return (branch.methods, ()) if branch.methods else None
    fixed = branch.next.get(parts[place])
    found = _follow(fixed, parts, place + 1) if fixed is not None else None
    if found is not None:
        return found
    varying = branch.next.get("{}")
    found = _follow(varying, parts, place + 1) if varying is not None else None
    return (found[0], (parts[place], *found[1])) if found is not None else None
