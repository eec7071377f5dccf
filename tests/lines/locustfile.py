"""Scenario `lines`: messages over a protocol of lines of text, of which Convoy knows nothing.

The client sends `HELLO`, `OPEN`, `TYPING marker` or `SAY body`, and gets one line in answer: `OK`,
perhaps with a word behind it, or `NO code`. A line `REPLY k` comes unasked.
"""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets
import os
from collections.abc import Callable
from math import inf

import gevent
from gevent.event import AsyncResult
from locust import task

from convoy.clock import clock_s
from convoy.engine.rendered_ahead import Message
from convoy.errors import RefusalError, WireError
from convoy.plugin import hooks
from convoy.plugin.users import ScenarioUser
from convoy.prepare.scenarios import Opening
from convoy.remote.connection import Connection
from convoy.remote.connections import Connections
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, StoppedError, wire_code
from convoy.results.outcome import ACCEPTED, REJECTED, Attempt
from convoy.settings import Origin, Settings
from scenarios.conversation_messages import ConversationMessages
from scenarios.guest_messages import GuestMessages
from scenarios.invalid_messages import InvalidMessages

__all__ = ["ConversationMessages", "GuestMessages", "InvalidMessages", "Lines"]
"""The shipped scenarios are here because `config/default.yaml` has settings for them."""


class LineSession:
    """A connection of lines; a greenlet reads it, and hands replies to `on_reply`."""

    def __init__(self, connections: Connections, port: int) -> None:
        self.attempts = 0
        self.sent_s: float | None = None
        self.on_reply: Callable[[str], None] = lambda k: None
        self._connections = connections
        self._origin = Origin("http", "127.0.0.1", port)
        self._connection: Connection | None = None
        self._answer: AsyncResult[str] = AsyncResult()

    def open(self) -> None:
        try:
            deadline_s = clock_s() + 5
            dial = self._connections.dialler.dial
            self._connection = dial(self._origin, deadline_s, lambda connection: None)
        except WIRE_EXCEPTIONS as fault:
            raise self._fault(fault) from fault
        gevent.spawn(self._read, self._connection)
        self.call("HELLO")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def ready_at(self, now_s: float) -> float:
        return now_s

    def call(self, line: str, timeout_s: float = 5.0) -> str:
        """Send a line, and return what follows `OK`; raises WireError, RefusalError."""
        assert self._connection is not None
        self._answer = AsyncResult()
        self.attempts, self._connection.sent_s = 1, None
        try:
            self._connection.post(f"{line}\n".encode())
            with gevent.Timeout(timeout_s, TimeoutError("no answer in time")):
                word, _, rest = self._answer.get().partition(" ")
        except WIRE_EXCEPTIONS as fault:
            raise self._fault(fault) from fault
        finally:
            self.sent_s = self._connection.sent_s
        if word != "OK":
            raise RefusalError(rest)
        return rest

    def _read(self, connection: Connection) -> None:
        unread = b""
        try:
            while data := connection.read_some(inf):
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    word, _, rest = line.decode().partition(" ")
                    if word == "REPLY":
                        self.on_reply(rest)
                    else:
                        self._answer.set(line.decode())
            raise ConnectionResetError("the server has gone")
        except StoppedError:
            pass
        except WIRE_EXCEPTIONS as fault:
            self._answer.set_exception(fault)

    def _fault(self, fault: Exception) -> WireError:
        return WireError(wire_code(fault), str(fault), sent_s=self.sent_s, done_s=clock_s())


class LineUser(ScenarioUser):
    """A user of the protocol; the port is a variable of the scenario."""

    abstract = True
    request_type = "LINE"
    session: LineSession

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> LineSession:
        return LineSession(connections, int(settings.scenario[cls.scenario].variables["port"]))

    def send(self, message: Message) -> Attempt:
        fate, code, began_s = ACCEPTED, "", clock_s()
        try:
            self.session.call(f"SAY {message.body.decode()}", self.timeout_s)
        except RefusalError as refusal:
            fate, code = REJECTED, refusal.code
        return Attempt(fate, code, self.session.sent_s or began_s, clock_s())


class Lines(LineUser):
    """Types, says something, and waits for nobody: the reply comes when it comes."""

    scenario = "lines"
    steps = ("typing",)
    timings = ("first_reply",)

    @staticmethod
    def open_conversation(session: LineSession, opening: Opening) -> str:
        return session.call("OPEN")

    def on_start(self) -> None:
        super().on_start()
        self.session.on_reply = lambda k: self.note_received("first_reply", k)

    @task
    def talk(self) -> None:
        message = self.next_message()
        with self.step("typing"):
            self.session.call(f"TYPING {self.marker_of_steps(message)}")
        self.note_sent("first_reply", str(message.due.k))
        self.post(message)


hooks.install(os.environ)
