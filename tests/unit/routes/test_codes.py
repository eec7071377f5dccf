"""The closed vocabulary of error codes."""

from __future__ import annotations

import pytest

from convoy.routes.codes import (
    KNOWN_CODES,
    SECTIONS,
    CodeBook,
    advice,
    error_code,
    full_code,
    meaning,
)

BODIES = {
    "the API's": (400, b'{"code": "invalid_payload", "status": 400}', "400 invalid_payload"),
    "the login's": (400, b'{"error": "invalid_client"}', "400 invalid_client"),
    "both": (401, b'{"code": "bad.credentials", "error": "x"}', "401 bad.credentials"),
    "a code that is none": (400, b'{"code": "an id: 7f3a", "error": "bad"}', "400 bad"),
    "a number": (400, b'{"code": 7}', "4xx other"),
    "too long a code": (500, b'{"code": "%b"}' % (b"x" * 65), "5xx other"),
    "a line break": (400, b'{"code": "x\\n"}', "4xx other"),
    "a page": (502, b"<html>Bad Gateway</html>", "502 bad.gateway"),
    "a page of one that is overloaded": (503, b"", "503 gateway.unavailable"),
    "JSON of a gateway": (504, b'{"message": "Endpoint timed out"}', "504 gateway.timeout"),
    "the API's own 504": (504, b'{"code": "request.timeout"}', "504 request.timeout"),
    "plain HTTP to TLS": (
        400,
        b"<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port",
        "tls expected",
    ),
    "a list": (404, b"[1]", "4xx other"),
    "nothing": (302, b"", "other"),
    "not UTF-8": (500, b'{"code": "\xff"}', "5xx other"),
    "deep": (400, b'{"code": ' + b"[" * 100_000, "4xx other"),
}


@pytest.mark.parametrize(("status", "body", "code"), BODIES.values(), ids=BODIES)
def test_an_answer_is_named_by_status_and_code(status: int, body: bytes, code: str) -> None:
    assert error_code(status, body) == code


def test_every_known_code_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in KNOWN_CODES.values())
    assert set(KNOWN_CODES) > set(SECTIONS["wire"])


@pytest.mark.parametrize(
    "code",
    [
        "400 invalid_payload",
        "404 conversation.error.conversation.not.found",
        "400 conversation.closed",
        "401 authentication.required",
        "401 bad.credentials",
        "400 invalid_client",
        "400 not.a.client",
        "403 app.not.authorized.for.scope",
        "429 too.many.requests.retry.after",
        "413 request.entity.too.large",
        "500 internal.server.error",
        "503 service.unavailable",
        "504 request.timeout",
    ],
)
def test_the_codes_of_the_dialect_are_known(code: str) -> None:
    assert meaning(code)


def test_unknown_codes_keep_their_names_up_to_the_limit() -> None:
    book = CodeBook(keep=2)

    names = [book.name(code) for code in ("400 a", "503 b", "400 c", "599 d", "302 e", "400 a")]

    assert names == ["400 a", "503 b", "4xx other", "5xx other", "other", "400 a"]


def test_known_codes_pass_a_full_book() -> None:
    book = CodeBook(keep=0)

    assert [book.name(code) for code in KNOWN_CODES] == list(KNOWN_CODES)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("invalid_payload", 400, "400 invalid_payload"),
        ("invalid_payload", None, "400 invalid_payload"),
        ("400 invalid_payload", None, "400 invalid_payload"),
        ("timeout", None, "timeout"),
        ("of.their.own", 409, "409 of.their.own"),
        ("of.their.own", None, "of.their.own"),
        ("no code at all", 502, "502 bad.gateway"),
        ("no code at all", None, ""),
        ("", 400, "4xx other"),
    ],
)
def test_an_answers_own_name_leads_to_its_code(name: str, status: int | None, code: str) -> None:
    assert full_code(name, status) == code


def test_advice_for_an_unknown_code_is_that_of_its_kind() -> None:
    assert advice("599 of.their.own") == advice("5xx other")
    assert advice("400 conversation.closed").cause == "The conversation has ended"
