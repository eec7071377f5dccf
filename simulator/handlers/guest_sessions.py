"""Guests' sessions: configured, resumed, closed, cleared; and the small questions about them."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec

from simulator import guest_frames as frames
from simulator.guest_orders import Order
from simulator.handlers.guest_history import issue_jwt
from simulator.handlers.guest_upkeep import close_event, remove
from simulator.ids import new_digits
from simulator.model.guest_errors import NO_DOWNGRADE, REQUEST_FAILED, UNAUTHORISED, GuestError
from simulator.model.guests import Session
from simulator.model.rates import Window
from simulator.world import World

RESUME_TOKEN_LIFE_S = 3_600


class _Claims(msgspec.Struct):
    exp: float | None = None


def configure(world: World, order: Order) -> None:
    """`configureSession`: begins the session of a token, or resumes it.

    With `startNew` it is begun anew; the conversation that it had is over then. A session that was
    begun with a login is not gone on with without one.
    """
    _configure(world, order, has_login=False)


def configure_authenticated(world: World, order: Order) -> None:
    """`configureAuthenticatedSession`: the same with a login, a JWT that has not expired.

    Nobody is asked who signed it.
    """
    if not _is_good(order.body["data"].get("code", ""), world.wall_s()):
        raise GuestError(UNAUTHORISED)
    _configure(world, order, has_login=True)


def _is_good(jwt: str, now_s: float) -> bool:
    parts = jwt.split(".")
    try:
        claims = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=="), type=_Claims)
    except (IndexError, ValueError):
        return False
    return len(parts) == 3 and (claims.exp is None or now_s < claims.exp)


def _configure(world: World, order: Order, *, has_login: bool) -> None:
    _check_deployment(order)
    connection, token = order.connection, order.body["token"]
    guests, now_s = world.guests, world.now_s()
    session = guests.find(connection.deployment, token)
    # The limit is the token's, whatever becomes of its session.
    window = session.configures if session is not None else Window()
    guests.rates.spend_configure(window, now_s)
    if session is not None and session.has_login and not has_login:
        raise GuestError(NO_DOWNGRADE)
    if session is not None and order.body.get("startNew"):
        for other in remove(world, session):
            if other is not connection:
                close_event(world, other)
        session = None
    is_new = session is None
    if session is None:
        session = guests.begin(connection.deployment, token, now_s)
        session.configures, session.has_login = window, has_login
    guests.touch(session, now_s)
    pushed_out = guests.join(connection, session)
    if pushed_out is not None:
        close_event(world, pushed_out)
    _tell(world, order, session, is_connected=True, is_new=is_new)


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
