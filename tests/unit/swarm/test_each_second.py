"""The watch over a run: what it does once a second, and when it stops."""

from __future__ import annotations

import pytest

from convoy.results.counts import Counts
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.grammar import Known, parse
from convoy.results.result import RunResult
from convoy.swarm.each_second import look_each_second
from tests.unit.results import counts_of, run_of

LASTS_S = 60


class Run:
    """A run of a minute in which each second is like the ones before; time is what it slept."""

    def __init__(self, second: Counts, *lines: str, report_every: int = 3) -> None:
        self.said: list[str] = []
        self.aborted: list[CriterionResult] = []
        self.entered: list[RunResult] = []
        self._second = second
        self._now_s = 0
        look_each_second(
            self._parsed(lines),
            is_under_way=lambda: self._now_s < LASTS_S,
            report_every=report_every,
            collect_report=lambda: self.said.append(f"report at {self._now_s}"),
            snapshot=self._snapshot,
            enter=self.entered.append,
            abort=self.aborted.append,
            sleep=self._sleep,
            pause=lambda: None,
        )
        self.ended_s = self._now_s

    def _parsed(self, lines: tuple[str, ...]) -> tuple[Criterion, ...]:
        return parse(lines, Known({"messages"}, duration_s=LASTS_S))

    def _sleep(self, for_s: float) -> None:
        self._now_s += round(for_s)

    def _snapshot(self) -> RunResult:
        self.said.append(f"look at {self._now_s}")
        over = float(self._now_s)
        return run_of(*[self._second] * self._now_s, until_s=over, duration_s=float(LASTS_S))


def test_each_result_that_it_looks_at_is_entered() -> None:
    run = Run(counts_of(rejected=10), "share(failures) < 1%", report_every=1)

    assert [each.totals.sent for each in run.entered] == [10 * s for s in range(1, LASTS_S)]
    assert (run.ended_s, run.aborted) == (LASTS_S, [])


@pytest.mark.parametrize(
    ("report_every", "said"),
    [
        (1, ["report at 1", "look at 1", "report at 2", "look at 2"]),
        # A large report is merged in the second that follows, and is looked at then.
        (3, ["look at 1", "report at 3", "look at 4", "report at 6"]),
    ],
)
def test_it_collects_reports_and_looks_once_a_second(report_every: int, said: list[str]) -> None:
    run = Run(counts_of(accepted=10), "share(failures) < 1%, abort", report_every=report_every)

    assert run.said[:4] == said
    assert (run.ended_s, run.aborted) == (LASTS_S, [])


@pytest.mark.parametrize(
    ("line", "ended_s"),
    [("share(failures) < 1%, abort", 5), ("share(failures) < 1% for 20s, abort", 20)],
)
def test_a_broken_criterion_aborts_once_and_ends_the_watch(line: str, ended_s: int) -> None:
    second = counts_of(accepted=5, rejected=5)

    run = Run(second, "unknown == 0, abort", line, report_every=1)

    assert run.ended_s == ended_s
    assert [each.criterion for each in run.aborted] == [line]
