"""Logging in over a real socket, and the session that logs in once for all."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from math import inf
from typing import Any

import gevent
import pytest
from gevent.event import Event

from convoy.clock import clock_s
from convoy.errors import LoginError
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer
from convoy.remote.login_turns import Turns
from convoy.remote.oauth import Credentials, OAuthSession, RefreshToken, Token, log_in
from convoy.remote.transport import Transport
from convoy.secrets import Redactor, Secret
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.remote.misbehaving_server import Visitor, answer, serving

CREDENTIALS = Credentials(Secret("client-1"), Secret("hunter2-secret"))
GRANTED = b'{"access_token": "abc.def", "token_type": "bearer", "expires_in": 600}'
LONG_S = 10.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Desk:
    """A login that counts, and waits or fails when told to."""

    def __init__(self, clock: Clock, life_s: float = 600.0) -> None:
        self.clock, self.life_s, self.logins = clock, life_s, 0
        self.fault: LoginError | None = None
        self.open = Event()
        self.open.set()

    def __call__(self) -> Token:
        self.logins += 1
        self.open.wait()
        if self.fault is not None:
            raise self.fault
        return Token(Secret(f"token-{self.logins}"), self.clock() + self.life_s)

    def session(self, refresh_before_s: float = 100.0) -> OAuthSession:
        return OAuthSession(self, refresh_before_s=refresh_before_s, clock=self.clock)


REFUSED = LoginError("400 invalid_client", "no", refused=True)


def log_in_at(
    port: int,
    register: Callable[[Secret], None] | None = None,
    credentials: Credentials = CREDENTIALS,
) -> Token:
    transport = Transport(Origin("http", "127.0.0.1", port))
    try:
        return log_in(transport, credentials, LONG_S, register or Redactor().register)
    finally:
        transport.close()


def answers(data: bytes) -> Callable[[Visitor], None]:
    return lambda visitor: visitor.answer_all(data)


def test_a_login_sends_basic_and_form_and_brings_a_registered_token() -> None:
    registered: list[Secret] = []
    before_s = clock_s()
    with serving(answers(answer("200 OK", GRANTED))) as server:
        token = log_in_at(server.port, registered.append)

    request = server.requests[0]
    assert request.startswith(b"POST /oauth/token HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Basic Y2xpZW50LTE6aHVudGVyMi1zZWNyZXQ=\r\n" in request
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in request
    assert request.endswith(b"\r\n\r\ngrant_type=client_credentials")
    assert token.value.reveal() == "abc.def"
    assert before_s + 600 <= token.expires_at_s <= clock_s() + 600
    assert registered == [token.value]


@pytest.mark.parametrize(
    ("answered", "kept"),
    [
        pytest.param(b"", "one&two", id="none"),
        pytest.param(b', "refresh_token": null', "one&two", id="null"),
        pytest.param(b', "refresh_token": "one&two"', "one&two", id="the same"),
        pytest.param(b', "refresh_token": "3"', "3", id="rotated"),
    ],
)
def test_a_refresh_token_brings_a_users_token_and_perhaps_the_next_one(
    answered: bytes, kept: str
) -> None:
    registered: list[Secret] = []
    renewing = RefreshToken(Secret("one&two"))
    user = Credentials(Secret("client-1"), Secret("hunter2-secret"), renewing)
    body = b'{"access_token": "abc.def", "expires_in": 600%b}' % answered
    with serving(answers(answer("200 OK", body))) as server:
        token = log_in_at(server.port, registered.append, user)

    [request] = server.requests
    assert b"\r\nAuthorization: Basic Y2xpZW50LTE6aHVudGVyMi1zZWNyZXQ=\r\n" in request
    assert request.endswith(b"\r\n\r\ngrant_type=refresh_token&refresh_token=one%26two")
    assert (token.value.reveal(), renewing.value.reveal()) == ("abc.def", kept)
    assert registered == [token.value, *([renewing.value] if kept == "3" else [])]


def test_a_login_takes_its_turn_once_the_connection_stands() -> None:
    noted: list[str] = []

    class Noting(Dialler):
        def dial(self, *given: Any) -> Connection:
            connection = super().dial(*given)
            noted.append("connected")
            return connection

    class NotingTurns(Turns):
        def await_place(self, deadline_s: float = inf) -> None:
            noted.append("place")

        def take(self, deadline_s: float = inf, connection: Connection | None = None) -> None:
            noted.append("turn")
            assert connection is transport.connection and connection.is_open

        def leave_place(self) -> None:
            noted.append(f"left, {len(server.requests)} asked")

    turns = NotingTurns(5.0, clock_s)
    with serving(answers(answer("200 OK", GRANTED))) as server:
        # A connection that is too old by its turn would be replaced, and the login leave late.
        transport = Transport(Origin("http", "127.0.0.1", server.port), Noting(max_age_s=0.0))
        log_in(transport, CREDENTIALS, LONG_S, Redactor().register, turns)
        transport.close()

    assert noted == ["place", "connected", "turn", "left, 0 asked"]


def test_waiting_for_a_turn_takes_nothing_of_the_timeout() -> None:
    turns = Turns(2.0, clock_s, is_after_another=True)
    with serving(answers(answer("200 OK", GRANTED))) as server:
        transport = Transport(Origin("http", "127.0.0.1", server.port))
        log_in(transport, CREDENTIALS, 0.5, Redactor().register, turns)  # the turn is in 0.55 s
        transport.close()

    assert len(server.requests) == 1


def test_a_login_that_cannot_connect_says_so_and_leaves_its_place() -> None:
    turns = Turns(0.1, clock_s)

    for _ in range(2):
        transport = Transport(Origin("http", "127.0.0.1", free_port()))
        with pytest.raises(LoginError, match="no login at") as caught:
            log_in(transport, CREDENTIALS, LONG_S, Redactor().register, turns)

        assert caught.value.code == "connection refused"


def test_the_path_of_a_gateway_goes_before_that_of_the_login() -> None:
    with serving(answers(answer("200 OK", GRANTED))) as server:
        transport = Transport(Origin.parse(f"http://127.0.0.1:{server.port}/gw/"))
        log_in(transport, CREDENTIALS, LONG_S, Redactor().register)
        transport.close()

        assert server.requests[0].startswith(b"POST /gw/oauth/token HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("expires_in", "life_s"), [('"600"', 600), ("null", 86_400), ('"null"', 86_400), ("6e2", 600)]
)
def test_the_life_of_a_token_is_read_as_servers_write_it(expires_in: str, life_s: float) -> None:
    body = b'{"access_token": "a", "expires_in": %b}' % expires_in.encode()
    before_s = clock_s()
    with serving(answers(answer("200 OK", body))) as server:
        token = log_in_at(server.port)

    assert before_s + life_s <= token.expires_at_s <= clock_s() + life_s


def test_the_life_of_a_token_counts_from_when_it_was_asked_for() -> None:
    class Slow(Transport):
        def exchange(self, request: bytes, deadline_s: float) -> Answer:
            return Answer(200, [], GRANTED, sent_s=1000.0, done_s=1030.0)

    transport = Slow(Origin("http", "127.0.0.1", 1))
    token = log_in(transport, CREDENTIALS, LONG_S, Redactor().register)

    assert token.expires_at_s == 1600.0


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        pytest.param("gzip", gzip.compress(GRANTED), id="gzip"),
        pytest.param("deflate", zlib.compress(GRANTED), id="deflate"),
        pytest.param("Deflate", zlib.compress(GRANTED)[2:-4], id="deflate without a frame"),
    ],
)
def test_an_answer_that_is_packed_all_the_same_is_read(coding: str, packed: bytes) -> None:
    sent = answer("200 OK", packed, f"Content-Encoding: {coding}")
    with serving(answers(sent)) as server:
        token = log_in_at(server.port)

        assert b"\r\nAccept-Encoding: identity\r\n" in server.requests[0]
    assert token.value.reveal() == "abc.def"


REFUSALS = {
    "wrong secret": (
        answer("400 Bad Request", b'{"error": "invalid_client"}'),
        ("400 invalid_client", True, None),
    ),
    "too often": (
        answer("429 Slow", b'{"code": "too.many.requests"}', "Retry-After: 7"),
        ("429 too.many.requests", False, 7.0),
    ),
    "down": (
        answer("503 Down", b"<html>", "Retry-After: 3"),
        ("503 gateway.unavailable", False, 3.0),
    ),
    "redirect": (answer("302 Found", b"", "Location: /"), ("other", False, None)),
    "not JSON": (answer("200 OK", b"<html>"), ("malformed answer", False, None)),
    "no token": (answer("200 OK", b"{}"), ("malformed answer", False, None)),
    "empty token": (answer("200 OK", b'{"access_token": ""}'), ("malformed answer", False, None)),
    "token with a line break": (
        answer("200 OK", b'{"access_token": "a\\r\\nX: y"}'),
        ("malformed answer", False, None),
    ),
    "expired at once": (
        answer("200 OK", b'{"access_token": "a", "expires_in": 0}'),
        ("malformed answer", False, None),
    ),
    "expiry in words": (
        answer("200 OK", b'{"access_token": "a", "expires_in": "soon"}'),
        ("malformed answer", False, None),
    ),
    "an expiry that is no number": (
        answer("200 OK", b'{"access_token": "a", "expires_in": "nan"}'),
        ("malformed answer", False, None),
    ),
    "an expiry that never comes": (
        answer("200 OK", b'{"access_token": "a", "expires_in": "inf"}'),
        ("malformed answer", False, None),
    ),
    "another type": (
        answer("200 OK", b'{"access_token": "a", "token_type": "mac"}'),
        ("malformed answer", False, None),
    ),
    "garbage": (b"garbage\r\n\r\n", ("malformed answer", False, None)),
}


@pytest.mark.parametrize(("sent", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_login_without_a_token_is_one_clear_error_without_secrets(
    sent: bytes, expected: tuple[str, bool, float | None]
) -> None:
    with serving(answers(sent)) as server, pytest.raises(LoginError) as caught:
        log_in_at(server.port)

    fault, message = caught.value, str(caught.value)
    assert (fault.code, fault.refused, fault.retry_after_s) == expected
    assert f"http://127.0.0.1:{server.port}/oauth/token" in message
    assert "hunter2" not in message and "Y2xpZW50" not in message


def test_a_login_that_nobody_answers_was_not_refused_by_the_server() -> None:
    with pytest.raises(LoginError) as caught:
        log_in_at(free_port())

    assert (caught.value.code, caught.value.refused) == ("connection refused", False)


def test_fifty_greenlets_wait_for_one_login() -> None:
    desk = Desk(Clock())
    session = desk.session()
    desk.open.clear()
    callers = [gevent.spawn(session.token) for _ in range(50)]
    gevent.sleep(0)

    desk.open.set()
    gevent.joinall(callers, LONG_S)

    assert {caller.value.value.reveal() for caller in callers} == {"token-1"}
    assert desk.logins == 1


def test_fifty_greenlets_share_the_failure_of_one_login() -> None:
    desk = Desk(Clock())
    session = desk.session()
    desk.fault = REFUSED
    desk.open.clear()

    def fault() -> LoginError:
        with pytest.raises(LoginError) as caught:
            session.token()
        return caught.value

    callers = [gevent.spawn(fault) for _ in range(50)]
    gevent.sleep(0)
    desk.open.set()
    gevent.joinall(callers, LONG_S)

    assert {caller.value.code for caller in callers} == {"400 invalid_client"}
    assert desk.logins == 1


def test_a_login_whose_greenlet_is_killed_is_taken_over_by_one_that_waits() -> None:
    desk = Desk(Clock())
    session = desk.session()
    desk.open.clear()
    first, *others = [gevent.spawn(session.token) for _ in range(5)]
    gevent.sleep(0)

    first.kill()
    desk.open.set()
    gevent.joinall(others, LONG_S)

    assert {caller.value.value.reveal() for caller in others} == {"token-2"}
    assert desk.logins == 2


def test_near_its_end_a_token_is_renewed_by_one_while_the_others_go_on() -> None:
    clock = Clock()
    desk = Desk(clock)
    session = desk.session(refresh_before_s=100)
    first = session.token()
    clock.now_s += 501
    desk.open.clear()
    renewing = gevent.spawn(session.token)
    gevent.sleep(0)

    meanwhile = [session.token() for _ in range(10)]
    desk.open.set()
    renewing.join(LONG_S)

    assert meanwhile == [first] * 10
    assert renewing.value.value.reveal() == "token-2" == session.token().value.reveal()
    assert desk.logins == 2


def test_a_token_that_lives_shorter_than_the_margin_is_renewed_at_half_its_life() -> None:
    clock = Clock()
    desk = Desk(clock, life_s=60)
    session = desk.session(refresh_before_s=300)

    session.token()
    clock.now_s += 29
    session.token()
    before_half = desk.logins
    clock.now_s += 2
    session.token()

    assert (before_half, desk.logins) == (1, 2)


def test_a_renewal_that_fails_keeps_the_token_until_it_expires() -> None:
    clock = Clock()
    desk = Desk(clock)
    session = desk.session(refresh_before_s=100)
    first = session.token()
    desk.fault = REFUSED

    clock.now_s += 501
    kept = [session.token() for _ in range(10)]
    tried = desk.logins
    clock.now_s += 100

    assert (kept, tried) == ([first] * 10, 2)
    with pytest.raises(LoginError):
        session.token()


def test_a_renewal_that_fails_after_the_token_expired_is_an_error() -> None:
    clock = Clock()
    desk = Desk(clock)
    session = desk.session(refresh_before_s=100)
    session.token()
    clock.now_s += 599
    desk.fault = REFUSED
    desk.open.clear()
    renewing = gevent.spawn(session.token)
    gevent.sleep(0)

    clock.now_s += 2
    desk.open.set()

    with pytest.raises(LoginError):
        renewing.get(timeout=LONG_S)


def test_a_rejected_token_is_replaced_once_however_many_reject_it() -> None:
    desk = Desk(Clock())
    session = desk.session()
    first = session.token()

    renewed = []
    for _ in range(5):
        session.reject(first)
        renewed.append(session.token().value.reveal())

    assert (renewed, desk.logins) == (["token-2"] * 5, 2)
