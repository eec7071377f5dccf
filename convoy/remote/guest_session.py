"""A web messaging guest's session: the guest protocol on a WebSocket, one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeVar

import gevent
import msgspec

from convoy.errors import RefusalError, RemoteError
from convoy.remote.guest_answers import Question, judged
from convoy.remote.guest_connection import GuestConnection, OnText, Request
from convoy.remote.guest_events import (
    Event,
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
from convoy.remote.limits import Budget
from convoy.remote.websocket import WebSocket
from convoy.remote.wire_faults import WIRE_EXCEPTIONS, wire_code
from convoy.results.outcome import FAILED, UNKNOWN, Attempt
from convoy.routes.codes import UNEXPECTED_ANSWER
from convoy.secrets import Secret

_CLOSE_S = 1.0
_E = TypeVar("_E", bound=Event)


@dataclass(eq=False, repr=False, slots=True)
class GuestSession:
    """One guest's session (a `Session`), on one connection at a time; used by one greenlet.

    A connection that has ended, or whose server gave no sign of life, is replaced before the next
    message, and the session goes on there with the same token; one that has expired begins anew,
    as another guest's. `on_event` and `on_text` are called as by a `GuestConnection`. `is_new`
    tells whether the last configure began a session. Under an approval a connection with its first
    configure takes a turn to log in, and all else that is sent counts as a message.
    `connection` is the latest one: what happens on it is there. It is long because users ask two
    dozen things of a session, few of which take ten lines.
    """

    _shared: Guests
    on_event: Callable[[Event, float], None]
    _on_text: OnText | None = None
    _leaving: Leaving = field(init=False)
    _messages: Budget = field(init=False)
    _numbers: Iterator[int] = field(init=False, default_factory=partial(count, 1))
    _token: Secret | None = field(init=False, default=None)
    _jwt: Secret | None = field(init=False, default=None)
    connection: GuestConnection = field(init=False)
    _posted_on: GuestConnection = field(init=False)
    attempts: int = field(init=False, default=0)
    is_new: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._leaving = Leaving(self._shared)
        self._messages = self._shared.budget("session")
        # What is known of a message belongs to the connection on which it was sent, also when
        # another one has taken the place of that.
        self.connection = self._posted_on = self._new_connection(Secret(""))

    def _new_connection(self, token: Secret) -> GuestConnection:
        shared, numbers, leaving = self._shared, self._numbers, self._leaving
        return GuestConnection(shared, token, numbers, leaving, self._hear, self._on_text)

    @property
    def socket(self) -> WebSocket:
        """The latest connection's."""
        return self.connection.socket

    @property
    def state(self) -> State:
        """Where the guest stands with its session on its latest connection."""
        return self.connection.protocol.state

    @property
    def is_ready(self) -> bool:
        """True while it is connected, and its session takes messages."""
        return self.connection.is_ready

    @property
    def is_known(self) -> bool:
        """True where another connection would go on with the session, and not begin a new one."""
        return self._token is not None and self.state is not State.EXPIRED

    @property
    def sent_s(self) -> float | None:
        """When the first byte of the post in progress left, or of the last one; None if never."""
        return self._posted_on.socket.sent_s if self.attempts else None

    @property
    def waited_s(self) -> float:
        """How long it has waited in all for the approval to allow connections."""
        return self._leaving.waited_s

    @property
    def _now_s(self) -> float:
        return self._shared.clock()

    def ready_at(self, now_s: float) -> float:
        """Return when limits and rests allow the next message: at most `now_s` when now."""
        return max(self._messages.ready_at(now_s), self.connection.ready_at(now_s))

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
        nothing left, and RefusalError where the session takes no message.
        """
        self.attempts, connection = 0, self.connection
        connection.let_leave(deadline_s)
        connection.write(self._say(tracing_id, message))
        socket = connection.socket
        if is_cut:
            socket.cut()
        else:
            socket.close(self._now_s + _CLOSE_S)
        if socket.sent_s is None:
            raise connection.wire_error(ConnectionResetError("it took nothing any more"))
        return socket.sent_s

    def _say(self, tracing_id: str, message: bytes) -> bytes:
        raw = msgspec.Raw(message)
        text = self.connection.text_of(lambda protocol, id: protocol.say(id, raw), tracing_id)
        if self._messages.has_limits:
            self._messages.spend(self._now_s)
        self.attempts, self._posted_on = 1, self.connection
        return text

    def post(self, tracing_id: str, message: bytes, timeout_s: float) -> Attempt:
        """Send a message, the JSON of the protocol's `message`; return what came of it.

        It is accepted when the server sends it back. One that was not sent because the session
        could not go on has failed, with the code of that.
        """
        self.attempts, clock = 0, self._shared.clock
        began_s = clock()
        deadline_s = began_s + timeout_s
        try:
            if not self.connection.is_ready:
                self._go_on(deadline_s)
            self.connection.let_leave(deadline_s)
        except RemoteError as exc:
            now_s = clock()
            return Attempt(FAILED, exc.code, began_s, now_s, waited_s=now_s - began_s)
        waited_s = clock() - began_s
        question, connection = Question(OwnCopy, tracing_id, deadline_s), self.connection
        text = self._say(tracing_id, message)
        try:
            connection.ask(question, partial(connection.send, text))
        except WIRE_EXCEPTIONS as exc:
            fate, code, status, done_s = UNKNOWN, wire_code(exc), 0, clock()
        else:
            fate, code, status = judged(question.answer, self._shared.code_book)
            done_s = question.done_s
        sent_s = connection.socket.sent_s
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

        Raises WireError, and RefusalError where the answer is no, or the session has ended.
        """
        deadline_s = deadline_s or self._now_s + self._shared.timeout_s
        return self.connection.call(request, wanted, deadline_s)

    def say(self, message: Mapping[str, object]) -> OwnCopy:
        """Send a message besides those of the plan; return its own copy. Raises as `request`."""
        self.connection.check_ready()
        return self.request(lambda protocol, id: protocol.say(id, message), OwnCopy)

    def tell(self, request: Request) -> None:
        """Send what has no answer, such as typing. Raises WireError, and RefusalError."""
        self.connection.tell(request)

    def upload(self, attachment_id: str, name: str, media_type: str, data: bytes) -> None:
        """Upload a file, which a message may then name; raises as `request`."""
        file = attachment_id, name, media_type, len(data)
        place = self.request(lambda protocol, id: protocol.attach(id, *file), PresignedUrl)
        deadline_s = self._now_s + self._shared.timeout_s
        put = partial(put_file, self._shared, place, data, deadline_s)
        self.connection.answer(Question(UploadDone, "", deadline_s), UploadDone, put)

    def close(self) -> None:
        """Close the connection with a close frame; what is in progress ends.

        The session is still there, as when a customer closes the page.
        """
        self.connection.close(self._now_s + _CLOSE_S)
        self._leaving.leave_place()

    def leave(self) -> None:
        """Close the connection, and be another guest with the next one."""
        self._shared.dialler.loop_share.wait()
        self.close()
        self._token = None

    def _go_on(self, deadline_s: float) -> None:
        """See that a message can be sent: connect, resume, begin a new chat, as far as needed."""
        if self.connection.is_lost:
            self.open(deadline_s)
        if self.state is State.READ_ONLY:
            self.request(GuestProtocol.close_session, SessionClosed, deadline_s)
            self.configure(deadline_s, start_new=True)
        if self.state is not State.CONFIGURED:
            raise RefusalError(UNEXPECTED_ANSWER, f"a new chat is {self.state}")

    def await_turn(self, deadline_s: float | None = None) -> None:
        """Wait until limits and the approval allow a connection to be made; raises WireError.

        `connect` or `close` has to follow.
        """
        self.connection.await_turn(deadline_s)

    def connect(self, deadline_s: float | None = None) -> Iterable[tuple[str, str]]:
        """Open a connection, in place of the one before; return the headers of the answer.

        It waits for its turn before the upgrade. Raises as `open`.
        """
        shared = self._shared
        self.connection.close()
        if self._token is None or self.state is State.EXPIRED:
            self._token, self._jwt = shared.new_guest()
            self._messages = shared.budget("session")
        self.connection = self._new_connection(self._token)
        shared.connects.spend(self._now_s)
        answered = self.connection.open(deadline_s)
        shared.connects.correct({}, self._now_s)
        return answered

    def configure(self, deadline_s: float | None = None, *, start_new: bool = False) -> None:
        """Begin the session on a new connection, or go on with it; raises as `open`."""
        deadline_s = self.connection.await_start(deadline_s)
        configure = partial(GuestProtocol.configure, start_new=start_new, code=self._jwt)
        self.is_new = self.connection.call(configure, SessionConfigured, deadline_s).is_new

    def _hear(self, event: Event, received_s: float) -> None:
        if isinstance(event, TooManyRequests):
            self._messages.rest(received_s + event.retry_after_s)
        elif self._messages.has_limits and isinstance(event, OwnCopy):
            self._messages.correct({}, received_s)
        self.on_event(event, received_s)
