"""The table of errors that a run prints: how often, when, what it means, whom to ask about it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from convoy.results.summary import ErrorSummary, Summary

WIDTH = 120
"""Columns that no line goes beyond."""
_INDENT = " " * 49
_NO_HINT = "No known code; the samples in summary.json show what was answered."


def error_table(summary: Summary) -> str:
    """Return the failures of a run as lines for a terminal; "" when nothing has failed."""
    failures = summary.totals.failures
    if not failures:
        return ""
    lines = [_row("count", "of sent", "first", "last", "code, usual cause, an example")]
    for code, count in failures.items():
        lines += _lines(code, count, summary.totals.sent, summary.error_samples[code])
    return "\n".join(lines)


def _lines(code: str, count: int, sent: int, noted: ErrorSummary) -> Iterator[str]:
    share = f"{count / sent:.2%}" if sent else ""
    yield _row(f"{count:,}", share, _moment(noted.first_s), _moment(noted.last_s), code)
    hint = _first_sentence(noted.hint) or _NO_HINT
    yield from wrap(hint, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    correlation_ids = (sample.correlation_id for sample in noted.samples)
    correlation_id = next(filter(None, correlation_ids), "")
    if correlation_id:
        yield from wrap(
            f"correlation id {_printable(correlation_id)}",
            WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
        )


def _row(count: str, share: str, first: str, last: str, code: str) -> str:
    return f"  {count:>12}  {share:>7}  {first:>9}  {last:>9}  {code}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f} s"


def _first_sentence(text: str) -> str:
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
