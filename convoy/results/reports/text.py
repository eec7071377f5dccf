"""The closing report of a run for a terminal: verdict, figures, and a table of its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from convoy.results.criteria import CriterionResult
from convoy.results.summary import (
    ErrorSummary,
    Quantiles,
    ScenarioSummary,
    Summary,
    VisibilitySummary,
)
from convoy.untrusted_text import printable

_LABEL_WIDTH = 16
_QUANTILES = {"p50": "p50", "p95": "p95", "p99": "p99", "p999": "p99.9", "max": "max"}
_OF_GENERATOR = {
    "strained": "(strained: Convoy was short of time at moments; the figures still count)",
    "too slow": "(too slow: the latencies are Convoy's own, not the target's)",
}
_OF_TIMINGS = ("missing", "duplicate", "unexpected")

WIDTH = 120
"""Columns that no line goes beyond where the terminal's own are not known."""
_NARROW = 100
"""Below so many columns, what stands side by side is put below each other."""
_NARROWEST = 30
_INDENT = " " * 49
_OBSERVED_WIDTH = 33
_NO_HINT = "No known code; the samples in summary.json show what was answered."


def closing_report(summary: Summary, record: str, report: str = "", width: int = WIDTH) -> str:
    """Return what a run says at its end: verdict, criteria, figures, errors, and where to read on.

    `record` says where the record is, `report` where the report is, "" where there is none.
    """
    parts = [text_report(summary, width), error_table(summary, width)]
    # Not wrapped: a path that is cut in two cannot be opened.
    places = [*_rows("record", record), *(_rows("report", report) if report else ())]
    return "\n\n".join(filter(None, [*parts, "\n".join(places)])) + "\n"


def text_report(summary: Summary, width: int = WIDTH) -> str:
    """Return the report of a run as lines for a terminal of so many columns."""
    width = max(width, _NARROWEST)
    return "\n".join(each for line in _lines(summary, width) for each in _fitted(line, width))


def _fitted(line: str, width: int) -> list[str]:
    """Return what to print of a line, below each other where it is too long.

    Words of the API are in it, and a control character would steer the terminal.
    """
    line = printable(line)
    if len(line) <= width:
        return [line]
    hanging = min(_LABEL_WIDTH + 2, width // 3)
    indent = min(len(line) - len(line.lstrip()), hanging)
    return wrap(
        line.lstrip(),
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * hanging,
    )


def _lines(summary: Summary, width: int) -> Iterator[str]:
    yield f"Run {summary.run_id}: {summary.profile} against {summary.target}"
    yield ""
    verdict = f"{summary.verdict.upper()} (exit code {summary.exit_code})"
    yield from _rows("verdict", verdict, *summary.reasons)
    yield from _rows("criteria", *_criteria_lines(summary.criteria, width))
    for name, scenario in summary.scenarios.items():
        yield ""
        yield name
        yield from _scenario_lines(scenario)
    yield ""
    for change in summary.changes:
        yield from _rows("changed", str(change))
    generator = summary.generator
    meaning = filter(None, [_OF_GENERATOR.get(generator.state)])
    yield from _rows("generator", generator_line(summary), *meaning, *generator.warnings)
    yield from _rows("far side", summary.far_side.shown)
    if (found := summary.reconciled) is not None:
        told = f"{found.shown} at {found.at[:19]}Z"
        yield from _rows("reconciled", told, *found.how, *found.not_compared)
        if (visible := found.analytics_visible) is not None:
            yield from _rows("analytics", visibility_line(visible), _quantiles(visible.time_ms))


def _criteria_lines(criteria: Sequence[CriterionResult], width: int) -> Iterator[str]:
    """Yield verdict, what was observed, and the limit in the words of each criterion.

    A criterion too long for the line goes on below.
    """
    for each in criteria:
        observed = f"{each.shown}{each.when}"
        if width < _NARROW:
            yield f"{each.verdict}: {each.criterion}, observed {observed}"
        else:
            first, *rest = wrap(each.criterion, width - _LABEL_WIDTH - 2 - _OBSERVED_WIDTH)
            yield f"{each.verdict:<12}{observed:>18}   {first}"
            yield from (" " * _OBSERVED_WIDTH + line for line in rest)


def generator_line(summary: Summary) -> str:
    """Return how the workers were, the worst figure of all of them."""
    generator = summary.generator
    if generator.state == "not measured":
        return "not measured"
    cpu, lag_ms = generator.cpu_share, generator.loop_lag_ms
    by_design = " (a busy core is by design)" if generator.state == "flat out" else ""
    workers = len(summary.workers)
    return (
        f"{generator.state}{by_design}: CPU {cpu.mean:.0%} of a core (highest {cpu.max:.0%}), "
        f"loop lag p99 {lag_ms.p99:,.1f} ms (longest {lag_ms.max:,.1f} ms)"
        f"{f', worst of {workers} workers' if workers > 1 else ''}"
    )


def visibility_line(found: VisibilitySummary) -> str:
    """Return how many messages were visible in analytics, and how good the times are."""
    missing = f", {found.missing:,} were not" * bool(found.missing)
    first = f"; {found.at_first_look:,} at the first look, maybe much earlier"
    return f"{found.matched:,} messages were visible{missing}{first * bool(found.at_first_look)}"


def _scenario_lines(scenario: ScenarioSummary) -> Iterator[str]:
    late = f" (late: {_causes(scenario.late)})" if scenario.late else ""
    yield from _rows("scheduled", f"{scenario.scheduled:,}")
    yield from _rows("sent", f"{scenario.sent:,}{late}")
    yield from _rows("accepted", f"{scenario.accepted:,}")
    for fate in ("rejected", "failed", "unknown"):
        if count := getattr(scenario, fate):
            yield from _rows(fate, f"{count:,}")
    if scenario.resent:
        yield from _rows("resent", f"{scenario.resent:,} after a new login")
    if scenario.not_sent:
        yield from _rows("not sent", _causes(scenario.not_sent))
    rate = scenario.rate_per_s
    of_asked = "" if rate.configured is None else f" of {rate.configured:,.2f}/s configured"
    yield from _rows("rate", f"{rate.achieved:,.2f}/s achieved{of_asked}")
    yield from _rows("response time", _quantiles(scenario.response_time_ms))
    yield from _rows("service time", _quantiles(scenario.service_time_ms))
    yield from _rows("send error", _quantiles(scenario.send_error_ms))
    if scenario.send_error_ms.count:
        yield from _rows("", "(send error: between when a message was due and when it was sent)")
    if scenario.response_time_ms.ours or scenario.service_time_ms.ours:
        yield from _rows("", "* may be the generator's own lag, not the target's")
    if (pool := scenario.pool).retired:
        elsewhere = f"{pool.redirected:,} messages went elsewhere"
        yield from _rows("retired", f"{_by(pool.retired)}; {elsewhere}")
    yield from _rows("failures", *(_counted(scenario.failures) or ["none"]))
    yield from _rows("as expected", *_counted(scenario.expected))
    for name, step in scenario.steps.items():
        failed = ", failed: " * bool(step.errors) + _by(step.errors)
        yield from _rows(f"step {name}", f"{step.count:,}{failed}", _quantiles(step.time_ms))
    for name, timing in scenario.timings.items():
        others = ((word, getattr(timing, word)) for word in _OF_TIMINGS)
        shown = "".join(f", {count:,} {word}" for word, count in others if count)
        yield from _rows(name, f"{timing.matched:,} matched{shown}", _quantiles(timing.time_ms))


def _quantiles(durations: Quantiles) -> str:
    if not durations.count:
        return "no samples"
    shown = [f"{label} {durations.shown(name)}" for name, label in _QUANTILES.items()]
    return "  ".join(shown) + " ms"


def _counted(by_code: Mapping[str, int]) -> list[str]:
    return [f"{count:>9,}  {code}" for code, count in by_code.items()]


def _by(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} by {code}" for code, count in counts.items())


def _causes(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} by cause {cause}" for cause, count in causes.items())


def _rows(label: str, *values: str) -> Iterator[str]:
    """Yield values below each other, the first of them behind a label."""
    for value in values:
        yield f"  {label:<{_LABEL_WIDTH - 1}} {value}"
        label = ""


def error_table(summary: Summary, width: int = WIDTH) -> str:
    """Return the failures of a run as lines for a terminal; "" when nothing has failed."""
    failures = summary.totals.failures
    if not failures:
        return ""
    width = max(width, _NARROWEST)
    is_narrow = width < _NARROW
    lines = ["  errors: code, how often, when, usual cause, an example"]
    if not is_narrow:
        lines = [_table_row("count", "of sent", "first", "last", "code, usual cause, an example")]
    for code, count in failures.items():
        noted = summary.error_samples[code]
        share = f"{count / summary.totals.sent:.2%}" if summary.totals.sent else ""
        first, last = _moment(noted.first_s), _moment(noted.last_s)
        indent = _INDENT
        if is_narrow:
            indent = " " * 4
            seen = f", first at {first}, last at {last}" if first else ""
            lines += [f"  {code}", f"{indent}{count:,} ({share} of sent){seen}"]
        else:
            lines.append(_table_row(f"{count:,}", share, first, last, code))
        for sentence in _explanations(noted):
            lines += wrap(sentence, width, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(each for line in lines for each in _fitted(line, width))


def _explanations(noted: ErrorSummary) -> Iterator[str]:
    first, _, _ = noted.hint.partition(". ")
    yield (first if first == noted.hint else f"{first}.") or _NO_HINT
    correlation_ids = (sample.correlation_id for sample in noted.samples)
    correlation_id = next(filter(None, correlation_ids), "")
    if correlation_id:
        yield f"correlation id {printable(correlation_id)}"


def _table_row(count: str, share: str, first: str, last: str, code: str) -> str:
    return f"  {count:>12}  {share:>7}  {first:>9}  {last:>9}  {code}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f} s"
