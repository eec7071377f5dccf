"""What becomes of guests by itself: sessions that expire, connections that are dropped."""

from __future__ import annotations

from functools import partial

from simulator import guest_frames as frames
from simulator.model.guests import Connection, Session
from simulator.world import World

EVERY_S = 0.25


def begin(world: World) -> None:
    """Look after guests from now on, for as long as there are any."""
    world.later(EVERY_S, partial(_look, world))


def expire(world: World) -> None:
    """Remove the sessions whose life is over, and tell their guests."""
    for session in world.guests.take_expired(world.now_s()):
        for connection in remove(world, session):
            sent = frames.frame(frames.RESPONSE, "SessionExpiredEvent", {})
            world.wire.carry(connection, sent, is_push=True)


def remove(world: World, session: Session) -> list[Connection]:
    """Forget a session, whose conversation is over then; the connections that it had."""
    conversation, connections = session.conversation, world.guests.remove(session)
    if conversation is not None:
        world.end(conversation)
    return connections


def close_event(world: World, connection: Connection) -> None:
    """Ask a client to close its connection."""
    sent = frames.frame(frames.MESSAGE, "ConnectionClosedEvent", {})
    world.wire.carry(connection, sent, is_push=True)


def _look(world: World) -> None:
    expire(world)
    if world.faults.sockets.drop:
        for connection in list(world.guests.connections):
            if world.faults.sockets.is_dropped(EVERY_S):
                connection.link.cut()
    if world.guests.connections:
        begin(world)
    else:
        world.guests.is_looked_after = False
