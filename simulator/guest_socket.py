"""A guest's WebSocket at `/v1`: the protocol of an upgraded connection, without a task of its own.

uvicorn's own protocol is for applications that await each event. The queue and the task that it has
for each guest take more memory than all else, so that this one calls and is called instead.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import parse_qs

from uvicorn import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from simulator.answers import error_answer
from simulator.calls import FOREIGN, is_of_another_site
from simulator.errors import rejection
from simulator.faults import ERROR_CODES
from simulator.guest_answering import INJECTED_RETRY_AFTER_S, GuestAnswering
from simulator.ids import new_id
from simulator.model.guest_rates import CONNECTIONS_KEY
from simulator.model.guests import Connection
from simulator.model.organisation import Deployment
from simulator.model.rejection import RateExceeded, Rejection
from simulator.world import World

MESSAGE_BYTES_MAX = 1_048_576
"""Beyond it a message is not read to its end: the connection is closed with 1009."""
UNREAD_BYTES_MAX = 262_144
"""What a guest may leave unread, besides what the system buffers, before it is cut off."""
CLOSE_WITHIN_S = 1.0
SERVICE_RESTART = 1012


class GuestSocket(asyncio.Protocol):
    """The link of one guest."""

    def __init__(self, world: World, answering: GuestAnswering, state: ServerState) -> None:
        self._world = world
        self._answering = answering
        # uvicorn's set has a type for uvicorn's own protocols only.
        self._all: set[Any] = state.connections
        self._protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX)
        self._connection: Connection | None = None
        self._begun = bytearray()
        self._is_text = True
        self._is_receiving = self._has_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX)
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        if self._connection is not None:
            self._answering.disconnect(self._connection)
            self._connection = None

    def data_received(self, data: bytes) -> None:
        # What is sent meanwhile leaves in one write, which costs more than all else about a frame.
        self._is_receiving = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._open(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._is_receiving = False
        self._flush()

    def pause_writing(self) -> None:
        # It does not read what it is sent; what it is sent next would be held in memory.
        self._transport.abort()

    def shutdown(self) -> None:
        """Called by uvicorn when the simulator stops."""
        self.close(SERVICE_RESTART)
        self._transport.close()

    def send(self, frame: bytes) -> None:
        if self._protocol.state is OPEN and not self._transport.is_closing():
            self._protocol.send_text(frame)
            self._flush()

    def close(self, code: int) -> None:
        if self._protocol.state is OPEN:
            self._has_closed = True
            self._protocol.send_close(code)
            self._flush()
            self._abort_later()

    def cut(self) -> None:
        self._transport.abort()

    def _open(self, request: Request) -> None:
        response = self._protocol.accept(request)
        if response.status_code == 101:
            try:
                deployment = self._admitted(request)
            except Rejection as refused:
                response = _refusal(refused)
            else:
                host = request.headers.get("Host", "")
                self._connection = self._answering.connect(deployment, self, f"http://{host}")
        self._protocol.send_response(response)

    def _admitted(self, request: Request) -> Deployment:
        """The deployment that is asked for; raises `Rejection`."""
        if is_of_another_site(lambda name: request.headers.get(name, ""), self._world.options.host):
            raise FOREIGN
        guests, status = self._world.guests, self._world.faults.sockets.refusal()
        if status == 429:
            allowed = guests.limits.connections_per_minute
            raise RateExceeded(INJECTED_RETRY_AFTER_S, allowed, CONNECTIONS_KEY)
        if status:
            raise rejection(ERROR_CODES[status])
        parameters = parse_qs(request.path.partition("?")[2])
        if "deploymentId" not in parameters:
            raise rejection("parameters.missing", field="deploymentId")
        origin = request.headers.get("Origin", "")
        return guests.admit(parameters["deploymentId"][-1], origin, self._world.now_s())

    def _take(self, frame: Frame) -> None:
        """Have a whole message served; pings and closes the protocol answers by itself."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        if not frame.fin:
            # Not a list of parts, which would grow without bound by empty ones.
            self._begun += frame.data
            return
        data = bytes(frame.data)
        if self._begun:
            data = bytes(self._begun + data)
            self._begun.clear()
        # A guest's own close may have been read with it, and comes after it all the same.
        if self._connection is not None and not self._has_closed:
            self._answering.receive(self._connection, data, is_text=self._is_text)

    def _flush(self) -> None:
        if self._is_receiving:
            return
        writes = self._protocol.data_to_send()
        if len(writes) == 1:
            self._transport.write(writes[0])
        elif writes:
            self._transport.write(b"".join(writes))
        # The protocol marks the end of what it sends by an empty one.
        if writes and not writes[-1]:
            self._transport.close()
            self._abort_later()

    def _abort_later(self) -> None:
        """End the connection even if its guest neither reads nor answers the closing."""
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self._transport.abort)


def _refusal(refused: Rejection) -> Response:
    answer = error_answer(refused, new_id())
    headers = Headers({"Content-Type": answer.content_type.decode(), "Connection": "close"})
    headers["Content-Length"] = str(len(answer.body))
    for name, value in answer.headers:
        headers[name.decode()] = value.decode()
    return Response(answer.status, "Refused", headers, answer.body)


def guest_protocol(world: World) -> type[asyncio.Protocol]:
    """What uvicorn makes for each WebSocket."""
    answering = GuestAnswering(world)

    class OfWorld(GuestSocket):
        def __init__(
            self, config: Config, server_state: ServerState, app_state: dict[str, Any]
        ) -> None:
            super().__init__(world, answering, server_state)

    return OfWorld
