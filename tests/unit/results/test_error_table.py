"""The table of errors that a run prints."""

from __future__ import annotations

from typing import Any

from convoy.results.reports.errors import WIDTH, error_table

CORRELATION_ID = "7f3a0c2e-33d6-4e0a-9f5b-0a1b2c3d4e5f"


def summary_of(errors: dict[str, int], **noted: Any) -> dict[str, Any]:
    sample = {"correlation_id": CORRELATION_ID}
    known = {"hint": "The body is wrong.", "first_s": 0.25, "last_s": 29.5, "samples": [sample]}
    return {
        "totals": {"sent": 200, "errors": errors, "unexpected": 0},
        "error_samples": {code: {**known, **noted} for code in errors},
    }


def test_a_row_says_how_often_when_what_and_whom_to_ask() -> None:
    table = error_table(summary_of({"400 invalid_payload": 50}))

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
    summary = {"totals": {"sent": 4, "errors": {"worker lost": 4}, "unexpected": 0}}

    table = error_table(summary)

    assert "worker lost" in table and "100.00%" in table


def test_what_was_accepted_and_should_not_have_been_has_a_row() -> None:
    summary = {"totals": {"sent": 4, "errors": {}, "unexpected": 3}}

    assert "75.00%" in error_table(summary) and "200 unexpected" in error_table(summary)


def test_nothing_is_said_when_nothing_failed() -> None:
    assert error_table(summary_of({})) == ""


def test_a_correlation_id_cannot_steer_the_terminal() -> None:
    samples = [{"correlation_id": "\x1b[2Jx"}]

    assert "\x1b" not in error_table(summary_of({"a": 1}, samples=samples))
