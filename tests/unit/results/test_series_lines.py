"""`series.jsonl`: each second once, as soon as it is known, and in all what the run counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from convoy.results.outcome import Cause
from convoy.results.reports.series_lines import SeriesLines
from convoy.results.result import GeneratorStep, RunResult
from tests.unit.results import counts_of, run_of

SECONDS = [
    counts_of(accepted=9, rejected=1),
    counts_of(accepted=7, unknown=1, late={Cause.TARGET: 2}, not_sent={Cause.LIMITS: 2}),
    counts_of(accepted=10),
    counts_of(accepted=10),
]


def run_until(until_s: float, *, is_over: bool = False) -> RunResult:
    run = run_of(
        *SECONDS,
        times_s=[[0.1] * 26, [0.2] * 10],
        censored_s=[[30.0]],
        until_s=until_s,
        duration_s=4.0,
    )
    generator = {0: GeneratorStep(10, 0.25, 1.5)}
    return replace(run, is_over=is_over, generator=generator)


def lines_of(*results: RunResult) -> list[list[dict[str, Any]]]:
    lines = SeriesLines()
    return [[json.loads(line) for line in lines.lines(each) if line] for each in results]


def test_a_line_says_what_happened_in_its_second() -> None:
    [[first, second, *_]] = lines_of(run_until(4.0, is_over=True))

    assert (first["at_s"], first["for_s"]) == (0, 1)
    assert (first["users"], first["cpu_share"], first["loop_lag_ms"]) == (10, 0.25, 1.5)
    messages = second["scenarios"]["messages"]
    assert (messages["due"], messages["scheduled"], messages["sent"]) == (10, 10, 8)
    assert (messages["late"], messages["not_sent"]) == ({"target": 2}, {"limits": 2})
    assert messages["errors"] == {"timeout": 1}
    assert messages["response_time_ms"]["p50"] == pytest.approx(100, rel=0.01)
    assert messages["response_time_ms"]["at_least"] == ["p99", "p999", "max"]
    assert messages["service_time_ms"]["count"] == 26


@pytest.mark.parametrize(
    ("until_s", "known"),
    [
        pytest.param([0.0, 2.9], [0, 0], id="times come for three seconds together"),
        pytest.param([3.0, 3.5], [3, 0], id="each second once"),
        pytest.param([2.0, 4.0], [0, 3], id="the rest is not known yet"),
    ],
)
def test_a_second_comes_as_soon_as_its_times_are_known(
    until_s: list[float], known: list[int]
) -> None:
    found = lines_of(*map(run_until, until_s))

    assert list(map(len, found)) == known


def test_all_lines_together_are_what_the_run_counted() -> None:
    first, last = lines_of(run_until(3.0), run_until(4.0, is_over=True))

    lines = [each["scenarios"]["messages"] for each in first + last]
    assert [each["at_s"] for each in first + last] == [0, 1, 2, 3]
    total = run_until(4.0).totals
    for name in ("scheduled", "sent", "accepted", "rejected", "unknown"):
        assert sum(each[name] for each in lines) == getattr(total, name)


def test_what_was_taken_and_has_not_ended_is_in_flight() -> None:
    taken, ended = counts_of(accepted=3), counts_of(accepted=1)
    taken.scheduled, ended.scheduled = 4, 0
    run = run_of(taken, ended, duration_s=2.0)

    [lines] = lines_of(run)

    assert [each["scenarios"]["messages"]["in_flight"] for each in lines] == [1, 0]


def test_a_run_of_which_nothing_was_sent_has_a_line_for_each_second() -> None:
    [lines] = lines_of(replace(run_of(duration_s=3.0), is_over=True))

    assert [each["at_s"] for each in lines] == [0, 1, 2]
