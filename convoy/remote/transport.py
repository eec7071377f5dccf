"""HTTP/1.1 exchanges on one kept-alive connection: bytes in, a whole answer or a WireError out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import cast

from convoy.errors import WireError
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer, AnswerReader
from convoy.remote.pace import Departures
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, wire_code
from convoy.settings import Origin


class Sends(Enum):
    """What a transport is for: of questions what reads is in no rate, and logins have turns."""

    MESSAGES = auto()
    QUESTIONS = auto()
    LOGINS = auto()


@dataclass(eq=False, repr=False)
class Transport:
    """One connection to an origin, for one caller greenlet at a time.

    A request is written at most once per `exchange`. A connection that is too old, or that the
    server closed while it was idle, is replaced before the first byte is written; after a byte was
    written there is no second write. What it `sends` keeps to the dialler's pace, where there is
    one, and once the dialler's kill switch is on nothing leaves. `max_answer_bytes` counts headers
    and body.
    """

    origin: Origin
    dialler: Dialler = field(default_factory=Dialler)
    sends: Sends = Sends.MESSAGES
    max_answer_bytes: int = 10 * 2**20

    def __post_init__(self) -> None:
        self._clock = self.dialler.clock
        self._connection: Connection | None = None
        self._end_of_use_s = 0.0
        self._is_stopped = False
        self.pace = None if self.sends is Sends.LOGINS else self.dialler.pace
        self._kill_switch = self.dialler.kill_switch
        self._departures = Departures(self.pace, self._kill_switch)
        self._reader = AnswerReader(self.max_answer_bytes)
        self.connecting_s = (0.0, 0.0)
        """When the last attempt to connect began and ended, in clock time."""

    @property
    def sent_s(self) -> float | None:
        """When the exchange in progress (or the last one) wrote its first byte; None if never."""
        return self._connection.sent_s if self._connection else None

    @property
    def connection(self) -> Connection | None:
        """The present connection, or the last one; None before there was one."""
        return self._connection

    def exchange(self, request: bytes, deadline_s: float) -> Answer:
        """Write `request` once and return the whole answer to it.

        `deadline_s` is in clock time and covers all: name, connection, TLS, write and answer.
        Raises WireError, after which the connection is closed and the next exchange opens a new
        one. Any other exception thrown into the greenlet closes the connection, too, and passes.
        """
        try:
            return self._converse(request, deadline_s)
        except WIRE_EXCEPTIONS as exc:
            self.close()
            raise WireError(
                wire_code(exc), str(exc), sent_s=self.sent_s, done_s=self._clock()
            ) from exc
        except BaseException:
            self.close()
            raise
        finally:
            if self.pace is not None:
                self._departures.keep()

    def connect(self, deadline_s: float) -> None:
        """Open a connection for the next exchange, which uses it however old it is by then.

        Raises WireError.
        """
        try:
            self._connect(deadline_s)
        except WIRE_EXCEPTIONS as exc:
            raise WireError(wire_code(exc), str(exc), sent_s=None, done_s=self._clock()) from exc
        self._end_of_use_s = inf

    def may_send_by(self, deadline_s: float) -> bool:
        """Return whether the pace leaves room for a message until then."""
        return self.pace is None or self.pace.ready_at(self._clock()) <= deadline_s

    def close(self) -> None:
        """Close the connection; an exchange in progress ends with WireError `stopped`."""
        self._is_stopped = True
        if self._connection is not None:
            self._connection.close()

    def _connect(self, deadline_s: float) -> Connection:
        if self._connection is not None:
            self._connection.close()
        self._kill_switch.let_pass()
        if deadline_s <= self._clock():
            raise TimeoutError("the deadline passed before a connection was open")
        self._is_stopped = False
        began_s = self._clock()
        try:
            connection = self.dialler.dial(self.origin, deadline_s, self._hold)
        finally:
            self.connecting_s = began_s, self._clock()
        self._end_of_use_s = self.dialler.end_of_use_s()
        self._reader = AnswerReader(self.max_answer_bytes)
        return connection

    def _hold(self, connection: Connection) -> None:
        self._connection = connection
        connection.departures = None if self.pace is None else self._departures
        if self._is_stopped:
            # `close` was called while the host was looked up, before there was a connection.
            connection.close()

    def _converse(self, request: bytes, deadline_s: float) -> Answer:
        connection = self._ask(request, deadline_s)
        reader = self._reader
        reader.begin()
        self._read(connection, deadline_s)
        while not reader.is_whole:
            connection.wait(deadline_s)
            self._read(connection, deadline_s)
        # A server may answer before it has taken the whole request. What is left of that would
        # leave before the next one.
        if connection.unsent or connection.is_ended or not reader.is_reusable:
            connection.close()
        connection.expects_silence = True
        return reader.answer(cast(float, connection.sent_s), connection.received_s)

    def _ask(self, request: bytes, deadline_s: float) -> Connection:
        """Post the request, wait until its connection needs attention, and return it.

        A new connection is opened where the last one is too old, was closed, or has received data
        without a request.
        """
        connection = self._connection
        # Before anything that may raise: with the time of the request before, a request that never
        # left would count as sent.
        if connection is not None:
            connection.sent_s = None
        now_s = self._clock()
        if connection is None or not connection.is_open or now_s >= self._end_of_use_s:
            connection, now_s = self._connect(deadline_s), inf
        self._post(connection, request, deadline_s, now_s)
        connection.wait(deadline_s)
        if connection.is_readable:
            if connection.is_open and not connection.is_quiet():
                # While it connects the lanes for which it has its place may go to another worker.
                self._departures.keep()
                connection = self._connect(deadline_s)
                self._post(connection, request, deadline_s, inf)
            else:  # what had arrived was no more than a record of TLS itself
                connection.flush()
            connection.wait(deadline_s)
        return connection

    def _post(
        self, connection: Connection, request: bytes, deadline_s: float, now_s: float
    ) -> None:
        if self.pace is None:
            self._kill_switch.let_pass(now_s)
            connection.post(request)
            return
        is_read = request.startswith(b"GET ")
        is_counted = not (is_read and self.sends is Sends.QUESTIONS)
        # Only now, because messages that wait for connections would leave all at once afterwards.
        if is_counted:
            self._departures.wait(deadline_s, is_message=not is_read)
        else:
            self._kill_switch.let_pass()
        connection.post(request, is_counted=is_counted)

    def _read(self, connection: Connection, deadline_s: float) -> None:
        data, reader = connection.receive(), self._reader
        if data:
            reader.feed(data)
        if reader.is_whole:
            return
        if connection.is_ended:
            reader.end()
        elif connection.received_s > deadline_s:
            raise TimeoutError("no whole answer by the deadline")
