"""Whatever a server writes is read, or unreadable: nothing of it raises what nobody expects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convoy.errors import LoginError, RefusedError, RemoteError
from convoy.remote.dialling import Dialler
from convoy.remote.http import Answer
from convoy.remote.limits import Budget, Limit, http_date_s, retry_after_s
from convoy.remote.listing import find_conversations
from convoy.remote.oauth import Credentials, log_in
from convoy.remote.simulator import is_convoy_simulator, read_ledger
from convoy.routes.answers import AnswerRule
from convoy.routes.codes import KNOWN_CODES, error_code
from convoy.routes.explain import as_text, explain
from convoy.secrets import Redactor, Secret
from convoy.settings import Origin
from tests.unit.remote.clients import client_at
from tests.unit.remote.misbehaving_server import Visitor, answer, serving

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def object_of(*names: str) -> st.SearchStrategy[bytes]:
    """JSON objects that hold some of these members, of any type."""
    members = st.dictionaries(st.sampled_from(names), JSON)
    return members.map(lambda each: json.dumps(each).encode())


NUMBERS = st.integers() | st.integers(0, 10**12)
DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "", "Day"]),
    NUMBERS,
    st.sampled_from(["Jan", "Feb", "Nov", "Foo"]),
    *[NUMBERS] * 4,
    st.sampled_from(["GMT", "", "-0000"]) | NUMBERS.map("{:+d}".format),
).map(str.encode)
VALUES = st.binary(max_size=40) | DATES | NUMBERS.map(lambda number: str(number).encode())
BODIES = st.binary(max_size=60) | JSON.map(lambda each: json.dumps(each).encode())
STATUSES = st.integers(100, 599)


@given(VALUES)
def test_any_date_is_a_moment_or_unreadable(value: bytes) -> None:
    read = http_date_s(value)

    assert read is None or isfinite(read)


@given(VALUES, VALUES)
def test_any_wait_that_is_asked_for_is_a_time_or_unreadable(wait: bytes, date: bytes) -> None:
    read = retry_after_s({b"retry-after": wait, b"date": date})

    assert read is None or (isfinite(read) and read >= 0)


@given(VALUES, VALUES, VALUES)
def test_any_limit_leaves_a_moment_at_which_a_request_may_be_sent(
    used: bytes, allowed: bytes, reset: bytes
) -> None:
    budget = Budget([Limit("token", 3, 60.0)])
    budget.spend(100.0)

    named = {b"inin-ratelimit-count": used, b"inin-ratelimit-allowed": allowed}
    budget.correct({**named, b"inin-ratelimit-reset": reset}, 101.0)

    assert isfinite(budget.ready_at(102.0))


@given(STATUSES, BODIES | object_of("code", "error", "message", "status", "contextId", "errors"))
def test_any_refusal_has_a_code_and_an_explanation(status: int, body: bytes) -> None:
    code = error_code(status, body)

    assert code in KNOWN_CODES or code.startswith(f"{status} ")
    assert as_text(explain(body, None, status=status))


@given(STATUSES, BODIES | object_of("id", "conversationId"))
def test_any_body_is_the_routes_own_answer_or_not(status: int, body: bytes) -> None:
    rule = AnswerRule({200: ("id", "conversationId"), 202: ()})

    assert rule.holds(status, body, "c") in (True, False)


class Wire:
    """A transport whose server answers one thing."""

    origin = Origin("http", "127.0.0.1", 1)
    dialler = Dialler()

    def __init__(self, status: int, body: bytes, headers: bytes) -> None:
        head = b"HTTP/1.1 %d x\r\n%b\r\n\r\n" % (status, headers)
        self._answer = Answer(status, [head], body, 1.0, 2.0)

    def exchange(self, request: bytes, deadline_s: float) -> Answer:
        return self._answer


@given(
    STATUSES | st.just(200),
    BODIES | object_of("access_token", "expires_in", "token_type", "error"),
    st.binary(max_size=40) | VALUES.map(b"Retry-After: %b".__mod__),
)
def test_any_answer_to_a_login_is_a_token_or_none(status: int, body: bytes, headers: bytes) -> None:
    wire, demo = Wire(status, body, headers), Credentials(Secret("demo"), Secret("demo"))
    try:
        token = log_in(wire, demo, 10.0, Redactor().register)  # type: ignore[arg-type]
    except LoginError as error:
        assert error.code
    else:
        assert isfinite(token.expires_at_s)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    def behave(visitor: Visitor) -> None:
        visitor.answer_all(answer(f"{status} x", body))

    with serving(behave) as server:
        yield f"http://127.0.0.1:{server.port}"


@settings(max_examples=25)
@given(BODIES | object_of("entities", "pageCount"))
@example(b'{"entities": [], "pageCount": 201}')
def test_any_listing_of_conversations_is_one_or_none(body: bytes) -> None:
    with answering(200, body) as url:
        try:
            with client_at(url) as client:
                found, left_out = find_conversations(client)
        except (RemoteError, RefusedError) as error:  # RefusedError: too many pages
            assert str(error)
        else:
            assert isinstance(found, list) and left_out >= 0


@settings(max_examples=25)
@given(BODIES | object_of("accepted", "duplicates", "by_conversation", "since", "simulator"))
def test_any_ledger_is_one_or_none(body: bytes) -> None:
    with answering(200, body) as url:
        assert not is_convoy_simulator(url, Secret("0123456789abcdef"))
        try:
            read_ledger(url, "run-1")
        except RemoteError as error:
            assert str(error)


@pytest.mark.parametrize("status", [204, 304, 418, 503])
def test_a_listing_with_another_status_is_none(status: int) -> None:
    with (
        answering(status, b"{}") as url,
        client_at(url) as client,
        pytest.raises(RemoteError),
    ):
        find_conversations(client)
