"""uvicorn's HTTP protocol, with a way to cut a connection and bounds on what it takes in."""

from __future__ import annotations

from functools import partial

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from simulator.answers import error_answer
from simulator.errors import rejection
from simulator.ids import new_id

CUT = "simulator.cut"
HEAD_BYTES_MAX = 65_536
GUESTS = b"/v1"
"""The one path at which there are WebSockets."""


class CuttableProtocol(HttpToolsProtocol):
    """Adds the ASGI extension `simulator.cut`: `{"cut": callable}` closes the request's connection.

    What is not HTTP is answered with the error envelope. Heads, extensions of chunks and trailers
    without end are refused.
    """

    _bytes_outside_bodies = 0
    """That have come since the last byte of a body, or the end of the last request."""

    def data_received(self, data: bytes) -> None:
        self._bytes_outside_bodies += len(data)
        super().data_received(data)
        if self.scope is None:
            self._bytes_outside_bodies = 0
        elif self._bytes_outside_bodies > HEAD_BYTES_MAX and not self.transport.is_closing():
            if self._is_head_read():
                self.transport.close()
            else:
                self.send_400_response("The request head is too large.")

    def _is_head_read(self) -> bool:
        return "path" in self.scope

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_read():  # else it is a trailer
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._bytes_outside_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes_outside_bodies = 0
        super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return self.url.partition(b"?")[0] == GUESTS and super()._should_upgrade()

    def on_headers_complete(self) -> None:
        self._bytes_outside_bodies = 0
        super().on_headers_complete()
        self.scope["extensions"] = {CUT: {"cut": partial(self._cut, self.cycle)}}

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio allows it, uvicorn does not
        """Answer a client that has closed its half after a whole request."""
        if self._is_answer_due():
            self.cycle.keep_alive = False
            return True
        return False

    def send_400_response(self, msg: str) -> None:
        if self._is_answer_due():
            # Garbage after a whole request: that one still gets its answer.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        correlation_id = new_id()
        body = error_answer(rejection("bad.request"), correlation_id).body
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\nININ-Correlation-Id: %b\r\n\r\n%b"
            % (len(body), correlation_id.encode(), body)
        )
        self.transport.close()

    def _is_answer_due(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _cut(self, cycle: RequestResponseCycle) -> None:
        cycle.disconnected = True
        self.transport.close()
