"""One connection of a guest: the guest protocol on a WebSocket, with one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import InitVar, dataclass, field
from functools import partial
from typing import TypeVar

import gevent

from convoy.errors import RefusalError, WireError
from convoy.remote.guest_answers import (
    TOLD,
    Question,
    code_of_loss,
    refusal_in,
    refusal_of_upgrade,
)
from convoy.remote.guest_events import (
    Event,
    Jwt,
    PresignedUrl,
    Refused,
    TooManyRequests,
    Unknown,
    Unreadable,
)
from convoy.remote.guest_frames import credentials_in
from convoy.remote.guest_protocol import ENDED, GuestProtocol, GuestProtocolError, State
from convoy.remote.guests import Guests, Leaving
from convoy.remote.limits import Budget
from convoy.remote.websocket import WebSocket
from convoy.remote.websocket_protocol import UpgradeRefusedError
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, StoppedError, wire_code
from convoy.secrets import Secret
from convoy.untrusted_text import told

# Kept here, because looking a member up in its class takes longer than most lines below.
_CONFIGURED = State.CONFIGURED
_TAKING = _CONFIGURED, State.READ_ONLY
_BLOCKED_PAUSE_S = 0.01
"""Between two looks whether the server has taken what was sent: nobody is called when it has."""
_MAY_HOLD_CREDENTIALS = Jwt, PresignedUrl, Unreadable, Unknown, Refused, TooManyRequests
"""The last four stand for frames that were not read as one of their class, too."""
_E = TypeVar("_E", bound=Event)

Request = Callable[[GuestProtocol, str], bytes]
"""A method of the protocol, or what calls one: takes a tracing id, and returns what to send."""
OnText = Callable[[str, str, float], None]
"""Takes each text that is "sent" or "received", after that word, and when; it must not wait."""


# With slots, because there may be ten thousand.
@dataclass(eq=False, repr=False, slots=True)
class GuestConnection:
    """A guest's connection, from before it is opened to its end; used by one greenlet.

    It belongs to the guest with this `token`. Its tracing ids come from `numbers`, and `leaving`
    counts what it sends. `on_event` takes every event and when it was received, in the loop's own
    greenlet: it must not wait; `on_text` takes the frames themselves, before. `protocol` and
    `socket` are its own. The limits of scope `connection` hold for it.
    """

    _shared: Guests
    token: InitVar[Secret]
    _numbers: Iterator[int]
    _leaving: Leaving
    _on_event: Callable[[Event, float], None]
    _on_text: OnText | None
    _question: Question | None = field(init=False, default=None)
    _requests: Budget = field(init=False)
    protocol: GuestProtocol = field(init=False)
    socket: WebSocket = field(init=False)

    def __post_init__(self, token: Secret) -> None:
        self._requests = self._shared.budget("connection")
        self.protocol = GuestProtocol(self._shared.deployment.id, token)
        paced = None if self._leaving.pace is None else self._leaving
        self.socket = WebSocket(self._hear, paced)

    @property
    def is_ready(self) -> bool:
        """True while it is open, and the session takes messages on it."""
        return self.protocol.state is _CONFIGURED and self.socket.is_open

    @property
    def is_lost(self) -> bool:
        """True while only another connection would take messages of the session."""
        return self.protocol.state not in _TAKING or not self.socket.is_open

    @property
    def loss(self) -> str:
        """The code of how the server ended it, "" where it did not."""
        code = code_of_loss(self.socket.fault, self.protocol.state)
        return self._shared.code_book.name(code) if code else ""

    @property
    def now_s(self) -> float:
        return self._shared.clock()

    def ready_at(self, now_s: float) -> float:
        """Return when its limits allow the next request: at most `now_s` when now."""
        return self._requests.ready_at(now_s)

    def await_turn(self, deadline_s: float | None) -> None:
        """Wait until limits and the approval allow the guest another connection than this one.

        Raises WireError where that is after the deadline.
        """
        self._shared.dialler.loop_share.wait()
        try:
            self._leaving.await_place(deadline_s)
        except TimeoutError as exc:
            raise self.wire_error(exc) from exc

    def open(self, deadline_s: float | None) -> Iterable[tuple[str, str]]:
        """Connect and upgrade, once, with a turn between; return the headers of the answer.

        The place to connect is kept then, for `await_start`. Without a deadline connecting and
        upgrading have the timeout each. Raises WireError, and RefusalError where the answer is no.
        """
        shared, deployment = self._shared, self._shared.deployment
        try:
            self._leaving.begin_connecting(deadline_s)
            answered = self.socket.open(
                shared.dialler,
                deployment.host,
                deployment.path,
                deployment.all_headers,
                deadline_s or self.now_s + shared.timeout_s,
                partial(self._leaving.take_turn, deadline_s),
            )
        except UpgradeRefusedError as exc:
            where, codes = deployment.host.url, shared.code_book
            raise refusal_of_upgrade(exc, where, codes, shared.clean, shared.redact) from exc
        except WIRE_EXCEPTIONS as exc:
            raise self.wire_error(exc) from exc
        finally:
            if not self.socket.is_open:
                self._leaving.leave_place()
        return answered.raw_items()

    def await_start(self, deadline_s: float | None) -> float:
        """Wait until its first request may leave; return by when that has to be answered.

        Raises WireError where it may not by the deadline.
        """
        try:
            return self._leaving.begin_session(deadline_s, self.socket.connection)
        except TimeoutError as exc:
            raise self.wire_error(exc) from exc

    def let_leave(self, deadline_s: float) -> None:
        """Wait until the approval's rate has room.

        With an approval it waits first until the server has taken what was sent before, because
        texts that have piled up would leave together. Where that was waited for and nothing was
        sent since, only the kill switch is asked. Raises WireError, also by the kill switch, and
        RefusalError where the session has come to another state meanwhile.
        """
        state = self.protocol.state
        try:
            if self._leaving.is_announced:
                self._leaving.check()
                return
            while self._leaving.pace is not None and self.socket.is_blocked:
                self._leaving.check()
                if self.now_s >= deadline_s:
                    raise TimeoutError("the server takes nothing any more")
                gevent.sleep(_BLOCKED_PAUSE_S)
            self._leaving.wait(deadline_s)
        except (TimeoutError, StoppedError) as exc:
            raise self.wire_error(exc) from exc
        if self.protocol.state is not state:
            self._leaving.take_back()
            raise self.refusal

    @property
    def refusal(self) -> RefusalError:
        """What to raise where the session takes nothing any more."""
        is_read_only = self.protocol.state is State.READ_ONLY
        return RefusalError("guest 409" if is_read_only else "connection closed")

    def check_ready(self) -> None:
        """Raise RefusalError unless its session takes messages."""
        if not self.is_ready:
            raise self.refusal

    def text_of(self, request: Request, id: str) -> bytes:
        """Return what a request sends; where it raises, nothing is leaving.

        That is RefusalError where the session takes no messages any more, else GuestProtocolError.
        """
        try:
            return request(self.protocol, id)
        except BaseException as exc:
            self._leaving.take_back()
            if isinstance(exc, GuestProtocolError) and not self.is_ready:
                raise self.refusal from exc  # the server has ended the session meanwhile
            raise

    def tell(self, request: Request) -> None:
        """Send what has no answer. Raises WireError, and RefusalError where it does not fit."""
        self.let_leave(self.now_s + self._shared.timeout_s)
        self.write(self.text_of(request, f"{TOLD}{next(self._numbers)}"))

    def write(self, text: bytes) -> None:
        """Send a text, as `send`; raises WireError."""
        try:
            self.send(text)
        except WIRE_EXCEPTIONS as exc:
            raise self.wire_error(exc) from exc

    def call(self, request: Request, wanted: type[_E], deadline_s: float) -> _E:
        """Send a request and return the event that answers it.

        Raises WireError, and RefusalError where the answer is no, or the session has ended.
        """
        # Before the request is made, because that may change the state of the protocol.
        self.let_leave(deadline_s)
        id = str(next(self._numbers))
        text = self.text_of(request, id)
        return self.answer(Question(wanted, id, deadline_s), wanted, partial(self.send, text))

    def answer(self, question: Question, wanted: type[_E], act: Callable[[], None]) -> _E:
        """Do what asks the question, and return the answer that is wanted; raises as `call`."""
        try:
            self.ask(question, act)
        except WIRE_EXCEPTIONS as exc:
            raise self.wire_error(exc) from exc
        answer = question.answer
        if isinstance(answer, wanted):
            return answer
        raise refusal_in(answer, self._shared.code_book, self._shared.clean)

    def ask(self, question: Question, act: Callable[[], None]) -> None:
        """Do what asks the question and wait for its answer; raises one of WIRE_EXCEPTIONS."""
        # Before it is asked: an upload waits for the answer to its PUT, and the event that it is
        # done may come meanwhile.
        self._question = question
        try:
            act()
            self.socket.wait_for(
                lambda: question.answer is not None,
                question.deadline_s,
                self._shared.clock,
                self._leaving.may_ping,
            )
        finally:
            self._question = None

    def send(self, text: bytes) -> None:
        """Send a text, whatever the limits; raises one of WIRE_EXCEPTIONS."""
        if self._requests.has_limits:
            self._requests.spend(self.now_s)
        if self._on_text is not None:
            self._on_text("sent", text.decode(), self.now_s)
        try:
            self.socket.send(text)
        except BaseException:  # the connection had ended
            self._leaving.take_back()
            raise

    def close(self, deadline_s: float | None = None) -> None:
        """Close it with a close frame; what is in progress ends.

        The server may answer by the deadline, if there is one and nothing is waited for.
        """
        self.socket.close(None if self._question is not None else deadline_s)
        self._leaving.keep()

    def _hear(self, text: str, received_s: float) -> None:
        """Take a text, in the loop's own greenlet."""
        if self._on_text is not None:
            self._on_text("received", text, received_s)
        question = self._question
        for event in self.protocol.hear(text):
            if isinstance(event, _MAY_HOLD_CREDENTIALS):
                for credential in credentials_in(event, text):
                    self._shared.register(credential)
            if question is not None and question.take(event, text, received_s):
                self.socket.wake()
            self._on_event(event, received_s)
        # After a ConnectionClosedEvent it is the client that closes (docs/guests.md).
        if self.protocol.state in ENDED:
            self.socket.begin_close()

    def wire_error(self, exc: Exception) -> WireError:
        """Return our error for what went wrong on the wire."""
        said = told(str(exc), self._shared.clean)  # a server's reason to close, or a header of its
        return WireError(wire_code(exc), said, sent_s=self.socket.sent_s, done_s=self.now_s)
