"""The live view of a run on a terminal: how far it is and what came of it, as lines for `rich`.

This is the only module that imports `rich`; where no view is shown nobody imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from itertools import islice
from math import ceil, floor
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from convoy.results.figures import reported_until_s
from convoy.results.progress import Progress
from convoy.results.reports.text import generator_line
from convoy.results.result import RunResult
from convoy.results.summary import Summary, Totals
from convoy.untrusted_text import printable

WIDEST, HIGHEST = 100, 50
"""Columns and lines that the view uses at most. A terminal that is made narrower breaks what is
wider, and to draw many lines takes long."""
_RECENT_S = 10
_MOST_REASONS = 3
_SHORTEST_BAR = 10
_LABEL = 11
_GAP, _LEAST = 2, 3
_WIDE = 72
_STYLES = {
    "pass": "green",
    "fail": "bold red",
    "invalid": "bold red",
    "not judged": "yellow",
    "strained": "yellow",
    "too slow": "bold red",
}
_TITLE = "bold"
_FAINT = "dim"


@dataclass(frozen=True, slots=True)
class _Section:
    """A table: its titles, `total` rows, of which those at hand are the first, and its layout.

    The cells of the columns in `right` are aligned there; the column `elastic` is cut where a line
    is too long.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[Text]]
    total: int
    elastic: int
    right: frozenset[int]

    def lines(self, shown: int, width: int) -> Iterator[Text]:
        """Yield the first rows below the titles, and how many more there are."""
        titles = [_cell(title, _TITLE) for title in self.titles]
        rows = [titles, *self.rows[:shown]]
        columns = [max(row[at].cell_len for row in rows) for at in range(len(titles))]
        too_long = sum(columns) + _GAP * (len(columns) - 1) - width
        columns[self.elastic] = max(_LEAST, columns[self.elastic] - max(0, too_long))
        for row in rows:
            line = _cell("")
            for at, cell in enumerate(row):
                cell.truncate(columns[at], overflow="ellipsis")
                cell.align("right" if at in self.right else "left", columns[at])
                line.append_text(cell).append(" " * _GAP)
            yield line
        if left := self.total - shown:
            yield _cell(f"... and {left:,} more", _FAINT)


def live_view(
    summary: Summary, result: RunResult, progress: Progress, *, width: int, height: int
) -> Iterator[Text]:
    """Yield the lines of the view; there are at most `height`, which should be 1 or more.

    `summary` is that of `result`, the run as it was reported last. Before the measured phase only
    the progress is shown.
    """
    width, height = min(width, WIDEST), min(height, HIGHEST)
    lines = [
        _cell(f"{summary.profile} against {summary.target}, {progress.where}", _TITLE),
        _progress_line(progress, width),
    ]
    sections: list[_Section] = []
    if progress.share is None:
        lines.append(_cell(progress.so_far))
    else:
        lines += _figure_lines(summary, result, width)
        sections = [_criteria(summary), _scenarios(summary, width), _errors(summary)]
        sections = [each for each in sections if each.total]
    rows = [each.total for each in sections]
    is_spaced = 1 + len(lines) + sum(2 + each for each in rows) <= height
    shares = _shares(rows, height - len(lines))
    is_cut = None in shares or len(lines) > height
    if is_spaced:
        yield _cell("")
    yield from lines[: height - is_cut]
    for section, shown in zip(sections, shares, strict=True):
        if shown is not None:
            if is_spaced:
                yield _cell("")
            yield from section.lines(shown, width)
    if is_cut:
        yield _cell("... this terminal is too low for the rest", _FAINT)


def drawn(line: Text, columns: int) -> tuple[str, int]:
    """Return a line of the view with the sequences for colours, and how many columns it fills.

    There are no spaces at its end: a terminal that is made narrower would break those, too.
    """
    line = line.copy()
    line.rstrip()
    [segments, *_] = _console(columns).render_lines(line, pad=False)
    return (
        "".join(each.style.render(each.text) if each.style else each.text for each in segments),
        sum(each.cell_length for each in segments),
    )


@lru_cache(maxsize=1)
def _console(columns: int) -> Console:
    """Return what renders for any terminal: nothing is asked of the environment."""
    return Console(
        width=columns,
        file=StringIO(),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
    )


def _shares(rows: Sequence[int], lines: int) -> list[int | None]:
    """Return how many rows of each section are shown in so many lines, None for not even a title.

    The longest section is cut first. One that is cut has a line more, which says so, and so has the
    view if one is not shown.
    """
    shown: list[int | None] = list(rows)

    def needed() -> int:
        return (None in shown) + sum(
            1 + each + (each < whole)
            for each, whole in zip(shown, rows, strict=True)
            if each is not None
        )

    while needed() > lines:
        longest = max(range(len(shown)), key=lambda at: (shown[at] is not None, shown[at] or 0, at))
        now = shown[longest]
        if now is None:
            break
        shown[longest] = now - 1 if now else None
    return shown


def _progress_line(progress: Progress, width: int) -> Text:
    line = _cell(progress.told)
    bar = width - len(line) - len("  []")
    if progress.share is not None and bar >= _SHORTEST_BAR:
        over = floor(min(1.0, progress.share) * bar)
        drawn = ("=" * over + ">" * (over < bar))[:bar]
        line.append(f"  [{drawn:<{bar}}]", "cyan")
    return line


def _figure_lines(summary: Summary, result: RunResult, width: int) -> Iterator[Text]:
    yield from _row("verdict", f"{summary.verdict} so far", width, _STYLES[summary.verdict])
    for reason in summary.reasons[:_MOST_REASONS]:
        yield from _row("", reason, width)
    if (left := len(summary.reasons) - _MOST_REASONS) > 0:
        yield from _row("", f"... and {left:,} more reasons", width, _FAINT)
    yield from _row("rate", _rates(result), width)
    yield from _row("messages", _messages(summary.totals), width)
    generator = summary.generator
    latest = result.generator[max(result.generator)] if result.generator else None
    users = f"; {latest.users:,} users ready" if latest is not None else ""
    line = f"{generator_line(summary)}{users}"
    yield from _row("generator", line, width, _STYLES.get(generator.state, ""))


def _messages(totals: Totals) -> str:
    failed, late = sum(totals.failures.values()), sum(totals.late.values())
    return (
        f"{totals.sent:,} sent, {totals.accepted:,} accepted, {failed:,} failed, {late:,} late, "
        f"{sum(totals.not_sent.values()):,} not sent"
    )


def _rates(result: RunResult) -> str:
    """Return the rates in the last seconds that every worker has reported."""
    series = [result.series[name] for name in result.scenarios if name in result.series]
    step_s = max((each.step_s for each in series), default=1)
    over = floor(min(reported_until_s(result), ceil(result.duration_s)) / step_s)
    steps = range(max(0, over - ceil(_RECENT_S / step_s)), over)
    if not steps:
        return "nothing is known yet"
    for_s = len(steps) * step_s
    counts = [each.steps[step] for each in series for step in steps if step in each.steps]
    achieved = f"{sum(each.sent for each in counts) / for_s:,.1f}/s achieved"
    due = sum(each.due_in(step) for each in series for step in steps)
    configured = f"{due / for_s:,.1f}/s configured, " if any(each.due for each in series) else ""
    return f"{configured}{achieved} in the last {for_s} s"


def _criteria(summary: Summary) -> _Section:
    """Return the criteria, the broken ones first: where not all fit, those are to be seen."""
    order = {"fail": 0, "not judged": 1, "pass": 2}
    criteria = sorted(summary.criteria, key=lambda each: order[each.verdict])
    rows = [
        [
            _cell(each.verdict, _STYLES[each.verdict]),
            _cell(f"{each.shown}{each.when}"),
            _cell(each.criterion),
        ]
        for each in criteria[:HIGHEST]
    ]
    return _Section(("criteria", "observed", ""), rows, len(criteria), 2, frozenset({1}))


def _scenarios(summary: Summary, width: int) -> _Section:
    """Return the scenarios with the percentiles of their response times, as many as fit."""
    quantiles = ("p50", "p95", "p99", "max") if width >= _WIDE else ("p95",)
    rows = []
    for name, each in islice(summary.scenarios.items(), HIGHEST):
        failed = sum(each.failures.values())
        shown = (each.response_time_ms.shown(of) for of in quantiles)
        style = _STYLES["fail"] if failed else ""
        cells = map(_cell, (name, f"{each.sent:,}", *shown))
        rows.append([*cells, _cell(f"{failed:,}", style)])
    titles = ("response time, ms", "sent", *quantiles, "failed")
    return _Section(titles, rows, len(summary.scenarios), 0, frozenset(range(1, len(titles))))


def _errors(summary: Summary) -> _Section:
    failures, sent = summary.totals.failures, summary.totals.sent
    rows = [
        list(map(_cell, (f"{count:,}", f"{count / sent:.2%}" if sent else "", code)))
        for code, count in islice(failures.items(), HIGHEST)
    ]
    return _Section(("errors", "of sent", "code"), rows, len(failures), 2, frozenset({0, 1}))


def _row(label: str, value: str, width: int, style: str = "") -> Iterator[Text]:
    """Yield the lines of a row; what is too long for one goes on below."""
    for line in wrap(printable(value), max(_SHORTEST_BAR, width - _LABEL)) or [""]:
        yield _cell(f"{label:<{_LABEL}}").append(line, style)
        label = ""


def _cell(text: str, style: str = "") -> Text:
    """Return a text that is one line, cut where it is too long, and in which nothing has a meaning.

    Names and codes come from elsewhere: they may hold control characters, or what `rich` takes for
    markup in a plain string.
    """
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis", end="\n")
