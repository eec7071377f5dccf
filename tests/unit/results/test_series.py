"""The series: what a process keeps of each second, and what the reports of all add up to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.results.account import Durations, ScenarioRecorder, StepReport
from convoy.results.counts import Counts
from convoy.results.histograms import BucketCounts, Recorder
from convoy.results.outcome import Cause
from convoy.results.series import (
    Series,
    SeriesAccount,
    step_of,
)
from convoy.routes.codes import CodeBook
from tests.unit.results import (
    ACCEPTED,
    FAILED,
    REJECTED,
    UNKNOWN,
    account,
    counts_of,
    report_of,
)

OUTCOMES = (ACCEPTED, REJECTED, FAILED, UNKNOWN)


def durations_of(*response_s: float) -> Durations[BucketCounts]:
    recorded = Durations.of(Recorder)
    recorded.response.record_all(response_s)
    return recorded.map(Recorder.take)


def report_on(seconds: dict[int, Counts], durations: Durations[BucketCounts]) -> StepReport:
    return StepReport(Counts(), durations, seconds)


def series_of(account: SeriesAccount) -> Series:
    return account.result((), 0.0)


def test_each_second_holds_what_the_counters_gained_in_it() -> None:
    recorder = ScenarioRecorder(0.010, 30)

    for second, accepted in ((0, 3), (1, 0), (2, 5)):
        recorder.counts = Counts.total([recorder.counts, counts_of(accepted=accepted)])
        recorder.enter_second(second)

    assert recorder.report().seconds == {0: counts_of(accepted=3), 2: counts_of(accepted=5)}
    assert recorder.report().seconds == {}


def test_a_report_in_the_middle_of_a_second_takes_the_part_so_far() -> None:
    recorder = ScenarioRecorder(0.010, 30)
    recorder.counts = counts_of(accepted=3, rejected=1)
    recorder.enter_second(4)
    first = recorder.report().seconds
    recorder.counts.scheduled += 2

    recorder.enter_second(4)

    assert first == {4: counts_of(accepted=3, rejected=1)}
    assert recorder.report().seconds == {4: Counts(2)}


def test_what_is_counted_later_is_not_in_the_second_before() -> None:
    recorder = ScenarioRecorder(0.010, 30)
    recorder.counts = counts_of(rejected=1)
    recorder.enter_second(0)

    recorder.counts.errors["400 invalid_payload"] += 1
    recorder.enter_second(1)

    seconds = recorder.report().seconds
    assert seconds[0].errors == seconds[1].errors == {"400 invalid_payload": 1}


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["record", "second", "report"])), max_size=60
    )
)
def test_the_series_of_three_workers_add_up_to_the_account(
    steps: list[tuple[int, str]],
) -> None:
    told, whole = SeriesAccount(1, lambda code: code), account()
    recorders = [ScenarioRecorder(0.010, 30) for _ in range(3)]

    for number, (worker, what) in enumerate([*steps, (0, "report"), (1, "report"), (2, "report")]):
        recorder = recorders[worker]
        if what == "record":
            recorder.schedule()
            outcome = OUTCOMES[number % 4]
            recorder.record(outcome, outcome.attempt.sent_s, Cause.TARGET)
            continue
        recorder.enter_second(number)
        if what == "report":
            report = report_of(recorder)
            whole.absorb(str(worker), report)
            told.absorb(report, 0.0, number)

    result, series = whole.result(0, None), series_of(told)
    assert series.total == result.counts
    known = [
        sum(
            count
            for reports in series.reports.values()
            for each in reports
            for _, count in getattr(each, name)
        )
        for name in ("response", "service", "rejected", "unknown", "censored", "send_error")
    ]
    durations = result.durations
    assert known == [
        durations.response.count - durations.response.censored,
        durations.service.count,
        durations.rejected.count,
        durations.unknown.count,
        durations.response.censored,
        durations.send_error.count,
    ]


def test_the_durations_of_a_report_belong_to_the_middle_of_what_it_covers() -> None:
    account = SeriesAccount(1, lambda code: code)

    for at_s in (-0.1, 0.0, 2.9, 3.0, 4.4, 4.6, 7.4, 63.0):
        account.absorb(report_on({}, durations_of(0.1)), max(0.0, at_s - 3), at_s)
    account.absorb(report_on({}, durations_of()), 0.0, 10.0)

    assert {at: len(each) for at, each in series_of(account).reports.items()} == {0: 5, 1: 2, 20: 1}


def test_a_series_stays_what_it_was_when_it_was_taken() -> None:
    account = SeriesAccount(1, lambda code: code)
    account.absorb(report_on({0: counts_of(accepted=1)}, durations_of(0.1)), 0.0, 0.5)
    before = series_of(account)

    account.absorb(report_on({0: counts_of(accepted=2), 1: Counts(1)}, durations_of(0.1)), 0.0, 0.9)

    assert before.steps == {0: counts_of(accepted=1)}
    assert [len(each) for each in before.reports.values()] == [1]
    assert series_of(account).total == Counts.total([counts_of(accepted=3), Counts(1)])


def test_unknown_codes_have_the_names_that_the_account_gives_them() -> None:
    name_code = CodeBook(keep=1).name
    account = SeriesAccount(1, name_code)

    for second, code in enumerate(("400 a", "400 b", "400 b")):
        counts = Counts(errors={code: 1}, failures={code: 1})
        account.absorb(report_on({second: counts}, durations_of()), 0.0, float(second))

    total = series_of(account).total
    assert total.errors == total.failures == {"400 a": 1, "4xx other": 2}


def test_what_was_reported_before_codes_had_other_names_is_counted_under_those() -> None:
    account = SeriesAccount(1, lambda code: code)
    account.absorb(report_on({0: Counts(errors={"400 a": 1})}, durations_of()), 0.0, 1.0)
    before = series_of(account)

    account.rename_codes(lambda code: "4xx other")

    assert series_of(account).total.errors == {"4xx other": 1}
    assert before.total.errors == {"400 a": 1}


@pytest.mark.parametrize(
    ("duration_s", "step_s"),
    [(0.5, 1), (30, 1), (14_400, 1), (14_401, 2), (86_400, 6), (30 * 86_400, 180)],
)
def test_a_long_run_has_longer_steps(duration_s: float, step_s: int) -> None:
    assert step_of(duration_s) == step_s


def test_longer_steps_hold_what_came_in_all_their_seconds() -> None:
    account = SeriesAccount(2, lambda code: code)

    account.absorb(
        report_on({n: counts_of(accepted=1) for n in range(4)}, durations_of(0.1)), 0.0, 3.5
    )
    account.absorb(report_on({4: counts_of(accepted=1)}, durations_of(0.1)), 4.6, 7.5)

    series = series_of(account)
    assert {step: counts.accepted for step, counts in series.steps.items()} == {0: 2, 1: 2, 2: 1}
    assert list(series.reports) == [0, 1]
    assert series.report_s == 6


@pytest.mark.parametrize(
    ("due", "at_s", "expected"),
    [
        pytest.param((), 5.0, 0, id="nothing is scheduled"),
        pytest.param((20, 40, 55), 0.9, 0, id="in the first second"),
        pytest.param((20, 40, 55), 1.0, 20, id="after one"),
        pytest.param((20, 40, 55), 2.9, 40, id="in the third"),
        pytest.param((20, 40, 55), 3.0, 55, id="at the end"),
        pytest.param((20, 40, 55), 99.0, 55, id="later"),
    ],
)
def test_messages_due_are_known_by_the_second(
    due: Sequence[int], at_s: float, expected: int
) -> None:
    assert Series(due=due).due_by(at_s) == expected


def test_messages_due_in_a_step_are_those_since_the_one_before() -> None:
    by_two = Series(step_s=2, due=(20, 40, 55, 60, 61))

    assert [by_two.due_in(step) for step in range(6)] == [20, 20, 15, 5, 1, 0]


def test_seconds_far_off_are_left_out() -> None:
    account = SeriesAccount(1, lambda code: code, latest_s=5)

    account.absorb(
        report_on({second: counts_of(accepted=1) for second in (4, 5, 6)}, durations_of()), 0.0, 6.5
    )

    assert list(series_of(account).steps) == [4, 5]
