"""What the users of a process share: addresses, TLS, credentials, tokens, limits, error codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from math import ceil

import gevent

from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.dialling import Dialler
from convoy.remote.http import Transport
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.limits import Budget, JointBudget, Limit
from convoy.remote.oauth import Credentials, OAuthSession, Token, log_in
from convoy.remote.pace import SECOND_S, SPARE_S, Pace
from convoy.remote.session import ApiSession
from convoy.remote.tls import tls_context
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin, Settings, header_values


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """The part of the run's tokens and limits that one process may use.

    `tokens` counts the tokens that its users share, None when each has its own; `share` is its
    part, from 0 to 1, of limits on logins and of limits over all tokens. `number` counts from 0
    over the processes, which log in in turn after who gave the share; None where there is one only.
    """

    tokens: int | None = None
    share: float = 1.0
    number: int | None = None


class Connections:
    """Opens sessions for the settings of one run; `register` takes each token for redaction.

    No message leaves once the `kill_switch` is on.
    `headers` are those that the settings name, with their values; by default those that need no
    variable of the environment.
    Raises OSError for a CA file that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        register: Callable[[Secret], None],
        worker_share: WorkerShare = WorkerShare(),
        *,
        kill_switch: KillSwitch | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._register = register
        self._headers = header_values({}, settings) if headers is None else headers
        self.clock = clock
        self.kill_switch = kill_switch
        self._api = Origin.parse(settings.target.api_url)
        self._login = Origin.parse(settings.target.login_url)
        # Made only where it is needed or was asked for: it takes a tenth of the start.
        needs_tls = self._api.is_https or self._login.is_https or settings.target.ca_file
        self.admission = Admission(anywhere=settings.target.approval is not None)
        """By it the guard lets connections be opened to other machines."""
        self.dialler = Dialler(
            AddressBook(self.admission, clock=clock),
            tls=tls_context(settings.target.ca_file) if needs_tls else None,
            max_age_s=settings.connection_max_age_s,
            clock=clock,
        )
        approval = settings.target.approval
        self.pace: Pace | None = None
        """What the messages of all sessions keep to; None where nothing had to be approved."""
        if approval is not None:
            self.pace = Pace(int(approval.most_per_s * worker_share.share), clock)
        self._code_book = CodeBook()
        self._login_at_s = self._logged_in_s = float("-inf")
        rate = settings.oauth.logins_per_s
        # What leaves a second apart may arrive closer together.
        every_s = 0.0 if rate is None else (SECOND_S + SPARE_S) / rate
        self._login_gap_s = every_s / worker_share.share
        self._first_turn_s: float | None = None
        if rate is not None and worker_share.number is not None:
            self._first_turn_s = clock() + (worker_share.number + 1) * every_s
        limits = [Limit(each.scope, each.count, each.per_s) for each in settings.limits]
        self._token_limits = [limit for limit in limits if limit.scope == "token"]
        self._common = self._common_budget(limits, worker_share.share)
        self._turn = count()
        self._first: tuple[OAuthSession, Budget | JointBudget] | None = None
        self._tokens = [self._make_token() for _ in range(worker_share.tokens or 0)]

    def open_session(self) -> ApiSession:
        """Return a session with a connection of its own, and a token as the settings say.

        Nothing is sent yet.
        """
        if self._tokens:
            oauth, budget = self._tokens[next(self._turn) % len(self._tokens)]
        else:
            oauth, budget = self._first or self._make_token()
            self._first = None
        return ApiSession(
            Transport(self._api, self.dialler, pace=self.pace, kill_switch=self.kill_switch),
            oauth,
            budget,
            code_book=self._code_book,
            clock=self.clock,
            headers=self.headers,
        )

    @property
    def headers(self) -> dict[str, str]:
        """What every request to the API carries besides what it needs, secrets in clear."""
        return {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self._headers.items()
        }

    def first_token(self) -> Token:
        """Return the token of the first session, after a login; raises LoginError."""
        if self._tokens:
            oauth, _ = self._tokens[0]
        else:
            oauth, _ = self._first = self._first or self._make_token()
        return oauth.token()

    def open_transport(self, origin: Origin) -> Transport:
        """Return a transport for what is no message; nothing is connected yet."""
        return Transport(origin, self.dialler)

    def log_in(self) -> Token:
        """Log in once on a connection of its own, when `logins_per_s` allows; raises LoginError."""
        self._await_turn()
        transport = self.open_transport(self._login)
        try:
            return log_in(
                transport,
                self._credentials,
                self.clock() + self._settings.request_timeout_s,
                clock=self.clock,
                register=self._register,
            )
        finally:
            transport.close()

    def _await_turn(self) -> None:
        now_s = self.clock()
        self._login_at_s = self._turn_s(max(now_s, self._login_at_s + self._login_gap_s))
        if self._login_at_s > now_s:
            gevent.sleep(self._login_at_s - now_s)
        # After a pause of the whole process all turns have come at once.
        while (left_s := self._logged_in_s + self._login_gap_s - self.clock()) > 0:
            gevent.sleep(left_s)
        self._logged_in_s = self.clock()

    def _turn_s(self, from_s: float) -> float:
        """Return when this process may log in from a moment on: between its turns are the others'.

        By their gaps alone they would log in together when they begin, or lose their tokens.
        """
        first_s, gap_s = self._first_turn_s, self._login_gap_s
        if first_s is None:
            return from_s
        # Rounded, because a moment that is a turn is not to be taken for one just after it.
        return first_s + max(0, ceil(round((from_s - first_s) / gap_s, 6))) * gap_s

    def _make_token(self) -> tuple[OAuthSession, Budget | JointBudget]:
        refresh_before_s = self._settings.oauth.refresh_before_s
        oauth = OAuthSession(self.log_in, refresh_before_s=refresh_before_s, clock=self.clock)
        own = Budget(self._token_limits, is_obeyed=self._obeys)
        return oauth, own if self._common is None else JointBudget(own, self._common)

    def _common_budget(self, limits: list[Limit], share: float) -> Budget | None:
        common = [
            Limit(limit.scope, max(1, int(limit.count * share)), limit.per_s)
            for limit in limits
            if limit.scope != "token"
        ]
        return Budget(common, is_obeyed=self._obeys) if common else None

    @property
    def _obeys(self) -> bool:
        return self._settings.on_limit == "obey"
