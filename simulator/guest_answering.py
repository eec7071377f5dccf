"""From a guest's frame to what it is answered: reading, limits, session, action, ledger."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from simulator import guest_frames as frames
from simulator.guest_orders import Action, Order
from simulator.handlers import guest_files, guest_messages, guest_sessions, guest_upkeep
from simulator.model import guest_requests as requests
from simulator.model.guest_errors import (
    RATE_TOO_HIGH,
    REQUEST_FAILED,
    UNEXPECTED,
    GuestError,
    RequestRateExceeded,
)
from simulator.model.guests import Connection, Link
from simulator.model.marker import find_marker_in_bytes
from simulator.model.organisation import Deployment
from simulator.socket_faults import CLOSE
from simulator.world import World

INJECTED_RETRY_AFTER_S = 1
INVALID_DATA = 1007
SEND = "onMessage"
ACTIONS: Mapping[str, Action] = {
    "configureSession": Action(requests.CONFIGURE, guest_sessions.configure),
    "configureAuthenticatedSession": Action(
        requests.CONFIGURE_AUTHENTICATED, guest_sessions.configure_authenticated
    ),
    "getConfiguration": Action(requests.GET_CONFIGURATION, guest_sessions.get_configuration),
    SEND: Action(requests.SEND, guest_messages.send),
    "echo": Action(requests.ECHO, guest_sessions.echo),
    "onAttachment": Action(requests.ANNOUNCE_FILE, guest_files.announce),
    "getAttachment": Action(requests.OF_FILE, guest_files.locate),
    "deleteAttachment": Action(requests.OF_FILE, guest_files.delete),
    "getJwt": Action(requests.OF_SESSION, guest_sessions.get_jwt),
    "closeSession": Action(requests.CLOSE, guest_sessions.close),
    "disconnectCustomer": Action(requests.OF_SESSION, guest_sessions.disconnect),
    "resumeToken": Action(requests.OF_SESSION, guest_sessions.get_resume_token),
}
logger = logging.getLogger("simulator")
_decode = msgspec.json.Decoder().decode


class GuestAnswering:
    """Answers guests' frames on one world; never raises."""

    def __init__(self, world: World) -> None:
        self._world = world

    def connect(self, deployment: Deployment, link: Link, base_url: str) -> Connection:
        """Take a guest in whose WebSocket is open."""
        guests = self._world.guests
        connection = Connection(deployment, link, base_url)
        guests.connections[connection] = None
        if not guests.is_looked_after:
            guests.is_looked_after = True
            guest_upkeep.begin(self._world)
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Let a guest go; the session stays, so that it can be resumed."""
        del self._world.guests.connections[connection]
        self._world.guests.leave(connection)

    def receive(self, connection: Connection, frame: bytes, *, is_text: bool) -> None:
        """Serve one frame."""
        strike = self._world.faults.sockets.strike()
        if strike is not None and strike.kind == CLOSE:
            connection.link.close(strike.code)
            return
        body, complaint = _read(frame) if is_text else ({}, "Binary frames are not understood.")
        order = Order(body, frame, connection)
        try:
            self._world.guests.rates.spend_request(connection.requests, self._world.now_s())
            if complaint:
                raise GuestError(REQUEST_FAILED, f"Request failed. {complaint}")
            if strike is not None:
                raise _injected(strike.code)
            self._serve(order)
        except GuestError as refused:
            self._refuse(order, refused)
        except Exception:
            # The outermost edge: a fault of the simulator's own must not take the process along.
            logger.exception("a guest's %s failed", body.get("action"))
            self._refuse(order, GuestError(UNEXPECTED))
        if is_text and complaint and not _is_utf_8(frame):
            connection.link.close(INVALID_DATA)

    def _serve(self, order: Order) -> None:
        world = self._world
        name = order.body.get("action")
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            raise GuestError(REQUEST_FAILED, "Request failed. There is no such action.")
        requests.checked(order.body, action.check)
        guest_upkeep.expire(world)
        action.serve(world, order)

    def _refuse(self, order: Order, refused: GuestError) -> None:
        sent = frames.refusal(refused, order.tracing_id)
        self._world.wire.carry(order.connection, sent, is_push=False)
        marker = find_marker_in_bytes(order.raw)
        if marker is not None or _is_message(order.body):
            self._world.ledger.reject(marker, f"guest {refused.code}")


def _read(frame: bytes) -> tuple[dict[str, Any], str]:
    """The request in a frame, or what is wrong with it."""
    if len(frame) > requests.FRAME_BYTES_MAX:
        return {}, "The frame is too large."
    try:
        body = _decode(frame)
    except (ValueError, RecursionError):
        return {}, "The frame is not JSON."
    if not isinstance(body, dict):
        return {}, "The frame is not an object."
    return body, ""


def _is_utf_8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_message(body: dict[str, Any]) -> bool:
    message = body.get("message")
    return body.get("action") == SEND and not (
        isinstance(message, dict) and message.get("type") == "Event"
    )


def _injected(code: int) -> GuestError:
    if code == RATE_TOO_HIGH:
        return RequestRateExceeded(INJECTED_RETRY_AFTER_S)
    return GuestError(code)
