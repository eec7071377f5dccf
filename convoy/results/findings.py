"""The findings: what each criterion says of a run, at its end and while it goes on.

A figure may be known only between two bounds. It passes if every value between them holds, fails if
none does, and is not judged otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf

from msgspec import structs

from convoy.results.criteria import Criterion, CriterionResult, CriterionVerdict
from convoy.results.figures import Moment, Observed, figures_of, reported_until_s
from convoy.results.result import RunResult

ABORT_AFTER_S = 5
"""How long a criterion has to be broken at every look before it ends a run: one slow answer or one
pause of the generator is no reason."""

_RANKS = {"pass": 0, "not judged": 1, "fail": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """A criterion's verdict on one figure, of a window that ended `at_s` after T0, or of all."""

    verdict: CriterionVerdict
    observed: Observed
    at_s: float | None
    severity: tuple[int, float]
    """Orders findings: first by verdict, then by how far the figure is on the wrong side."""


def find(criterion: Criterion, result: RunResult) -> CriterionResult:
    """Return what a criterion says of a run as a whole, by its worst window where it has any."""
    return _Reading(criterion).look(result, inf)


class Findings:
    """What criteria say of a run while it goes on, by the worst window until then.

    Each look reads only what was reported since the last one: to read all windows of an hour takes
    most of a second.
    """

    def __init__(self) -> None:
        self._readings: dict[Criterion, _Reading] = {}

    def find(self, criterion: Criterion, result: RunResult) -> CriterionResult:
        """Return what a criterion says of a later result of the same run."""
        reading = self._readings.setdefault(criterion, _Reading(criterion))
        return reading.look(result, reported_until_s(result))


class _Reading:
    """How far one criterion's windows have been read, and the worst of them until then."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self._figures = figures_of(criterion)
        self._worst: Finding | None = None
        self._mildest = _Mildest(criterion)

    def look(self, result: RunResult, until_s: float) -> CriterionResult:
        criterion, figures, window = self._criterion, self._figures, self._criterion.window
        figures.take(result, until_s)
        if window is None:
            return _result(criterion, next(_judged(criterion, [(None, figures.whole())]), None))
        if window.word == "over":
            findings = _judged(criterion, figures.windows(window.length_s))
        else:
            moments = figures.windows(figures.step_s)
            findings = self._mildest.of(moments, -(-window.length_s // figures.step_s))
        known = () if self._worst is None else (self._worst,)
        worst = max((*known, *findings), key=lambda each: each.severity, default=None)
        self._worst = worst
        return _result(criterion, worst)


class AbortWatch:
    """Looks at a run while it goes on, for the criteria that end it early."""

    def __init__(self, criteria: Iterable[Criterion]) -> None:
        self.criteria = [each for each in criteria if each.aborts]
        self._figures = {each: figures_of(each) for each in self.criteria}
        self._broken_since_s: dict[Criterion, float] = {}

    def look(self, result: RunResult) -> CriterionResult | None:
        """Return the criterion that the run should end for, broken for long enough by now.

        None after the measured part, when there is nothing left to end.
        """
        if reported_until_s(result) >= result.duration_s:
            return None
        for criterion in self.criteria:
            finding = self._look(criterion, result)
            if finding is not None:
                return structs.replace(_result(criterion, finding), aborted=True)
        return None

    def _look(self, criterion: Criterion, result: RunResult) -> Finding | None:
        until_s, window = reported_until_s(result), criterion.window
        figures, wait_s = self._figures[criterion], ABORT_AFTER_S
        figures.take(result, until_s)
        found: Iterable[tuple[float | None, Observed | None]]
        if window is None:
            found = [(until_s, figures.whole())] if until_s > 0 else []
        elif window.word == "over":
            found = figures.windows(window.length_s)
        else:
            # Moment by moment, because all of them have to be broken for as long as the window.
            wait_s = max(ABORT_AFTER_S, window.length_s)
            found = figures.windows(figures.step_s)
        for finding in _judged(criterion, found):
            at_s = finding.at_s or 0.0
            if finding.verdict != "fail":
                self._broken_since_s.pop(criterion, None)
                continue
            since_s = self._broken_since_s.setdefault(criterion, at_s - figures.step_s)
            if at_s - since_s >= wait_s:
                return finding
        return None


def _judged(
    criterion: Criterion, figures: Iterable[tuple[float | None, Observed | None]]
) -> Iterator[Finding]:
    """Yield the finding on each figure; where there are no samples there is none."""
    for at_s, observed in figures:
        if observed is None:
            continue
        does_hold = {criterion.holds(observed.lowest), criterion.holds(observed.highest)}
        verdict: CriterionVerdict = "not judged"
        if len(does_hold) == 1:
            verdict = "pass" if True in does_hold else "fail"
        distance = observed.value - criterion.limit
        if criterion.comparison == "==":
            distance = abs(distance)
        elif criterion.comparison in (">", ">="):
            distance = -distance
        yield Finding(verdict, observed, at_s, (_RANKS[verdict], distance))


class _Mildest:
    """The mildest finding in each stretch of so many moments; a moment without samples has none."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self._waiting: deque[tuple[int, Finding]] = deque()
        self._read = 0

    def of(self, moments: Iterable[Moment], length: int) -> Iterator[Finding]:
        """Yield it for each stretch of `length` moments that ends in these."""
        waiting = self._waiting
        for moment in moments:
            self._read += 1
            for finding in _judged(self._criterion, [moment]):
                # One that comes later and is no worse is the mildest in every window to come.
                while waiting and waiting[-1][1].severity >= finding.severity:
                    waiting.pop()
                waiting.append((self._read, finding))
            if waiting and waiting[0][0] <= self._read - length:
                waiting.popleft()
            if waiting and self._read >= length:
                yield replace(waiting[0][1], at_s=moment[0])


def _result(criterion: Criterion, finding: Finding | None) -> CriterionResult:
    text, limit, unit = criterion.text, criterion.limit, criterion.unit
    if finding is None:
        where = "" if criterion.window is None else f" in any whole {criterion.window.length_s} s"
        reason = f"there were no samples{where}"
        return CriterionResult(text, None, limit, "not judged", unit, reason=reason)
    observed = finding.observed
    return CriterionResult(
        text,
        round(observed.value, 6),
        limit,
        finding.verdict,
        unit,
        at_least=observed.highest > observed.value,
        at_s=None if finding.at_s is None else round(finding.at_s, 3),
        reason=observed.doubt if finding.verdict == "not judged" else "",
    )
