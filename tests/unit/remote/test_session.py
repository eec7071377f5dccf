"""A user's session over real sockets: fates, the one re-send, budgets and rests."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from types import SimpleNamespace

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import LoginError
from convoy.remote.limits import Budget, Limit
from convoy.remote.oauth import OAuthSession, Token
from convoy.remote.pace import Pace
from convoy.remote.session import ApiSession, open_patiently
from convoy.remote.transport import Transport
from convoy.routes.answers import AnswerRule
from convoy.routes.codes import CodeBook
from convoy.secrets import STARS, Redactor, Secret
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.remote.exchanges import CountingPace, dialler_with
from tests.unit.remote.misbehaving_server import Visitor, answer, serving
from tests.unit.remote.proxy_server import name_proxy_at

PATH = "/api/v2/conversations/messages"
OK = answer("200 OK", b'{"id": "m"}')
UNAUTHORIZED = answer("401 Unauthorized", b'{"code": "bad.credentials"}')
LONG_S = 60.0
LIMITS = [Limit("token", 300, 60.0)]
CONVERSATION = "c"


def own_answers() -> AnswerRule:
    """Any JSON object with an id."""
    return AnswerRule({200: ("id",)})


class Desk:
    """A login that counts; with a fault or a pause set, every login after the first has it."""

    def __init__(self) -> None:
        self.logins = 0
        self.fault: LoginError | None = None
        self.pause_s = 0.0

    def __call__(self) -> Token:
        if self.logins and self.fault is not None:
            raise self.fault
        if self.logins and self.pause_s:
            gevent.sleep(self.pause_s)
        self.logins += 1
        return Token(Secret(f"token-{self.logins}"), clock_s() + 3600)


@contextmanager
def session_to(
    port: int, desk: Desk, limits: list[Limit] = LIMITS, transport: Transport | None = None
) -> Iterator[ApiSession]:
    """Open a session to a port of this machine, or by a transport, for a with-block."""
    clock = staticmethod(clock_s)
    session = ApiSession(
        transport or Transport(Origin("http", "127.0.0.1", port)),
        OAuthSession(desk, refresh_before_s=60, clock=clock),
        Budget(limits),
        code_book=CodeBook(),
        clock=clock,
    )
    try:
        yield session
    finally:
        session.close()


def in_turn(*sent: bytes) -> Callable[[Visitor], None]:
    """Behaviour: answer the requests one after the other, the last answer for all others."""

    def behave(visitor: Visitor) -> None:
        left = list(sent)
        while visitor.read_request():
            visitor.send(left.pop(0) if len(left) > 1 else left[0])

    return behave


def test_an_accepted_message_carries_token_body_and_correlation_id() -> None:
    sent = answer("200 OK", b'{"id": "m"}', "ININ-Correlation-Id: c-1")
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b'{"text":"hi"}', LONG_S, own_answers(), CONVERSATION)

    assert server.requests == [
        b"POST /api/v2/conversations/messages HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\nAuthorization: Bearer token-1\r\n"
        b"Content-Type: application/json\r\nAccept: application/json\r\n"
        b"Accept-Encoding: identity\r\nUser-Agent: convoy\r\nContent-Length: 13\r\n\r\n"
        b'{"text":"hi"}' % server.port
    ]
    assert (done.status, done.code, done.fate, done.attempts) == (200, "", "accepted", 1)
    assert (done.correlation_id, done.body) == ("c-1", b'{"id": "m"}')
    assert done.sent_s is not None and done.sent_s <= done.done_s


def test_a_correlation_id_still_shows_the_redactor_what_it_holds() -> None:
    redactor = Redactor()
    redactor.register("Straßen-sesame")
    sent = answer("200 OK", b"{}", "ININ-Correlation-Id: Straßen-sesame")
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert redactor.redact(done.correlation_id) == STARS


def test_the_path_of_a_gateway_goes_before_the_routes_own() -> None:
    gateway = "http://127.0.0.1:{}/genesys/prod"
    with serving(in_turn(OK)) as server:
        transport = Transport(Origin.parse(gateway.format(server.port)))
        session = ApiSession(
            transport,
            OAuthSession(Desk(), refresh_before_s=0),
            Budget([]),
            code_book=CodeBook(),
            clock=clock_s,
        )
        session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)
        session.close()

        assert server.requests[0].startswith(b"POST /genesys/prod/api/v2/conversations/messages ")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        ("200 OK", b'{"id": "m"}', ("accepted", "")),
        ("200 OK", b"<html>", ("unknown", "unexpected answer")),
        ("400 Bad", b'{"code": "invalid_payload"}', ("rejected", "400 invalid_payload")),
    ],
)
def test_an_answer_that_is_packed_all_the_same_is_judged_by_what_it_says(
    status: str, body: bytes, told: tuple[str, str]
) -> None:
    sent = answer(status, gzip.compress(body), "Content-Encoding: gzip")
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert (done.fate, done.code) == told
    assert done.body == body


def test_a_packed_answer_that_cannot_be_unpacked_says_nothing() -> None:
    bomb = gzip.compress(b" " * 20_000_000 + b'{"id": "m"}')
    for packed in (b"no gzip", bomb):
        sent = answer("200 OK", packed, "Content-Encoding: gzip")
        with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
            done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code) == ("unknown", "unexpected answer")


REJECTIONS = {
    "payload": (
        answer("400 Bad Request", b'{"code": "invalid_payload"}'),
        "400 invalid_payload",
    ),
    "gateway": (answer("503 Unavailable", b"<html>"), "503 gateway.unavailable"),
    "redirect": (answer("307 Temporary", b"", "Location: /x"), "other"),
}


@pytest.mark.parametrize(("sent", "code"), REJECTIONS.values(), ids=REJECTIONS)
def test_any_other_answer_rejects_the_message_under_its_code(sent: bytes, code: str) -> None:
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code, done.attempts, len(server.requests)) == (
            "rejected",
            code,
            1,
            1,
        )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("200 OK", b"<html>Sign in</html>"),
        ("200 OK", b""),
        ("200 OK", b'{"code": "invalid_payload"}'),
        ("204 No Content", b""),
        ("207 Multi-Status", b'{"id": "m"}'),
    ],
    ids=["a page", "nothing", "an error", "another status", "many answers"],
)
def test_a_2xx_that_is_not_the_routes_own_leaves_the_fate_unknown(status: str, body: bytes) -> None:
    with (
        serving(in_turn(answer(status, body))) as server,
        session_to(server.port, Desk()) as session,
    ):
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert (done.fate, done.code) == ("unknown", "unexpected answer")
    assert done.body == body


@pytest.mark.parametrize("status", ["408 Timeout", "502 Bad Gateway", "504 Gateway Timeout"])
def test_what_a_gateway_says_for_a_silent_api_leaves_the_fate_unknown(status: str) -> None:
    sent = answer(status, b"<html></html>")
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert (done.fate, done.status) == ("unknown", int(status[:3]))


def test_a_401_is_sent_again_once_after_one_new_login() -> None:
    desk = Desk()
    with serving(in_turn(UNAUTHORIZED, OK)) as server, session_to(server.port, desk) as session:
        started_s = clock_s()
        session.open()

        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.attempts, desk.logins) == ("accepted", 2, 2)
        assert done.sent_s is not None and started_s <= done.sent_s < done.done_s
        assert b"Bearer token-1\r\n" in server.requests[0]
        assert b"Bearer token-2\r\n" in server.requests[1]


def test_a_second_401_stands() -> None:
    desk = Desk()
    with serving(in_turn(UNAUTHORIZED)) as server, session_to(server.port, desk) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code, done.attempts) == ("rejected", "401 bad.credentials", 2)
        assert (len(server.requests), desk.logins) == (2, 2)


def test_a_token_that_nothing_renews_is_not_sent_again_after_a_401() -> None:
    kept = Token(Secret("kept"), inf)

    class KeptDesk(Desk):
        def __call__(self) -> Token:
            return kept

    with serving(in_turn(UNAUTHORIZED)) as server, session_to(server.port, KeptDesk()) as session:
        done = [session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION) for _ in range(2)]

        assert [(each.code, each.attempts) for each in done] == [("401 bad.credentials", 1)] * 2
        assert len(server.requests) == 2
        assert session.ready_at(0.0) == 0.0


def test_without_a_body_it_is_asked_for_what_is_there() -> None:
    answers = AnswerRule({200: ("participants",)})
    there = answer("200 OK", b'{"participants": []}')
    with serving(in_turn(there)) as server, session_to(server.port, Desk()) as session:
        done = [session.post(f"{PATH}/c", None, LONG_S, answers, "", "GET") for _ in range(2)]

    assert server.requests == 2 * [
        b"GET /api/v2/conversations/messages/c HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\nAuthorization: Bearer token-1\r\nAccept: application/json\r\n"
        b"Accept-Encoding: identity\r\nUser-Agent: convoy\r\n\r\n" % server.port
    ]
    assert [(each.fate, each.status) for each in done] == [("accepted", 200)] * 2


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("POST", None, b"0"),
        ("PUT", b"{}", b"2"),
        ("PATCH", b"{}", b"2"),
        ("DELETE", None, b"0"),
        ("GET", b"{}", b"2"),
    ],
)
def test_a_request_has_the_method_of_its_route_with_a_body_or_without(
    method: str, body: bytes | None, length: bytes
) -> None:
    with (
        serving(in_turn(answer("200 OK", b'{"id": "m"}'))) as server,
        session_to(server.port, Desk()) as session,
    ):
        head = session.head(PATH, method)
        for _ in range(2):
            session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)
            session.post(PATH, body, LONG_S, own_answers(), CONVERSATION, method)

    assert head.startswith(f"{method} {PATH} HTTP/1.1\r\n".encode())
    assert [each.split(b" ")[0] for each in server.requests] == [b"POST", method.encode()] * 2
    assert server.requests[1] == head + length + b"\r\n\r\n" + (body or b"")


def test_after_a_401_a_failed_login_leaves_the_answer_standing_and_rests() -> None:
    desk = Desk()
    desk.fault = LoginError("429 x", "later", refused=False, retry_after_s=30)
    with serving(in_turn(UNAUTHORIZED)) as server, session_to(server.port, desk) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code, done.attempts) == ("rejected", "401 bad.credentials", 1)
        assert session.ready_at(done.done_s) >= done.done_s + 30
        assert len(server.requests) == 1
        with pytest.raises(LoginError):
            session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)


def test_a_new_login_after_a_401_has_no_more_than_the_messages_time() -> None:
    desk = Desk()
    desk.pause_s = LONG_S
    with serving(in_turn(UNAUTHORIZED)) as server, session_to(server.port, desk) as session:
        started_s = clock_s()

        done = session.post(PATH, b"{}", 0.3, own_answers(), CONVERSATION)

        assert (done.fate, done.attempts) == ("rejected", 1)
        assert clock_s() - started_s < LONG_S


def test_a_429_is_never_sent_again_and_rests_as_long_as_asked() -> None:
    sent = answer("429 Slow", b'{"code": "too.many.requests.retry.after"}', "Retry-After: 42")
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code) == ("rejected", "429 too.many.requests.retry.after")
        assert (done.attempts, len(server.requests)) == (1, 1)
        assert session.ready_at(done.done_s) == done.done_s + 42


def test_the_answers_headers_correct_the_budget() -> None:
    sent = answer(
        "200 OK",
        b'{"id": "m"}',
        "inin-ratelimit-count: 300",
        "inin-ratelimit-allowed: 300",
        "inin-ratelimit-reset: 17",
    )
    with serving(in_turn(sent)) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert session.ready_at(done.done_s) == pytest.approx(done.done_s + 17)


def test_every_attempt_spends_the_budget() -> None:
    limits = [Limit("token", 2, 60.0)]
    with (
        serving(in_turn(UNAUTHORIZED, OK)) as server,
        session_to(server.port, Desk(), limits) as session,
    ):
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert session.ready_at(done.done_s) > done.done_s + 50


def test_a_refused_connection_is_failed_at_the_time_it_was_tried() -> None:
    with session_to(free_port(), Desk()) as session:
        before_s = clock_s()

        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code, done.status) == ("failed", "connection refused", 0)
        assert done.sent_s is not None and before_s <= done.sent_s <= done.done_s


def test_a_message_that_a_proxy_refuses_is_failed_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(in_turn(answer("403 Forbidden"))) as proxy:
        name_proxy_at(monkeypatch, proxy.port)
        transport = Transport(Origin("https", "api.test", 443))
        with session_to(0, Desk(), transport=transport) as session:
            found = [
                session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION) for _ in range(2)
            ]

        assert [(done.fate, done.code, done.attempts) for done in found] == [
            ("failed", "proxy", 1)
        ] * 2
        assert [request.split()[0] for request in proxy.requests] == [b"CONNECT"] * 2


def test_a_lost_answer_is_unknown() -> None:
    with (
        serving(lambda visitor: visitor.read_request() and None) as server,
        session_to(server.port, Desk()) as session,
    ):
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.code, done.attempts) == ("unknown", "connection closed", 1)
        assert len(server.requests) == 1


def test_an_answer_lost_on_the_second_attempt_is_unknown_and_counts_from_the_first() -> None:
    def once(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(UNAUTHORIZED)
        visitor.read_request()

    with serving(once) as server, session_to(server.port, Desk()) as session:
        done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (done.fate, done.attempts, len(server.requests)) == ("unknown", 2, 2)
        assert done.sent_s == session.sent_s


def test_a_killed_post_tells_when_it_was_sent() -> None:
    def silent(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.wait_for_close()

    with serving(silent) as server, session_to(server.port, Desk()) as session:
        caller = gevent.spawn(session.post, PATH, b"{}", LONG_S, own_answers(), CONVERSATION)
        with gevent.Timeout(LONG_S):
            while not server.requests:
                gevent.sleep(0.002)

        caller.kill()

        assert (session.attempts, session.sent_s is not None) == (1, True)


def test_without_a_token_nothing_is_sent() -> None:
    desk = Desk()
    desk.logins = 1
    desk.fault = LoginError("400 invalid_client", "no", refused=True)
    with serving(in_turn(OK)) as server, session_to(server.port, desk) as session:
        with pytest.raises(LoginError):
            session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

        assert (server.requests, session.attempts, session.sent_s) == ([], 0, None)


@pytest.mark.parametrize("path", ["no-slash", "/a b", "/a\r\nX: y", "/ü"])
def test_a_path_that_no_request_can_carry_is_refused(path: str) -> None:
    with session_to(free_port(), Desk()) as session, pytest.raises(ValueError):
        session.post(path, b"{}", LONG_S, own_answers(), CONVERSATION)


def test_what_is_sent_again_keeps_to_the_pace_and_a_login_does_not() -> None:
    pace = CountingPace(5)
    with serving(in_turn(UNAUTHORIZED, answer("200 OK", b'{"id": "m"}'))) as server:
        transport = Transport(Origin("http", "127.0.0.1", server.port), dialler_with(pace=pace))
        with session_to(server.port, Desk(), transport=transport) as session:
            done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert (done.fate, done.attempts, pace.waits) == ("accepted", 2, 2)


def test_a_message_without_room_by_its_deadline_has_not_left() -> None:
    with serving(in_turn(answer("200 OK", b'{"id": "m"}'))) as server:
        pace = Pace(1)
        pace.wait(0.0)
        transport = Transport(Origin("http", "127.0.0.1", server.port), dialler_with(pace=pace))
        with session_to(server.port, Desk(), transport=transport) as session:
            done = session.post(PATH, b"{}", 0.3, own_answers(), CONVERSATION)

    assert (done.fate, done.code, server.requests) == ("failed", "timeout", [])


def test_a_401_stands_where_nothing_may_leave_any_more() -> None:
    pace = CountingPace(5)

    def stop_after_the_first(visitor: Visitor) -> None:
        visitor.read_request()
        pace.ends_s = 0.0
        visitor.send(UNAUTHORIZED)

    with serving(stop_after_the_first) as server:
        transport = Transport(Origin("http", "127.0.0.1", server.port), dialler_with(pace=pace))
        with session_to(server.port, Desk(), transport=transport) as session:
            done = session.post(PATH, b"{}", LONG_S, own_answers(), CONVERSATION)

    assert (done.fate, done.code, done.attempts) == ("rejected", "401 bad.credentials", 1)
    assert len(server.requests) == 1


def test_a_session_that_does_not_open_is_tried_more_and_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses, told = list[float](), list[str]()

    def refuse() -> None:
        raise LoginError("timeout", "nobody answers", refused=False)

    monkeypatch.setattr("convoy.remote.session.gevent.sleep", pauses.append)
    with pytest.raises(gevent.GreenletExit):
        open_patiently(
            SimpleNamespace(open=refuse),  # type: ignore[arg-type]
            told.append,
            lambda: len(pauses) < 7,
        )

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    assert told == ["nobody answers"] * 7
