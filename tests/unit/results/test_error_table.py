"""The table of errors that a run prints."""

from __future__ import annotations

from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.reports.text import WIDTH, error_table
from convoy.results.samples import CodeSamples, ErrorSample
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from tests.unit.results import counts_of, result_of

CORRELATION_ID = "7f3a0c2e-33d6-4e0a-9f5b-0a1b2c3d4e5f"
KNOWN = "400 invalid_payload"


def summary_of(
    errors: dict[str, int],
    *,
    unexpected: int = 0,
    correlation_id: str = CORRELATION_ID,
    last_s: float = 29.5,
    hint: str | None = None,
) -> Summary:
    """The summary of a run of 200 messages; `hint` is what it says of each code."""
    failures = errors | ({"200 unexpected": unexpected} if unexpected else {})
    counts = Counts(sent=200, errors=errors, failures=failures, unexpected=unexpected)
    sample = ErrorSample("", "messages", 1, 0.25, 400, correlation_id, "c", "request", "answer")
    seen = CodeSamples(0.25, last_s, (sample,))
    result = replace(result_of(messages=counts), samples=dict.fromkeys(errors, seen))
    summary = summarise(result, judge(result))
    if hint is not None:
        noted = {code: replace(each, hint=hint) for code, each in summary.error_samples.items()}
        summary = replace(summary, error_samples=noted)
    return summary


def test_a_row_says_how_often_when_what_and_whom_to_ask() -> None:
    table = error_table(summary_of({KNOWN: 50}, hint="The body is wrong."))

    row = next(line for line in table.splitlines() if "400 invalid_payload" in line)
    assert row.split() == ["50", "25.00%", "0.2", "s", "29.5", "s", "400", "invalid_payload"]
    assert "The body is wrong." in table
    assert f"correlation id {CORRELATION_ID}" in table


def test_the_most_frequent_code_comes_first() -> None:
    table = error_table(summary_of({"rare": 1, "frequent": 9}))

    assert table.index("frequent") < table.index("rare")


def test_only_the_first_sentence_of_a_hint_is_shown() -> None:
    table = error_table(summary_of({"a": 1}, hint="First thing. Second thing."))

    assert "First thing." in table and "Second" not in table


def test_nothing_goes_beyond_the_width() -> None:
    errors = {"404 conversation.error.conversation.not.found": 10**9, "400 " + "x" * 64: 1}

    table = error_table(summary_of(errors, hint="long words " * 60, last_s=86_399.9))

    assert max(map(len, table.splitlines())) <= WIDTH


def test_a_code_without_samples_has_a_row_all_the_same() -> None:
    counts = counts_of(unknown=4)
    result = result_of(messages=counts)

    table = error_table(summarise(result, judge(result)))

    assert "timeout" in table and "100.00%" in table


def test_what_was_accepted_and_should_not_have_been_has_a_row() -> None:
    table = error_table(summary_of({}, unexpected=150))

    assert "75.00%" in table and "200 unexpected" in table


def test_nothing_is_said_when_nothing_failed() -> None:
    assert error_table(summary_of({})) == ""


def test_a_correlation_id_cannot_steer_the_terminal() -> None:
    table = error_table(summary_of({"a": 1}, correlation_id="\x1b[2Jx"))

    assert "?[2Jx" in table and "\x1b" not in table
