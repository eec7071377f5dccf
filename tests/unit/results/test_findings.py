"""What a criterion finds: in the whole run and in each window."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.findings import find
from convoy.results.grammar import Known, parse
from convoy.results.outcome import Cause
from convoy.results.result import RunResult, StepResult
from tests.unit.results import counts_of, run_of

GOOD = counts_of(accepted=10)
BAD = counts_of(accepted=5, rejected=5)
SILENT = Counts()
FAST, SLOW, STALLED = [0.1] * 100, [1.0] * 100, [30.0] * 100


def criterion_of(line: str) -> Criterion:
    [criterion] = parse([line], Known({"messages", "others"}, duration_s=10**6))
    return criterion


def found(line: str, result: RunResult) -> CriterionResult:
    return find(criterion_of(line), result)


EVERYTHING = Counts(
    scheduled=120,
    sent=100,
    accepted=70,
    rejected=15,
    failed=10,
    unknown=5,
    resent=2,
    attempts=102,
    not_ok=25,
    unexpected=1,
    late={Cause.TARGET: 6, Cause.GENERATOR: 3},
    not_sent={Cause.TARGET: 12, Cause.STOPPED: 8},
    errors={"400 invalid_payload": 15, "connection refused": 10, "timeout": 5},
    failures={
        "400 invalid_payload": 9,
        "connection refused": 10,
        "timeout": 5,
        "200 unexpected": 1,
    },
)


@pytest.mark.parametrize(
    ("measure", "observed"),
    [
        ("scheduled", 120),
        ("sent", 100),
        ("accepted", 70),
        ("rejected", 15),
        ("failed", 10),
        ("unknown", 5),
        ("unexpected", 1),
        ("resent", 2),
        ("errors", 30),
        ("errors[4??]", 15),
        ("errors[connection *]", 10),
        ("failures", 25),
        ("failures[invalid_payload]", 9),
        ("failures[200]", 1),
        ("late", 9),
        ("late[generator]", 3),
        ("not_sent", 20),
        ("not_sent[target]", 12),
        ("share(sent)", 100 / 1.2),
        ("share(accepted)", 70),
        ("share(errors[4*])", 15),
        ("share(failures[*])", 25),
        ("share(late[target])", 5),
        ("share(not_sent)", 20 / 1.2),
        ("achieved_rate", 100 / 1.2),
    ],
)
def test_each_subject_has_its_numerator_and_its_denominator(measure: str, observed: float) -> None:
    is_percent = measure.startswith(("share", "achieved"))
    line = f"{measure} >= {'1%' if is_percent else '0'}"

    result = found(line, run_of(EVERYTHING))

    assert result.observed == pytest.approx(observed)
    assert result.verdict == "pass"


@pytest.mark.parametrize(
    ("line", "observed", "verdict"),
    [
        pytest.param("share(failures) < 20%", 20, "fail", id="not below"),
        pytest.param("share(failures) <= 20%", 20, "pass", id="at most"),
        pytest.param("share(failures) > 20%", 20, "fail", id="not above"),
        pytest.param("share(failures) >= 20%", 20, "pass", id="at least"),
        pytest.param("count(failures) == 10", 10, "pass", id="equal"),
        pytest.param("count(failures) == 9", 10, "fail", id="not equal"),
        pytest.param("failures(messages) == 10", 10, "pass", id="in a scenario"),
        pytest.param("achieved_rate >= 10/s", 10, "pass", id="per second"),
        pytest.param("achieved_rate > 10/s", 10, "fail", id="not more per second"),
    ],
)
def test_a_figure_of_the_whole_run_is_compared_with_the_limit(
    line: str, observed: float, verdict: str
) -> None:
    result = found(line, run_of(GOOD, BAD, GOOD, BAD, GOOD))

    assert (result.observed, result.verdict, result.at_s) == (observed, verdict, None)


@pytest.mark.parametrize(
    ("times_s", "censored_s", "line", "observed_ms", "verdict", "at_least"),
    [
        pytest.param([0.1] * 95 + [1.0] * 5, [], "p95", 100, "pass", False, id="below"),
        pytest.param([0.1] * 94 + [1.0] * 6, [], "p95", 1000, "fail", False, id="above"),
        pytest.param([0.1] * 99 + [1.0], [], "max", 1000, "fail", False, id="longest"),
        pytest.param([0.1] * 97, [30.0] * 3, "p95", 100, "pass", False, id="below the censored"),
        pytest.param([0.1] * 90, [30.0] * 10, "p95", 30_000, "fail", True, id="above and censored"),
        pytest.param(
            [0.1] * 90, [0.2] * 10, "p95", 200, "not judged", True, id="below and censored"
        ),
    ],
)
def test_a_lower_bound_can_fail_and_cannot_pass(
    times_s: list[float],
    censored_s: list[float],
    line: str,
    observed_ms: float,
    verdict: str,
    at_least: bool,
) -> None:
    result = found(
        f"{line}(response_time) < 400ms", run_of(GOOD, times_s=[times_s], censored_s=[censored_s])
    )

    assert result.observed == pytest.approx(observed_ms, rel=0.001)
    assert (result.verdict, result.at_least) == (verdict, at_least)
    assert bool(result.reason) is (verdict == "not judged")


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        pytest.param("p95(response_time) < 400ms", "pass", id="below the share that was touched"),
        pytest.param("p99(response_time) < 400ms", "not judged", id="within it, and good"),
        pytest.param("p99(response_time) < 50ms", "not judged", id="within it, and bad"),
        pytest.param("p99(response_time) < 400ms for 3s", "not judged", id="in a window"),
    ],
)
def test_a_percentile_that_our_own_lag_may_have_made_is_not_judged(line: str, verdict: str) -> None:
    counts = counts_of(accepted=100, late={Cause.GENERATOR: 2})
    counts.delayed = 1

    finding = found(line, run_of(counts, SILENT, SILENT, times_s=[FAST]))

    assert finding.verdict == verdict
    assert ("own lag" in finding.reason) == (verdict == "not judged")


def test_a_lower_bound_above_a_limit_that_is_to_be_exceeded_passes() -> None:
    result = found("p95(response_time) > 1s", run_of(GOOD, censored_s=[[30.0]]))

    assert (result.verdict, result.at_least) == ("pass", True)


@pytest.mark.parametrize(
    ("line", "run"),
    [
        pytest.param("p95(rejected_time) < 1s", run_of(GOOD), id="no time"),
        pytest.param("share(failures) < 1%", run_of(Counts(3), due=[3]), id="nothing sent"),
        pytest.param("unknown == 0", run_of(), id="nothing scheduled"),
        pytest.param("achieved_rate >= 1%", run_of(), id="nothing due"),
        pytest.param("p95(response_time) < 1s over 9s", run_of(times_s=[FAST] * 2), id="too short"),
        pytest.param("share(failures) < 1% over 3s", run_of(GOOD, GOOD), id="no full window"),
        pytest.param("share(failures) < 1% for 2s", run_of(SILENT, SILENT), id="silence"),
    ],
)
def test_without_samples_nothing_is_judged(line: str, run: RunResult) -> None:
    result = found(line, run)

    assert (result.verdict, result.observed) == ("not judged", None)
    assert result.reason.startswith("there were no samples")


@pytest.mark.parametrize(
    ("seconds", "line", "observed", "verdict", "at_s"),
    [
        pytest.param([GOOD] * 9, "share(failures) < 1% over 3s", 0, "pass", 3, id="good"),
        pytest.param(
            [GOOD, GOOD, BAD, GOOD], "share(failures) < 20% over 2s", 25, "fail", 3, id="one bad"
        ),
        pytest.param(
            [GOOD, GOOD, BAD, GOOD], "share(failures) < 20% over 3s", 50 / 3, "pass", 3, id="mixed"
        ),
        pytest.param(
            [BAD, SILENT, SILENT, GOOD],
            "share(failures) < 50% over 2s",
            50,
            "fail",
            2,
            id="silence changes nothing",
        ),
        pytest.param([GOOD, GOOD, BAD], "failures == 0 over 2s", 5, "fail", 3, id="counted"),
        pytest.param([GOOD, GOOD, BAD], "failures < 6 over 3s", 5, "pass", 3, id="few enough"),
        pytest.param(
            [GOOD] * 2 + [SILENT] + [GOOD] * 2, "sent > 9 over 2s", 10, "pass", 3, id="all"
        ),
        pytest.param(
            [GOOD] * 2 + [SILENT] + [GOOD] * 2, "sent >= 10 over 1s", 0, "fail", 3, id="too few"
        ),
        pytest.param(
            [GOOD, BAD, BAD, GOOD], "share(failures) < 1% for 3s", 0, "pass", 3, id="for too short"
        ),
        pytest.param(
            [GOOD, BAD, BAD, BAD], "share(failures) < 1% for 3s", 50, "fail", 4, id="for long"
        ),
        pytest.param(
            [BAD, SILENT, BAD, GOOD],
            "share(failures) < 1% for 3s",
            50,
            "fail",
            3,
            id="silence between two bad ones",
        ),
        pytest.param(
            [GOOD, BAD, SILENT, SILENT],
            "share(failures) < 1% over 4s",
            25,
            "fail",
            4,
            id="silent end",
        ),
        pytest.param(
            [BAD, GOOD, BAD, GOOD, BAD], "share(failures) < 1% for 2s", 0, "pass", 2, id="flapping"
        ),
    ],
)
def test_the_worst_window_decides(
    seconds: Sequence[Counts], line: str, observed: float, verdict: str, at_s: float
) -> None:
    result = found(line, run_of(*seconds))

    assert result.observed == pytest.approx(observed)
    assert (result.verdict, result.at_s) == (verdict, at_s)


@pytest.mark.parametrize(
    ("reports", "line", "observed_ms", "verdict", "at_s"),
    [
        pytest.param([FAST] * 4, "p95(service_time) < 400ms over 6s", 100, "pass", 6, id="fast"),
        pytest.param(
            [FAST, SLOW, FAST], "p95(service_time) < 400ms over 3s", 1000, "fail", 6, id="one slow"
        ),
        pytest.param(
            [FAST, SLOW, FAST], "p50(service_time) < 400ms over 6s", 100, "pass", 6, id="half slow"
        ),
        pytest.param(
            [SLOW, FAST, FAST], "p95(service_time) < 400ms over 9s", 1000, "fail", 9, id="whole"
        ),
        pytest.param(
            [SLOW, FAST, FAST, FAST], "max(service_time) < 2s over 4s", 1000, "pass", 6, id="4 s"
        ),
        pytest.param(
            [FAST, SLOW, SLOW, FAST], "p95(service_time) < 400ms for 9s", 100, "pass", 9, id="6 s"
        ),
        pytest.param(
            [FAST, SLOW, STALLED, SLOW, FAST],
            "p95(service_time) < 400ms for 9s",
            1000,
            "fail",
            12,
            id="the mildest of three slow ones",
        ),
        pytest.param(
            [SLOW, [], []], "p95(service_time) < 400ms over 8s", 1000, "fail", 9, id="silent end"
        ),
        pytest.param(
            [SLOW, [], SLOW], "p95(service_time) < 400ms for 9s", 1000, "fail", 9, id="and a gap"
        ),
    ],
)
def test_times_are_judged_report_by_report(
    reports: Sequence[Sequence[float]], line: str, observed_ms: float, verdict: str, at_s: float
) -> None:
    result = found(line, run_of(*[GOOD] * 3 * len(reports), times_s=reports))

    assert result.observed == pytest.approx(observed_ms, rel=0.001)
    assert (result.verdict, result.at_s) == (verdict, at_s)


def test_censored_times_leave_the_window_again() -> None:
    run = run_of(*[GOOD] * 9, times_s=[FAST, FAST, FAST], censored_s=[[30.0] * 50])

    worst, later = (
        found(f"p95(response_time) < {limit} over 3s", run) for limit in ("40s", "400ms")
    )

    assert (worst.verdict, worst.at_s, worst.at_least) == ("not judged", 3, True)
    assert (later.verdict, later.at_s) == ("fail", 3)
    late_ones = replace(run, scenarios=run.scenarios)
    assert found("p95(response_time) < 400ms for 6s", late_ones).verdict == "pass"


@pytest.mark.parametrize(
    ("seconds", "due", "line", "observed", "verdict"),
    [
        pytest.param([GOOD] * 4, [10] * 4, "achieved_rate >= 99% over 2s", 100, "pass", id="all"),
        pytest.param(
            [GOOD, GOOD, counts_of(accepted=4), GOOD],
            [10] * 4,
            "achieved_rate >= 99% over 1s",
            40,
            "fail",
            id="too few in a second",
        ),
        pytest.param(
            [GOOD, SILENT, counts_of(accepted=20), GOOD],
            [10] * 4,
            "achieved_rate >= 99% over 4s",
            100,
            "pass",
            id="caught up",
        ),
        pytest.param(
            [GOOD, SILENT, GOOD],
            [10, 0, 10],
            "achieved_rate >= 99% over 1s",
            100,
            "pass",
            id="nothing due",
        ),
        pytest.param(
            [GOOD, Counts(10, not_sent={Cause.TARGET: 10})],
            [10, 10],
            "achieved_rate >= 99% over 2s",
            50,
            "fail",
            id="given up",
        ),
        pytest.param([GOOD, GOOD], [], "achieved_rate >= 99%", 100, "pass", id="no schedule"),
        pytest.param(
            [GOOD, counts_of(accepted=4)], [], "achieved_rate >= 9/s for 1s", 4, "fail", id="rate"
        ),
    ],
)
def test_the_achieved_rate_is_of_what_was_due(
    seconds: Sequence[Counts], due: Sequence[int], line: str, observed: float, verdict: str
) -> None:
    result = found(line, run_of(*seconds, due=due))

    assert (result.observed, result.verdict) == (observed, verdict)


@pytest.mark.parametrize(
    ("until_s", "line", "observed"),
    [
        pytest.param(2.7, "achieved_rate >= 99%", 75, id="share"),
        pytest.param(2.7, "achieved_rate >= 1/s", 7.5, id="per second"),
        pytest.param(0.7, "achieved_rate >= 99%", None, id="no second is over"),
        pytest.param(0.7, "achieved_rate >= 1/s", None, id="no second is over, per second"),
    ],
)
def test_before_the_end_the_achieved_rate_is_of_the_seconds_that_are_over(
    until_s: float, line: str, observed: float | None
) -> None:
    run = run_of(GOOD, counts_of(accepted=5), GOOD, due=[10] * 9, duration_s=9.0, until_s=until_s)

    assert found(line, run).observed == observed


def test_after_the_measured_part_no_rate_and_no_number_of_messages_is_asked_for() -> None:
    run = run_of(GOOD, GOOD, SILENT, counts_of(rejected=1), due=[10, 10], duration_s=2.5, until_s=9)

    assert found("achieved_rate >= 10/s over 1s", run).verdict == "pass"
    assert found("sent >= 10 over 1s", run).verdict == "pass"
    assert found("share(failures) < 50% over 1s", run).verdict == "fail"


def test_all_scenarios_are_judged_together_unless_one_is_named() -> None:
    one, two = run_of(GOOD, times_s=[FAST]), run_of(BAD, times_s=[SLOW])
    both = replace(
        one,
        scenarios={"messages": one.scenarios["messages"], "others": two.scenarios["messages"]},
        series={"messages": one.series["messages"], "others": two.series["messages"]},
    )

    lines = {
        "share(failures) < 99%": 25,
        "share(failures, messages) < 99%": 0,
        "share(failures, others) < 99% over 1s": 50,
        "achieved_rate >= 1% over 1s": 100,
        "p50(service_time) < 9s over 3s": 100,
        "p50(service_time, others) < 9s": 1000,
    }
    for line, observed in lines.items():
        assert found(line, both).observed == pytest.approx(observed, rel=0.001), line


def test_steps_and_timings_are_judged_by_themselves() -> None:
    run, other = run_of(GOOD, times_s=[FAST]), run_of(BAD, times_s=[SLOW]).scenarios["messages"]
    part = StepResult(other.counts, other.durations)
    scenario = replace(
        run.scenarios["messages"], steps={"typing": part}, timings={"first_reply": part}
    )
    run = replace(run, scenarios={"messages": scenario})
    known = Known(
        {"messages"}, 60, steps={"messages": ("typing",)}, timings={"messages": ("first_reply",)}
    )

    lines = {
        "p50(service_time) < 9s": 100,
        "p50(service_time, messages/typing) < 9s": 1000,
        "p50(timing[first_reply]) < 9s": 1000,
        "p50(timing[first_reply], messages) < 9s": 1000,
        "share(failures) < 99%": 0,
        "share(failures, messages/typing) < 99%": 50,
    }
    for line, observed in lines.items():
        [criterion] = parse([line], known)
        assert find(criterion, run).observed == pytest.approx(observed, rel=0.001), line


def test_messages_of_a_lost_worker_are_in_the_whole_and_in_no_window() -> None:
    run = run_of(GOOD, GOOD)
    [scenario] = run.scenarios.values()
    scenario.counts.lose(5)

    assert found("unknown == 0", run).observed == 5
    assert found("unknown == 0 over 2s", run).observed == 0
    assert found("share(errors[worker lost]) < 1%", run).observed == 20
