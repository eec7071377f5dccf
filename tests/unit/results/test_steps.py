"""Steps and timings: counted by themselves, matched by an id, and missing after a time."""

from __future__ import annotations

import json
from math import inf

import jsonschema
import pytest
from msgspec.structs import replace

from convoy.results.account import ScenarioRecorder, ScenarioResult
from convoy.results.outcome import Attempt, Cause, Fate, Outcome
from convoy.results.reports.text import text_report
from convoy.results.steps import TimingRecorder
from convoy.results.summary import Summary, json_schema, summarise
from convoy.results.verdict import judge
from tests.unit.results import ACCEPTED, RESULT, account, report_of, travelled

TIMEOUT_S = 30.0
AT_S = 100.0


def timing() -> TimingRecorder:
    return TimingRecorder(TIMEOUT_S, lambda took_s: None)


def counted(recorder: TimingRecorder) -> tuple[int, int, int, int]:
    """Return matched, missing, duplicate and unexpected."""
    recorder.flush()
    counts = recorder.counts
    missing = sum(counts.not_sent.values())
    return counts.accepted, missing, counts.errors["duplicate"], counts.errors["unexpected"]


def step_of(*ended: tuple[Fate, str, float]) -> ScenarioRecorder:
    """Return the recorder of a step that ended so often, by fate, code and seconds that it took."""
    step = ScenarioRecorder(inf, TIMEOUT_S)
    for fate, code, lasted_s in ended:
        step.schedule()
        attempt = Attempt(fate, code, AT_S, AT_S + lasted_s)
        outcome = Outcome("messages/typing", 0, "", AT_S, attempt, not code)
        step.record(outcome, AT_S, Cause.TARGET)
    return step


def result_of(step: ScenarioRecorder, recorded: TimingRecorder) -> ScenarioResult:
    """Return the result of one accepted message, with a step and a timing beside it."""
    recorder, told = ScenarioRecorder(0.01, TIMEOUT_S), account()
    recorder.schedule()
    recorder.record(ACCEPTED, ACCEPTED.attempt.sent_s, Cause.TARGET)
    report = replace(
        report_of(recorder),
        steps={"typing": step.report()},
        timings={"first_reply": recorded.report()},
    )
    told.absorb("worker-1", travelled(report))
    return told.result(1, 1.0)


def summary_of(scenario: ScenarioResult) -> Summary:
    result = replace(RESULT, scenarios={"messages": scenario})
    return summarise(result, judge(result))


def test_a_pair_is_matched_by_its_id_and_lasts_from_sent_to_received() -> None:
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)
    recorder.sent("b", AT_S + 1, is_measured=True)

    recorder.received("b", AT_S + 3, is_measured=True)
    recorder.received("a", AT_S + 4, is_measured=True)

    assert counted(recorder) == (2, 0, 0, 0)
    times = result_of(step_of(), recorder).timings["first_reply"].durations.response
    assert times.total_s == pytest.approx(2 + 4, rel=0.001)


def test_what_comes_again_is_a_duplicate_and_what_nobody_waits_for_unexpected() -> None:
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)

    for id in ("a", "a", "a", "stranger"):
        recorder.received(id, AT_S + 1, is_measured=True)

    assert counted(recorder) == (1, 0, 2, 1)


def test_what_does_not_come_in_time_is_missing_and_lasted_at_least_so_long() -> None:
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)
    recorder.sent("b", AT_S + 10, is_measured=True)

    recorder.expire(AT_S + 29)
    early = counted(recorder)
    recorder.expire(AT_S + 31)
    recorder.received("a", AT_S + 32, is_measured=True)

    assert early == (0, 0, 0, 0)
    assert counted(recorder) == (0, 1, 0, 1)
    assert recorder.in_flight == 1
    times = result_of(step_of(), recorder).timings["first_reply"].durations.response
    assert (times.censored, times.max.at_least) == (1, True)
    assert times.max.ms == pytest.approx(30_000, rel=0.05)


def test_what_is_waited_for_at_the_end_of_a_run_is_missing() -> None:
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)

    recorder.expire(AT_S + 1, is_over=True)

    assert counted(recorder) == (0, 1, 0, 0)
    assert recorder.in_flight == 0


def test_an_id_that_is_sent_twice_leaves_the_first_without_its_pair() -> None:
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)
    recorder.sent("a", AT_S + 1, is_measured=True)

    recorder.received("a", AT_S + 2, is_measured=True)

    assert counted(recorder) == (1, 1, 0, 0)


def test_a_pair_that_begins_in_the_warm_up_is_in_no_figure() -> None:
    recorder = timing()
    for id in ("a", "b"):
        recorder.sent(id, AT_S, is_measured=False)

    recorder.received("a", AT_S + 1, is_measured=True)
    recorder.received("a", AT_S + 1, is_measured=True)
    recorder.received("stranger", AT_S + 1, is_measured=False)
    recorder.expire(AT_S + 31)

    assert counted(recorder) == (0, 0, 0, 0)


def test_steps_and_timings_are_counted_by_themselves() -> None:
    step = step_of(
        (Fate.ACCEPTED, "", 0.5), (Fate.REJECTED, "409 busy", 0.1), (Fate.UNKNOWN, "timeout", 30.0)
    )
    recorder = timing()
    recorder.sent("a", AT_S, is_measured=True)
    recorder.received("a", AT_S + 2, is_measured=True)

    summary = summary_of(result_of(step, recorder))

    scenario = summary.scenarios["messages"]
    assert (scenario.sent, scenario.accepted, scenario.errors) == (1, 1, {})
    assert (summary.totals.sent, summary.totals.errors) == (1, {})
    typing, reply = scenario.steps["typing"], scenario.timings["first_reply"]
    assert (typing.count, typing.errors) == (3, {"409 busy": 1, "timeout": 1})
    assert (typing.time_ms.count, typing.time_ms.censored) == (2, 1)
    assert (reply.matched, reply.missing, reply.duplicate, reply.unexpected) == (1, 0, 0, 0)
    assert reply.time_ms.p50 == pytest.approx(2000, rel=0.001)


def test_a_summary_with_steps_and_timings_is_as_its_schema_says() -> None:
    summary = summary_of(result_of(step_of((Fate.ACCEPTED, "", 0.5)), timing()))

    jsonschema.validate(json.loads(summary.to_json()), json.loads(json_schema()))


def test_a_report_has_a_line_for_each_step_and_timing() -> None:
    step = step_of((Fate.ACCEPTED, "", 0.5), (Fate.REJECTED, "409 busy", 0.1))
    recorder = timing()
    recorder.received("stranger", AT_S, is_measured=True)

    report = text_report(summary_of(result_of(step, recorder)))

    assert "  step typing     2, failed: 1 by 409 busy" in report
    assert "  first_reply     0 matched, 1 unexpected" in report
