"""The equations between figures: each is seen violated, with both numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from convoy.results.account import Durations
from convoy.results.equations import figure_violations
from convoy.results.histograms import Histogram
from convoy.results.outcome import Cause
from convoy.results.result import Row, RunResult
from convoy.results.verdict import Verdict, judge
from tests.unit.results import bucketed, counts_of, durations_of, result_of, run_of

ACCEPTED = counts_of(accepted=200)
MIXED = counts_of(accepted=90, rejected=5, failed=3, unknown=2, not_sent={Cause.TARGET: 7})


def with_durations(
    change: Callable[[Durations[Histogram]], object], counts: object = ACCEPTED
) -> RunResult:
    result = result_of(messages=counts)  # type: ignore[arg-type]
    change(result.scenarios["messages"].durations)
    return result


def with_row(row: Row) -> RunResult:
    return replace(result_of(messages=ACCEPTED), rows={"messages": row})


@pytest.mark.parametrize("counts", [ACCEPTED, MIXED], ids=["all accepted", "of every fate"])
def test_figures_that_agree_violate_nothing(counts: object) -> None:
    assert list(figure_violations(result_of(messages=counts))) == []  # type: ignore[arg-type]


def test_messages_of_a_lost_worker_have_no_send_error() -> None:
    counts = counts_of(accepted=10)
    counts.lose(5)

    assert list(figure_violations(result_of(messages=counts))) == []


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("response", 40, "values in response time = messages they are of"),
        ("service", 40, "values in service time = messages they are of"),
        ("rejected", 1, "values in times of rejected"),
        ("unknown", 1, "values in times of unknown"),
        ("send_error", 1, "values in send error"),
    ],
)
@pytest.mark.parametrize("counts", [ACCEPTED, MIXED], ids=["all accepted", "of every fate"])
def test_a_histogram_with_more_values_than_messages(
    name: str, values: int, told: str, counts: object
) -> None:
    result = with_durations(
        lambda durations: getattr(durations, name).add(bucketed(0.1, values)), counts
    )

    [violation] = [each for each in figure_violations(result) if "values in" in each]
    assert told in violation
    assert violation.startswith("messages: ")


def test_a_histogram_of_other_moments_is_seen_by_its_sum() -> None:
    result = result_of(messages=ACCEPTED)
    wrong = durations_of(ACCEPTED)
    scenario = result.scenarios["messages"]
    moved = replace(wrong, response=wrong.service, send_error=Histogram())
    moved.send_error.add(bucketed(0.05, 200))

    result = replace(result, scenarios={"messages": replace(scenario, durations=moved)})

    [violation] = figure_violations(result)
    assert "response time - service time = send error does not hold: 0.000 s" in violation


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param(Row(200, 0, 20.2), "", id="it agrees"),
        pytest.param(Row(199, 0, 20.2), "requests in Locust's row = sent does", id="requests"),
        pytest.param(Row(200, 1, 20.2), "failures in Locust's row = failures", id="failures"),
        pytest.param(Row(200, 0, 60.0), "response times = those of Locust's row", id="times"),
        pytest.param(Row(200, 0, 20.31), "", id="times within half a millisecond each"),
        pytest.param(Row(200, 0, 20.35), "response times = those of Locust's row", id="beyond"),
    ],
)
def test_locusts_own_row_is_compared(row: Row, told: str) -> None:
    found = list(figure_violations(with_row(row)))

    assert len(found) == bool(told)
    assert all(told in each for each in found)


def test_where_some_were_not_accepted_locusts_times_are_other_than_ours() -> None:
    row = Row(requests=MIXED.sent, failures=MIXED.not_ok, total_s=1.0)

    assert list(figure_violations(replace(result_of(messages=MIXED), rows={"messages": row}))) == []


def test_a_sum_over_workers_that_is_not_the_whole() -> None:
    result = result_of(messages=ACCEPTED)
    result = replace(result, workers=(replace(result.workers[0], sent=150),))

    assert list(figure_violations(result)) == [
        "sent = sent by all workers does not hold: 200 against 150"
    ]


def test_seconds_that_do_not_add_up_to_the_whole() -> None:
    result = run_of(ACCEPTED, ACCEPTED)
    counts = counts_of(accepted=399)
    scenario = replace(result.scenarios["messages"], counts=counts, durations=durations_of(counts))

    found = list(figure_violations(replace(result, scenarios={"messages": scenario})))

    assert "messages: sent = sent of all seconds does not hold: 399 against 400" in found


def test_failures_that_are_not_the_messages_that_failed() -> None:
    counts = counts_of(accepted=9, rejected=1)
    counts.failures.clear()

    assert [
        each for each in figure_violations(result_of(messages=counts)) if "failures by code" in each
    ] == ["messages: failures by code = messages not as expected does not hold: 0 against 1"]


@pytest.mark.parametrize(
    ("known_s", "held_s", "state", "is_told"),
    [
        pytest.param(1.0, 1.0, "reported", False, id="all of it"),
        pytest.param(1.0, 2.4, "reported", False, id="all but a second and a half"),
        pytest.param(1.0, 2.6, "reported", True, id="all but more than that"),
        pytest.param(95.5, 100.0, "reported", False, id="all but a twentieth"),
        pytest.param(94.5, 100.0, "reported", True, id="all but more than a twentieth"),
        pytest.param(1.0, 9.0, "lost", False, id="of a lost worker"),
    ],
)
def test_health_has_to_be_known_for_as_long_as_lanes_were_held(
    known_s: float, held_s: float, state: str, is_told: bool
) -> None:
    result = result_of(messages=ACCEPTED)
    health = replace(result.workers[0].health, measured_s=known_s)
    worker = replace(result.workers[0], health=health, held_s=held_s, state=state)

    found = list(figure_violations(replace(result, workers=(worker,))))

    assert [each[:29] for each in found] == ["the health of worker worker-1"] * is_told


def test_a_violated_equation_makes_the_run_invalid() -> None:
    result = with_durations(lambda durations: durations.response.add(bucketed(0.1, 1)))

    judgement = judge(result)

    assert judgement.verdict is Verdict.INVALID
    assert "201 against 200" in judgement.reasons[0]
