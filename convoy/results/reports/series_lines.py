"""`series.jsonl`: what happened in a run, one line of JSON for each second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from convoy.results.account import step_name, timing_name
from convoy.results.counts import Counts
from convoy.results.histograms import Histogram
from convoy.results.journal import merged
from convoy.results.result import RunResult
from convoy.results.series import Series
from convoy.results.steps import pairs_in

_COUNTED = ("sent", "accepted", "rejected", "failed", "unknown", "resent")
_BY_NAME = ("late", "not_sent", "errors")
_NOTHING = Series()


class SeriesLines:
    """Makes the lines of one run, each once, as soon as all workers have reported its step."""

    def __init__(self) -> None:
        self._next = 0
        self._in_flight: defaultdict[str, int] = defaultdict(int)

    def lines(self, result: RunResult) -> Iterator[str]:
        """Yield the lines of the steps that are known by now and have not come before.

        Of a run that `is_over` these are all. Times are known by the report of a worker, so that
        several lines on end may hold the same. In between an empty text comes now and then: a line
        takes milliseconds, and others may run meanwhile.
        """
        series = result.series.values()
        step_s = max((each.step_s for each in series), default=1)
        lines_of_report = max((each.report_steps for each in series), default=1)
        until = int(min((each.until_s for each in series), default=0.0) // step_s)
        # Whole stretches of times only: the rest of one comes with the next report.
        until -= until % lines_of_report
        if result.is_over:
            last = max((step for each in series for step in each.steps), default=-1)
            until = max(last + 1, -(-int(result.duration_s) // step_s))
        for step in range(self._next, until):
            yield from self._line(step, step_s, result)
        self._next = max(self._next, until)

    def _line(self, step: int, step_s: int, result: RunResult) -> Iterator[str]:
        line: dict[str, Any] = {"at_s": step * step_s, "for_s": step_s, "scenarios": {}}
        if found := result.generator.get(step):
            line |= msgspec.structs.asdict(found)
        for name, each in result.scenarios.items():
            shown = line["scenarios"][name] = self._scenario(name, step, result)
            yield ""
            for part in each.steps:
                series, counts = _in_step(step_name(name, part), step, result)
                counted = {"count": counts.sent, "errors": dict(counts.errors)}
                shown["steps"][part] = counted | _times(series, step, response="time_ms")
                yield ""
            for part in each.timings:
                series, counts = _in_step(timing_name(name, part), step, result)
                times = _times(series, step, response="time_ms")
                shown["timings"][part] = pairs_in(counts) | times
                yield ""
        yield msgspec.json.encode(line).decode()

    def _scenario(self, name: str, step: int, result: RunResult) -> dict[str, Any]:
        series, counts = _in_step(name, step, result)
        self._in_flight[name] += counts.scheduled - counts.ended
        line: dict[str, Any] = {"due": series.due_in(step), "scheduled": counts.scheduled}
        line |= {each: getattr(counts, each) for each in _COUNTED}
        line |= {each: dict(getattr(counts, each)) for each in _BY_NAME}
        line |= {"in_flight": self._in_flight[name]}
        line |= _times(series, step, response="response_time_ms", service="service_time_ms")
        return line | {"steps": {}, "timings": {}}


def _in_step(name: str, step: int, result: RunResult) -> tuple[Series, Counts]:
    """Return the series of a part of the run, and what was counted in one step of it."""
    series = result.series.get(name, _NOTHING)
    return series, series.steps.get(step) or Counts()


def _times(series: Series, step: int, **names: str) -> dict[str, Any]:
    """Return percentiles by the name that each kind of durations has in a line."""
    durations = merged([series.reports.get(step // series.report_steps, ())])
    return {name: _quantiles(getattr(durations, kind)) for kind, name in names.items()}


def _quantiles(histogram: Histogram) -> dict[str, Any]:
    """Return milliseconds of `count` durations; those named in `at_least` are lower bounds."""
    if not histogram.count:
        return {"count": 0}
    quantiles = histogram.quantiles()
    at_least = [name for name, each in quantiles.items() if each.at_least]
    found: dict[str, Any] = {"count": histogram.count}
    found |= {name: round(each.ms, 3) for name, each in quantiles.items()}
    return found | ({"at_least": at_least} if at_least else {})
