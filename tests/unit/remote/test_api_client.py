"""The client that keeps to the limits of one token: what it waits for, and what it asks again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from convoy.clock import clock_s
from convoy.errors import KillSwitchError, RemoteError
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.dialling import Dialler
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.oauth import Credentials, Token
from convoy.remote.pace import Pace
from convoy.routes.catalogue import CLIENT, ROUTES, TokenKind
from convoy.secrets import Secret
from tests.unit.remote.clients import client_at
from tests.unit.remote.misbehaving_server import Visitor, answer, serving
from tests.unit.settings.configuration import settings_of

GOOD = answer("200 OK", b'{"entities": []}')
EVERY_MINUTE = "limits=[{scope: token, count: 2, per_s: 60}]"


class Clock:
    """A clock that only sleep moves, and how long each was."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.slept.append(round(for_s, 3))
        self.now_s += for_s


class Asked:
    """A client of a server that gives these answers, and what came of asking it."""

    def __init__(
        self,
        port: int,
        *more: str,
        pace: Pace | None = None,
        kill_switch: KillSwitch | None = None,
    ) -> None:
        self.clock, self.waits, self.logins = Clock(), list[tuple[str, float]](), 0
        settings = settings_of("request_timeout_s=5", *(more or ("limits=[]",)))
        url = f"http://127.0.0.1:{port}"
        target = settings.target.model_copy(update={"api_url": url, "login_url": url})
        settings = settings.model_copy(update={"target": target})
        connections = OneLogin(
            self,
            settings,
            {CLIENT: Credentials(Secret("demo"), Secret("demo"))},
            lambda secret: None,
            kill_switch=kill_switch,
            clock=clock_s if pace else self.clock,
        )
        connections.dialler.pace = pace
        self.client = ApiClient(
            connections.open_session(),
            settings,
            self.waiting,
            patience_s=600,
            sleep=self.clock.sleep,
        )

    @contextmanager
    def waiting(self, what: str, for_s: float) -> Iterator[None]:
        self.waits.append((what.partition(" at ")[0], for_s))
        yield

    def ask(self, times: int = 1) -> Any:
        with self.client:
            for _ in range(times):
                found = self.client.ask(
                    ROUTES["messages_bulk"], {"conversation_id": "c-1"}, dict, []
                )
        return found


class OneLogin(Connections):
    """Connections whose logins bring a new token each, without asking anybody."""

    def __init__(self, asked: Asked, *given: Any, **named: Any) -> None:
        self._asked = asked
        super().__init__(*given, **named)

    def log_in(self, kind: TokenKind = CLIENT) -> Token:
        self._asked.logins += 1
        return Token(Secret(f"token-{self._asked.logins}"), 1e12)


def gives(*answers: bytes) -> Callable[[Visitor], None]:
    """Behaviour: give each request the next answer, over all connections."""
    left: Iterator[bytes] = iter(answers)

    def behave(visitor: Visitor) -> None:
        while visitor.read_request():
            visitor.send(next(left))

    return behave


def refusal(status: int, code: str) -> bytes:
    return answer(f"{status} No", json.dumps({"code": code}).encode())


def test_it_waits_until_the_budget_of_its_token_allows_the_next_request() -> None:
    with serving(gives(*[GOOD] * 5)) as server:
        asked = Asked(server.port, EVERY_MINUTE)

        asked.ask(times=5)

    assert asked.clock.slept == [60.0, 60.0]
    assert asked.waits == [("the token's budget", 60.0)] * 2


def test_it_asks_evenly_where_nothing_is_to_wait_for_long() -> None:
    with serving(gives(*[GOOD] * 4)) as server:
        asked = Asked(server.port, EVERY_MINUTE.replace("2", "120"))
        asked.client.is_even = True

        asked.ask(times=4)

    assert asked.clock.slept == [0.5, 0.5, 0.5]


def test_the_headers_of_answers_correct_the_budget() -> None:
    headers = ("inin-ratelimit-count: 2", "inin-ratelimit-allowed: 2", "inin-ratelimit-reset: 7")

    with serving(gives(answer("200 OK", b"{}", *headers), GOOD)) as server:
        asked = Asked(server.port, "limits=[{scope: token, count: 300, per_s: 60}]")

        asked.ask(times=2)

    assert asked.clock.slept == [7.0]


@pytest.mark.parametrize(
    ("answers", "slept", "logins"),
    [
        pytest.param(
            [answer("429 No", b"", "Retry-After: 9"), GOOD], [9.0], 1, id="too many requests"
        ),
        pytest.param([refusal(429, "too.many.requests"), GOOD], [1.0], 1, id="without Retry-After"),
        pytest.param([refusal(401, "bad.credentials"), GOOD], [], 2, id="token expired"),
        pytest.param([refusal(503, "service.unavailable")] * 2 + [GOOD], [1.0, 1.0], 1, id="503"),
    ],
)
def test_what_may_pass_is_asked_again(
    answers: list[bytes], slept: list[float], logins: int
) -> None:
    with serving(gives(*answers)) as server:
        asked = Asked(server.port, EVERY_MINUTE.replace("2", "300"))

        assert asked.ask() == {"entities": []}
    assert (asked.clock.slept, asked.logins) == (slept, logins)


@pytest.mark.parametrize("on_limit", ["obey", "count", "stop"])
def test_a_429_is_obeyed_whatever_a_run_makes_of_limits(on_limit: str) -> None:
    with serving(gives(*[answer("429 No", b"", "Retry-After: 9")] * 2, GOOD)) as server:
        asked = Asked(server.port, "limits=[]", f"on_limit={on_limit}")

        assert asked.ask() == {"entities": []}
    assert asked.clock.slept == [9.0, 9.0]


def test_a_window_that_ends_too_late_is_a_sentence_and_no_wait() -> None:
    headers = ("inin-ratelimit-count: 2", "inin-ratelimit-allowed: 2", "inin-ratelimit-reset: 9999")

    with serving(gives(answer("200 OK", b"{}", *headers))) as server:
        asked = Asked(server.port, EVERY_MINUTE)

        with pytest.raises(RemoteError, match=r"budget at .* is spent for 9,999 s"):
            asked.ask(times=2)
    assert asked.clock.slept == []


def test_an_approval_s_rate_and_the_kill_switch_hold_for_it_too(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    with serving(gives(*[GOOD] * 3)) as server:
        asked = Asked(server.port, pace=Pace(2), kill_switch=kill_switch)
        began_s = clock_s()

        asked.ask(times=3)

        assert clock_s() - began_s >= 1.0
        (tmp_path / "STOP").touch()
        kill_switch.throw("a test")
        with pytest.raises(KillSwitchError, match="a test"):
            asked.ask()


def test_a_request_counts_from_when_it_has_left_and_not_before() -> None:
    left: list[float] = []

    def is_slow_at_first(visitor: Visitor) -> None:
        while visitor.read_request():
            left.append(clock_s())
            visitor.send(GOOD)

    slow_s = 0.5
    with serving(is_slow_at_first) as server:
        asked = Asked(server.port, pace=Pace(2))
        connect = Dialler.dial

        def connects_slowly(*given: Any) -> Any:
            time.sleep(slow_s)
            return connect(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Dialler, "dial", connects_slowly)
            asked.ask(times=3)

    # Of a request that counted from before, a second would have 0.5 s. The server's own thread may
    # be late to read the first.
    assert left[2] - left[0] >= 1.0 - slow_s / 2


def test_each_repetition_of_a_reading_request_spends_the_budget_too() -> None:
    with serving(gives(*[refusal(503, "service.unavailable")] * 2, GOOD)) as server:
        asked = Asked(server.port, EVERY_MINUTE.replace("2", "300"))

        with asked.client as client:
            client.ask(ROUTES["message_details"], {"message_id": "m-1"}, dict)

    assert asked.clock.slept == [1.0, 1.0]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param(
            [refusal(401, "bad.credentials")] * 2, "401 .401 bad.credentials", id="twice refused"
        ),
        pytest.param(
            [refusal(403, "missing.permissions")],
            "It takes the permission conversation:message:view",
            id="permission",
        ),
        pytest.param([refusal(503, "service.unavailable")] * 3, "answered 503", id="never passes"),
        pytest.param(
            [answer("429 No", b"", "Retry-After: 9")] * 6, "answered 429", id="others spend it all"
        ),
        pytest.param(
            [answer("429 No", b"", "Retry-After: 99999999")], "answered 429", id="in three years"
        ),
        pytest.param([answer("200 OK", b"<html>")], "did not answer what it should", id="no JSON"),
    ],
)
def test_what_does_not_pass_is_a_sentence(answers: list[bytes], told: str) -> None:
    with serving(gives(*answers)) as server, pytest.raises(RemoteError, match=told):
        Asked(server.port).ask()


def test_no_part_of_a_secret_is_taken_for_a_permission() -> None:
    secret = "Zk7Qhead9,xW2v:P5mtail:8Rt3YbQQ"
    said = {"code": "missing.permissions", "message": f"{secret} lacks routing:queue:view"}
    no = answer("403 No", json.dumps(said).encode())

    with (
        serving(gives(no)) as server,
        pytest.raises(RemoteError, match=r"It lacks routing:queue:view\.$"),
        client_at(
            f"http://127.0.0.1:{server.port}", redact=lambda text: text.replace(secret, "****")
        ) as client,
    ):
        client.ask(ROUTES["message_details"], {"message_id": "m-1"}, dict)


def test_nobody_there_is_a_sentence_after_three_tries() -> None:
    with serving(gives()) as server:
        port = server.port
    asked = Asked(port)

    with pytest.raises(RemoteError, match="no answer from http://127"):
        asked.ask()
    assert asked.clock.slept == [1.0, 1.0]
