"""The account of a scenario: what a worker records and what the whole run absorbs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from convoy.results.account import WHOLE, ScenarioAccount, ScenarioRecorder
from convoy.results.counts import violations
from convoy.results.outcome import Cause, Fate, Outcome
from tests.unit.results import ACCEPTED, FAILED, REJECTED, UNKNOWN, report_of

TIMEOUT_S = 30.0


def recorder_of(*outcomes: Outcome) -> ScenarioRecorder:
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=TIMEOUT_S)
    for outcome in outcomes:
        recorder.schedule()
        recorder.record(outcome, outcome.sent_s, Cause.TARGET)
    return recorder


def travelled(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report as it arrives in another process: as plain values."""
    arrived: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(report))
    return arrived


def account_of(recorder: ScenarioRecorder) -> ScenarioAccount:
    account = ScenarioAccount()
    account.absorb("worker-1", travelled(report_of(recorder)))
    return account


def test_accepted_messages_recorded_together_are_those_recorded_one_by_one() -> None:
    outcomes = [
        replace(ACCEPTED, sent_s=100.0 + at / 1000, done_s=100.1 + at / 100, attempt=1 + (at >= 8))
        for at in range(-3, 10)
    ]
    one_by_one, together = recorder_of(*outcomes), recorder_of()
    for _ in outcomes:
        together.schedule()

    together.record_accepted(
        [abs(each.sent_s - each.due_s) for each in outcomes],
        [each.done_s - each.due_s for each in outcomes],
        [each.done_s - each.sent_s for each in outcomes],
        resent=2,
    )

    expected, found = one_by_one.report(), together.report()
    assert found["counts"] == expected["counts"]
    assert in_order(found) == in_order(expected)


def in_order(report: dict[str, Any]) -> dict[str, list[tuple[int, int]]]:
    return {name: sorted(pairs) for name, pairs in report["durations"][WHOLE].items()}


def test_an_accepted_message_has_response_and_service_time() -> None:
    account = account_of(recorder_of(ACCEPTED))

    assert account.durations.response.max.ms == pytest.approx(101, rel=0.001)
    assert account.durations.service.max.ms == pytest.approx(100, rel=0.001)
    assert account.durations.send_error.max.ms == pytest.approx(1, rel=0.01)
    assert account.durations.rejected.count == account.durations.response.censored == 0


def test_a_rejected_message_has_a_histogram_of_its_own() -> None:
    account = account_of(recorder_of(REJECTED))

    assert account.durations.rejected.max.ms == pytest.approx(101, rel=0.001)
    assert account.durations.response.count == account.durations.service.count == 0


def test_an_unknown_message_lasted_until_its_deadline_at_least() -> None:
    account = account_of(recorder_of(UNKNOWN))

    assert account.durations.response.max.ms == pytest.approx(30_001, rel=0.001)
    assert account.durations.response.max.at_least
    assert account.durations.response.censored == 1
    assert account.durations.service.count == 0


def test_an_unknown_message_is_also_told_by_when_it_became_unknown() -> None:
    account = account_of(recorder_of(UNKNOWN))

    assert account.durations.unknown.max.ms == pytest.approx(101, rel=0.001)
    assert not account.durations.unknown.max.at_least


def test_a_failed_message_is_an_error_without_a_response_time() -> None:
    account = account_of(recorder_of(FAILED))

    assert account.counts.errors == {"connection refused": 1}
    assert (
        account.durations.response.count
        == account.durations.service.count
        == account.durations.rejected.count
        == 0
    )


def test_a_message_that_was_not_sent_lasted_as_long_as_it_was_late() -> None:
    recorder = recorder_of()
    recorder.schedule()

    recorder.give_up(Cause.LIMITS, lateness_s=5.0)

    account = account_of(recorder)
    assert account.counts.not_sent == {"limits": 1}
    assert account.durations.response.max.ms == pytest.approx(5000, rel=0.001)
    assert account.durations.response.max.at_least
    assert account.durations.send_error.count == 0


@pytest.mark.parametrize(
    ("sent_after_s", "late", "send_error_ms"),
    [
        pytest.param(-0.0005, {}, 0.5, id="a little early"),
        pytest.param(0.0, {}, 0, id="on time"),
        pytest.param(0.009, {}, 9, id="within what is tolerated"),
        pytest.param(0.011, {"limits": 1}, 11, id="late"),
        pytest.param(3.0, {"limits": 1}, 3000, id="very late"),
    ],
)
@pytest.mark.parametrize("fate", list(Fate))
def test_a_message_is_late_by_a_cause_whatever_its_fate(
    fate: Fate, sent_after_s: float, late: dict[str, int], send_error_ms: float
) -> None:
    outcome = replace(ACCEPTED, fate=fate, code="" if fate is Fate.ACCEPTED else "timeout")
    recorder = recorder_of()
    recorder.schedule()

    sent_s = outcome.due_s + sent_after_s
    recorder.record(replace(outcome, sent_s=sent_s), sent_s, Cause.LIMITS)

    account = account_of(recorder)
    assert account.counts.late == late
    assert account.durations.send_error.max.ms == pytest.approx(send_error_ms, rel=0.001, abs=0.002)


@pytest.mark.parametrize(
    ("handed_after_s", "late"),
    [
        pytest.param(0.001, {"target": 1}, id="waited for a connection"),
        pytest.param(0.3, {"generator": 1}, id="waited for a user"),
    ],
)
def test_what_was_handed_over_in_time_and_sent_late_waited_for_the_target(
    handed_after_s: float, late: dict[str, int]
) -> None:
    recorder, due_s = recorder_of(), ACCEPTED.due_s
    recorder.schedule()

    outcome = replace(ACCEPTED, sent_s=due_s + 0.4, done_s=due_s + 0.5)
    recorder.record(outcome, due_s + handed_after_s, Cause.GENERATOR)

    assert recorder.counts.late == late


def test_scheduled_messages_are_in_flight_until_they_end() -> None:
    recorder = recorder_of()

    seen = [recorder.in_flight]
    for _ in range(3):
        recorder.schedule()
    seen.append(recorder.in_flight)
    recorder.record(ACCEPTED, ACCEPTED.sent_s, Cause.TARGET)
    seen.append(recorder.in_flight)
    recorder.give_up(Cause.STOPPED, 0.1)
    recorder.record(FAILED, FAILED.sent_s, Cause.TARGET)
    seen.append(recorder.in_flight)

    assert seen == [0, 3, 2, 0]


def test_counters_travel_as_totals_and_durations_as_what_is_new() -> None:
    recorder = recorder_of(ACCEPTED, ACCEPTED)
    first = recorder.report()
    recorder.schedule()
    recorder.record(ACCEPTED, ACCEPTED.sent_s, Cause.TARGET)

    second, third = recorder.report(), recorder.report()

    assert [report["counts"]["accepted"] for report in (first, second, third)] == [2, 3, 3]
    counted = [
        sum(count for _, count in r["durations"][WHOLE]["response"]) for r in (first, second, third)
    ]
    assert counted == [2, 1, 0]


def test_the_reports_of_one_worker_follow_each_other() -> None:
    recorder, account = recorder_of(ACCEPTED, REJECTED), ScenarioAccount()
    account.absorb("worker-1", travelled(report_of(recorder)))
    recorder.schedule()
    recorder.record(UNKNOWN, UNKNOWN.sent_s, Cause.TARGET)

    account.absorb("worker-1", travelled(report_of(recorder)))

    assert violations(account.counts, planned=3) == []
    assert (account.counts.accepted, account.counts.rejected, account.counts.unknown) == (1, 1, 1)
    assert (
        account.durations.response.count,
        account.durations.service.count,
        account.durations.rejected.count,
    ) == (2, 1, 1)


def test_the_reports_of_two_workers_add_up() -> None:
    one, two = recorder_of(ACCEPTED, UNKNOWN), recorder_of(ACCEPTED, REJECTED, FAILED)
    account = ScenarioAccount()

    account.absorb("worker-1", travelled(report_of(one)))
    account.absorb("worker-2", travelled(report_of(two)))

    assert violations(account.counts, planned=5) == []
    assert account.counts_of("worker-1").sent == 2
    assert account.counts_of("worker-2").sent == 3
    assert account.counts.accepted == account.durations.service.count == 2
    assert account.counts.errors == {
        "connection reset": 1,
        "400 invalid_payload": 1,
        "connection refused": 1,
    }


def test_what_a_dead_worker_may_have_sent_is_unknown_and_censored() -> None:
    account = account_of(recorder_of(ACCEPTED))

    account.lose("worker-1", 3, TIMEOUT_S)
    account.lose("worker-2", 2, TIMEOUT_S)

    assert violations(account.counts, planned=6) == []
    assert account.counts.unknown == account.counts.errors["worker lost"] == 5
    assert account.durations.response.censored == 5
    assert account.durations.response.max.at_least


def test_a_worker_that_never_reported_has_counted_nothing() -> None:
    assert ScenarioAccount().counts_of("worker-1").scheduled == 0


def test_retired_conversations_travel_once_and_redirected_messages_as_totals() -> None:
    one, two, account = recorder_of(), recorder_of(), ScenarioAccount()

    account.absorb("worker-1", travelled(report_of(one, {3: "400 conversation.closed"}, 1)))
    account.absorb("worker-2", travelled(report_of(two, {3: "400 conversation.closed"}, 5)))
    account.absorb("worker-1", travelled(report_of(one, {8: "404 not.found"}, 4)))

    assert account.retired == {3: "400 conversation.closed", 8: "404 not.found"}
    assert account.redirected == 9


def test_durations_are_kept_by_step_and_for_the_whole_scenario() -> None:
    call = replace(ACCEPTED, step="call", done_s=ACCEPTED.sent_s + 3)
    recorders = [recorder_of(replace(ACCEPTED, step="message"), call), recorder_of(call, REJECTED)]
    account = ScenarioAccount()

    for worker, recorder in enumerate(recorders):
        account.absorb(f"worker-{worker}", travelled(report_of(recorder)))

    assert {name: step.service.count for name, step in account.steps.items()} == {
        "message": 1,
        "call": 2,
    }
    assert account.steps["call"].service.percentile(1).ms == pytest.approx(3000, rel=0.001)
    assert account.durations.service.count == 3
    assert account.durations.rejected.count == 1
