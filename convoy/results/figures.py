"""The figures of one criterion: counts, shares, rates and percentiles, of a run and of its windows.

A figure that is not known exactly lies between two bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor, inf

from convoy.results.account import Durations, ScenarioResult, StepResult, timing_name
from convoy.results.counts import Counts
from convoy.results.criteria import SUBJECTS, Criterion, selects
from convoy.results.histograms import BucketCounts, Histogram, Percentile
from convoy.results.result import RunResult
from convoy.results.series import Series


@dataclass(frozen=True, slots=True)
class Observed:
    """A figure in the unit of its criterion, and the bounds between which the true one lies.

    `doubt` says why the bounds differ, "" where they do not.
    """

    value: float
    lowest: float
    highest: float
    doubt: str = ""


def exact(value: float) -> Observed:
    return Observed(value, value, value)


def bounded(percentile: Percentile) -> Observed:
    """Return what a percentile says; whatever else makes one uncertain belongs here, too."""
    value = percentile.ms
    if percentile.is_ours:
        return Observed(value, 0.0, inf, "the generator's own lag may have made it")
    if percentile.at_least:
        return Observed(value, value, inf, "messages without an answer may have lasted longer")
    return exact(value)


Moment = tuple[float, Observed | None]
"""The end of a stretch of time, in seconds since T0, and its figure; None without samples."""


def figures_of(criterion: Criterion) -> Numbers | Times:
    """Return the figures of one criterion, in steps of `step_s` seconds.

    `take` is given a result of the run, and uses all of it, or only the steps that were over by a
    moment. Then `whole` returns the figure of the whole run, and `windows` yields the figure of
    each full window. When a later result of the same run is taken, `windows` goes on behind the
    last window that it has yielded: steps do not change once every worker has reported them.
    """
    return (Times if SUBJECTS[criterion.subject].kind == "time" else Numbers)(criterion)


def reported_until_s(result: RunResult) -> float:
    """Return until when all that happened is known, in seconds since T0."""
    return min((each.until_s for each in result.series.values()), default=0.0)


class Numbers:
    """Counts, shares and rates."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self._parts, self._bases = [0], [0]
        """The sums of the first so many steps."""

    def take(self, result: RunResult, until_s: float = inf) -> None:
        self._result = result
        self._chosen = _parts(self._criterion, result)
        self._series = [result.series.get(name, Series()) for name in self._chosen]
        self._is_scheduled = any(each.due for each in self._series)
        self._has_messages = result.totals.scheduled > 0
        self.step_s = max((each.step_s for each in self._series), default=1)
        if self._criterion.is_lower_bound or self._criterion.function == "rate":
            # After the end of the measured part nothing is due, so that anything would be too few.
            until_s = min(until_s, reported_until_s(result), result.duration_s)
        by_step = (each.steps for each in self._series)
        self._steps = _steps(until_s, self.step_s, result.duration_s, by_step)

    def whole(self) -> Observed | None:
        counts = Counts.total(each.counts for each in self._chosen.values())
        # Of steps and timings nothing is due.
        of_messages = [each for each in self._chosen.values() if isinstance(each, ScenarioResult)]
        part, due = self._part(counts), sum(each.planned for each in of_messages)
        duration_s, until_s = self._result.duration_s, reported_until_s(self._result)
        for_s = min(duration_s, until_s or duration_s)
        if self._criterion.function == "rate" and self._is_scheduled and until_s < duration_s:
            # What is due is known by the step, and reports are made in the midst of one.
            steps = (item for each in self._series for item in each.steps.items())
            part -= sum(self._part(later) for step, later in steps if step >= self._steps)
            for_s = self._steps * self.step_s
            due = sum(each.due_by(for_s) for each in self._series)
        return self._observed(part, self._base(counts, due), for_s)

    def windows(self, length_s: int) -> Iterator[Moment]:
        length = -(-length_s // self.step_s)
        for end in range(len(self._parts), self._steps + 1):
            part, base = self._part_and_base(end - 1)
            self._parts.append(self._parts[-1] + part)
            self._bases.append(self._bases[-1] + base)
            if end >= length:
                part, base = (sums[end] - sums[end - length] for sums in (self._parts, self._bases))
                yield end * self.step_s, self._observed(part, base, length * self.step_s)

    def _part_and_base(self, step: int) -> tuple[int, int]:
        found = [each.steps[step] for each in self._series if step in each.steps]
        counts = found[0] if len(found) == 1 else Counts.total(found)
        due = sum(each.due_in(step) for each in self._series)
        return self._part(counts), self._base(counts, due)

    def _part(self, counts: Counts) -> int:
        """Return the number that the criterion is about."""
        if self._criterion.function == "rate":
            return counts.scheduled - sum(counts.not_sent.values())
        counted = getattr(counts, SUBJECTS[self._criterion.subject].name)
        if isinstance(counted, Mapping):
            pattern = self._criterion.selector
            return sum(number for code, number in counted.items() if selects(pattern, code))
        return int(counted)

    def _base(self, counts: Counts, due: int) -> int:
        """Return the number that it is a share of."""
        if self._criterion.function == "share":
            return int(getattr(counts, SUBJECTS[self._criterion.subject].of))
        return due if self._is_scheduled else counts.scheduled

    def _observed(self, part: int, base: int, for_s: float) -> Observed | None:
        unit = self._criterion.unit
        if unit == "%":
            return exact(100 * part / base) if base else None
        if not self._has_messages or not for_s:
            return None
        return exact(part / for_s if unit == "/s" else part)


class Times:
    """Percentiles and maxima of durations."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self._name = SUBJECTS[criterion.subject].name
        self._window = Histogram()
        self._touched = [0]
        """The sums of the first so many steps, as many as have been read."""

    def take(self, result: RunResult, until_s: float = inf) -> None:
        parts = _parts(self._criterion, result)
        self._results = list(parts.values())
        self._series = [result.series.get(name, Series()) for name in parts]
        self.step_s = max((each.report_s for each in self._series), default=1)
        # A report belongs to the middle of what it covers, and comes half of that later. It covers
        # so many seconds, however long a step is.
        until_s -= max((each.report_steps for each in self._series), default=0) / 2
        by_step = (each.reports for each in self._series)
        self._steps = _steps(until_s, self.step_s, result.duration_s, by_step)

    def whole(self) -> Observed | None:
        whole, touched = Histogram(), 0
        for each in self._results:
            touched += each.counts.touched
            whole.merge(getattr(each.durations, self._name))
        return self._observed(whole, touched)

    def windows(self, length_s: int) -> Iterator[Moment]:
        length = -(-length_s // self.step_s)
        for end in range(len(self._touched), self._steps + 1):
            self._touched.append(self._touched[-1] + self._touched_in(end - 1))
            for durations in self._durations(end - 1):
                self._window.add(getattr(durations, self._name))
                self._window.add_censored(self._censored(durations))
            if end >= length:
                touched = self._touched[end] - self._touched[end - length]
                yield end * self.step_s, self._observed(self._window, touched)
            for durations in self._durations(end - length):
                self._window.subtract(getattr(durations, self._name))
                self._window.subtract_censored(self._censored(durations))

    def _observed(self, histogram: Histogram, touched: int) -> Observed | None:
        percent = self._criterion.percent
        return bounded(histogram.percentile(percent, touched)) if histogram.count else None

    def _touched_in(self, step: int) -> int:
        """Return how many messages of a step our own lag touched, by its seconds."""
        return sum(
            series.steps[each].touched
            for series in self._series
            for each in range(
                step * self.step_s // series.step_s, (step + 1) * self.step_s // series.step_s
            )
            if each in series.steps
        )

    def _censored(self, durations: Durations[BucketCounts]) -> Iterable[tuple[int, int]]:
        return durations.censored if self._name == "response" else ()

    def _durations(self, step: int) -> Iterator[Durations[BucketCounts]]:
        for series in self._series:
            yield from series.reports.get(step, ())


def _parts(criterion: Criterion, result: RunResult) -> dict[str, StepResult]:
    """Return what a criterion is about by name: scenarios, a step or timings, as far as there are.

    A step or a timing is there from the first report of a worker on.
    """
    names = [criterion.place] if criterion.place else list(result.scenarios)
    if SUBJECTS[criterion.subject].selects == "timing":
        names = [timing_name(name, criterion.selector) for name in names]
    parts = result.parts
    return {name: parts[name] for name in names if name in parts}


def _steps(
    until_s: float, step_s: int, duration_s: float, by_step: Iterable[Mapping[int, object]]
) -> int:
    """Return how many steps were over by then; those of the measured part, and more if any."""
    if until_s < inf:
        return floor(until_s / step_s)
    last = max((step for steps in by_step for step in steps), default=-1)
    return max(last + 1, ceil(duration_s / step_s))
