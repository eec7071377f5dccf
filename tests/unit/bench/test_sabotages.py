"""The table of sabotages, what is made of their runs, and the tables that show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bench.healthy.runs import HealthyRun, figures_of, is_as_it_should_be, lines_of
from bench.sabotage.markers import measured_number
from bench.sabotage.options import parse_options
from bench.sabotage.sabotages import Between, Declared, Sabotage
from bench.sabotage.table import SABOTAGES
from bench.sabotage.tables import markdown_lines, table_lines
from bench.sabotage.trials import State, judge
from bench.short_runs import EndedRun, ShortLoad

BEGAN_S = 1_764_000_000.0
STARTED_AT = "2025-11-24T16:00:03Z"
LOAD = ShortLoad()
FALSE = Sabotage("false", "something false", Declared.MUST_NOT_PASS, ())
TRUE = Sabotage(
    "true",
    "something harmless",
    Declared.MUST_STAY_TRUE,
    (),
    between=(Between("response_time_ms", "max", 900, 1500),),
)


def summary(**changed: Any) -> dict[str, Any]:
    """The summary of a run that passed."""
    return {
        "run_id": "20251124-160003-0a1b2c",
        "verdict": "pass",
        "reasons": [],
        "started_at": STARTED_AT,
        "duration_s": float(LOAD.run_time_s),
        "totals": {
            "scheduled": LOAD.messages,
            "sent": LOAD.messages,
            "accepted": LOAD.messages,
            "not_sent": {},
        },
        "scenarios": {"conversation_messages": {"response_time_ms": {"max": 1000.0}}},
        "generator": {"state": "ok"},
    } | changed


def ended(
    exit_code: int = 0, of: Mapping[str, Any] | None = None, *, older: bool = False
) -> EndedRun:
    return EndedRun(exit_code, "a line\nthe last line", of, older)


def state_of(sabotage: Sabotage, run: EndedRun, effects: Mapping[str, int] | None = None) -> State:
    return judge(sabotage, run, effects or {}, LOAD.messages, BEGAN_S).state


def test_there_are_thirty_sabotages_and_more_each_with_a_name_of_its_own() -> None:
    by_declaration = {declared: 0 for declared in Declared}
    for each in SABOTAGES:
        by_declaration[each.declared] += 1

    assert len({each.name for each in SABOTAGES}) == len(SABOTAGES) >= 30
    assert all(by_declaration.values())


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: str(each.name))
def test_every_sabotage_says_what_it_does_and_has_means_to_do_it(sabotage: Sabotage) -> None:
    assert sabotage.what and "|" not in sabotage.what
    assert sabotage.means or sabotage.faults


NOT_PASSED = {
    "invalid": (ended(5, summary(verdict="invalid")), State.AS_DECLARED),
    "no record": (ended(5), State.AS_DECLARED),
    "passed": (ended(0, summary()), State.OTHERWISE),
    "a pass by the verdict only": (ended(1, summary()), State.OTHERWISE),
    "a pass by the exit code only": (ended(0, summary(verdict="fail")), State.OTHERWISE),
    "an older run's pass": (ended(5, summary(), older=True), State.OTHERWISE),
}


@pytest.mark.parametrize(("run", "state"), NOT_PASSED.values(), ids=NOT_PASSED)
def test_neither_verdict_nor_exit_code_may_say_that_a_false_run_passed(
    run: EndedRun, state: State
) -> None:
    assert state_of(FALSE, run) is state


def test_a_sabotage_without_effect_is_not_as_declared_whatever_the_verdict() -> None:
    invalid = ended(5, summary(verdict="invalid"))

    assert state_of(FALSE, invalid, {"patch": 3, "stops": 0}) is State.WITHOUT_EFFECT


def test_an_invalid_run_of_a_slow_generator_says_nothing_of_another_sabotage() -> None:
    slow = ended(5, summary(verdict="invalid", generator={"state": "too slow"}))
    slowing = Sabotage("slow", "slow", Declared.MUST_NOT_PASS, (), slows_generator=True)

    assert state_of(FALSE, slow) is State.DISTURBED
    assert state_of(slowing, slow) is State.AS_DECLARED


UNTRUE = {
    "as it is": (ended(0, summary()), ""),
    "invalid": (ended(5, summary(verdict="invalid")), "the verdict is invalid"),
    "another start": (ended(0, summary(started_at="2025-11-24T17:00:03Z")), "started_at"),
    "another length": (ended(0, summary(duration_s=3.2)), "duration_s is 3.2"),
    "a shorter maximum": (
        ended(0, summary(scenarios={"a": {"response_time_ms": {"max": 12.0}}})),
        "response_time_ms max is 12",
    ),
    "no record": (ended(5), "the verdict is no record"),
}


@pytest.mark.parametrize(("run", "finding"), UNTRUE.values(), ids=UNTRUE)
def test_a_harmless_sabotage_leaves_verdict_and_figures_as_they_are(
    run: EndedRun, finding: str
) -> None:
    trial = judge(TRUE, run, {}, LOAD.messages, BEGAN_S)

    assert (trial.state is State.AS_DECLARED) == (finding == "")
    assert finding in " ".join(trial.findings)


PRINTED = "  verdict         INVALID (exit code 5)\n                  the disk is full\n"
REASONS = {
    "the summary's": (ended(5, summary(reasons=["first", "second"])), "first"),
    "a signal": (ended(-9, summary(), older=True), "ended by signal 9"),
    "what was printed": (EndedRun(5, f"{PRINTED}a last line\n", None, False), "the disk is full"),
    "the last line": (ended(2), "the last line"),
}


@pytest.mark.parametrize(("run", "reason"), REASONS.values(), ids=REASONS)
def test_the_reason_is_the_first_that_a_reader_finds(run: EndedRun, reason: str) -> None:
    assert run.reason == reason


def test_accepted_messages_are_compared_with_the_ledger() -> None:
    trial = judge(TRUE, ended(0, summary()), {}, LOAD.messages - 1, BEGAN_S)

    assert trial.findings == (f"accepted is {LOAD.messages}, not {LOAD.messages - 1}",)


def test_only_measured_messages_have_a_number() -> None:
    assert measured_number(b'{"text": "[convoy:20261122-193343-67bda5:messages:17] hi"}') == 17
    assert measured_number(b'{"text": "[convoy:20261122-193343-67bda5-warmup:messages:1]"}') is None
    assert measured_number(b"grant_type=client_credentials") is None


def test_the_tables_name_each_sabotage_and_count_the_states() -> None:
    chosen = SABOTAGES[:2]
    trials = {
        each.name: judge(each, ended(0, summary()), {"patch": 1}, LOAD.messages, BEGAN_S).to_json()
        | {"declared": each.declared.value}
        for each in chosen
    }

    for lines in (list(table_lines(trials)), list(markdown_lines({"sabotages": trials}, {}))):
        assert all(any(each.name in line for line in lines) for each in chosen)
        assert lines[-1] == "2 NOT"


def test_one_sabotage_can_be_chosen_and_all_are_without() -> None:
    name = SABOTAGES[3].name

    assert [each.name for each in parse_options(["--only", name]).sabotages] == [name]
    assert parse_options([]).sabotages == SABOTAGES


@pytest.mark.parametrize(
    ("verdicts", "is_well"),
    [
        (["pass"] * 3, True),
        (["pass", "invalid"], True),
        (["invalid"] * 2, False),
        (["fail"], False),
    ],
    ids=["all pass", "one invalid", "two invalid", "one fail"],
)
def test_of_healthy_runs_one_may_be_invalid(verdicts: list[str], is_well: bool) -> None:
    codes = {"pass": 0, "invalid": 5, "fail": 3}
    runs = [HealthyRun(ended(codes[each], summary(verdict=each)), 0.01) for each in verdicts]

    figures = figures_of(runs)

    assert is_as_it_should_be(figures) is is_well
    assert next(lines_of(figures)).startswith(f"{len(verdicts)} healthy runs")
