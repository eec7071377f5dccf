"""What the web messaging guests of a process share: where they write, limits, codes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from urllib.parse import quote

import gevent

from convoy.clock import clock_s
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.limits import Budget, Limit
from convoy.remote.login_turns import Turns
from convoy.remote.pace import Departures
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where guests write: the host of web messaging and the deployment's id.

    `site` is the value of the Origin header, which a deployment with allowed domains asks for.
    """

    host: Origin
    id: str
    site: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        # As in https://github.com/MyPureCloud/web-messaging-sdk-java (WebMessagingClient), read
        # 2026-11-26.
        return f"{self.host.base_path}/v1?deploymentId={quote(self.id, safe='')}"

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers of an upgrade, besides those of WebSocket itself."""
        site = {"Origin": self.site} if self.site else {}
        return {"User-Agent": "convoy"} | site | dict(self.headers)


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of a process.

    `new_guest` makes the token by which the server knows a new one, and returns it with the JWT of
    its login, None for a guest without one. Credentials that a server sends to a guest are handed
    to `register`, so that they are redacted.

    Of `limits`, those of scope `session` are for the messages of one guest and those of scope
    `connection` for all that it sends over one connection; `connects` is for the connections of all
    guests. Under an approval each connection takes one of the `turns` to log in, and its first
    request one of `starts`, because many upgrades may be answered at once. Files go to the
    target's own `origins`, and to public places besides where it `is_approved`.
    What a server says when it refuses something is told as `clean` returns it, which
    hides people as well as what `redact` hides.
    """

    dialler: Dialler
    deployment: Deployment
    new_guest: Callable[[], tuple[Secret, Secret | None]]
    register: Callable[[Secret], None]
    code_book: CodeBook
    timeout_s: float
    limits: Sequence[Limit] = ()
    is_obeyed: bool = True
    connects: Budget = field(default_factory=lambda: Budget(()))
    turns: Turns = field(default_factory=lambda: Turns(None, clock_s))
    starts: Turns = field(default_factory=lambda: Turns(None, clock_s))
    origins: Collection[Origin] = ()
    is_approved: bool = False
    clean: Callable[[str], str] = str
    redact: Callable[[str], str] = str

    @property
    def clock(self) -> Callable[[], float]:
        return self.dialler.clock

    def budget(self, scope: str) -> Budget:
        """Return a new budget of the limits of one scope."""
        limits = [each for each in self.limits if each.scope == scope]
        return Budget(limits, is_obeyed=self.is_obeyed)


class Leaving(Departures):
    """What one guest is about to send: it waits for the approval's places, turns and pace.

    It knows the kill switch, and counts at the pace what was written and has not left.
    """

    __slots__ = ("_has_place", "_shared", "waited_s")

    def __init__(self, shared: Guests) -> None:
        super().__init__(shared.dialler.pace, shared.dialler.kill_switch)
        self._shared = shared
        self._has_place = False
        self.waited_s = 0.0
        """How long it has waited for places and turns, in all."""

    def await_place(self, deadline_s: float | None) -> None:
        """Wait until limits and the approval allow a connection to be made; raises TimeoutError.

        The place is kept until `begin_session`, or until `leave_place`.
        """
        connects = self._shared.connects
        while (ready_s := connects.ready_at(now_s := self._shared.clock())) > now_s:
            if deadline_s is not None and ready_s > deadline_s:
                raise TimeoutError("the limit on connections leaves no room")
            gevent.sleep(ready_s - now_s)
        self._take_place(deadline_s)

    def begin_connecting(self, deadline_s: float | None) -> None:
        """Have a place to connect, whatever the limits.

        Raises TimeoutError, and StoppedError once the kill switch is on: of a worker that has just
        joined the lease may not be there yet.
        """
        self._take_place(deadline_s)
        self._kill_switch.let_pass()

    def _take_place(self, deadline_s: float | None) -> None:
        if self._has_place:
            return
        with self._waiting():
            self._shared.turns.await_place(inf if deadline_s is None else deadline_s)
        self._has_place = True

    def take_turn(self, deadline_s: float | None, connection: Connection) -> float:
        """Wait for a turn once the connection is made: a turn is for what is sent at once.

        With turns that were taken before they connect, all guests that wait for their connections
        would send together later. Returns by when the upgrade has to be answered: the deadline, or
        within the timeout. Raises TimeoutError, and as `check`.
        """
        with self._waiting():
            self._shared.turns.take(inf if deadline_s is None else deadline_s, connection)
        self.check()
        return self._shared.clock() + self._shared.timeout_s if deadline_s is None else deadline_s

    def begin_session(self, deadline_s: float | None, connection: Connection | None) -> float:
        """Wait until the first request of a connection may leave, where that takes its own start.

        A server that answers many upgrades at once would have all first requests at once. It is a
        part of the login, and no message. Returns by when it has to be answered, and raises, as
        `take_turn`; `check` has to follow.
        """
        try:
            if self._has_place:
                with self._waiting():
                    self._shared.starts.take(inf if deadline_s is None else deadline_s, connection)
                self.announce_login()
        finally:
            self.leave_place()
        return self._shared.clock() + self._shared.timeout_s if deadline_s is None else deadline_s

    def leave_place(self) -> None:
        """Let another one connect, because this one has begun its session, or will not."""
        if self._has_place:
            self._has_place = False
            self._shared.turns.leave_place()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        began_s = self._shared.clock()
        try:
            yield
        finally:
            self.waited_s += self._shared.clock() - began_s

    def may_ping(self, connection: Connection) -> bool:
        """Return whether a ping may leave now, which counts as gone then."""
        return not self.stop_reason and (self.pace is None or self.pace.leaves_now(connection))
