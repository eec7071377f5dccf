"""What the charts of `report.html` show: at most 600 points a line, whatever the run's length."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from math import ceil, floor, log10
from typing import Any

from convoy.results.counts import Counts
from convoy.results.histograms import Histogram
from convoy.results.result import RunResult
from convoy.results.series import Series

MOST_POINTS = 600
_MOST_CODES = 10
_COLUMNS, _ROWS = 120, 30
_OTHER = "other codes"
Point = tuple[float, float | None]
_Line = Callable[[Callable[[int], float | None]], list[Point]]
"""Makes a line of the values that a function has by the number of the step."""


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most 600 points: of each stretch of a longer line its lowest and its highest."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = ceil(len(points) / (MOST_POINTS // 2))
    kept: list[Point] = []
    for at in range(0, len(points), size):
        stretch = [each for each in points[at : at + size] if each[1] is not None]
        lowest = min(stretch, key=lambda each: each[1] or 0.0, default=points[at])
        highest = max(stretch, key=lambda each: each[1] or 0.0, default=points[at])
        kept += sorted({lowest, highest}, key=lambda each: each[0])
    return kept


def charts(result: RunResult) -> dict[str, Any]:
    """Return the lines of each chart; moments are seconds since T0, times are milliseconds."""
    series = [result.series[name] for name in result.scenarios if name in result.series]
    step_s = max((each.step_s for each in series), default=1)
    report_s = max((each.report_s for each in series), default=1)
    last = max((step for each in series for step in each.steps), default=-1)
    steps = max(last + 1, ceil(result.duration_s / step_s))
    counts = [
        Counts.total(each.steps[step] for each in series if step in each.steps)
        for step in range(steps)
    ]
    stretches = _stretches(series, report_s)

    def line(value: Callable[[int], float | None]) -> list[Point]:
        return thinned([(step * step_s, value(step)) for step in range(steps)])

    # By number: of changes that follow each other closely no one could read the words.
    marks = [(each.at_s, f"{number}") for number, each in enumerate(result.changes, 1)]
    if (aborted := result.aborted) is not None:
        at_s = result.duration_s if aborted.at_s is None else aborted.at_s
        marks.append((at_s, f"ended early: {aborted.criterion}"))
    return {
        "durationS": result.duration_s,
        "marks": marks,
        "rate": {
            "configured": line(lambda step: sum(each.due_in(step) for each in series) / step_s)
            if any(each.due for each in series)
            else [],
            "achieved": line(lambda step: counts[step].sent / step_s),
            "late": line(lambda step: sum(counts[step].late.values()) / step_s),
            "notSent": line(lambda step: sum(counts[step].not_sent.values()) / step_s),
        },
        "times": _times(stretches),
        "errors": _errors(counts, step_s),
        "load": _load(result, counts, line),
        "percentiles": _percentiles(result),
        "heat": _heat(stretches),
    }


def _stretches(series: Iterable[Series], report_s: int) -> list[tuple[float, Histogram]]:
    """Return the response times of all scenarios in at most 600 stretches of time."""
    reports = [item for each in series for item in each.reports.items()]
    size = max(1, ceil((max((number for number, _ in reports), default=0) + 1) / MOST_POINTS))
    found: defaultdict[int, Histogram] = defaultdict(Histogram)
    for number, parts in reports:
        for durations in parts:
            found[number // size].add(durations.response)
            found[number // size].add_censored(durations.censored)
    return [(number * size * report_s, found[number]) for number in sorted(found)]


def _times(stretches: Iterable[tuple[float, Histogram]]) -> dict[str, list[Point]]:
    found = [(at_s, times.quantiles()) for at_s, times in stretches if times.count]
    return {
        name: [(at_s, round(quantiles[name].ms, 3)) for at_s, quantiles in found]
        for name in ("p50", "p95", "p99", "max")
    }


def _errors(counts: Sequence[Counts], step_s: int) -> list[tuple[str, list[Point]]]:
    """Return errors per second by code, the most frequent first, the rare ones together."""
    totals = Counter(Counts.total(counts).errors)
    named = [code for code, _ in totals.most_common(_MOST_CODES)]
    size = max(1, ceil(len(counts) / MOST_POINTS))
    lines: dict[str, list[Point]] = {code: [] for code in named}
    if len(totals) > len(named):
        lines[_OTHER] = []
    for at in range(0, len(counts) if totals else 0, size):
        stretch = Counts.total(counts[at : at + size]).errors
        for code in named:
            lines[code].append((at * step_s, stretch.pop(code, 0) / size / step_s))
        if _OTHER in lines:
            lines[_OTHER].append((at * step_s, sum(stretch.values()) / size / step_s))
    return list(lines.items())


def _load(result: RunResult, counts: Sequence[Counts], line: _Line) -> dict[str, list[Point]]:
    in_flight = list(accumulate(each.scheduled - each.ended for each in counts))

    def of_generator(name: str, scale: float = 1.0) -> list[Point]:
        found = {step: getattr(each, name) * scale for step, each in result.generator.items()}
        return line(found.get) if found else []

    return {
        "inFlight": line(lambda step: in_flight[step]),
        "users": of_generator("users"),
        "cpu": of_generator("cpu_share", 100),
    }


def _percentiles(result: RunResult) -> dict[str, list[Point]]:
    """Return response and service times of the whole run by percentile, up to the 99.99th."""
    lines: dict[str, list[Point]] = {}
    for name in ("response", "service"):
        whole = Histogram()
        for scenario in result.scenarios.values():
            whole.merge(getattr(scenario.durations, name))
        # By the number of nines: 50 %, then ever closer to all.
        nines = [step / 20 for step in range(81) if 10 ** (step / 20) <= max(10, whole.count)]
        percents = [0.0, 25.0, *(100 * (1 - 0.5 * 10**-each) for each in nines)]
        points = zip(percents, whole.percentiles(percents), strict=True)
        shown = [(round(percent, 6), round(found.ms, 3)) for percent, found in points]
        lines[name] = list(shown) if whole.count else []
    return lines


def _heat(stretches: Sequence[tuple[float, Histogram]]) -> dict[str, Any]:
    """Return how many response times fell into each cell of time and, by its logarithm, length."""
    size = max(1, ceil(len(stretches) / _COLUMNS))
    columns = [stretches[at : at + size] for at in range(0, len(stretches), size)]
    lengths = {each for _, times in stretches for each, _ in times.durations()}
    if not lengths:
        return {"columns": [], "rows": [], "cells": []}
    # A little more, so that a longest duration on a bound lies below the highest one.
    lowest, highest = floor(_tenths(min(lengths))), ceil(_tenths(max(lengths)) + 1e-9)
    height = max(1, ceil((highest - lowest) / _ROWS))
    bounds = [10 ** (step / 10) for step in range(lowest, highest + height + 1, height)]
    row_of = {
        each: min(int((_tenths(each) - lowest) // height), len(bounds) - 2) for each in lengths
    }
    cells = []
    for number, column in enumerate(columns):
        found = Counter[int]()
        for _, times in column:
            for duration_s, count in times.durations():
                found[row_of[duration_s]] += count
        cells += [(number, row, count) for row, count in sorted(found.items())]
    rows = [f"{_length(from_ms)} to {_length(to_ms)} ms" for from_ms, to_ms in pairwise(bounds)]
    return {"columns": [column[0][0] for column in columns], "rows": rows, "cells": cells}


def _tenths(duration_s: float) -> float:
    """Return the logarithm of milliseconds, in tenths of a power of ten; 10 us at least."""
    return 10 * log10(max(0.01, duration_s * 1000))


def _length(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"
