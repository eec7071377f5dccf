"""The abstract user that is a guest of web messaging, over WebSocket."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from convoy.clock import clock_s
from convoy.engine.rendered_ahead import Message
from convoy.errors import RefusalError, RemoteError
from convoy.plugin.guest_timings import FIRST_REPLY, OWN_COPY, REPLY_BURST, GuestTimings
from convoy.plugin.users import ScenarioUser
from convoy.remote.connections import Connections
from convoy.remote.guest_answers import NOT_RESUMED, Order
from convoy.remote.guest_events import Event, Jwt, OwnCopy
from convoy.remote.guest_protocol import GuestProtocol, answer_message, attachment_message
from convoy.remote.guest_rest import read_history
from convoy.remote.guest_session import GuestSession
from convoy.remote.websocket import WebSocket
from convoy.results.outcome import FAILED, Attempt, Phase
from convoy.routes.catalogue import GUEST_CHAT
from convoy.settings import Settings
from convoy.swarm.accounting import StepTimes

__all__ = ["GuestUser", "Message"]

_MEASURE = Phase.MEASURE
"""Looking a member up in its class takes longer than most lines here."""


class GuestUser(ScenarioUser):
    """A user that writes as a guest to the deployment that its scenario's variables name.

    `GuestTimings` has what is measured of messages.
    """

    abstract = True
    request_type = "GUEST"
    route = GUEST_CHAT
    timings: tuple[str, ...] = (OWN_COPY, FIRST_REPLY, REPLY_BURST)
    session: GuestSession
    _order: Order
    _measured: GuestTimings
    _ended: WebSocket | None = None

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> GuestSession:
        guests = connections.guests_of(settings.scenario[cls.scenario].variables)
        return GuestSession(guests, lambda event, received_s: None)

    def on_start(self) -> None:
        super().on_start()
        self._order = Order()
        self._measured = GuestTimings(self._work.accounting.timing, self.timings)
        self.session.on_event = self._hear
        self.join()

    def leave(self) -> None:
        # Once: a user leaves again when Locust stops it, and by then its own close was answered.
        if self._run is not None:
            # A burst that is entered after the last report would be in Locust's row alone.
            if self._run.may_measure:
                self._measured.end()
            self._note_loss()
        super().leave()
        self._ended = getattr(getattr(self, "session", None), "socket", None)

    def next_message(self) -> Message:
        message = super().next_message()
        self._measured.end()
        return message

    def send(self, message: Message) -> Attempt:
        id, began_s, went_on_s = self.tracing_id(message), clock_s(), 0.0
        if not self.session.is_ready:
            self._note_loss()
            if fault := self._go_on(began_s + self.timeout_s):
                return self._failed(fault, began_s)
            went_on_s = clock_s() - began_s
            self._called_s += went_on_s
        self._measured.begin(id, self._phase is _MEASURE)
        attempt = self.session.post(id, message.body, self.timeout_s - went_on_s)
        self._measured.note_sent(attempt)
        return attempt

    def tracing_id(self, message: Message) -> str:
        """Return by what the service names a message, and its copy."""
        return f"{self._work.run_id}:{self.scenario}:{self._phase}:{message.due.k}"

    def _failed(self, fault: RemoteError, began_s: float) -> Attempt:
        """Return the attempt at a message for which the session could not go on."""
        now_s = clock_s()
        waited_s = self._called_s + now_s - began_s
        return Attempt(FAILED, fault.code, began_s, now_s, waited_s=waited_s)

    def _go_on(self, deadline_s: float) -> RemoteError | None:
        """See that the guest has a connection; return why it has none.

        A session that is still there goes on: step `reconnect`. Else another guest begins.
        """
        if not self.session.connection.is_lost:
            return None
        if not self.session.is_known:
            return self._begin(deadline_s)
        fault = self._try("reconnect", lambda times: self.session.open(deadline_s))
        if fault is None and self.session.is_new:
            self._disturb(NOT_RESUMED)
            self.join()
        return fault

    def _begin(self, deadline_s: float | None = None) -> RemoteError | None:
        """Come as a new guest: steps `connect`, `configure` and `join`; return what failed.

        By default it waits for its turn however long.
        """
        fault = self._try("connect", lambda times: self.session.connect(deadline_s))
        fault = fault or self._try("configure", lambda times: self.session.configure(deadline_s))
        self.join()
        return fault

    def _try(self, step: str, act: Callable[[StepTimes], object]) -> RemoteError | None:
        """Do what a step consists of; return what failed. Waiting for a turn is no part of it.

        `act` may correct the times of the step.
        """
        fault, waited_s = None, self.session.waited_s
        with self.step(step) as times:
            try:
                act(times)
            except RemoteError as error:
                fault = error
                raise
            finally:
                times.began_s += self.session.waited_s - waited_s
        return fault

    def type(self) -> None:
        """Show that the guest is writing: step `typing`."""
        if self.session.is_ready:
            began_s = clock_s()
            with self.step("typing"):
                self.session.tell(GuestProtocol.type)
            self._called_s += clock_s() - began_s

    def join(self) -> None:
        """Begin the conversation of a new session, where the settings ask for it: step `join`."""
        if self.does("join") and self.session.is_ready and self.session.is_new:
            with self.step("join"):
                self.session.request(GuestProtocol.join, OwnCopy)

    def await_reply(self) -> None:
        """Wait for a reply to the last message, for as long as a message may take."""
        self._measured.await_reply(self.timeout_s)

    def answer(self) -> None:
        """Pick the first of the choices that replies have offered, if any: step `answer`."""
        offer = self._measured.offer
        if offer is not None:
            with self.step("answer"):
                self.session.say(answer_message(offer.choices[0], offer.message_id))

    def attach(self, message: Message) -> None:
        """Upload a small file, and send a message that names it: step `attachment`."""
        id, text = str(uuid.uuid4()), f"{self.marker_of_steps(message)} A note"
        with self.step("attachment"):
            self.session.connection.check_ready()
            self.session.upload(id, "note.txt", "text/plain", text.encode())
            self.session.say(attachment_message(id, text))

    def read_history(self) -> None:
        """Read the first page of the guest's messages over REST: step `history`."""
        assert self._run is not None
        connections = self._run.connections
        guests = connections.guests_of(self.variables)
        with self.step("history"):
            self.session.connection.check_ready()
            jwt = self.session.request(GuestProtocol.get_jwt, Jwt).jwt
            read_history(guests, connections.api, jwt, clock_s() + self.timeout_s)

    def begin_anew(self) -> None:
        """Leave, and come back as another guest: steps `connect`, `configure` and `join`.

        Where that fails, the next message tries it again. No guest comes once the run is stopped,
        or what was under way at its end has been.
        """
        self._measured.end()
        # Before it leaves: the server answers a guest's own close, which would look like a loss.
        self._note_loss()
        self.session.leave()
        self._ended, self._order = self.session.socket, Order()
        self.session.await_turn()
        run = self._run
        if run is None or run.is_stopping or clock_s() >= run.ends_s + self.timeout_s:
            return
        self._begin()

    def _hear(self, event: Event, received_s: float) -> None:
        if oddity := self._order.oddity_of(event):
            self._disturb(oddity)
        self.hear(event, received_s)

    def hear(self, event: Event, received_s: float) -> None:
        """Take what the session was told, in the loop's own greenlet."""
        sent_s = self.session.sent_s
        self._measured.hear(event, received_s, sent_s, self._phase is _MEASURE)

    def _note_loss(self) -> None:
        """Count once how the server ended the connection, if it did; a post replaces it."""
        socket = self.session.socket
        if socket is not self._ended and (code := self.session.connection.loss):
            self._ended = socket
            self._disturb(code)

    def _disturb(self, code: str) -> None:
        with self.step("disturbance"):
            raise RefusalError(code)
