"""Outcomes, counts and summaries as the tests of results need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec
from msgspec.structs import replace

from convoy.results.account import (
    Durations,
    PoolReport,
    ScenarioAccount,
    ScenarioRecorder,
    ScenarioReport,
    StepReport,
)
from convoy.results.counts import WORKER_LOST, Counts
from convoy.results.health import (
    CpuShare,
    HealthAccount,
    HealthRecorder,
    HealthReport,
    LoopLag,
    Processor,
    WorkerHealth,
)
from convoy.results.histograms import BucketCounts, Histogram, Recorder
from convoy.results.outcome import Attempt, Cause, Fate, Outcome
from convoy.results.result import RunResult, WorkerResult
from convoy.results.series import SeriesAccount
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge


class _Correlated(Attempt, frozen=True):
    correlation: str = "correlation-1"

    @property
    def correlation_id(self) -> str:
        return self.correlation


def changed(outcome: Outcome, **changes: Any) -> Outcome:
    """Return an outcome with other members, of its own or of its attempt."""
    own = {name: changes.pop(name) for name in [*changes] if name in Outcome.__struct_fields__}
    return replace(outcome, attempt=replace(outcome.attempt, **changes), **own)


ACCEPTED = Outcome(
    scenario="conversation_messages",
    k=0,
    conversation_id="conversation-1",
    due_s=100.0,
    attempt=_Correlated(Fate.ACCEPTED, "", 100.001, 100.101, status=200, body=b"answer"),
    ok=True,
)
"""A message sent 1 ms after it was due and answered 100 ms later."""
REJECTED = changed(ACCEPTED, fate=Fate.REJECTED, code="400 invalid_payload", status=400, ok=False)
FAILED = changed(ACCEPTED, fate=Fate.FAILED, code="connection refused", status=0, ok=False)
UNKNOWN = changed(ACCEPTED, fate=Fate.UNKNOWN, code="connection reset", status=0, ok=False)
RETIRED = {7: "400 conversation.closed", 9: "404 not.found"}
"""Conversations by index in the pool, and what they answered."""
HEALTHY = WorkerHealth(1.0, CpuShare(0.234, 0.31), 0.0, LoopLag(0.2, 0.42, 7.0), 0.0)
NOTHING = Durations.of(BucketCounts)
LATE_AFTER_S = 0.010
_STARTED_S = 1000.0
_BORN = Processor(used_s=7.0, waited_s=3.0)
RESULT = RunResult(
    run_id="run-1",
    seed=7,
    plan_hash="0123456789abcdef",
    target="simulator",
    profile="smoke",
    started_at="2026-11-22T12:00:00Z",
    duration_s=1.0,
    late_after_s=LATE_AFTER_S,
    is_flat_out=False,
    scenarios={},
    workers=(WorkerResult("worker-1", "reported", 1, HEALTHY),),
    samples={},
    changes=(),
    problems=(),
    is_over=True,
)
"""A run of one second whose worker was in time; it had no scenario."""


def counts_of(
    *,
    accepted: int = 0,
    rejected: int = 0,
    failed: int = 0,
    unknown: int = 0,
    resent: int = 0,
    late: Mapping[Cause, int] | None = None,
    not_sent: Mapping[Cause, int] | None = None,
) -> Counts:
    """Return counts in which every equation of the accounting holds."""
    sent = accepted + rejected + failed + unknown
    errors = {"400 invalid_payload": rejected, "connection refused": failed, "timeout": unknown}
    return Counts(
        scheduled=sent + sum((not_sent or {}).values()),
        sent=sent,
        accepted=accepted,
        rejected=rejected,
        failed=failed,
        unknown=unknown,
        resent=resent,
        attempts=sent + resent,
        not_ok=sent - accepted,
        late=dict(late or {}),
        not_sent=dict(not_sent or {}),
        errors={code: count for code, count in errors.items() if count},
        failures={code: count for code, count in errors.items() if count},
    )


def result_of(**counts: Counts) -> RunResult:
    """Return the result of a run with these counts by scenario, all of them planned."""
    scenarios = {
        name: replace(
            account().result(each.scheduled, 1.0), counts=each, durations=durations_of(each)
        )
        for name, each in counts.items()
    }
    sent = sum(each.sent for each in counts.values())
    return replace(RESULT, scenarios=scenarios, workers=(replace(RESULT.workers[0], sent=sent),))


def durations_of(counts: Counts) -> Durations[Histogram]:
    """Return durations that agree with counts: each message was sent 1 ms late, and took 100 ms."""
    lost, not_sent = counts.errors[WORKER_LOST], sum(counts.not_sent.values())
    durations = Durations.of(Histogram)
    for histogram, seconds, messages in (
        (durations.response, 0.101, counts.accepted),
        (durations.service, 0.1, counts.accepted),
        (durations.rejected, 0.101, counts.rejected),
        (durations.unknown, 0.101, counts.unknown - lost),
        (durations.send_error, 0.001, counts.sent - lost),
    ):
        histogram.add(bucketed(seconds, messages))
    durations.response.add_censored(bucketed(30.0, counts.unknown + not_sent))
    return durations


def bucketed(seconds: float, messages: int) -> BucketCounts:
    recorder = Recorder()
    if messages:
        recorder.record(seconds, messages)
    return recorder.take()


def run_of(
    *seconds: Counts,
    times_s: Sequence[Sequence[float]] = (),
    censored_s: Sequence[Sequence[float]] = (),
    due: Sequence[int] | None = None,
    until_s: float | None = None,
    duration_s: float | None = None,
) -> RunResult:
    """Return the result of a run of one scenario, `messages`, with these counts in each second.

    Response and service times, and those that are only lower bounds, are given by report, three
    seconds each; `due` by second, as many as were scheduled where it is not given.
    """
    series = SeriesAccount(1, lambda code: code)
    whole = Durations.of(Histogram)
    for second, counts in enumerate(seconds):
        counted = {second: Counts.total([counts])}
        series.absorb(StepReport(Counts(), NOTHING, counted), 0.0, second)
    for number in range(max(len(times_s), len(censored_s))):
        recorded = Durations.of(Recorder)
        for time_s in times_s[number] if number < len(times_s) else ():
            recorded.response.record(time_s)
            recorded.service.record(time_s)
        for time_s in censored_s[number] if number < len(censored_s) else ():
            recorded.censored.record(time_s)
        taken = recorded.map(Recorder.take)
        series.absorb(StepReport(Counts(), taken, {}), 3.0 * number, 3.0 * (number + 1))
        for name in ("response", "service"):
            getattr(whole, name).add(getattr(taken, name))
        whole.response.add_censored(taken.censored)
    lasted_s = float(max(len(seconds), 3 * len(times_s))) if duration_s is None else duration_s
    counts = Counts.total(seconds)
    due_by = list(accumulate([each.scheduled for each in seconds] if due is None else due))
    planned = due_by[-1] if due_by else 0
    scenario = replace(account().result(planned, 1.0), counts=counts, durations=whole)
    return replace(
        RESULT,
        duration_s=lasted_s,
        scenarios={"messages": scenario},
        series={"messages": series.result(due_by, lasted_s if until_s is None else until_s)},
    )


def account() -> ScenarioAccount:
    return ScenarioAccount(lambda code: code)


def travelled(report: Any) -> Any:
    """Return a report as it arrives in another process."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=type(report))


def report_of(
    recorder: ScenarioRecorder, retired: Mapping[int, str] | None = None, redirected: int = 0
) -> ScenarioReport:
    """Return the next report of a worker in which these conversations were retired meanwhile."""
    own, pool = recorder.report(), PoolReport(dict(retired or {}), redirected)
    report: ScenarioReport = travelled(ScenarioReport(own.counts, own.durations, own.seconds, pool))
    return report


def summary_of(
    *outcomes: Outcome, given_up: int = 0, is_scheduled: bool = True, **facts: Any
) -> Summary:
    """Return the summary of a run of one second that held these messages and no others.

    Two of the conversations were retired, and three messages went elsewhere. `facts` are members
    of the result.
    """
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
    for outcome in outcomes:
        recorder.schedule()
        recorder.record(outcome, outcome.attempt.sent_s, Cause.TARGET)
    for _ in range(given_up):
        recorder.schedule()
        recorder.give_up(Cause.TARGET, lateness_s=5)
    told = account()
    told.absorb("worker-1", report_of(recorder, RETIRED, redirected=3))
    planned = len(outcomes) + given_up
    scenario = told.result(planned, float(planned) if is_scheduled else None)
    result = replace(RESULT, scenarios={"conversation_messages": scenario}, **facts)
    return summarise(result, judge(result))


def health_after(
    duration_s: float,
    *,
    stands_still: Iterable[tuple[float, float]] = (),
    cpu_share: float = 0.25,
    waited_share: float = 0.0,
    lag_s: float = 0.0004,
) -> WorkerHealth:
    """Return the health of a process whose loop is `lag_s` late, and still from and for a time."""
    recorder, told = HealthRecorder(LATE_AFTER_S), HealthAccount()
    ends_s = _STARTED_S + duration_s
    next_s = recorder.begin(_STARTED_S, _BORN, ends_s)
    stills = [(_STARTED_S + from_s, _STARTED_S + from_s + for_s) for from_s, for_s in stands_still]
    while next_s < ends_s:
        now_s = next_s + lag_s
        now_s = max([now_s, *(to_s for from_s, to_s in stills if from_s <= now_s < to_s)])
        ran_s = now_s - _STARTED_S
        processor = Processor(
            _BORN.used_s + cpu_share * ran_s, _BORN.waited_s + waited_share * ran_s
        )
        next_s = recorder.beat(now_s, processor)
        report: HealthReport = travelled(recorder.report())
        told.absorb(report)
    return told.result()
