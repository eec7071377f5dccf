"""A WebSocket as its client: an upgrade on a `Connection`, then texts, each with when it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.frames import BINARY, CLOSE, CONT, TEXT, Close, CloseCode, Frame
from websockets.http11 import Response
from websockets.protocol import CLOSING, CONNECTING, OPEN
from websockets.uri import WebSocketURI

from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.wire_faults import (
    WIRE_EXCEPTIONS,
    AnswerEndedError,
    AnswerTooLargeError,
    MalformedAnswerError,
    StoppedError,
    TlsExpectedError,
)
from convoy.settings import Origin

_MOST_BYTES = 256 * 2**10
"""Of one text, however many frames it comes in; a service's texts have a few KB."""
_TLS_ALERT = b"\x15\x03"

OnText = Callable[[str, float], None]
"""Takes a text and when it was received, in the loop's own greenlet: it must not wait."""


class UpgradeRefusedError(Exception):
    """The server answered the upgrade with a status of HTTP other than 101."""

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> None:
        where = headers.get(b"location", b"").decode("latin-1")
        super().__init__(f"the upgrade was answered with {status}{where and f' to {where}'}")
        self.status = status
        self.headers = headers
        self.body = body


class ServerClosedError(AnswerEndedError):
    """The server sent a close frame; `code` is its code, 1005 where it gave none."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"the server closed the WebSocket: {close}")
        self.code = int(close.code)


class WebSocket:
    """One connection, from its upgrade to its end; only `open`, `wait` and `close` block.

    Nobody reads: the loop calls back when something has arrived, because a greenlet for each of
    ten thousand connections would cost as much memory again as the connection itself. Pings are
    answered. Compression is not offered. `fault` says why the connection ended, None until then;
    what the server sends that is no text for `on_text` ends it, too.
    """

    __slots__ = ("_connection", "_on_text", "_partial", "_protocol", "fault")

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._connection: Connection | None = None
        self._protocol: ClientProtocol | None = None
        self._partial: bytearray | None = None
        self.fault: Exception | None = None

    @property
    def is_open(self) -> bool:
        """True while texts can be sent."""
        return self.fault is None and self._protocol is not None and self._protocol.state is OPEN

    @property
    def sent_s(self) -> float | None:
        """When the first byte of the last text left; None while it has not."""
        return self._connection.sent_s if self._connection is not None else None

    @property
    def received_s(self) -> float:
        """When anything was received last."""
        return self._connection.received_s if self._connection is not None else -inf

    @property
    def is_blocked(self) -> bool:
        """True while the kernel has not taken all that was sent, because the server does not."""
        return self._connection is not None and len(self._connection.unsent) > 0

    def open(
        self,
        dialler: Dialler,
        origin: Origin,
        path: str,
        headers: Mapping[str, str],
        deadline_s: float,
        take_turn: Callable[[], float],
    ) -> Headers:
        """Connect and upgrade, once; return the answer's headers.

        Between these `take_turn` is called, which may wait or raise, and returns by when the answer
        has to be there. Raises UpgradeRefusedError or one of WIRE_EXCEPTIONS.
        """
        connection = dialler.dial(origin, deadline_s, self._hold)
        uri = WebSocketURI(origin.is_https, origin.host, origin.port, path, "")
        protocol = self._protocol = ClientProtocol(uri, max_size=_MOST_BYTES)
        request = protocol.connect()
        request.headers.update(headers)
        protocol.send_request(request)
        try:
            deadline_s = take_turn()
            connection.post(b"".join(protocol.data_to_send()))
            self._await_upgrade(connection, protocol, deadline_s)
        except BaseException:
            connection.close()
            raise
        answer = protocol.events[0]
        assert isinstance(answer, Response)
        connection.listen(self._on_arrival)
        self._take_frames(protocol)
        return answer.headers

    def _hold(self, connection: Connection) -> None:
        self._connection = connection
        if self.fault is not None:
            connection.close()

    def _await_upgrade(
        self, connection: Connection, protocol: ClientProtocol, deadline_s: float
    ) -> None:
        is_first = True
        while protocol.state is CONNECTING and protocol.handshake_exc is None:
            data = connection.read_some(deadline_s)
            if is_first and data.startswith(_TLS_ALERT):
                raise TlsExpectedError("the port answers with a record of TLS")
            is_first = False
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
        fault = protocol.handshake_exc
        if isinstance(fault, InvalidStatus):
            answer = fault.response
            given = {
                name.lower().encode("latin-1"): value.encode("latin-1")
                for name, value in answer.headers.raw_items()
            }
            raise UpgradeRefusedError(answer.status_code, given, bytes(answer.body)) from fault
        if fault is not None:
            raise _ours(fault) from fault

    def send(self, text: bytes, on_sent: Callable[[], object] | None = None) -> None:
        """Have a text in UTF-8 sent; raises what ended the connection, if it has ended.

        What goes wrong with it is raised where the answer is waited for. `on_sent` is called when
        the kernel has taken its first byte.
        """
        connection, protocol = self._parts()
        connection.sent_s, connection.on_sent = None, on_sent
        protocol.send_text(text)
        connection.post(b"".join(protocol.data_to_send()))

    def ping(self) -> None:
        """Ask the server for a sign of life; `received_s` tells whether it came."""
        connection, protocol = self._parts()
        protocol.send_ping(b"")
        connection.post(b"".join(protocol.data_to_send()))

    def _parts(self) -> tuple[Connection, ClientProtocol]:
        if self._connection is None or self._protocol is None or not self.is_open:
            raise self.fault or AnswerEndedError("the connection has ended")
        return self._connection, self._protocol

    def wait(self, deadline_s: float) -> None:
        """Wait until `wake` is called; raises what ended the connection, and TimeoutError."""
        connection, _ = self._parts()
        try:
            connection.wait(deadline_s)
        except WIRE_EXCEPTIONS:
            if self.fault is not None:
                raise self.fault from None
            raise

    def wait_for(
        self,
        is_there: Callable[[], bool],
        deadline_s: float,
        clock: Callable[[], float],
        may_ping: Callable[[], bool],
    ) -> None:
        """Wait until something is there, looked for after each `wake`; raises as `wait`.

        At half the time the server is pinged, if it may be. A connection over which nothing has
        come since is closed in the end, as is one that does not take what is sent.
        """
        pinged_s, half_s = inf, (clock() + deadline_s) / 2
        try:
            while not is_there():
                try:
                    self.wait(half_s if pinged_s == inf else deadline_s)
                except TimeoutError:
                    if pinged_s < inf:
                        raise
                    pinged_s = clock()
                    if may_ping():
                        self.ping()
        except TimeoutError:
            if self.is_blocked or self.received_s < pinged_s:
                self.close()
            raise

    def wake(self) -> None:
        """Have a `wait` end, from `on_text`."""
        if self._connection is not None:
            self._connection.wake()

    def begin_close(self) -> None:
        """Send the close frame (1000); the server's answer to it ends the connection."""
        if self.is_open:
            connection, protocol = self._parts()
            protocol.send_close(CloseCode.NORMAL_CLOSURE)
            connection.post(b"".join(protocol.data_to_send()))
            connection.send()

    def close(self, deadline_s: float | None = None) -> None:
        """Close the connection, with a close frame; an `open` or a `wait` raises StoppedError then.

        The server may answer by the deadline, if there is one and nobody waits: what it sends after
        an end would be answered with a reset, by which it could lose the close frame.
        """
        self.begin_close()
        connection, protocol = self._connection, self._protocol
        try:
            while deadline_s is not None and self.fault is None and connection is not None:
                if protocol is None or protocol.state is not CLOSING:
                    break
                connection.wait(deadline_s)
        except WIRE_EXCEPTIONS:
            pass
        finally:
            self._end(StoppedError("the connection was closed by its owner"))

    def cut(self) -> None:
        """End the connection by a reset, without a close frame, once the kernel has what was sent.

        What the kernel does not take at once is lost. Other ends are `close`'s.
        """
        if self._connection is not None:
            self._connection.send()
            self._connection.reset()
        self._end(StoppedError("the connection was cut by its owner"))

    def _on_arrival(self) -> None:
        connection, protocol = self._connection, self._protocol
        assert connection is not None and protocol is not None
        try:
            data = connection.receive()
        except OSError as exc:
            self._end(exc)
            return
        if data:
            protocol.receive_data(data)
        if connection.is_ended:
            protocol.receive_eof()
        if data is not None:
            self._take_frames(protocol)

    def _take_frames(self, protocol: ClientProtocol) -> None:
        """Hand over what has arrived, answer what has to be, and end where that is due."""
        connection = self._connection
        assert connection is not None
        fault: Exception | None = None
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and fault is None:
                fault = self._take(frame, protocol, connection.received_s)
        fault = fault or (protocol.parser_exc and _ours(protocol.parser_exc))
        writes = b"".join(protocol.data_to_send())
        # A server that does not read gets no answers to its pings, so that they do not pile up.
        if writes and not (protocol.state is OPEN and connection.unsent):
            connection.post(writes)
        if fault is not None:
            connection.send()
            self._end(fault)

    def _take(self, frame: Frame, protocol: ClientProtocol, received_s: float) -> Exception | None:
        """Take one frame; return what the connection ends with, if it does."""
        if frame.opcode is CLOSE:
            assert protocol.close_rcvd is not None
            return ServerClosedError(protocol.close_rcvd)
        if frame.opcode is BINARY:
            protocol.fail(CloseCode.UNSUPPORTED_DATA)
            return MalformedAnswerError("a frame is binary")
        if frame.opcode is not TEXT and frame.opcode is not CONT:
            return None
        data = frame.data
        if self._partial is not None:
            self._partial += data
            data = self._partial
        elif not frame.fin:
            self._partial = bytearray(data)
        if not frame.fin:
            return None
        self._partial = None
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError as exc:
            protocol.fail(CloseCode.INVALID_DATA)
            return MalformedAnswerError(f"a text is no UTF-8: {exc.reason}")
        self._on_text(text, received_s)
        return None

    def _end(self, fault: Exception) -> None:
        self.fault = self.fault or fault
        if self._connection is not None:
            self._connection.close()
        if self._protocol is not None:
            # It refers to the protocol that has it. As garbage, the connections of guests who come
            # and go would block the event loop for 40 ms whenever it is collected.
            self._protocol.parser.close()


def _ours(fault: Exception) -> Exception:
    """Return our exception for one that the library met while it read."""
    if isinstance(fault, PayloadTooBig):
        return AnswerTooLargeError(str(fault))
    if isinstance(fault, EOFError) or isinstance(fault.__cause__, EOFError):
        return AnswerEndedError(str(fault))
    return MalformedAnswerError(str(fault))
