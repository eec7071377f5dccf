"""The verdict on a run: first whether its figures are valid, then whether they are good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from math import inf
from typing import Literal

import msgspec

from convoy.errors import ExitCode
from convoy.results.account import ScenarioResult
from convoy.results.counts import TOLERATED_SHARE
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.equations import figure_violations, violations
from convoy.results.far_side import mismatches
from convoy.results.findings import find
from convoy.results.generator import GeneratorJudgement, judge_generator
from convoy.results.outcome import Cause
from convoy.results.result import RunResult
from convoy.routes.codes import meaning

_CAUSES_OF_OURS = {
    (Cause.GENERATOR, Cause.SCENARIO): "the load generator or the scenario's own code could not "
    "keep up; use more workers or a lower rate, and post at once what `next_message` gives",
    (Cause.LIMITS,): "the budgets of the tokens were spent; use more users or a lower rate",
    (Cause.POOL,): "no conversation was free; use a larger pool",
}


_SILENCE = (
    "a worker was silent for a while, and nobody could send what was due to it; look at its "
    "machine and at its way to the master"
)


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"
    NOT_JUDGED = "not judged"


OnNotJudged = Literal["fail", "pass"]
"""What a criterion without samples makes of a run."""


class Judgement(msgspec.Struct, frozen=True):
    """A verdict, the reasons that led to it, and the exit code for a pipeline.

    `generator` is what was judged of the workers; its doubts are among the reasons. `criteria` is
    what each criterion says of the run.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    exit_code: ExitCode
    generator: GeneratorJudgement
    criteria: tuple[CriterionResult, ...] = ()


def judge(
    result: RunResult,
    criteria: Sequence[Criterion] = (),
    on_not_judged: OnNotJudged = "fail",
    find: Callable[[Criterion, RunResult], CriterionResult] = find,
) -> Judgement:
    """Return the verdict on a run by its criteria; any doubt about its figures makes it invalid.

    Without any criteria a run in which some message failed is not judged. Before the end nothing
    fails for want of samples, because they may come. `find` says what a criterion finds.
    """
    # Of the one that ended the run early, what it said then.
    early = {result.aborted.criterion: result.aborted} if result.aborted is not None else {}
    found = tuple(early.get(each.text) or find(each, result) for each in criteria)
    generator = judge_generator(result)
    invalid = [*result.problems, *generator.doubts]
    redirected = sum(scenario.redirected for scenario in result.scenarios.values())
    # By what is known so far: a run that was interrupted before T0 had no message due, and a higher
    # rate is no remedy for that.
    is_disturbed = bool(invalid)
    if result.is_over:
        invalid += figure_violations(result)
        invalid += mismatches(result.far_side, result.totals, redirected)
    invalid += _held_by_limits(result)
    for name, scenario in result.scenarios.items():
        doubts = _doubts(scenario, result.is_over, is_disturbed)
        invalid += [f"{name}: {doubt}" for doubt in doubts]
    failed = list(load_not_taken(result))
    failing = {"fail", "not judged"} if on_not_judged == "fail" and result.is_over else {"fail"}
    failed += [each.sentence for each in found if each.verdict in failing]
    verdict, exit_code = Verdict.PASS, ExitCode.PASS
    counts = result.totals
    missed = counts.not_ok + sum(counts.not_sent.values())
    raised = list(_raised(result))
    reasons = invalid + failed + raised
    if invalid:
        verdict, exit_code = Verdict.INVALID, ExitCode.INVALID
    elif failed:
        verdict, exit_code = Verdict.FAIL, ExitCode.FAIL
    elif missed and not criteria:
        verdict, exit_code = Verdict.NOT_JUDGED, ExitCode.NOT_ACCEPTED
        reasons = [f"{missed} messages were not accepted as expected, and no criterion judges them"]
        reasons += raised
    return Judgement(verdict, tuple(reasons), exit_code, generator, found)


def _held_by_limits(result: RunResult) -> Iterator[str]:
    """Yield a sentence where users waited for their limits, in a run in which nothing was due."""
    step_s = max((each.step_s for each in result.series.values()), default=1)
    users_s = step_s * sum(step.users for step in result.generator.values())
    share = result.totals.limited_s / (users_s or inf)
    if share > TOLERATED_SHARE:
        yield (
            f"users waited for their limits for {share:.1%} of the time ({TOLERATED_SHARE:.0%} is "
            "tolerated), so that the rate is what those allow; use more users, more tokens or a "
            "shorter run"
        )


def _raised(result: RunResult) -> Iterator[str]:
    """Yield a sentence on the exceptions of each scenario; they are no verdict by themselves."""
    for name, scenario in result.scenarios.items():
        exceptions = scenario.counts.exceptions
        if exceptions:
            yield (
                f"{name}: {sum(exceptions.values())} exceptions in the scenario's own code, the "
                f"first of type {next(iter(exceptions))}; Locust's exceptions show them"
            )


def _doubts(scenario: ScenarioResult, is_over: bool, is_disturbed: bool) -> Iterator[str]:
    """Yield what makes the figures of a scenario invalid; counts are complete once it `is_over`."""
    counts = scenario.counts
    if is_over:
        yield from violations(counts, scenario.planned)
        if scenario.planned == 0 and not is_disturbed:
            yield "no message was due in the whole run; raise rate or run_time_s"
    for name, number in counts.shortages.items():
        yield f"{number} attempts found no means to send ({name}): {meaning(name)}"
    for causes, advice in _CAUSES_OF_OURS.items():
        if counts.is_too_often(*causes):
            missed = sum(map(counts.missed, causes))
            share = missed / max(missed, counts.scheduled)
            named = " and ".join(cause for cause in causes if counts.missed(cause))
            if Cause.GENERATOR in causes and scenario.forgone > missed / 2:
                advice = _SILENCE
            elif counts.exceptions and counts.missed(Cause.SCENARIO) > missed / 2:
                advice = f"the scenario's own code raised {next(iter(counts.exceptions))}"
            yield (
                f"{missed} of {counts.scheduled} messages ({share:.1%}, {TOLERATED_SHARE:.0%} is "
                f"tolerated) were late or not sent by cause {named}: {advice}"
            )


def load_not_taken(result: RunResult) -> Iterator[str]:
    """Yield sentences where the target did not take the load, or the far side has not all of it."""
    for name, scenario in result.scenarios.items():
        scheduled, missed = scenario.counts.scheduled, scenario.counts.not_sent[Cause.TARGET]
        if missed > TOLERATED_SHARE * scheduled:
            yield (
                f"{name}: the target did not take the load: {missed} of {scheduled} messages were "
                "not sent because every user was waiting for an answer"
            )
    if result.reconciled is not None and (sentence := result.reconciled.failure()):
        yield sentence
