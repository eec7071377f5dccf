"""Outcomes, counts and summaries as the tests of results need them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from convoy.results.account import ScenarioAccount, ScenarioRecorder
from convoy.results.counts import Counts
from convoy.results.generator import GeneratorJudgement
from convoy.results.health import HealthRecorder, Processor, WorkerHealth
from convoy.results.outcome import Cause, Fate, Outcome, Phase
from convoy.results.summary import RunFacts, summarise
from convoy.results.verdict import judge

ACCEPTED = Outcome(
    scenario="conversation_messages",
    step="",
    k=0,
    attempt=1,
    due_s=100.0,
    sent_s=100.001,
    done_s=100.101,
    fate=Fate.ACCEPTED,
    code="",
    status=200,
    answer_bytes=120,
    correlation_id="correlation-1",
    conversation_id="conversation-1",
    phase=Phase.MEASURE,
    epoch=1,
    ok=True,
)
"""A message sent 1 ms after it was due and answered 100 ms later."""
REJECTED = replace(ACCEPTED, fate=Fate.REJECTED, code="400 invalid_payload", status=400, ok=False)
FAILED = replace(ACCEPTED, fate=Fate.FAILED, code="connection refused", status=0, ok=False)
UNKNOWN = replace(ACCEPTED, fate=Fate.UNKNOWN, code="connection reset", status=0, ok=False)
RETIRED = {7: "400 conversation.closed", 9: "404 not.found"}
"""Conversations by index in the pool, and what they answered."""
FACTS = RunFacts(
    run_id="run-1",
    seed=7,
    plan_hash="0123456789abcdef",
    target="simulator",
    profile="smoke",
    started_at="2026-11-22T12:00:00Z",
    duration_s=1.0,
    workers=(
        {
            "id": "worker-1",
            "state": "reported",
            "sent": 1,
            "health": {
                "measured_s": 1.0,
                "cpu_share": {"mean": 0.234, "max": 0.31},
                "cpu_waited_s": 0.0,
                "loop_lag_ms": {"p50": 0.2, "p99": 0.42, "max": 7.0},
                "loop_late_s": 0.0,
            },
        },
    ),
    generator=GeneratorJudgement("ok", (), ()),
)
LATE_AFTER_S = 0.010
_STARTED_S = 1000.0
_BORN = Processor(used_s=7.0, waited_s=3.0)


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
        late=Counter(late or {}),
        not_sent=Counter(not_sent or {}),
        errors=Counter({code: count for code, count in errors.items() if count}),
    )


def report_of(
    recorder: ScenarioRecorder, retired: Mapping[int, str] | None = None, redirected: int = 0
) -> dict[str, Any]:
    """Return the next report of a worker in which these conversations were retired meanwhile."""
    return recorder.report() | {"pool": {"retired": dict(retired or {}), "redirected": redirected}}


def summary_of(*outcomes: Outcome, given_up: int = 0, is_scheduled: bool = True) -> dict[str, Any]:
    """Return the summary of a run of one second that held these messages and no others.

    Two of the conversations were retired, and three messages went elsewhere.
    """
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
    for outcome in outcomes:
        recorder.schedule()
        recorder.record(outcome, outcome.sent_s, Cause.TARGET)
    for _ in range(given_up):
        recorder.schedule()
        recorder.give_up(Cause.TARGET, lateness_s=5)
    account = ScenarioAccount()
    account.absorb("worker-1", report_of(recorder, RETIRED, redirected=3))
    planned = len(outcomes) + given_up
    return summarise(
        FACTS,
        {"conversation_messages": account},
        {"conversation_messages": float(planned) if is_scheduled else None},
        judge({"conversation_messages": account.counts}, {"conversation_messages": planned}, []),
    )


def health_after(
    duration_s: float,
    *,
    stands_still: Iterable[tuple[float, float]] = (),
    cpu_share: float = 0.25,
    waited_share: float = 0.0,
    lag_s: float = 0.0004,
) -> WorkerHealth:
    """Return the health of a process whose loop is `lag_s` late, and still from and for a time."""
    recorder, health = HealthRecorder(LATE_AFTER_S), WorkerHealth()
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
        health.absorb(msgspec.msgpack.decode(msgspec.msgpack.encode(recorder.report())))
    return health
