"""Guests' sessions: configured, resumed, closed, cleared; and the small questions about them."""

from __future__ import annotations

from simulator import guest_frames as frames
from simulator.guest_orders import Order
from simulator.handlers.guest_history import issue_jwt
from simulator.handlers.guest_upkeep import close_event, remove
from simulator.ids import new_digits
from simulator.model.guest_errors import REQUEST_FAILED, UNAUTHORISED, GuestError
from simulator.model.guests import Session
from simulator.model.rates import Window
from simulator.world import World

RESUME_TOKEN_LIFE_S = 3_600


def configure(world: World, order: Order) -> None:
    """`configureSession`: begins the session of a token, or resumes it.

    With `startNew` it is begun anew; the conversation that it had is over then.
    """
    _check_deployment(order)
    connection, token = order.connection, order.body["token"]
    guests, now_s = world.guests, world.now_s()
    session = guests.find(connection.deployment, token)
    # The limit is the token's, whatever becomes of its session.
    window = session.configures if session is not None else Window()
    guests.rates.spend_configure(window, now_s)
    if session is not None and order.body.get("startNew"):
        for other in remove(world, session):
            if other is not connection:
                close_event(world, other)
        session = None
    is_new = session is None
    if session is None:
        session = guests.begin(connection.deployment, token, now_s)
        session.configures = window
    guests.touch(session, now_s)
    pushed_out = guests.join(connection, session)
    if pushed_out is not None:
        close_event(world, pushed_out)
    _tell(world, order, session, is_connected=True, is_new=is_new)


def refuse_authenticated(world: World, order: Order) -> None:
    """`configureAuthenticatedSession`: nobody can log in here."""
    raise GuestError(UNAUTHORISED)


def close(world: World, order: Order) -> None:
    """`closeSession`: takes this connection, or all, out of the session, which can be resumed."""
    session = order.session(world)
    if order.body["closeAllConnections"]:
        for other in list(session.connections):
            if other is not order.connection:
                world.guests.leave(other)
                close_event(world, other)
    world.guests.leave(order.connection)
    _tell(world, order, session, is_connected=False, is_new=False)


def disconnect(world: World, order: Order) -> None:
    """`disconnectCustomer`: ends the conversation; what the real one does is not documented."""
    session = order.session(world)
    if session.conversation is not None:
        world.end(session.conversation)


def clear(world: World, session: Session) -> None:
    """Forget a session at its guest's wish."""
    connections = remove(world, session)
    for connection in connections:
        sent = frames.frame(frames.MESSAGE, "SessionClearedEvent", {})
        world.wire.carry(connection, sent, is_push=True)
        close_event(world, connection)


def echo(world: World, order: Order) -> None:
    """`echo`: by it clients see whether the connection works, and until when the session lives."""
    session = order.session(world)
    world.guests.rates.spend_echo(order.connection.echoes, world.now_s())
    metadata = {
        "durationSeconds": str(world.guests.limits.session_life_s),
        "expirationDate": str(int(_expires_s(world, session))),
    }
    body = {
        "text": order.body["message"].get("text") or "",
        "type": "Text",
        "direction": "Inbound",
        "id": new_digits(),
        "metadata": metadata,
    }
    order.answer(world, frames.STRUCTURED, body)


def get_jwt(world: World, order: Order) -> None:
    """`getJwt`: what the REST routes of guests are asked with."""
    session = order.session(world)
    jwt, expires_s = issue_jwt(world, session)
    order.answer(world, "JwtResponse", {"jwt": jwt, "exp": expires_s})


def get_resume_token(world: World, order: Order) -> None:
    """`resumeToken`: the token itself resumes a session here, so that this one is for show."""
    order.session(world)
    body = {"resumeToken": new_digits(), "exp": int(world.wall_s()) + RESUME_TOKEN_LIFE_S}
    order.answer(world, "ResumeTokenResponse", body)


def get_configuration(world: World, order: Order) -> None:
    """`getConfiguration`, for which no session is needed."""
    _check_deployment(order)
    body = frames.configuration_body(world.guests.limits)
    order.answer(world, "GetConfigurationResponse", body)


def _check_deployment(order: Order) -> None:
    if order.body["deploymentId"] != order.connection.deployment.id:
        sentence = "Request failed. The deploymentId is not that of the connection."
        raise GuestError(REQUEST_FAILED, sentence)


def _tell(
    world: World, order: Order, session: Session, *, is_connected: bool, is_new: bool
) -> None:
    expires_s = _expires_s(world, session)
    body = frames.session_body(
        session, world.guests.limits, expires_s, is_connected=is_connected, is_new=is_new
    )
    order.answer(world, "SessionResponse", body)


def _expires_s(world: World, session: Session) -> float:
    return world.wall_s() + session.expires_at_s - world.now_s()
