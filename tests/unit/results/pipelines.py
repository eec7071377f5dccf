"""Runs as pipelines may get to see them: of each verdict, and with texts that are meant to harm."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.grammar import Known, parse
from convoy.results.outcome import Cause
from convoy.results.result import RunFacts, RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import OnNotJudged, judge
from tests.unit.results import counts_of, result_of

GOOD = counts_of(accepted=990, rejected=10)
BAD = counts_of(accepted=900, rejected=60, unknown=40)
NOT_TAKEN = counts_of(accepted=900, not_sent={Cause.TARGET: 100})
LENIENT, STRICT = "share(failures[*]) < 5%", "p95(response_time) < 50ms"
WITHOUT_SAMPLES = "max(unknown_time) < 1s"
EVIL = (
    "<b>&amp;\"'|`*_[x](y)</b>\r\n::error title=a,b::%0A%25 ##[add-mask]a @you #1 www.a.io"
    "\x00\x1b[31m\x85\u2028\ud800\uffff"
)


def judged(
    counts: Counts = GOOD,
    *lines: str,
    on_not_judged: OnNotJudged = "fail",
    **facts: Any,
) -> tuple[Summary, RunResult]:
    """Return the summary and the result of a run with these counts, judged by these lines."""
    result = replace(result_of(conversation_messages=counts), **facts)
    criteria = parse(lines, Known(result.scenarios, duration_s=1))
    return summarise(result, judge(result, criteria, on_not_judged)), result


ABORTED = CriterionResult(STRICT, 512.0, 50.0, "fail", "ms", at_s=7.0, aborted=True)
RUNS = {
    "pass": judged(GOOD, LENIENT),
    "pass without criteria": judged(counts_of(accepted=10)),
    "criterion broken": judged(GOOD, LENIENT, STRICT),
    "ended early": judged(GOOD, STRICT, aborted=ABORTED),
    "load not taken": judged(NOT_TAKEN, LENIENT),
    "load not taken, and a criterion broken": judged(NOT_TAKEN, STRICT),
    "criterion not judged, which fails": judged(GOOD, LENIENT, WITHOUT_SAMPLES),
    "criterion not judged, which passes": judged(GOOD, WITHOUT_SAMPLES, on_not_judged="pass"),
    "not judged": judged(BAD),
    "invalid": judged(GOOD, LENIENT, problems=("interrupted: Ctrl-C",)),
    "invalid, and all else broken": judged(
        NOT_TAKEN, STRICT, WITHOUT_SAMPLES, problems=("interrupted: Ctrl-C", "a report is missing")
    ),
    "invalid without criteria": judged(BAD, problems=("interrupted: Ctrl-C",)),
}
"""A run of each kind of end that there is."""


def many() -> tuple[Summary, RunResult]:
    """Return a run of 50 scenarios with 200 error codes, and texts that do harm in each place."""
    codes = {f"{number} {EVIL}{number}"[:128]: 200 - number for number in range(200)}
    total = sum(codes.values())
    counts = Counts(
        scheduled=total,
        sent=total,
        rejected=total,
        attempts=total,
        not_ok=total,
        errors=dict(codes),
        failures=dict(codes),
        late={Cause.TARGET: 3},
    )
    result = replace(
        result_of(**{f"{EVIL}{number}": counts for number in range(50)}),
        target=EVIL,
        profile=EVIL,
        problems=tuple(f"{EVIL}{number}" * 100 for number in range(200)),
        facts=RunFacts(labels={f"a{sign}b": EVIL for sign in EVIL}, versions={"convoy": EVIL}),
    )
    summary = summarise(result, judge(result))
    criteria = [
        CriterionResult(f"{EVIL}{number}" * 20, 1e9, 2.0, "fail", "ms") for number in range(200)
    ]
    return replace(summary, criteria=(*criteria, criteria[0])), result
