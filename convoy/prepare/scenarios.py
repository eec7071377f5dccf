"""What the code says of a scenario: its user class, as everything before load needs to know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convoy.remote.client import Connections
from convoy.remote.session import Session
from convoy.routes.catalogue import Route
from convoy.settings import Settings


@dataclass(frozen=True, slots=True)
class KnownScenario:
    """A scenario that can run: its user class without Locust.

    It may be measured by the names in `steps` and `timings`. `open_conversation` opens one over a
    session of `open_session`, and returns its id; None where its conversations cannot be opened.
    """

    route: Route
    steps: tuple[str, ...]
    timings: tuple[str, ...]
    open_session: Callable[[Connections, Settings], Session]
    open_conversation: Callable[[Any], str] | None
