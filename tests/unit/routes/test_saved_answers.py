"""Answers in all the forms in which they are saved."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.routes.explain import explain
from convoy.routes.saved_answers import SavedAnswer, read_saved

BODY = {"message": "The field to is required", "code": "invalid_payload", "status": 400}
TEXT = json.dumps(BODY)
CURL = f"""HTTP/1.1 200 Connection established\r
\r
HTTP/2 100 \r
\r
HTTP/2 400 \r
content-type: application/json\r
inin-correlation-id: 3f2a-77\r
\r
{TEXT}"""
SDK = f"""(400)
Reason: Bad Request
HTTP response headers: HTTPHeaderDict({{'ININ-Correlation-Id': '3f2a-7788'}})
HTTP response body: {TEXT}
"""
TRACE = f"""Traceback (most recent call last):
  File "send.py", line 3, in <module>
PureCloudPlatformClientV2.rest.ApiException: {SDK}"""
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></html>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(TEXT, SavedAnswer(None, BODY, ""), id="a body"),
        pytest.param(
            "\ufeff\n" + json.dumps(BODY, indent=2), SavedAnswer(None, BODY, ""), id="BOM"
        ),
        pytest.param(CURL, SavedAnswer(400, BODY, "3f2a-77"), id="curl -i"),
        pytest.param("HTTP/1.1 504 Gateway Time-out\n\n", SavedAnswer(504, {}, ""), id="no body"),
        pytest.param(SDK, SavedAnswer(400, BODY, "3f2a-7788"), id="an SDK's exception"),
        pytest.param(TRACE, SavedAnswer(400, BODY, "3f2a-7788"), id="a traceback"),
        pytest.param(PAGE, SavedAnswer(502, {}, ""), id="a page"),
        pytest.param(f"HTTP/1.1 502 x\r\n\r\n{PAGE}", SavedAnswer(502, {}, ""), id="curl, a page"),
        pytest.param(
            json.dumps({"response": {"body": BODY}}), SavedAnswer(None, BODY, ""), id="in"
        ),
        pytest.param(json.dumps({"body": TEXT}), SavedAnswer(None, BODY, ""), id="a body as text"),
        pytest.param(json.dumps([BODY]), SavedAnswer(None, BODY, ""), id="a list"),
        pytest.param(f"sent it and got {TEXT}!", SavedAnswer(None, BODY, ""), id="in a sentence"),
        pytest.param("all went well", SavedAnswer(None, {}, ""), id="nothing of it"),
        pytest.param("", SavedAnswer(None, {}, ""), id="nothing"),
    ],
)
def test_an_answer_is_found_however_it_was_saved(text: str, expected: SavedAnswer) -> None:
    assert read_saved(text) == expected


def test_an_envelope_without_a_code_has_that_of_its_first_error() -> None:
    saved = read_saved(json.dumps({"status": 400, "code": None, "errors": [BODY, {"code": "x"}]}))

    assert explain(saved.body, status=saved.status).code == "400 invalid_payload"


@given(st.text(alphabet='{}[]":,()\n 45HTP/. <h1>code') | st.text())
def test_any_text_is_read(text: str) -> None:
    saved = read_saved(text)

    assert saved.status is None or 100 <= saved.status < 600
    explain(saved.body, status=saved.status)


@pytest.mark.parametrize(
    "text",
    [
        "x" + "\n" * 100_000 + "x",
        "x" + "<title" * 50_000,
        "HTTP/1.1 200 OK\n\n" * 20_000,
        " " * 100_000,
    ],
    ids=["empty lines", "titles", "answers", "spaces"],
)
def test_the_time_is_linear_in_a_text_that_a_stranger_has_written(text: str) -> None:
    began_s = time.process_time()

    read_saved(text + "{")

    assert time.process_time() - began_s < 5  # it was a minute
