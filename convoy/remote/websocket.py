"""A WebSocket as its client: an upgrade on a `Connection`, then texts, each with when it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

from websockets.datastructures import Headers

from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.pace import Departures
from convoy.remote.websocket_protocol import WebSocketProtocol
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, AnswerEndedError, StoppedError
from convoy.settings import Origin

OnText = Callable[[str, float], None]
"""Takes a text and when it was received, in the loop's own greenlet: it must not wait."""

_PINGS_AGAIN_S = 1.0
"""So often it is asked whether a ping may leave."""


class WebSocket:
    """One connection, from its upgrade to its end; only `open`, `wait_for` and `close` block.

    Nobody reads: the loop calls back when something has arrived, because a greenlet for each of
    ten thousand connections would cost as much memory again as the connection itself. `fault` says
    why the connection ended, None until then; what the server sends that is no text for `on_text`
    ends it, too. Its texts wait for `departures`, where there are any. Its 220 lines are what may
    happen on one connection in any order: opening, waiting and each end have to agree on `fault`
    and on who is switched to.
    """

    # Each object of ten thousand guests takes 48 bytes less without a `__dict__`.
    __slots__ = ("_connection", "_departures", "_on_text", "_protocol", "fault")

    def __init__(self, on_text: OnText, departures: Departures | None = None) -> None:
        self._on_text: OnText | None = on_text
        self._departures = departures
        self._connection: Connection | None = None
        self._protocol: WebSocketProtocol | None = None
        self.fault: Exception | None = None

    @property
    def is_open(self) -> bool:
        """True while texts can be sent."""
        return self._protocol is not None and self._protocol.is_open

    @property
    def connection(self) -> Connection | None:
        """What it is on; None before there was one."""
        return self._connection

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
        connection = self._connection
        return connection is not None and connection.is_open and len(connection.unsent) > 0

    @property
    def _holds(self) -> bool:
        connection = self._connection
        return connection is not None and connection.holds(connection.message_end)

    def open(
        self,
        dialler: Dialler,
        origin: Origin,
        path: str,
        headers: Mapping[str, str],
        deadline_s: float,
        take_turn: Callable[[Connection], float],
    ) -> Headers:
        """Connect and upgrade, once; return the answer's headers.

        Between these `take_turn` is called, which may wait or raise, and returns by when the answer
        has to be there. Raises UpgradeRefusedError or one of WIRE_EXCEPTIONS.
        """
        connection = dialler.dial(origin, deadline_s, self._hold)
        try:
            self._await_share(dialler)
            protocol = self._protocol = WebSocketProtocol(origin, path)
            deadline_s = take_turn(connection)  # last, because a turn is soon over
            # Of who has turns it is a login.
            connection.post(protocol.upgrade(headers), is_counted=self._departures is None)
            answered = None
            while answered is None:
                data = connection.read_some(deadline_s)
                self._await_share(dialler)
                answered = protocol.read_upgrade(data)
        except BaseException:
            connection.close()
            raise
        connection.listen(self._on_arrival)
        # Frames that came with the answer are read already, and no arrival would tell of them.
        self._take(b"", connection, protocol)
        return answered

    def _await_share(self, dialler: Dialler) -> None:
        """Wait for a share of the loop's time; raises what ended the connection meanwhile."""
        dialler.loop_share.wait(has_begun=True)
        if self.fault is not None:
            raise self.fault

    def _hold(self, connection: Connection) -> None:
        self._connection = connection
        if self._departures is not None:
            connection.departures = self._departures
        if self.fault is not None:
            connection.close()

    def send(self, text: bytes) -> None:
        """Have a text in UTF-8 sent, as `Connection.post`; raises what ended the connection.

        What goes wrong with it is raised where the answer is waited for.
        """
        if self._connection is not None:
            self._connection.sent_s = None
        connection, protocol = self._parts()
        connection.post(protocol.text(text))

    def ping(self) -> None:
        """Ask the server for a sign of life; `received_s` tells whether it came."""
        connection, protocol = self._parts()
        # What waits of it in an outage is discarded with the connection, as a text is. Of who has
        # `departures` it was counted where it was allowed.
        connection.post(protocol.ping(), is_counted=self._departures is None)

    def _parts(self) -> tuple[Connection, WebSocketProtocol]:
        connection, protocol = self._connection, self._protocol
        if connection is None or protocol is None or not protocol.is_open:
            raise self.fault or AnswerEndedError("the connection has ended")
        return connection, protocol

    def wait_for(
        self,
        is_there: Callable[[], bool],
        deadline_s: float,
        clock: Callable[[], float],
        may_ping: Callable[[Connection], bool],
    ) -> None:
        """Wait until `is_there` returns True; it is called again after each `wake`.

        Raises what ended the connection, and TimeoutError.

        From halfway to the deadline on the server is pinged once, when `may_ping` returns True. At
        the deadline the connection is closed where nothing was received since the ping, and where
        the server does not take what is sent, or has not received it.
        """
        pinged_s, pings_s = -inf, (clock() + deadline_s) / 2
        try:
            while not is_there():
                connection, _ = self._parts()
                try:
                    connection.wait(min(pings_s, deadline_s))
                except TimeoutError:
                    if pings_s >= deadline_s:
                        raise
                    pings_s += _PINGS_AGAIN_S
                    if may_ping(connection):
                        pinged_s, pings_s = clock(), inf
                        self.ping()
        except TimeoutError:
            if self.is_blocked or self._holds or self.received_s < pinged_s:
                self.close()
            raise
        except WIRE_EXCEPTIONS:
            if self.fault is not None:
                raise self.fault from None
            raise

    def wake(self) -> None:
        """Have a `wait_for` look again, from `on_text`."""
        if self._connection is not None:
            self._connection.wake()

    def begin_close(self) -> None:
        """Send the close frame (1000); the server's answer to it ends the connection."""
        if self.is_open:
            connection, protocol = self._parts()
            connection.post(protocol.close(), is_control=True)
            connection.flush()  # at once, because an end may follow, and discard what is not sent

    def close(self, deadline_s: float | None = None) -> None:
        """Close the connection, with a close frame; who opens it or waits gets StoppedError then.

        The server may answer by the deadline, if there is one and nobody waits: what it sends after
        an end would be answered with a reset, by which it could lose the close frame.
        """
        self.begin_close()
        connection, protocol = self._connection, self._protocol
        try:
            while deadline_s is not None and self.fault is None and connection is not None:
                if protocol is None or not protocol.is_closing:
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
            self._connection.flush()
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
        if data is not None:
            self._take(data, connection, protocol)

    def _take(self, data: bytes, connection: Connection, protocol: WebSocketProtocol) -> None:
        """Hand over what has arrived, answer what has to be, and end where that is due."""
        texts, answer = protocol.receive(data, is_ended=connection.is_ended)
        # A server that does not read gets no answers to its pings, so that they do not pile up.
        if answer and not (protocol.is_open and connection.unsent):
            connection.post(answer, is_control=True)
        on_text = self._on_text
        assert on_text is not None
        for text in texts:
            on_text(text, connection.received_s)
        if protocol.fault is not None:
            connection.flush()
            self._end(protocol.fault)

    def _end(self, fault: Exception) -> None:
        self.fault = self.fault or fault
        # The owner of `_on_text` refers to this socket: such a cycle would be left to the garbage
        # collection, which blocks the event loop.
        self._on_text = None
        if self._connection is not None:
            self._connection.close()
        if self._protocol is not None:
            self._protocol.end()
