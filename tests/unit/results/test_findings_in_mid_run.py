"""What a criterion finds while a run goes on, from look to look, and when that ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from convoy.results import findings as findings_module
from convoy.results.counts import Counts
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.findings import AbortWatch, Findings, find
from convoy.results.outcome import Cause
from convoy.results.result import RunResult
from tests.unit.results import run_of
from tests.unit.results.test_findings import BAD, FAST, GOOD, SILENT, SLOW, criterion_of


def looks(line: str, runs: Sequence[RunResult]) -> list[CriterionResult | None]:
    """Return what each look at a run that goes on says."""
    watch = AbortWatch([criterion_of(line)])
    return [watch.look(run) for run in runs]


def growing(seconds: Sequence[Counts], **more: Any) -> list[RunResult]:
    """Return the results of a run of 100 seconds, of which one more each time is over."""
    scheduled = [each.scheduled for each in seconds]
    return [
        run_of(*seconds[:over], until_s=float(over), duration_s=100.0, due=scheduled, **more)
        for over in range(1, len(seconds) + 1)
    ]


@pytest.mark.parametrize(
    ("line", "seconds", "aborted_at_s"),
    [
        pytest.param("share(failures) < 1%, abort", [BAD] * 9, 5, id="from the start"),
        pytest.param("share(failures) < 1%", [BAD] * 9, None, id="without abort"),
        pytest.param("share(failures) < 1%, abort", [GOOD] * 9, None, id="good"),
        pytest.param(
            "share(failures) < 30%, abort", [BAD] * 2 + [GOOD] * 9, None, id="better in time"
        ),
        pytest.param(
            "share(failures) < 40% over 2s, abort",
            [GOOD, BAD, BAD, BAD, BAD, GOOD, GOOD, GOOD],
            None,
            id="a fluke of four seconds",
        ),
        pytest.param(
            "share(failures) < 40% over 2s, abort", [GOOD, GOOD, *[BAD] * 7], 8, id="windows"
        ),
        pytest.param(
            "share(failures) < 1% for 2s, abort", [*[GOOD] * 2, *[BAD] * 7], 7, id="for 2"
        ),
        pytest.param("share(failures) < 1% for 8s, abort", [GOOD, *[BAD] * 9], 9, id="for 8 s"),
        pytest.param(
            "share(failures) < 1% for 8s, abort",
            [*[BAD] * 7, GOOD, *[BAD] * 7],
            None,
            id="not for so long",
        ),
        pytest.param(
            "share(failures) < 1% for 8s, abort",
            [*[BAD] * 4, SILENT, SILENT, *[BAD] * 7],
            8,
            id="silence between",
        ),
        pytest.param("failures == 0, abort", [GOOD, BAD, *[GOOD] * 9], 6, id="one is too many"),
        pytest.param(
            "achieved_rate >= 99%, abort",
            [GOOD, *[Counts(10, not_sent={Cause.TARGET: 10})] * 9],
            6,
            id="rate",
        ),
    ],
)
def test_a_run_is_aborted_when_a_criterion_was_broken_for_long_enough(
    line: str, seconds: Sequence[Counts], aborted_at_s: float | None
) -> None:
    said = [each for each in looks(line, growing(seconds)) if each is not None]

    assert (said[0].at_s if said else None) == aborted_at_s
    assert all(each.aborted and each.verdict == "fail" for each in said)


def test_nothing_is_aborted_before_all_workers_have_reported() -> None:
    unreported = replace_until(growing([BAD] * 9), 0.0)

    assert looks("share(failures) < 1%, abort", unreported) == [None] * 9


def test_what_came_in_reports_of_three_seconds_is_looked_at_second_by_second() -> None:
    seconds = [GOOD, GOOD, GOOD, BAD, GOOD, BAD, BAD, BAD, BAD, BAD, BAD, BAD]
    reports = [each for at, each in enumerate(growing(seconds), 1) if at % 3 == 0]

    said = looks("share(failures) < 1% for 5s, abort", reports)

    assert [None if each is None else each.at_s for each in said] == [None, None, None, 10]


def test_times_are_looked_at_report_by_report() -> None:
    runs = [
        run_of(
            *[GOOD] * over,
            times_s=([FAST] + [SLOW] * 9)[: over // 3],
            until_s=float(over),
            duration_s=100.0,
        )
        for over in range(1, 16)
    ]

    lines = ("p95(service_time) < 400ms over 3s, abort", "p95(service_time) < 400ms for 9s, abort")
    aborted = [next(each for each in looks(line, runs) if each is not None) for line in lines]

    assert [each.at_s for each in aborted] == [9, 12]


def test_a_run_whose_measured_part_is_over_is_not_aborted_any_more() -> None:
    runs = [replace(run, duration_s=3.0) for run in growing([BAD] * 9)]

    assert looks("share(failures) < 1%, abort", runs) == [None] * 9


def replace_until(runs: Sequence[RunResult], until_s: float) -> list[RunResult]:
    return [
        replace(
            run,
            series={name: replace(each, until_s=until_s) for name, each in run.series.items()},
        )
        for run in runs
    ]


@pytest.mark.parametrize(
    "line",
    [
        "share(failures[*]) < 30%",
        "share(failures[*]) < 30% over 3s",
        "share(failures[*]) < 30% for 3s",
        "count(accepted) > 8 over 2s",
        "p95(response_time) < 400ms over 6s",
        "p95(response_time) < 400ms for 6s",
    ],
)
def test_what_is_found_from_look_to_look_is_what_is_found_at_the_end(line: str) -> None:
    seconds = [*[GOOD] * 6, *[BAD] * 4, *[GOOD] * 5]
    times_s = [FAST, FAST, SLOW, SLOW, FAST]
    whole = run_of(*seconds, times_s=times_s)
    criterion, findings = criterion_of(line), Findings()

    for second in range(1, 15):
        due = [10] * 15
        so_far = run_of(
            *seconds[:second],
            times_s=times_s[: second // 3],
            due=due,
            until_s=float(second),
            duration_s=15.0,
        )
        findings.find(criterion, so_far)

    # Times belong to the middle of their report, and are looked at half of one later.
    later = replace(whole, series={"messages": replace(whole.series["messages"], until_s=17.0)})
    assert findings.find(criterion, later) == find(criterion, whole)


def test_a_look_at_a_run_reads_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[float] = []
    judged = findings_module._judged

    def note(criterion: Criterion, moments: Any) -> Any:
        moments = list(moments)
        read.extend(at_s for at_s, _ in moments)
        return judged(criterion, moments)

    monkeypatch.setattr(findings_module, "_judged", note)
    findings, criterion = Findings(), criterion_of("share(failures[*]) < 30% over 2s")
    for second in (4, 5, 8):
        run = run_of(*[GOOD] * second, until_s=float(second), duration_s=20.0, due=[10] * 20)
        findings.find(criterion, run)

    assert read == [2, 3, 4, 5, 6, 7, 8]
