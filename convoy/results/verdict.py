"""The verdict on a run: whether its numbers are what they say, then whether they are good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from convoy.errors import ExitCode
from convoy.results.counts import Counts, violations
from convoy.results.outcome import Cause

TOLERATED_SHARE = 0.01
TOLERATED_MESSAGES = 5
_CAUSES_OF_OURS = {
    Cause.GENERATOR: "the load generator could not keep up; use more workers or a lower rate",
    Cause.LIMITS: "the budgets of the tokens were spent; use more users or a lower rate",
    Cause.POOL: "no conversation was free; use a larger pool",
}


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, the reasons that led to it, and the exit code that tells it to a pipeline."""

    verdict: Verdict
    reasons: tuple[str, ...]
    exit_code: ExitCode


def judge(
    counts: Mapping[str, Counts], planned: Mapping[str, int], problems: Iterable[str]
) -> Judgement:
    """Judge a run by the counts and the planned messages of each scenario.

    `problems` are sentences on what makes the numbers themselves doubtful: a lost worker, a
    missing report, an interruption.
    """
    invalid = list(problems)
    is_disturbed = bool(invalid)
    failed: list[str] = []
    for scenario, scenario_counts in counts.items():
        invalid += [
            f"{scenario}: {fault}"
            for fault in _doubts(scenario_counts, planned[scenario], is_disturbed)
        ]
        failed += [f"{scenario}: {fault}" for fault in _shortfalls(scenario_counts)]
    if invalid:
        return Judgement(Verdict.INVALID, tuple(invalid + failed), ExitCode.INVALID)
    if failed:
        return Judgement(Verdict.FAIL, tuple(failed), ExitCode.FAIL)
    missed = sum(each.not_ok + sum(each.not_sent.values()) for each in counts.values())
    if missed:
        reason = f"{missed} messages were not accepted as expected, and no criterion judges them"
        return Judgement(Verdict.PASS, (reason,), ExitCode.NOT_ACCEPTED)
    return Judgement(Verdict.PASS, (), ExitCode.PASS)


def _doubts(counts: Counts, planned: int, is_disturbed: bool) -> list[str]:
    doubts = violations(counts, planned)
    if planned == 0 and not is_disturbed:
        doubts.append("no message was due in the whole run; raise rate or run_time_s")
    for cause, advice in _CAUSES_OF_OURS.items():
        if is_too_often(counts, cause):
            missed = _missed(counts, cause)
            share = missed / counts.scheduled
            doubts.append(
                f"{missed} of {counts.scheduled} messages ({share:.1%}, {TOLERATED_SHARE:.0%} is "
                f"tolerated) were late or not sent by cause {cause.value}: {advice}"
            )
    return doubts


def _shortfalls(counts: Counts) -> list[str]:
    missed = counts.not_sent[Cause.TARGET]
    if missed <= TOLERATED_SHARE * counts.scheduled:
        return []
    return [
        f"the target did not take the load: {missed} of {counts.scheduled} messages were not sent "
        "because every user was waiting for an answer"
    ]


def is_too_often(counts: Counts, cause: Cause) -> bool:
    """Say whether more messages were late or not sent by a cause of ours than is tolerated."""
    missed = _missed(counts, cause)
    return missed > TOLERATED_MESSAGES and missed > TOLERATED_SHARE * counts.scheduled


def _missed(counts: Counts, cause: Cause) -> int:
    return counts.late[cause] + counts.not_sent[cause]
