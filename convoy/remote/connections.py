"""What the users of a process share: addresses, TLS, credentials, tokens, limits, error codes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle
from math import inf
from ssl import SSLContext
from typing import TypeAlias

import gevent

from convoy.clock import clock_s
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.approved_total import Total
from convoy.remote.dialling import Dialler
from convoy.remote.guests import Deployment, Guests
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.limits import Budget, Limit
from convoy.remote.login_turns import Turns
from convoy.remote.oauth import Credentials, OAuthSession, Token, log_in
from convoy.remote.pace import Pace
from convoy.remote.session import ApiSession
from convoy.remote.tls import tls_context
from convoy.remote.transport import Sends, Transport
from convoy.results.masking import masking
from convoy.routes.catalogue import CLIENT, TokenKind
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin, Settings
from convoy.settings.model import Approval

_ARRIVES_WITHIN_S = 0.25
"""What left right before the end may take so long to arrive, and is answered then."""
_Held: TypeAlias = tuple[OAuthSession, Budget]
"""A token, not logged in yet, and the limits on it."""


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """The part of the run's tokens and limits that one process may use.

    `tokens` counts the tokens of each kind that its users share, None when each has its own;
    `share` is its part, from 0 to 1, of limits over all tokens. Under an approval it may send
    `permits` messages a second before it has lanes; None stands for the whole approved rate. It
    logs in at its own turns, or with `is_led` at those that its master gives it. With
    `is_after_another` another process has just logged in, and the first turn comes after that.
    `number` counts the processes of a run from 0.
    """

    tokens: int | None = None
    share: float = 1.0
    permits: int | None = None
    is_led: bool = False
    is_after_another: bool = False
    number: int = 0


class Connections:
    """Opens sessions for the settings of one run; `register` takes each token for redaction.

    `register_heard` takes those that a server tells guests; by default `register` does.
    `redact` hides secrets in what the target says before that is kept.
    `credentials` are by the kind of token that they bring. A token of a user may stand in their
    place; then nobody logs in, and every session in all processes of the run has this token.
    No message and no login leaves once the `kill_switch` is on, or that of its own by which a run
    is stopped. Guests log in with `guest_jwts`, where there are any, one after the other.
    `headers` are those that the settings name, with their values.
    Raises OSError for a CA file that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Mapping[TokenKind, Credentials | Token],
        register: Callable[[Secret], None],
        worker_share: WorkerShare = WorkerShare(),
        *,
        kill_switch: KillSwitch | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        register_heard: Callable[[Secret], None] | None = None,
        redact: Callable[[str], str] = str,
        guest_jwts: Sequence[Secret] = (),
        clock: Callable[[], float] = clock_s,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self.register, self.redact = register, redact
        self._register_heard = register_heard or register
        self._headers = headers or {}
        self.clock = clock
        self.kill_switch = RunSwitch(kill_switch)
        self.api = Origin.parse(settings.target.api_url)
        self._login = Origin.parse(settings.target.login_url)
        self.admission = Admission(anywhere=settings.target.approval is not None)
        """By it the guard lets connections be opened to other machines."""
        self.dialler = Dialler(
            AddressBook(self.admission, clock=clock),
            tls=_tls_context(settings),
            max_age_s=settings.connection_max_age_s,
            clock=clock,
            may_go_on=self._may_go_on,
            kill_switch=self.kill_switch,
            pace=self._pace(worker_share.permits),
        )
        self._code_book = CodeBook()
        self._share = worker_share.share
        make_turns = partial(
            Turns, settings.logins_per_s, clock, is_given=worker_share.is_led, share=self._share
        )
        self.turns = make_turns(is_after_another=worker_share.is_after_another)
        self.starts = make_turns()
        """For the first requests of guests' connections."""
        self._of_all = self._shared_budget("org")
        self._first: dict[TokenKind, _Held] = {}
        self._next: dict[TokenKind, Iterator[_Held]] = {}
        for kind, each in credentials.items():
            make = partial(self._make_token, kind, self._shared_budget("client"))
            shared = 1 if isinstance(each, Token) else worker_share.tokens
            made = [make() for _ in range(shared or 1)]
            self._first[kind] = made[0]
            self._next[kind] = cycle(made) if shared else chain(made, iter(make, None))
        self._guests: dict[tuple[str, str], Guests] = {}
        # Each process begins elsewhere, so that workers do not log in the same customers at first.
        first = round(worker_share.number * worker_share.share * len(guest_jwts))
        self._guest_jwts = cycle((*guest_jwts[first:], *guest_jwts[:first]))

    @property
    def pace(self) -> Pace | None:
        """What all that is posted keeps to; None where nothing had to be approved."""
        return self.dialler.pace

    @property
    def token_kinds(self) -> tuple[TokenKind, ...]:
        """The kinds of token that sessions may have."""
        return tuple(self._credentials)

    def open_session(self, kind: TokenKind = CLIENT) -> ApiSession:
        """Return a session with a connection of its own, and a token as the settings say.

        Nothing is sent yet.
        """
        return self._session(Transport(self.api, self.dialler), next(self._next[kind]))

    def first_session(self, kind: TokenKind) -> ApiSession:
        """Return one for questions, with the token that the first one of a kind has.

        These keep to no pace, because a worker asks before it may send anything.
        """
        return self._session(self.open_transport(self.api, Sends.QUESTIONS), self._first[kind])

    def _session(self, transport: Transport, held: _Held) -> ApiSession:
        return ApiSession(
            transport,
            *held,
            code_book=self._code_book,
            clock=self.clock,
            headers=self.headers,
            redact=self.redact,
        )

    def guests_of(self, variables: Mapping[str, str]) -> Guests:
        """Return what the guests share of a scenario with such variables.

        `deployment_id` is where they write, `site` the Origin that they come from. A new guest has
        a token of its own, a random UUID, as the published clients make it, and where guests have
        logins the next of them in turn.
        """
        deployment_id, site = variables.get("deployment_id", ""), variables.get("site", "")
        shared = self._guests.get((deployment_id, site))
        if shared is None:
            target = self._settings.target
            host = Origin.parse(target.messaging_url or target.api_url)
            shared = self._guests[deployment_id, site] = Guests(
                self.dialler,
                Deployment(host, deployment_id, site, self.headers),
                self._new_guest,
                self._register_heard,
                self._code_book,
                self._settings.request_timeout_s,
                [limit for scope in ("session", "connection") for limit in self._limits(scope)],
                is_obeyed=self._obeys,
                connects=self._shared_budget("deployment") or Budget(()),
                origins=frozenset(map(Origin.parse, target.urls)),
                is_approved=target.approval is not None,
                turns=self.turns if self.pace is not None else Turns(None, self.clock),
                starts=self.starts if self.pace is not None else Turns(None, self.clock),
                clean=self.redact if self._settings.samples == "full" else masking(self.redact),
                redact=self.redact,
            )
        return shared

    def _pace(self, permits: int | None) -> Pace | None:
        approval = self._settings.target.approval
        if approval is None:
            return None
        most = approval.most_per_s if permits is None else min(permits, approval.most_per_s)
        return Pace(most, self.clock, self._total(approval, permits))

    def _total(self, approval: Approval, permits: int | None) -> Total | None:
        """Return what this process may send in all: in a run, its plan's, and what it is given."""
        if approval.highest_total is None:
            return None
        if permits is None:
            return Total(approval.highest_total, clock=self.clock)
        return Total(0, is_led=True, most_ahead=approval.most_per_s, clock=self.clock)

    @property
    def is_over(self) -> bool:
        """True where the approval lets nothing leave any more: lease or run have ended."""
        return self.pace is not None and self.pace.is_over

    def _may_go_on(self) -> bool:
        """Return whether a login, or what a server did not take at once, may still leave."""
        return not (self.is_over or self.kill_switch.reason)

    def end(self) -> None:
        """Let nothing leave any more, and nothing arrive of what has left and does not soon."""
        self.kill_switch.stop()
        self.turns.end()
        self.starts.end()
        if self.pace is not None:
            self.pace.ends_s = -inf
        self.dialler.give_up()
        gevent.spawn_later(_ARRIVES_WITHIN_S, self.discard)

    def has_arrived(self, left_by_s: float) -> bool:
        """Return whether all messages that had left by then were received, or will not be."""
        return self.pace is None or self.pace.has_arrived(left_by_s)

    def discard(self) -> None:
        """Have nothing arrive of what has left and not arrived."""
        for each in (self.pace, self.turns, self.starts):
            if each is not None:
                each.discard()

    def _new_guest(self) -> tuple[Secret, Secret | None]:
        token = Secret(str(uuid.uuid4()))
        self.register(token)
        return token, next(self._guest_jwts, None)

    @property
    def headers(self) -> dict[str, str]:
        """What every request to the API carries besides what it needs, secrets in clear."""
        return {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self._headers.items()
        }

    def first_tokens(self) -> list[Token]:
        """Return the token of the first session of each kind, after logins; raises LoginError."""
        return [oauth.token() for oauth, _ in self._first.values()]

    def open_transport(self, origin: Origin, sends: Sends) -> Transport:
        """Return a transport to an address of the target; nothing is connected yet."""
        return Transport(origin, self.dialler, sends)

    def log_in(self, kind: TokenKind = CLIENT) -> Token:
        """Log in once on a connection of its own, when `logins_per_s` allows; raises LoginError."""
        credentials = self._credentials[kind]
        if isinstance(credentials, Token):
            return credentials
        transport = self.open_transport(self._login, Sends.LOGINS)
        renewing = credentials.refresh_token
        try:
            # Before it has a turn, which would be over when the login before has ended.
            with nullcontext() if renewing is None else renewing.turn:
                timeout_s = self._settings.request_timeout_s
                turns, may_leave = self.turns, self._may_go_on
                return log_in(transport, credentials, timeout_s, self.register, turns, may_leave)
        finally:
            transport.close()

    def _make_token(self, kind: TokenKind, of_kind: Budget | None) -> _Held:
        oauth = OAuthSession(
            partial(self.log_in, kind),
            refresh_before_s=self._settings.oauth.refresh_before_s,
            clock=self.clock,
        )
        is_everybodys = isinstance(self._credentials[kind], Token)
        own = self._limits("token", self._share if is_everybodys else 1.0)
        shared = [each for each in (of_kind, self._of_all) if each is not None]
        return oauth, Budget(own, is_obeyed=self._obeys, beside=shared)

    def _shared_budget(self, scope: str) -> Budget | None:
        """Return this process's part of the limits of a scope; None where there are none."""
        limits = self._limits(scope, self._share)
        return Budget(limits, is_obeyed=self._obeys) if limits else None

    def _limits(self, scope: str, share: float = 1.0) -> list[Limit]:
        return [
            Limit(scope, max(1, int(limit.count * share)), limit.per_s)
            for limit in self._settings.limits
            if limit.scope == scope
        ]

    @property
    def _obeys(self) -> bool:
        return self._settings.on_limit == "obey"


def _tls_context(settings: Settings) -> SSLContext | None:
    """Return a context only where it is needed or was asked for: it takes a tenth of the start."""
    is_secure = any(Origin.parse(url).is_https for url in settings.target.urls)
    return tls_context(settings.target.ca_file) if is_secure or settings.target.ca_file else None
