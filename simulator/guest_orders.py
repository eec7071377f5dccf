"""A guest's request as the handlers see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator import guest_frames
from simulator.model.guests import Connection, Session
from simulator.model.shapes import Check
from simulator.world import World


class Order(NamedTuple):
    """One request; `raw` is the frame that it came in."""

    body: dict[str, Any]
    raw: bytes
    connection: Connection

    @property
    def tracing_id(self) -> str | None:
        found = self.body.get("tracingId")
        return found if isinstance(found, str) else None

    def session(self, world: World) -> Session:
        """The session of its token; raises `GuestError` if the connection has no such one."""
        return world.guests.require(self.connection, self.body["token"])

    def answer(self, world: World, what: str, body: guest_frames.Json | str) -> None:
        """Send the response of a class."""
        sent = guest_frames.frame(guest_frames.RESPONSE, what, body, tracing_id=self.tracing_id)
        world.wire.carry(self.connection, sent, is_push=False)


class Action(NamedTuple):
    """What an action's requests look like, and who serves them."""

    check: Check
    serve: Callable[[World, Order], None]
