"""The verdict: every rule, the exit code it leads to, and which rule goes first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from convoy.errors import ExitCode
from convoy.results.counts import Counts
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.grammar import Known, parse
from convoy.results.outcome import Cause
from convoy.results.result import GeneratorStep, Row, WorkerResult
from convoy.results.verdict import Judgement, Verdict, judge
from tests.unit.results import counts_of, health_after, result_of

PASS = (Verdict.PASS, ExitCode.PASS)
NOT_JUDGED = (Verdict.NOT_JUDGED, ExitCode.NOT_ACCEPTED)
FAIL = (Verdict.FAIL, ExitCode.FAIL)
INVALID = (Verdict.INVALID, ExitCode.INVALID)


def judged(counts: Counts, *problems: str) -> Judgement:
    return judge(replace(result_of(messages=counts), problems=problems))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param(counts_of(accepted=1000), PASS, id="all accepted"),
        pytest.param(counts_of(accepted=1000, resent=9), PASS, id="recovered after a new login"),
        pytest.param(counts_of(accepted=999, rejected=1), NOT_JUDGED, id="one rejected"),
        pytest.param(counts_of(accepted=999, failed=1), NOT_JUDGED, id="one failed"),
        pytest.param(counts_of(accepted=999, unknown=1), NOT_JUDGED, id="one unknown"),
        pytest.param(counts_of(rejected=1000), NOT_JUDGED, id="all rejected"),
        pytest.param(
            counts_of(accepted=999, not_sent={Cause.TARGET: 1}), NOT_JUDGED, id="one not sent"
        ),
        pytest.param(
            counts_of(accepted=990, not_sent={Cause.TARGET: 10}),
            NOT_JUDGED,
            id="a hundredth not sent for the target",
        ),
        pytest.param(
            counts_of(accepted=989, not_sent={Cause.TARGET: 11}),
            FAIL,
            id="more than a hundredth not sent for the target",
        ),
        pytest.param(
            counts_of(accepted=9, not_sent={Cause.TARGET: 1}), FAIL, id="the target in a short run"
        ),
        pytest.param(
            counts_of(accepted=1000, late={Cause.TARGET: 1000}), PASS, id="all late for the target"
        ),
    ],
)
def test_the_verdict_without_criteria_on_numbers_that_are_what_they_say(
    counts: Counts, expected: tuple[Verdict, ExitCode]
) -> None:
    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == expected
    assert bool(judgement.reasons) is (expected != PASS)


@pytest.mark.parametrize("cause", [Cause.GENERATOR, Cause.LIMITS, Cause.POOL])
@pytest.mark.parametrize(
    ("late", "not_sent", "scheduled", "is_invalid"),
    [
        pytest.param(10, 0, 1000, False, id="a hundredth late"),
        pytest.param(11, 0, 1000, True, id="more than a hundredth late"),
        pytest.param(0, 10, 1000, False, id="a hundredth not sent"),
        pytest.param(0, 11, 1000, True, id="more than a hundredth not sent"),
        pytest.param(6, 5, 1000, True, id="late and not sent together"),
        pytest.param(5, 0, 10, False, id="five messages of ten"),
        pytest.param(6, 0, 10, True, id="six messages of ten"),
        pytest.param(3, 3, 500, True, id="six of five hundred"),
        pytest.param(3, 3, 600, False, id="six of six hundred"),
    ],
)
def test_more_than_a_hundredth_and_five_messages_by_our_own_cause_are_invalid(
    cause: Cause, late: int, not_sent: int, scheduled: int, is_invalid: bool
) -> None:
    counts = counts_of(
        accepted=scheduled - not_sent, late={cause: late}, not_sent={cause: not_sent}
    )

    judgement = judged(counts)

    assert (judgement.verdict is Verdict.INVALID) is is_invalid
    assert not is_invalid or f"by cause {cause.value}: " in judgement.reasons[0]


@pytest.mark.parametrize(
    ("limited_s", "expected"),
    [
        pytest.param(0.14, PASS, id="a hundredth of the time of all users"),
        pytest.param(0.1401, INVALID, id="more than that"),
    ],
)
def test_a_run_whose_users_waited_for_their_limits_shows_what_those_allow(
    limited_s: float, expected: tuple[Verdict, ExitCode]
) -> None:
    counts = counts_of(accepted=1000)
    counts.limited_s = limited_s
    steps = {0: GeneratorStep(4, 0.1, 1.0), 1: GeneratorStep(10, 0.1, 1.0)}

    judgement = judge(replace(result_of(messages=counts), duration_s=2.0, generator=steps))

    assert (judgement.verdict, judgement.exit_code) == expected
    assert ["waited for their limits for 1.0%" in each for each in judgement.reasons] == (
        [True] if expected == INVALID else []
    )


@pytest.mark.parametrize(
    ("forgone", "advice"),
    [
        pytest.param(0, "use more workers", id="a generator that is too slow"),
        pytest.param(4, "use more workers", id="a worker that was silent for a moment"),
        pytest.param(21, "use more workers", id="a worker whose silence was half of it"),
        pytest.param(22, "look at its machine", id="a worker that was silent for long"),
    ],
)
def test_the_advice_is_about_the_silence_of_a_worker_where_that_was_it(
    forgone: int, advice: str
) -> None:
    counts = counts_of(accepted=960, late={Cause.GENERATOR: 2}, not_sent={Cause.GENERATOR: 40})
    result = result_of(messages=counts)
    [(name, scenario)] = result.scenarios.items()
    told = {name: replace(scenario, forgone=forgone)}

    [reason, *_] = judge(replace(result, scenarios=told)).reasons

    assert advice in reason


@pytest.mark.parametrize(
    ("not_sent", "ending"),
    [
        ({Cause.SCENARIO: 100}, "the scenario's own code raised AttributeError"),
        ({Cause.GENERATOR: 90, Cause.SCENARIO: 10}, "post at once what `next_message` gives"),
        ({Cause.LIMITS: 100}, "use more users or a lower rate"),
    ],
    ids=["the scenario", "mostly the generator", "limits"],
)
def test_messages_that_a_scenario_missed_because_it_raised_are_not_called_slow(
    not_sent: dict[Cause, int], ending: str
) -> None:
    counts = counts_of(accepted=900, not_sent=not_sent)
    counts.exceptions["AttributeError"] = 10

    reason, raised = judged(counts).reasons

    assert reason.endswith(ending)
    assert "Locust's exceptions show them" in raised


def test_what_was_late_or_not_sent_is_said_with_its_share_and_its_causes() -> None:
    late = {Cause.GENERATOR: 20, Cause.SCENARIO: 5}

    [reason] = judged(counts_of(accepted=990, late=late, not_sent={Cause.SCENARIO: 10})).reasons

    assert reason.startswith(
        "messages: 35 of 1000 messages (3.5%, 1% is tolerated) were late or not sent by cause "
        "generator and scenario: "
    )


def test_what_was_late_though_nothing_was_scheduled_is_a_doubt_and_no_traceback() -> None:
    """Any worker may report it, also while the run goes on."""
    reasons = judged(counts_of(late={Cause.GENERATOR: 10})).reasons

    assert any("10 of 0 messages (100.0%, " in reason for reason in reasons)


def test_each_cause_has_its_own_hundredth() -> None:
    late = {Cause.GENERATOR: 9, Cause.LIMITS: 9, Cause.POOL: 9}

    judgement = judged(counts_of(accepted=1000, late=late))

    assert judgement.verdict is Verdict.PASS


@pytest.mark.parametrize(
    "problem",
    [
        "worker worker-2 was lost; 3 messages that it may have sent are unknown",
        "no final report came from worker worker-2",
        "the test was stopped before its end",
    ],
)
def test_a_doubt_about_the_numbers_is_invalid_and_said(problem: str) -> None:
    judgement = judged(counts_of(accepted=1000), problem)

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert judgement.reasons == (problem,)


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("scheduled", "scheduled = sent + not sent"),
        ("accepted", "sent = accepted + rejected + failed + unknown"),
        ("attempts", "attempts = sent + resent"),
    ],
)
def test_a_violated_equation_is_invalid_and_named(name: str, equation: str) -> None:
    counts = counts_of(accepted=1000)
    setattr(counts, name, getattr(counts, name) + 1)

    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert any(reason.startswith(f"messages: {equation}") for reason in judgement.reasons)


def test_a_message_of_the_plan_that_nobody_accounted_for_is_invalid() -> None:
    result = result_of(messages=counts_of(accepted=99))
    scenario = replace(result.scenarios["messages"], planned=100)

    judgement = judge(replace(result, scenarios={"messages": scenario}))

    assert (judgement.verdict, judgement.exit_code) == INVALID


def test_before_the_end_counts_that_do_not_agree_yet_are_no_doubt() -> None:
    result = result_of(messages=counts_of(accepted=99))
    scenario = replace(result.scenarios["messages"], planned=100)
    rows = {"messages": Row(98, 0, 9.99)}
    result = replace(result, scenarios={"messages": scenario}, rows=rows)

    over, before = judge(result), judge(replace(result, is_over=False))

    assert over.reasons == (
        "messages: requests in Locust's row = sent does not hold: 98 against 99",
        "messages: planned = scheduled does not hold: 100 against 99",
    )
    assert (before.verdict, before.reasons) == (Verdict.PASS, ())


def test_a_machine_without_means_to_send_is_invalid_and_says_what_it_had_too_few_of() -> None:
    counts = counts_of(accepted=1000, not_sent={Cause.GENERATOR: 1})
    counts.shortages["EMFILE"] += 1

    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert judgement.reasons[0].startswith(
        "messages: 1 attempts found no means to send (EMFILE): A process of ours has as many files"
    )


def test_exceptions_of_the_scenario_are_said_and_are_no_verdict() -> None:
    counts = counts_of(accepted=1000)
    counts.exceptions.update({"KeyError": 1, "TypeError": 2})

    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == (Verdict.PASS, ExitCode.PASS)
    assert judgement.reasons == (
        "messages: 3 exceptions in the scenario's own code, the first of type KeyError; Locust's "
        "exceptions show them",
    )


def test_messages_that_no_criterion_judges_are_said_with_the_exceptions_of_the_scenario() -> None:
    counts = counts_of(accepted=990, rejected=5, not_sent={Cause.TARGET: 5})
    counts.exceptions.update({"KeyError": 1})

    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == NOT_JUDGED
    missed, raised = judgement.reasons
    assert missed == "10 messages were not accepted as expected, and no criterion judges them"
    assert raised.startswith("messages: 1 exceptions in the scenario's own code")


def test_a_run_in_which_no_message_was_due_is_invalid() -> None:
    judgement = judged(Counts())

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert "no message was due" in judgement.reasons[0]


def test_invalid_goes_before_fail_and_keeps_its_reasons() -> None:
    counts = counts_of(accepted=500, rejected=100, not_sent={Cause.TARGET: 400})

    judgement = judged(counts, "the test was stopped before its end")

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert judgement.reasons[0] == "the test was stopped before its end"
    assert "the target did not take the load" in judgement.reasons[1]


def test_fail_goes_before_messages_that_were_not_accepted() -> None:
    judgement = judged(counts_of(accepted=500, rejected=100, not_sent={Cause.TARGET: 400}))

    assert (judgement.verdict, judgement.exit_code) == FAIL
    assert len(judgement.reasons) == 1


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(counts_of(accepted=10), PASS, id="pass"),
        pytest.param(counts_of(accepted=9, rejected=1), NOT_JUDGED, id="not judged"),
        pytest.param(counts_of(accepted=5, not_sent={Cause.TARGET: 5}), FAIL, id="fail"),
        pytest.param(counts_of(accepted=5, not_sent={Cause.POOL: 6}), INVALID, id="invalid"),
    ],
)
def test_one_scenario_decides_for_the_whole_run(
    other: Counts, expected: tuple[Verdict, ExitCode]
) -> None:
    judgement = judge(result_of(messages=counts_of(accepted=100_000), guests=other))

    assert (judgement.verdict, judgement.exit_code) == expected
    assert expected in (PASS, NOT_JUDGED) or judgement.reasons[0].startswith("guests: ")


def test_a_message_that_was_refused_as_expected_is_no_miss() -> None:
    counts = counts_of(rejected=100)
    counts.not_ok = 0
    counts.failures.clear()

    judgement = judged(counts)

    assert (judgement.verdict, judgement.exit_code) == PASS


def test_a_loop_that_was_late_makes_the_run_invalid_and_says_so_once() -> None:
    late = WorkerResult("worker-1", "reported", 1000, health_after(30, lag_s=0.035))

    judgement = judge(replace(result_of(messages=counts_of(accepted=1000)), workers=(late,)))

    assert (judgement.verdict, judgement.exit_code) == INVALID
    assert judgement.reasons == judgement.generator.doubts
    assert judgement.generator.state == "too slow"


def criteria_of(*lines: str) -> tuple[Criterion, ...]:
    return parse(lines, Known({"messages"}, duration_s=30.0))


FAILED = counts_of(accepted=90, rejected=10)
LATE = Cause.TARGET


@pytest.mark.parametrize(
    ("counts", "lines", "expected", "reason"),
    [
        pytest.param(FAILED, ["share(failures) < 11%"], PASS, "", id="holds"),
        pytest.param(
            FAILED,
            ["share(failures[*]) < 10%", "unknown == 0"],
            FAIL,
            "share(failures[*]) < 10%: observed 10%",
            id="broken",
        ),
        pytest.param(
            FAILED,
            ["max(unknown_time) < 1s"],
            FAIL,
            "max(unknown_time) < 1s: not judged, because there were no samples",
            id="no samples",
        ),
        pytest.param(
            counts_of(accepted=90, not_sent={LATE: 10}),
            ["sent > 5"],
            FAIL,
            "messages: the target did not take the load",
            id="holds, and the target did not take the load",
        ),
        pytest.param(
            counts_of(rejected=200),
            ["share(failures[*]) < 1%"],
            FAIL,
            "share(failures[*]) < 1%: observed 100%",
            id="none of 200 accepted",
        ),
        pytest.param(
            counts_of(rejected=90, not_sent={Cause.GENERATOR: 10}),
            ["share(failures[*]) < 1%"],
            INVALID,
            "messages: 10 of 100 messages",
            id="broken, and invalid",
        ),
    ],
)
def test_criteria_decide_after_doubts_and_beside_the_load_that_was_not_taken(
    counts: Counts, lines: list[str], expected: tuple[Verdict, ExitCode], reason: str
) -> None:
    judgement = judge(result_of(messages=counts), criteria_of(*lines))

    assert (judgement.verdict, judgement.exit_code) == expected
    assert [each.criterion for each in judgement.criteria] == lines
    assert "".join(judgement.reasons[:1]).startswith(reason)
    assert bool(judgement.reasons) is bool(reason)


def test_a_criterion_without_samples_is_passed_over_where_that_is_asked_for() -> None:
    criteria = criteria_of("max(unknown_time) < 1s")

    judgement = judge(result_of(messages=FAILED), criteria, "pass")

    assert (judgement.verdict, judgement.exit_code) == PASS
    assert [each.verdict for each in judgement.criteria] == ["not judged"]


def test_before_the_end_a_criterion_without_samples_fails_nothing() -> None:
    result = replace(result_of(messages=FAILED), is_over=False)

    judgement = judge(result, criteria_of("max(unknown_time) < 1s"))

    assert (judgement.verdict, judgement.reasons) == (Verdict.PASS, ())


def test_what_ended_the_run_early_fails_it_even_if_it_became_better_until_the_end() -> None:
    line = "share(failures) < 11%, abort"
    aborted = CriterionResult(line, 12.5, 11.0, "fail", "%", at_s=9.0, aborted=True)
    result = replace(result_of(messages=FAILED), aborted=aborted)

    judgement = judge(result, criteria_of(line))

    assert (judgement.verdict, judgement.exit_code) == FAIL
    assert judgement.criteria == (aborted,)
    assert judgement.reasons == (
        "share(failures) < 11%, abort: observed 12.5% at 9 s; the run was ended early for it",
    )
    assert judge(result, criteria_of("unknown == 0")).verdict is Verdict.PASS
