"""A run on GitHub's pages: the summary of a step in Markdown, and annotations of a workflow.

What comes from outside, such as an error code of the API, is text there and never markup or a
command; see `escaping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from convoy.results.reports.escaping import (
    command_data,
    command_property,
    markdown,
    markdown_code,
)
from convoy.results.summary import Summary
from convoy.results.verdict import Verdict

Level = Literal["error", "warning"]
MOST_ANNOTATIONS = 10
"""GitHub shows so many of each kind for a step, and leaves the rest out without a word."""
_MOST_ROWS = 50
_LONGEST_ANNOTATION = 1_000
_QUANTILES = ("p50", "p95", "p99")
_OF_ERRORS = ("errors", "of sent", "code", "usual cause")
_OF_SCENARIOS = (
    "scenario",
    "scheduled",
    "sent",
    "accepted",
    "late",
    "not sent",
    "messages per second",
    *(f"response time {name}, ms" for name in _QUANTILES),
)


def step_summary(summary: Summary) -> str:
    """Return a run as Markdown, below half of the mebibyte that GitHub takes at most.

    What is left out of lists and tables is counted.
    """
    return "\n".join(_lines(summary)) + "\n"


def annotations_of(summary: Summary) -> Iterator[str]:
    """Yield the lines that annotate a workflow with what speaks against a run, ten at most.

    What only makes its reader careful is a warning: all that is said of a run that passed.
    """
    title = (
        f"Convoy: {summary.verdict.upper()}, {summary.profile} against {summary.target}, "
        f"run {summary.run_id}"
    )
    level: Level = "warning" if summary.verdict is Verdict.PASS else "error"
    told = [(level, reason) for reason in summary.reasons]
    return annotate(title, [*told, *(("warning", each) for each in summary.generator.warnings)])


def annotate(title: str, told: Sequence[tuple[Level, str]]) -> Iterator[str]:
    """Yield a line that annotates a workflow for each sentence, the last for all that are over."""
    if len(told) > MOST_ANNOTATIONS:
        shown, over = told[: MOST_ANNOTATIONS - 1], told[MOST_ANNOTATIONS - 1 :]
        level, _ = over[0]
        told = [*shown, (level, f"and {len(over)} more; the log of the step has them")]
    for level, sentence in told:
        data = command_data(sentence[:_LONGEST_ANNOTATION])
        yield f"::{level} title={command_property(title[:_LONGEST_ANNOTATION])}::{data}"


def _lines(summary: Summary) -> Iterator[str]:
    yield f"### Convoy: {summary.verdict.upper()} (exit code {summary.exit_code:d})"
    yield ""
    what = f"{markdown_code(summary.profile)} against {markdown_code(summary.target)}"
    yield f"{what}, run {markdown_code(summary.run_id)}, {summary.duration_s:,.1f} s"
    yield ""
    for reason in summary.reasons[:_MOST_ROWS]:
        yield f"- {markdown_code(reason)}"
    yield from _left_out(len(summary.reasons))
    criteria = (
        (each.verdict, f"{each.shown}{each.when}", markdown_code(each.criterion))
        # Those that do not pass first, because the rest may be left out.
        for each in sorted(summary.criteria, key=lambda each: each.verdict == "pass")
    )
    yield from _table(("verdict", "observed", "criterion"), criteria, len(summary.criteria))
    yield from _table(_OF_SCENARIOS, _scenarios(summary), len(summary.scenarios))
    yield from _table(_OF_ERRORS, _errors(summary), len(summary.totals.failures))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], count: int) -> Iterator[str]:
    """Yield a table of so many rows, none where there are none."""
    if not count:
        return
    yield ""
    yield _row(columns)
    yield _row(["---"] * len(columns))
    yield from map(_row, islice(rows, _MOST_ROWS))
    yield from _left_out(count)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _left_out(count: int) -> Iterator[str]:
    if count > _MOST_ROWS:
        yield ""
        yield f"and {count - _MOST_ROWS:,} more, which summary.json has"


def _scenarios(summary: Summary) -> Iterator[Sequence[str]]:
    for name, each in summary.scenarios.items():
        rate = each.rate_per_s
        of_asked = "" if rate.configured is None else f" of {rate.configured:,.2f}"
        yield (
            markdown_code(name),
            f"{each.scheduled:,}",
            f"{each.sent:,}",
            f"{each.accepted:,}",
            f"{sum(each.late.values()):,}",
            f"{sum(each.not_sent.values()):,}",
            f"{rate.achieved:,.2f}{of_asked}",
            *(each.response_time_ms.shown(of).replace("*", r"\*") for of in _QUANTILES),
        )


def _errors(summary: Summary) -> Iterator[Sequence[str]]:
    sent = summary.totals.sent
    for code, count in summary.totals.failures.items():
        share = f"{count / sent:.2%}" if sent else ""
        yield f"{count:,}", share, markdown_code(code), markdown(summary.error_samples[code].hint)
