"""The summary of a run by the names that other programs rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace

from convoy.errors import ConvoyError
from convoy.results.counts import Counts
from convoy.results.generator import GeneratorJudgement
from convoy.results.health import LoopLag
from convoy.results.outcome import Outcome
from convoy.results.result import Change
from convoy.results.samples import CodeSamples, ErrorSample
from convoy.results.summary import Summary, json_schema, summarise
from convoy.results.verdict import judge
from convoy.routes.codes import meaning
from tests.unit import results
from tests.unit.results import ACCEPTED, FAILED, REJECTED, RESULT, UNKNOWN, changed, result_of

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


SAMPLE = ErrorSample("timeout", "messages", 3, 1.25, 0, "", "conversation-1", "request", "")
EVERYTHING = {
    "samples": {"connection reset": CodeSamples(1.25, 7.5, (SAMPLE,))},
    "changes": (Change(2.0, "pause"), Change(3.5, "rate", 40.0)),
    "problems": ("interrupted: Ctrl-C",),
}
"""Members of a result that a quiet run has not."""


def summary_of(*outcomes: Outcome, **result: Any) -> dict[str, Any]:
    """Return the summary of these messages as other programs read it."""
    read: dict[str, Any] = json.loads(results.summary_of(*outcomes, **result).to_json())
    return read


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


FORMS = pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ((ACCEPTED, ACCEPTED), {}),
        ((ACCEPTED, REJECTED, FAILED, UNKNOWN), EVERYTHING),
        ((), {"is_scheduled": False, "workers": (), "duration_s": 0.0}),
    ],
    ids=["quiet", "with everything", "never begun"],
)


@FORMS
def test_a_summary_is_read_as_it_was_written(
    outcomes: tuple[Outcome, ...], result: dict[str, Any], tmp_path: Path
) -> None:
    summary = results.summary_of(*outcomes, **result)
    path = tmp_path / "summary.json"
    path.write_text(summary.to_json(), encoding="utf-8")

    assert Summary.read(path) == summary


@FORMS
def test_a_summary_is_as_its_schema_says(
    outcomes: tuple[Outcome, ...], result: dict[str, Any]
) -> None:
    jsonschema.validate(summary_of(*outcomes, **result), json.loads(json_schema()))


def test_the_summary_is_indented_and_its_text_is_ascii() -> None:
    written = results.summary_of(ACCEPTED, profile="Grüße").to_json()

    assert written == json.dumps(json.loads(written), indent=2) + "\n"
    assert written.isascii()


def test_a_later_version_s_members_are_read_over(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary_of(ACCEPTED) | {"weather": "fine"}))

    assert Summary.read(path) == results.summary_of(ACCEPTED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "No such file", id="no file"),
        pytest.param(b"", "truncated", id="empty"),
        pytest.param(b"run: 1", "malformed", id="no JSON"),
        pytest.param(b"\xff{}", "", id="no text"),
        pytest.param(b'{"schema": 2}', "`$.schema`", id="another schema"),
        pytest.param(b'{"schema": 1}', "run_id", id="a member is missing"),
        pytest.param(b"[]", "Expected `object`", id="no object"),
    ],
)
def test_a_file_that_is_no_summary_is_refused_by_name(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConvoyError) as refused:
        Summary.read(path)

    assert str(path) in str(refused.value) and said in str(refused.value)


def test_the_schema_in_docs_is_that_of_the_summary(repository: Path) -> None:
    kept = (repository / "docs" / "summary.schema.json").read_text(encoding="utf-8")

    assert kept == json_schema(), "python -m convoy.results.summary > docs/summary.schema.json"


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
    quick = changed(ACCEPTED, done_s=ACCEPTED.attempt.sent_s + 1.5e-6)

    service_ms = summary_of(quick)["scenarios"]["conversation_messages"]["service_time_ms"]

    assert service_ms["p50"] == pytest.approx(0.0015, rel=0.001)


def test_the_generator_is_told_by_its_worst_worker() -> None:
    [worker] = RESULT.workers
    late = replace(worker.health, loop_lag_ms=LoopLag(0.1, 25.0, 26.0))
    result = replace(RESULT, workers=(worker, replace(worker, health=late)))
    strained = GeneratorJudgement("strained", (), ("worker-2 is busy",))

    summary = summarise(result, replace(judge(result), generator=strained))

    assert msgspec.to_builtins(summary.generator) == {
        "state": "strained",
        "warnings": ("worker-2 is busy",),
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
    lost = Counts()
    lost.lose(2)
    result = result_of(messages=lost, guests=lost)

    summary = summarise(result, judge(result))

    assert summary.totals.unknown == 4
    assert summary.totals.errors == {"worker lost": 4}


def test_changes_of_the_run_are_told_and_only_a_rate_has_one() -> None:
    assert summary_of(ACCEPTED, changes=EVERYTHING["changes"])["changes"] == [
        {"at_s": 2.0, "change": "pause"},
        {"at_s": 3.5, "change": "rate", "rate_per_s": 40.0},
    ]


def test_each_code_has_its_meaning_and_what_was_seen_of_it() -> None:
    noted = summary_of(REJECTED, UNKNOWN, **EVERYTHING)["error_samples"]

    assert noted["connection reset"] == {
        "hint": meaning("connection reset"),
        "first_s": 1.25,
        "last_s": 7.5,
        "samples": [msgspec.to_builtins(SAMPLE)],
    }
    assert noted["400 invalid_payload"] == {
        "hint": meaning("400 invalid_payload"),
        "first_s": None,
        "last_s": None,
        "samples": [],
    }
