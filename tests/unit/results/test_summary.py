"""The summary of a run by the names that other programs rely on."""

from __future__ import annotations

import dataclasses
import json

import pytest
from msgspec.structs import replace

from convoy.results.account import ScenarioAccount
from convoy.results.generator import GeneratorJudgement
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.results import ACCEPTED, FACTS, FAILED, REJECTED, UNKNOWN, summary_of

SUMMARY_KEYS = {
    "schema",
    "run_id",
    "verdict",
    "exit_code",
    "reasons",
    "seed",
    "plan_hash",
    "target",
    "profile",
    "started_at",
    "duration_s",
    "scenarios",
    "totals",
    "criteria",
    "workers",
    "generator",
    "changes",
}
COUNT_KEYS = {
    "scheduled",
    "sent",
    "accepted",
    "rejected",
    "failed",
    "unknown",
    "resent",
    "late",
    "not_sent",
    "errors",
}
DURATION_KEYS = {"send_error_ms", "response_time_ms", "service_time_ms"}
QUANTILE_KEYS = {"p50", "p90", "p95", "p99", "p999", "max", "censored"}


def test_the_summary_has_the_keys_of_the_contract() -> None:
    summary = summary_of(ACCEPTED, REJECTED, FAILED, UNKNOWN)

    assert summary.keys() >= SUMMARY_KEYS
    assert summary["schema"] == 1
    assert summary["totals"].keys() >= COUNT_KEYS
    scenario = summary["scenarios"]["conversation_messages"]
    assert scenario.keys() >= COUNT_KEYS | DURATION_KEYS | {"rate_per_s"}
    assert scenario["rate_per_s"].keys() == {"configured", "scheduled", "achieved"}
    for name in DURATION_KEYS:
        assert scenario[name].keys() >= QUANTILE_KEYS


def test_the_summary_is_plain_json() -> None:
    summary = summary_of(ACCEPTED, REJECTED, FAILED, UNKNOWN, given_up=1)

    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_the_facts_of_the_run_are_told() -> None:
    summary = summary_of(ACCEPTED)

    told = {name: summary[name] for name in ("run_id", "seed", "plan_hash", "target", "profile")}
    assert told == {
        "run_id": "run-1",
        "seed": 7,
        "plan_hash": "0123456789abcdef",
        "target": "simulator",
        "profile": "smoke",
    }
    assert summary["started_at"] == "2026-11-22T12:00:00Z"
    [worker] = summary["workers"]
    assert (worker["id"], worker["state"], worker["sent"]) == ("worker-1", "reported", 1)
    assert worker["health"].keys() >= {"measured_s", "cpu_share", "loop_lag_ms", "loop_late_s"}


def test_messages_are_told_by_fate_and_code() -> None:
    summary = summary_of(ACCEPTED, ACCEPTED, REJECTED, FAILED, UNKNOWN, given_up=2)

    scenario = summary["scenarios"]["conversation_messages"]
    assert {name: scenario[name] for name in ("scheduled", "sent", "accepted")} == {
        "scheduled": 7,
        "sent": 5,
        "accepted": 2,
    }
    assert scenario["errors"] == {
        "400 invalid_payload": 1,
        "connection refused": 1,
        "connection reset": 1,
    }
    assert scenario["not_sent"] == {"target": 2}
    assert {name: summary["totals"][name] for name in COUNT_KEYS} == {
        name: scenario[name] for name in COUNT_KEYS
    }


def test_rates_are_told_as_configured_scheduled_and_achieved() -> None:
    summary = summary_of(ACCEPTED, ACCEPTED, REJECTED, given_up=1)

    assert summary["scenarios"]["conversation_messages"]["rate_per_s"] == {
        "configured": 4,
        "scheduled": 4,
        "achieved": 3,
    }


def test_without_a_schedule_no_rate_is_configured() -> None:
    summary = summary_of(ACCEPTED, is_scheduled=False)

    assert summary["scenarios"]["conversation_messages"]["rate_per_s"] == {
        "configured": None,
        "scheduled": 1,
        "achieved": 1,
    }


def test_retired_conversations_are_counted_by_what_they_answered() -> None:
    summary = summary_of(ACCEPTED)

    assert summary["scenarios"]["conversation_messages"]["pool"] == {
        "retired": {"400 conversation.closed": 1, "404 not.found": 1},
        "redirected": 3,
    }


def test_durations_are_told_in_milliseconds_and_lower_bounds_are_named() -> None:
    summary = summary_of(*[ACCEPTED] * 9, UNKNOWN)

    response_ms = summary["scenarios"]["conversation_messages"]["response_time_ms"]
    assert response_ms["p50"] == pytest.approx(101, rel=0.001)
    assert response_ms["max"] == pytest.approx(30_001, rel=0.001)
    assert response_ms["censored"] == 1
    assert set(response_ms["at_least"]) == {"p95", "p99", "p999", "max"}


def test_durations_of_microseconds_keep_their_digits() -> None:
    quick = replace(ACCEPTED, done_s=ACCEPTED.sent_s + 1.5e-6)

    service_ms = summary_of(quick)["scenarios"]["conversation_messages"]["service_time_ms"]

    assert service_ms["p50"] == pytest.approx(0.0015, rel=0.001)


def test_each_named_step_has_its_own_durations() -> None:
    summary = summary_of(replace(ACCEPTED, step="call"), replace(ACCEPTED, step="message"))

    steps = summary["scenarios"]["conversation_messages"]["steps"]
    assert {name: step["service_time_ms"]["count"] for name, step in steps.items()} == {
        "call": 1,
        "message": 1,
    }
    assert "steps" not in summary_of(ACCEPTED)["scenarios"]["conversation_messages"]


def test_the_generator_is_told_by_its_worst_worker() -> None:
    [worker] = FACTS.workers
    lag_ms = {"p50": 0.1, "p99": 25.0, "max": 26.0}
    other = {**worker, "health": {**worker["health"], "loop_lag_ms": lag_ms}}
    judgement = GeneratorJudgement("strained", (), ("worker-2 is busy",))
    facts = dataclasses.replace(FACTS, workers=(worker, other), generator=judgement)

    summary = summarise(facts, {}, {}, judge({}, {}, []))

    assert summary["generator"] == {
        "state": "strained",
        "warnings": ["worker-2 is busy"],
        "cpu_share": {"mean": 0.234, "max": 0.31},
        "loop_lag_ms": {"p50": 0.2, "p99": 25.0, "max": 26.0},
    }


@pytest.mark.parametrize(
    ("given_up", "verdict", "exit_code"), [(0, "pass", 0), (1, "fail", 3)], ids=["pass", "fail"]
)
def test_verdict_and_exit_code_are_told_as_words_and_numbers(
    given_up: int, verdict: str, exit_code: int
) -> None:
    summary = summary_of(ACCEPTED, given_up=given_up)

    assert (summary["verdict"], summary["exit_code"]) == (verdict, exit_code)
    assert len(summary["reasons"]) == given_up


def test_totals_add_up_all_scenarios() -> None:
    accounts = {"messages": ScenarioAccount(), "guests": ScenarioAccount()}
    for account in accounts.values():
        account.lose("worker-1", 2, 30)
    configured = dict.fromkeys(accounts, 2.0)
    counts = {name: account.counts for name, account in accounts.items()}

    judgement = judge(counts, {"messages": 2, "guests": 2}, [])
    summary = summarise(FACTS, accounts, configured, judgement)

    assert summary["totals"]["unknown"] == 4
    assert summary["totals"]["errors"] == {"worker lost": 4}
