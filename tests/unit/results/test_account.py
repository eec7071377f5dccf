"""The account of a scenario: what a worker records and what the whole run absorbs."""

from __future__ import annotations

import pytest

from convoy.results.account import (
    ScenarioAccount,
    ScenarioRecorder,
    ScenarioReport,
    ScenarioResult,
)
from convoy.results.equations import violations
from convoy.results.outcome import MOST, Cause, Fate, Outcome
from convoy.routes.codes import CodeBook
from tests.unit.results import ACCEPTED, FAILED, REJECTED, UNKNOWN, account, changed, report_of

TIMEOUT_S = 30.0


def recorder_of(*outcomes: Outcome) -> ScenarioRecorder:
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=TIMEOUT_S)
    for outcome in outcomes:
        recorder.schedule()
        recorder.record(outcome, outcome.attempt.sent_s, Cause.TARGET)
    return recorder


def result_of(*recorders: ScenarioRecorder) -> ScenarioResult:
    """What the reports of so many workers add up to."""
    told = account()
    for number, recorder in enumerate(recorders, 1):
        told.absorb(f"worker-{number}", report_of(recorder))
    return taken(told)


def taken(told: ScenarioAccount) -> ScenarioResult:
    return told.result(planned=0, configured_per_s=None)


def test_accepted_messages_recorded_together_are_those_recorded_one_by_one() -> None:
    outcomes = [
        changed(ACCEPTED, sent_s=100.0 + at / 1000, done_s=100.1 + at / 100, attempts=1 + (at >= 8))
        for at in range(-3, 10)
    ]
    one_by_one, together = recorder_of(*outcomes), recorder_of()
    for _ in outcomes:
        together.schedule()

    together.record_accepted(
        [abs(each.attempt.sent_s - each.due_s) for each in outcomes],
        [each.attempt.done_s - each.due_s for each in outcomes],
        [each.attempt.done_s - each.attempt.sent_s for each in outcomes],
        resent=2,
    )

    expected, found = report_of(one_by_one), report_of(together)
    assert found.counts == expected.counts
    assert in_order(found) == in_order(expected)


def in_order(report: ScenarioReport) -> list[list[tuple[int, int]]]:
    durations = report.durations
    return [sorted(getattr(durations, name)) for name in durations.__struct_fields__]


def test_an_accepted_message_has_response_and_service_time() -> None:
    result = result_of(recorder_of(ACCEPTED))

    assert result.durations.response.max.ms == pytest.approx(101, rel=0.001)
    assert result.durations.service.max.ms == pytest.approx(100, rel=0.001)
    assert result.durations.send_error.max.ms == pytest.approx(1, rel=0.01)
    assert result.durations.rejected.count == result.durations.response.censored == 0


def test_a_rejected_message_has_a_histogram_of_its_own() -> None:
    result = result_of(recorder_of(REJECTED))

    assert result.durations.rejected.max.ms == pytest.approx(101, rel=0.001)
    assert result.durations.response.count == result.durations.service.count == 0


def test_an_unknown_message_lasted_until_its_deadline_at_least() -> None:
    result = result_of(recorder_of(UNKNOWN))

    assert result.durations.response.max.ms == pytest.approx(30_001, rel=0.001)
    assert result.durations.response.max.at_least
    assert result.durations.response.censored == 1
    assert result.durations.service.count == 0


def test_an_unknown_message_is_also_told_by_when_it_became_unknown() -> None:
    result = result_of(recorder_of(UNKNOWN))

    assert result.durations.unknown.max.ms == pytest.approx(101, rel=0.001)
    assert not result.durations.unknown.max.at_least


def test_a_failed_message_is_an_error_without_a_response_time() -> None:
    result = result_of(recorder_of(FAILED))

    assert result.counts.errors == {"connection refused": 1}
    assert (
        result.durations.response.count
        == result.durations.service.count
        == result.durations.rejected.count
        == 0
    )


def test_a_message_that_was_not_sent_lasted_as_long_as_it_was_late() -> None:
    recorder = recorder_of()
    recorder.schedule()

    recorder.give_up(Cause.LIMITS, lateness_s=5.0)

    result = result_of(recorder)
    assert result.counts.not_sent == {"limits": 1}
    assert result.durations.response.max.ms == pytest.approx(5000, rel=0.001)
    assert result.durations.response.max.at_least
    assert result.durations.send_error.count == 0


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
    outcome = changed(ACCEPTED, fate=fate, code="" if fate is Fate.ACCEPTED else "timeout")
    recorder = recorder_of()
    recorder.schedule()

    sent_s = outcome.due_s + sent_after_s
    recorder.record(changed(outcome, sent_s=sent_s), sent_s, Cause.LIMITS)

    result = result_of(recorder)
    assert result.counts.late == late
    assert result.durations.send_error.max.ms == pytest.approx(send_error_ms, rel=0.001, abs=0.002)


@pytest.mark.parametrize(
    ("handed_after_s", "waited_s", "late"),
    [
        pytest.param(0.001, 0.399, "target", id="waited for a connection"),
        pytest.param(0.3, 0.0, "generator", id="waited for a user"),
        pytest.param(0.001, 0.0, "scenario", id="the scenario computed"),
        pytest.param(0.001, 0.391, "target", id="waited, and less than late was ours"),
        pytest.param(0.001, 0.2, "scenario", id="waited, and the scenario computed as long"),
    ],
)
def test_between_handing_and_the_first_byte_only_waiting_is_the_targets(
    handed_after_s: float, waited_s: float, late: str
) -> None:
    recorder, due_s = recorder_of(), ACCEPTED.due_s
    recorder.schedule()

    sent_s, done_s = due_s + 0.4, due_s + 0.5
    outcome = changed(ACCEPTED, sent_s=sent_s, done_s=done_s, waited_s=waited_s)
    recorder.record(outcome, due_s + handed_after_s, Cause.GENERATOR)

    assert recorder.counts.late == {late: 1}


def test_scheduled_messages_are_in_flight_until_they_end() -> None:
    recorder = recorder_of()

    seen = [recorder.in_flight]
    for _ in range(3):
        recorder.schedule()
    seen.append(recorder.in_flight)
    recorder.record(ACCEPTED, ACCEPTED.attempt.sent_s, Cause.TARGET)
    seen.append(recorder.in_flight)
    recorder.give_up(Cause.STOPPED, 0.1)
    recorder.record(FAILED, FAILED.attempt.sent_s, Cause.TARGET)
    seen.append(recorder.in_flight)

    assert seen == [0, 3, 2, 0]


def test_a_late_loop_delayed_the_answers_to_what_was_in_flight_at_the_beat_before() -> None:
    recorder, delayed = recorder_of(), []

    for is_late, scheduled, ended in ((True, 3, 0), (False, 2, 1), (True, 0, 4), (True, 0, 0)):
        for _ in range(scheduled):
            recorder.schedule()
        for _ in range(ended):
            recorder.record(ACCEPTED, ACCEPTED.attempt.sent_s, Cause.TARGET)
        recorder.notice_beat(is_late)
        delayed.append(recorder.counts.delayed)

    assert delayed == [0, 0, 4, 4]


def test_counters_travel_as_totals_and_durations_as_what_is_new() -> None:
    recorder = recorder_of(ACCEPTED, ACCEPTED)
    first = report_of(recorder)
    recorder.schedule()
    recorder.record(ACCEPTED, ACCEPTED.attempt.sent_s, Cause.TARGET)

    reports = [first, report_of(recorder), report_of(recorder)]

    assert [report.counts.accepted for report in reports] == [2, 3, 3]
    counted = [sum(count for _, count in each.durations.response) for each in reports]
    assert counted == [2, 1, 0]


def test_what_a_recorder_counts_later_is_not_in_a_report_that_was_made() -> None:
    recorder = recorder_of(REJECTED)
    report = recorder.report()

    recorder.schedule()
    recorder.record(REJECTED, REJECTED.attempt.sent_s, Cause.TARGET)

    assert report.counts.errors == {"400 invalid_payload": 1}


def test_the_reports_of_one_worker_follow_each_other() -> None:
    recorder, told = recorder_of(ACCEPTED, REJECTED), account()
    told.absorb("worker-1", report_of(recorder))
    recorder.schedule()
    recorder.record(UNKNOWN, UNKNOWN.attempt.sent_s, Cause.TARGET)

    told.absorb("worker-1", report_of(recorder))

    counts, durations = taken(told).counts, taken(told).durations
    assert [*violations(counts, planned=3)] == []
    assert (counts.accepted, counts.rejected, counts.unknown) == (1, 1, 1)
    assert (durations.response.count, durations.service.count, durations.rejected.count) == (
        2,
        1,
        1,
    )


def test_the_reports_of_two_workers_add_up() -> None:
    one, two = recorder_of(ACCEPTED, UNKNOWN), recorder_of(ACCEPTED, REJECTED, FAILED)
    told = account()

    told.absorb("worker-1", report_of(one))
    told.absorb("worker-2", report_of(two))

    result = taken(told)
    assert [*violations(result.counts, planned=5)] == []
    assert told.counts_of("worker-1").sent == 2
    assert told.counts_of("worker-2").sent == 3
    assert result.counts.accepted == result.durations.service.count == 2
    assert result.counts.errors == {
        "connection reset": 1,
        "400 invalid_payload": 1,
        "connection refused": 1,
    }


def test_a_result_stays_what_it_was_when_it_was_taken() -> None:
    recorder, told = recorder_of(UNKNOWN), account()
    told.absorb("worker-1", report_of(recorder, {3: "400 conversation.closed"}))
    before = taken(told)

    recorder.schedule()
    recorder.record(UNKNOWN, UNKNOWN.attempt.sent_s, Cause.TARGET)
    told.absorb("worker-1", report_of(recorder, {4: "400 conversation.closed"}))
    told.lose("worker-1", 5, TIMEOUT_S)

    assert (before.counts.sent, before.counts.errors) == (1, {"connection reset": 1})
    assert before.durations.response.count == before.durations.response.censored == 1
    assert before.retired == {"400 conversation.closed": 1}


def test_names_of_unknown_codes_are_capped_over_all_workers() -> None:
    told = ScenarioAccount(CodeBook(keep=1).name)

    for number in range(3):
        unheard_of = changed(REJECTED, code=f"400 code.{number}")
        told.absorb(f"worker-{number}", report_of(recorder_of(unheard_of, REJECTED)))

    assert taken(told).counts.errors == {
        "400 code.0": 1,
        "4xx other": 2,
        "400 invalid_payload": 3,
    }


def test_what_a_dead_worker_may_have_sent_is_unknown_and_censored() -> None:
    told = account()
    told.absorb("worker-1", report_of(recorder_of(ACCEPTED)))

    told.lose("worker-1", 3, TIMEOUT_S)
    told.lose("worker-2", 2, TIMEOUT_S)

    result = taken(told)
    assert [*violations(result.counts, planned=6)] == []
    assert result.counts.unknown == result.counts.errors["worker lost"] == 5
    assert result.durations.response.censored == 5
    assert result.durations.response.max.at_least


def test_what_is_known_of_a_run_flat_out_can_be_recorded_though_any_number_is_planned() -> None:
    assert account().result(2**62, None).planned == MOST


def test_a_worker_that_never_reported_has_counted_nothing() -> None:
    assert account().counts_of("worker-1").scheduled == 0


def test_retired_conversations_travel_once_and_redirected_messages_as_totals() -> None:
    one, two, told = recorder_of(), recorder_of(), account()

    told.absorb("worker-1", report_of(one, {3: "400 conversation.closed"}, 1))
    told.absorb("worker-2", report_of(two, {3: "400 conversation.closed"}, 5))
    told.absorb("worker-1", report_of(one, {8: "404 not.found"}, 4))

    assert taken(told).retired == {"400 conversation.closed": 1, "404 not.found": 1}
    assert taken(told).redirected == 9


def test_durations_are_merged_kind_by_kind_and_the_rest_of_them_when_a_result_is_asked_for() -> (
    None
):
    told = account()
    told.absorb("worker-1", report_of(recorder_of(ACCEPTED, REJECTED)))

    assert told.merge_next()
    merged = taken(told)

    assert not told.merge_next()
    assert (merged.durations.response.count, merged.durations.rejected.count) == (1, 1)
    assert merged.durations.send_error.count == 2
