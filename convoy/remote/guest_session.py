"""A web messaging guest's session: the guest protocol on a WebSocket, one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import TypeVar

import gevent
import msgspec

from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote.guest_answers import (
    TOLD,
    Question,
    code_of_loss,
    judged,
    refusal_in,
    refusal_of_upgrade,
)
from convoy.remote.guest_events import (
    Event,
    Jwt,
    OwnCopy,
    PresignedUrl,
    SessionClosed,
    SessionConfigured,
    TooManyRequests,
    UploadDone,
)
from convoy.remote.guest_protocol import GuestProtocol, State
from convoy.remote.guest_rest import put_file
from convoy.remote.guests import Guests, Leaving
from convoy.remote.websocket import WebSocket
from convoy.remote.websocket_protocol import UpgradeRefusedError
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, StoppedError, wire_code
from convoy.results.outcome import FAILED, UNKNOWN, Attempt
from convoy.routes.codes import UNEXPECTED_ANSWER
from convoy.secrets import Secret

_CLOSE_S = 1.0
_CONFIGURED, _READ_ONLY, _EXPIRED = State.CONFIGURED, State.READ_ONLY, State.EXPIRED
_TAKING, _ENDED = (_CONFIGURED, _READ_ONLY), (_EXPIRED, State.DISCONNECTED)
"""Looking a member up in its class takes longer than most lines here."""
_E = TypeVar("_E", bound=Event)

Request = Callable[[GuestProtocol, str], bytes]
"""A method of the protocol, or what calls one: takes a tracing id, and returns what to send."""
OnText = Callable[[str, str, float], None]
"""Takes each text that is "sent" or "received", after that word, and when; it must not wait."""


class GuestSession:
    """One guest's session (a `Session`), on one connection at a time; used by one greenlet.

    A connection that has ended, or whose server gave no sign of life, is replaced before the next
    message, and the session goes on there with the same token; one that has expired begins anew,
    as another guest's. `on_event` takes every event and when it was received, in the loop's own
    greenlet: it must not wait; `on_text` takes the frames themselves, before. `is_new` tells
    whether the last configure began a session; `socket` is the latest connection. Under an approval
    a connection with its first configure takes a turn to log in, and all else that is sent counts
    as a message.
    """

    __slots__ = (
        "_jwt",
        "_leaving",
        "_messages",
        "_numbers",
        "_posted_on",
        "_protocol",
        "_question",
        "_requests",
        "_shared",
        "_token",
        "attempts",
        "is_new",
        "on_event",
        "on_text",
        "socket",
    )

    def __init__(
        self,
        shared: Guests,
        on_event: Callable[[Event, float], None],
        on_text: OnText | None = None,
    ) -> None:
        self.on_event = on_event
        self.on_text = on_text
        self._shared = shared
        self._token: Secret | None = None
        self._jwt: Secret | None = None
        self._protocol = GuestProtocol("", Secret(""))
        self.socket = self._posted_on = WebSocket(self._hear)
        self._question: Question | None = None
        self._messages = shared.budget("session")
        self._requests = shared.budget("connection")
        self._leaving = Leaving(shared)
        self._numbers = count(1)
        self.attempts, self.is_new = 0, False

    @property
    def state(self) -> State:
        """Where the guest stands with its session on its latest connection."""
        return self._protocol.state

    @property
    def is_connected(self) -> bool:
        """True while its connection takes requests, as far as anything was received."""
        return self.socket.is_open

    @property
    def is_ready(self) -> bool:
        """True while it is connected, and its session takes messages."""
        return self._protocol.state is _CONFIGURED and self.socket.is_open

    @property
    def is_lost(self) -> bool:
        """True while only another connection would take its messages."""
        return not self.socket.is_open or self._protocol.state not in _TAKING

    @property
    def is_known(self) -> bool:
        """True where another connection would go on with the session, and not begin a new one."""
        return self._token is not None and self.state is not _EXPIRED

    @property
    def loss(self) -> str:
        """The code of how the server ended the latest connection, "" where it did not."""
        code = code_of_loss(self.socket.fault, self.state)
        return self._shared.code_book.name(code) if code else ""

    @property
    def sent_s(self) -> float | None:
        """When the first byte of the post in progress left, or of the last one; None if never."""
        return self._posted_on.sent_s if self.attempts else None

    @property
    def waited_s(self) -> float:
        """How long it has waited in all for the approval to allow connections."""
        return self._leaving.waited_s

    @property
    def _now_s(self) -> float:
        return self._shared.dialler.clock()

    def ready_at(self, now_s: float) -> float:
        """Return when limits and rests allow the next message: at most `now_s` when now."""
        return max(self._messages.ready_at(now_s), self._requests.ready_at(now_s))

    def open(self, deadline_s: float | None = None) -> None:
        """Connect when limits allow it, and configure: a session that is known goes on.

        By default it waits for the limits, and then each step has the timeout. Raises WireError,
        and RefusalError where the answer is no.
        """
        self.await_turn(deadline_s)
        self.connect(deadline_s)
        self.configure(deadline_s)

    def drop(self, tracing_id: str, message: bytes, deadline_s: float, *, is_cut: bool) -> float:
        """Send a message and end the connection at once; return when its first byte left.

        Without a cut it ends in order, for which it may take a second. Raises WireError where
        nothing left, and GuestProtocolError.
        """
        self.attempts = 0
        self._let_leave(deadline_s)
        try:
            self._send(self._say(tracing_id, message))
        except WIRE_EXCEPTIONS as exc:
            raise self._wire_error(exc) from exc
        socket = self.socket
        if is_cut:
            socket.cut()
        else:
            socket.close(self._now_s + _CLOSE_S)
        if socket.sent_s is None:
            raise self._wire_error(ConnectionResetError("the connection took nothing any more"))
        return socket.sent_s

    def _say(self, tracing_id: str, message: bytes) -> bytes:
        text = self._protocol.say(tracing_id, msgspec.Raw(message))
        if self._messages.has_limits:
            self._messages.spend(self._now_s)
        self.attempts, self._posted_on = 1, self.socket
        return text

    def post(self, tracing_id: str, message: bytes, timeout_s: float) -> Attempt:
        """Send a message, the JSON of the protocol's `message`; return what came of it.

        It is accepted when the server sends it back. One that was not sent because the session
        could not go on has failed, with the code of that.
        """
        self.attempts, clock = 0, self._shared.dialler.clock
        began_s = clock()
        deadline_s = began_s + timeout_s
        try:
            if not self.is_ready:
                self._go_on(deadline_s)
            self._let_leave(deadline_s)
        except RemoteError as exc:
            now_s = clock()
            return Attempt(FAILED, exc.code, began_s, now_s, waited_s=now_s - began_s)
        waited_s = clock() - began_s
        question = Question(OwnCopy, tracing_id, deadline_s)
        text = self._say(tracing_id, message)
        try:
            self._ask(question, partial(self._send, text))
        except WIRE_EXCEPTIONS as exc:
            fate, code, status, done_s = UNKNOWN, wire_code(exc), 0, clock()
        else:
            fate, code, status = judged(question.answer, self._shared.code_book)
            done_s = question.done_s
        sent_s = self.socket.sent_s
        if sent_s is None:
            fate, sent_s = FAILED, began_s
        body = question.text.encode()
        return Attempt(fate, code, sent_s, done_s, status=status, body=body, waited_s=waited_s)

    def await_room(self) -> None:
        """Wait until the limits allow another message, and count it, which is then to be sent."""
        while (ready_s := self.ready_at(now_s := self._now_s)) > now_s:
            gevent.sleep(ready_s - now_s)
        self._messages.spend(self._now_s)

    def request(self, request: Request, wanted: type[_E], deadline_s: float | None = None) -> _E:
        """Send a request and return the event that answers it, by default within the timeout.

        Raises WireError, RefusalError where the answer is no, and GuestProtocolError.
        """
        deadline_s = deadline_s or self._now_s + self._shared.timeout_s
        self._let_leave(deadline_s)
        return self._call(request, wanted, deadline_s)

    def tell(self, request: Request) -> None:
        """Send what has no answer, such as typing. Raises WireError, and GuestProtocolError."""
        self._let_leave(self._now_s + self._shared.timeout_s)
        text = request(self._protocol, f"{TOLD}{next(self._numbers)}")
        try:
            self._send(text)
        except WIRE_EXCEPTIONS as exc:
            raise self._wire_error(exc) from exc

    def upload(self, attachment_id: str, name: str, media_type: str, data: bytes) -> None:
        """Upload a file, which a message may then name; raises as `request`."""
        file = attachment_id, name, media_type, len(data)
        place = self.request(lambda protocol, id: protocol.attach(id, *file), PresignedUrl)
        deadline_s = self._now_s + self._shared.timeout_s
        put = partial(put_file, self._shared, place, data, deadline_s)
        self._answer(Question(UploadDone, "", deadline_s), UploadDone, put)

    def close(self) -> None:
        """Close the connection with a close frame; what is in progress ends.

        The session is still there, as when a customer closes the page.
        """
        self.socket.close(self._now_s + _CLOSE_S if self._question is None else None)
        self._leaving.keep()
        self._leaving.leave_place()

    def leave(self) -> None:
        """Close the connection, and be another guest with the next one."""
        self._shared.dialler.loop_share.wait()
        self.close()
        self._token = None

    def _go_on(self, deadline_s: float) -> None:
        """See that a message can be sent: connect, resume, begin a new chat, as far as needed."""
        if self.is_lost:
            self.open(deadline_s)
        if self.state is _READ_ONLY:
            self._let_leave(deadline_s)
            self._call(GuestProtocol.close_session, SessionClosed, deadline_s)
            self._let_leave(deadline_s)
            self.configure(deadline_s, start_new=True)
        if self.state is not _CONFIGURED:
            raise RefusalError(UNEXPECTED_ANSWER, f"a new chat is {self.state}")

    def await_turn(self, deadline_s: float | None = None) -> None:
        """Wait until the deployment's limits and the approval allow a connection to be made.

        `connect` or `close` has to follow. Raises WireError where that is after the deadline.
        """
        self._shared.dialler.loop_share.wait()
        try:
            self._leaving.await_place(deadline_s)
        except TimeoutError as exc:
            raise self._wire_error(exc) from exc

    def _let_leave(self, deadline_s: float) -> None:
        """Wait until the approval's rate has room; raises WireError, also by the kill switch."""
        try:
            self._leaving.wait(deadline_s)
        except (TimeoutError, StoppedError) as exc:
            raise self._wire_error(exc) from exc

    def connect(self, deadline_s: float | None = None) -> Iterable[tuple[str, str]]:
        """Open a connection, in place of the one before; return the headers of the answer.

        It waits for its turn before the upgrade. Raises as `open`.
        """
        shared, deployment = self._shared, self._shared.deployment
        self.socket.close()
        self._leaving.keep()
        if self._token is None or self.state is _EXPIRED:
            self._token, self._jwt = shared.new_guest()
            self._messages = shared.budget("session")
        self._protocol = GuestProtocol(deployment.id, self._token)
        self._requests = shared.budget("connection")
        socket = self.socket = WebSocket(self._hear)
        shared.connects.spend(self._now_s)
        try:
            self._leaving.begin_connecting(deadline_s)
            answered = socket.open(
                shared.dialler,
                deployment.host,
                deployment.path,
                deployment.all_headers,
                deadline_s or self._now_s + shared.timeout_s,
                partial(self._leaving.take_turn, deadline_s),
            )
        except UpgradeRefusedError as exc:
            raise refusal_of_upgrade(exc, deployment.host.url, shared.code_book) from exc
        except WIRE_EXCEPTIONS as exc:
            raise self._wire_error(exc) from exc
        finally:
            self._leaving.leave_place()
        shared.connects.correct({}, self._now_s)
        return answered.raw_items()

    def configure(self, deadline_s: float | None = None, *, start_new: bool = False) -> None:
        """Begin the session on a new connection, or go on with it; raises as `open`."""
        deadline_s = deadline_s or self._now_s + self._shared.timeout_s
        configure = partial(GuestProtocol.configure, start_new=start_new, code=self._jwt)
        self.is_new = self._call(configure, SessionConfigured, deadline_s).is_new

    def _call(self, request: Request, wanted: type[_E], deadline_s: float) -> _E:
        try:
            self._leaving.check()
        except StoppedError as exc:
            raise self._wire_error(exc) from exc
        id = str(next(self._numbers))
        text = request(self._protocol, id)
        return self._answer(Question(wanted, id, deadline_s), wanted, partial(self._send, text))

    def _answer(self, question: Question, wanted: type[_E], act: Callable[[], None]) -> _E:
        """Ask, and return the answer that is wanted; raises as `request`."""
        try:
            self._ask(question, act)
        except WIRE_EXCEPTIONS as exc:
            raise self._wire_error(exc) from exc
        answer = question.answer
        if isinstance(answer, wanted):
            return answer
        raise refusal_in(answer, self._shared.code_book)

    def _ask(self, question: Question, act: Callable[[], None]) -> None:
        """Do what asks the question and wait for its answer; raises one of WIRE_EXCEPTIONS."""
        self._question = question
        try:
            act()
            self.socket.wait_for(
                lambda: question.answer is not None,
                question.deadline_s,
                self._shared.dialler.clock,
                lambda: not self._leaving.stop_reason,
            )
        finally:
            self._question = None

    def _send(self, text: bytes) -> None:
        if self._requests.has_limits:
            self._requests.spend(self._now_s)
        if self.on_text is not None:
            self.on_text("sent", text.decode(), self._now_s)
        self.socket.send(text, self._leaving.has_left)

    def _hear(self, text: str, received_s: float) -> None:
        """Take a text, in the loop's own greenlet."""
        if self.on_text is not None:
            self.on_text("received", text, received_s)
        question = self._question
        for event in self._protocol.hear(text):
            if isinstance(event, (Jwt, PresignedUrl)):
                self._shared.register(event.jwt if isinstance(event, Jwt) else event.url)
            if question is not None and question.take(event, text, received_s):
                self.socket.wake()
            if isinstance(event, TooManyRequests):
                self._messages.rest(received_s + event.retry_after_s)
            elif self._messages.has_limits and isinstance(event, OwnCopy):
                self._messages.correct({}, received_s)
            self.on_event(event, received_s)
        if self._protocol.state in _ENDED:
            self.socket.begin_close()

    def _wire_error(self, exc: Exception) -> WireError:
        return WireError(wire_code(exc), str(exc), sent_s=self.socket.sent_s, done_s=self._now_s)
