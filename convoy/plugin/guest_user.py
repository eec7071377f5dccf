"""The abstract user that is a guest of web messaging, over WebSocket."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from time import perf_counter

from gevent.event import Event as Signal
from msgspec.structs import replace

from convoy.engine.ahead import Message
from convoy.errors import RefusalError
from convoy.plugin.users import ScenarioUser
from convoy.remote.client import Connections
from convoy.remote.guest_answers import TOLD, Order
from convoy.remote.guest_events import Event, Jwt, OwnCopy, Reply
from convoy.remote.guest_protocol import GuestProtocol, answer_message, attachment_message
from convoy.remote.guest_rest import read_history
from convoy.remote.guest_session import GuestSession
from convoy.remote.websocket import WebSocket
from convoy.results.outcome import ACCEPTED, UNKNOWN, Attempt, Phase
from convoy.results.steps import TimingRecorder
from convoy.routes.catalogue import GUEST_CHAT
from convoy.settings import Settings

__all__ = ["GuestUser", "Message"]


class _Turn:
    """A message of the guest's, and what came after it until its next one."""

    __slots__ = (
        "awaits_reply",
        "has_copy",
        "id",
        "is_measured",
        "last_reply_s",
        "offer",
        "replied",
        "sent_s",
    )

    def __init__(self, id: str, is_measured: bool) -> None:
        self.id = id
        self.is_measured = is_measured
        self.sent_s = 0.0
        self.has_copy = self.awaits_reply = False
        self.last_reply_s: float | None = None
        self.offer: Reply | None = None
        self.replied: Signal | None = None  # once somebody waits for it


class GuestUser(ScenarioUser):
    """A user that writes as a guest to the deployment that its scenario's variables name.

    Its timings run from when a message left: to its own copy, to the first reply after it, and to
    the last reply before the guest's next message (`reply_burst`, which is known only then, and of
    the last message of a run not at all). Replies name no message: each is taken for one to the
    message before it.
    """

    abstract = True
    request_type = "GUEST"
    route = GUEST_CHAT
    timings = ("own_copy", "first_reply", "reply_burst")
    session: GuestSession
    _turn: _Turn | None = None
    _called_s = 0.0
    _order: Order
    _ended: WebSocket | None = None

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> GuestSession:
        variables = settings.scenario[cls.scenario].variables
        guests = connections.guests_of(variables)
        return GuestSession(guests, lambda event, received_s: None)

    def on_start(self) -> None:
        super().on_start()
        self._order = Order()
        self.session.on_event = self._hear
        self.join()

    def leave(self) -> None:
        # Once: a user leaves again when Locust stops it, and by then its own close was answered.
        if self._run is not None:
            self._end_turn()
            self._note_loss()
        super().leave()

    def next_message(self) -> Message:
        message = super().next_message()
        self._end_turn()
        self._called_s = 0.0
        return message

    def send(self, message: Message) -> Attempt:
        id = f"{self._work.run_id}:{self.scenario}:{self._phase}:{message.due.k}"
        turn = self._turn = _Turn(id, self._is_measured)
        self._note_loss()
        attempt = self.session.post(id, message.body, self.timeout_s)
        turn.sent_s = attempt.sent_s
        if attempt.fate is UNKNOWN and not turn.has_copy:
            self._note("own_copy", turn)
        if attempt.fate is not ACCEPTED:
            self._turn = None
        elif turn.last_reply_s is None:
            turn.awaits_reply = True
            self._note("first_reply", turn)
        if not self._called_s:
            return attempt
        # What the message waited for a step is the target's time, not the scenario's own.
        return replace(attempt, waited_s=attempt.waited_s + self._called_s)

    def type(self) -> None:
        """Show that the guest is writing: step `typing`."""
        if self.session.is_ready:
            began_s = perf_counter()
            with self.step("typing"):
                self.session.tell(GuestProtocol.type)
            self._called_s += perf_counter() - began_s

    def join(self) -> None:
        """Begin the conversation of a new session, where the settings ask for it: step `join`."""
        if self.does("join") and self.session.is_ready and self.session.is_new:
            with self.step("join"):
                self.session.request(GuestProtocol.join, OwnCopy)

    def await_reply(self) -> None:
        """Wait for a reply to the last message, for as long as a message may take."""
        turn = self._turn
        if turn is not None and turn.last_reply_s is None:
            turn.replied = Signal()
            turn.replied.wait(self.timeout_s)

    def answer(self) -> None:
        """Pick the first of the choices that replies have offered, if any: step `answer`."""
        offer = self._turn.offer if self._turn is not None else None
        if offer is not None:
            with self.step("answer"):
                self._say(answer_message(offer.choices[0], offer.message_id))

    def attach(self, message: Message) -> None:
        """Upload a small file, and send a message that names it: step `attachment`."""
        id, text = str(uuid.uuid4()), f"{self.marker_of_steps(message)} A note"
        with self.step("attachment"):
            self._check_ready()
            self.session.upload(id, "note.txt", "text/plain", text.encode())
            self._say(attachment_message(id, text))

    def read_history(self) -> None:
        """Read the first page of the guest's messages over REST: step `history`."""
        assert self._run is not None
        connections = self._run.connections
        guests = connections.guests_of(self.variables)
        with self.step("history"):
            self._check_ready()
            jwt = self.session.request(GuestProtocol.get_jwt, Jwt).jwt
            read_history(guests, connections.api, jwt, perf_counter() + self.timeout_s)

    def _say(self, message: Mapping[str, object]) -> None:
        self._check_ready()
        self.session.request(lambda protocol, id: protocol.say(id, message), OwnCopy)

    def _check_ready(self) -> None:
        if not self.session.is_ready:
            raise RefusalError("connection closed")

    def begin_anew(self) -> None:
        """Leave, and come back as another guest: steps `connect`, `configure` and `join`.

        Where that fails, the next message tries it again. No guest comes once the run is stopped.
        """
        self._end_turn()
        self._note_loss()
        self.session.leave()
        self._ended, self._order = self.session.socket, Order()
        self.session.await_turn()
        if self._run is None or self._run.is_stopping:
            return
        with self.step("connect"):
            self.session.connect()
        if self.session.is_connected:
            with self.step("configure"):
                self.session.configure()
        self.join()

    def _hear(self, event: Event, received_s: float) -> None:
        """Take what the session was told, in the loop's own greenlet."""
        turn = self._turn
        if oddity := self._order.oddity_of(event):
            self._disturb(oddity)
        if isinstance(event, OwnCopy) and not _is_of_a_step(event.tracing_id):
            if turn is not None and turn.id == event.tracing_id and not turn.has_copy:
                turn.has_copy = True
                self._note("own_copy", turn)
            self._recorder("own_copy").received(event.tracing_id, received_s, self._is_measured)
        elif isinstance(event, Reply) and turn is not None and self.session.sent_s is not None:
            if turn.last_reply_s is None:
                if not turn.awaits_reply:  # it came before the message's own copy
                    self._note("first_reply", turn)
                self._recorder("first_reply").received(turn.id, received_s, turn.is_measured)
            turn.last_reply_s = received_s
            turn.offer = event if event.choices else turn.offer
            if turn.replied is not None:
                turn.replied.set()

    def _note_loss(self) -> None:
        """Count once how the server ended the connection, if it did; a post replaces it."""
        socket = getattr(getattr(self, "session", None), "socket", None)
        if socket is not self._ended and (code := self.session.loss):
            self._ended = socket
            self._disturb(code)

    def _disturb(self, code: str) -> None:
        with self.step("disturbance"):
            raise RefusalError(code)

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and turn.last_reply_s is not None:
            self._note("reply_burst", turn)
            self._recorder("reply_burst").received(turn.id, turn.last_reply_s, turn.is_measured)

    def _note(self, timing: str, turn: _Turn) -> None:
        """Begin a timing when the message of a turn left."""
        sent_s = turn.sent_s or self.session.sent_s or perf_counter()
        self._recorder(timing).sent(turn.id, sent_s, turn.is_measured)

    def _recorder(self, timing: str) -> TimingRecorder:
        return self._work.accounting.timing(timing)

    @property
    def _is_measured(self) -> bool:
        return self._phase is Phase.MEASURE


def _is_of_a_step(tracing_id: str) -> bool:
    return tracing_id.isdigit() or tracing_id.startswith(TOLD)
