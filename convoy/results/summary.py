"""The summary of a run, as `summary.json` (schema 1) holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convoy.results.account import ScenarioAccount
from convoy.results.counts import Counts
from convoy.results.durations import Durations
from convoy.results.generator import GeneratorJudgement
from convoy.results.histograms import Histogram
from convoy.results.outcome import UNEXPECTED
from convoy.results.verdict import Judgement

SCHEMA = 1
_FIGURES_OF_HEALTH = {"cpu_share": ("mean", "max"), "loop_lag_ms": ("p50", "p99", "max")}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run besides its accounts. `started_at` is ISO 8601 in UTC.

    Each worker has `id`, `state`, `sent`, and `health` as `WorkerHealth.to_plain` gives it. Each
    change of the run has `at_s` from T0, `change` (rate, pause, resume), a rate its `rate_per_s`.
    """

    run_id: str
    seed: int
    plan_hash: str
    target: str
    profile: str
    started_at: str
    duration_s: float
    workers: Sequence[Mapping[str, Any]]
    generator: GeneratorJudgement
    changes: Sequence[Mapping[str, Any]] = ()


def summarise(
    facts: RunFacts,
    accounts: Mapping[str, ScenarioAccount],
    configured: Mapping[str, float | None],
    judgement: Judgement,
) -> dict[str, Any]:
    """Return the summary as a JSON object; rates are per second, durations in milliseconds.

    `configured` holds each scenario's mean rate by the plan, None where nothing is scheduled.
    """
    total = Counts()
    for account in accounts.values():
        total.add(account.counts)
    return {
        "schema": SCHEMA,
        "run_id": facts.run_id,
        "verdict": judgement.verdict.value,
        "exit_code": int(judgement.exit_code),
        "reasons": list(judgement.reasons),
        "seed": facts.seed,
        "plan_hash": facts.plan_hash,
        "target": facts.target,
        "profile": facts.profile,
        "started_at": facts.started_at,
        "duration_s": round(facts.duration_s, 3),
        "scenarios": {
            name: _scenario(account, configured[name], facts.duration_s)
            for name, account in accounts.items()
        },
        "totals": _counts(total),
        "criteria": [],
        "changes": [dict(change) for change in facts.changes],
        "generator": _generator(facts),
        "workers": [dict(worker) for worker in facts.workers],
    }


def failures_of(figures: Mapping[str, Any]) -> dict[str, int]:
    """Return what to show as failures, by code, of a scenario's figures or the totals.

    These are the errors, and the messages that were accepted and should have been refused.
    """
    unexpected: int = figures["unexpected"]
    return {**figures["errors"], **({UNEXPECTED: unexpected} if unexpected else {})}


def _generator(facts: RunFacts) -> dict[str, Any]:
    """What was judged of the workers, and each figure of the worker that it is worst for."""
    healths = [worker["health"] for worker in facts.workers]
    return {
        "state": facts.generator.state,
        "warnings": list(facts.generator.warnings),
        **{
            figure: {
                name: max((health[figure][name] for health in healths), default=0.0)
                for name in names
            }
            for figure, names in _FIGURES_OF_HEALTH.items()
        },
    }


def _scenario(
    account: ScenarioAccount, configured: float | None, duration_s: float
) -> dict[str, Any]:
    counts = account.counts
    steps = {step: _times(durations) for step, durations in account.steps.items()}
    return {
        **_counts(counts),
        "rate_per_s": {
            "configured": None if configured is None else round(configured, 3),
            "scheduled": round(counts.scheduled / duration_s, 3) if duration_s else 0.0,
            "achieved": round(counts.sent / duration_s, 3) if duration_s else 0.0,
        },
        **_times(account.durations),
        "pool": {
            "retired": dict(Counter(account.retired.values())),
            "redirected": account.redirected,
        },
        **({"steps": steps} if steps else {}),
    }


def _counts(counts: Counts) -> dict[str, Any]:
    values = counts.to_dict()
    del values["attempts"], values["not_ok"]
    return values


def _times(durations: Durations) -> dict[str, Any]:
    return {
        "send_error_ms": _quantiles(durations.send_error),
        "response_time_ms": _quantiles(durations.response),
        "service_time_ms": _quantiles(durations.service),
        "rejected_time_ms": _quantiles(durations.rejected),
        "unknown_time_ms": _quantiles(durations.unknown),
    }


def _quantiles(histogram: Histogram) -> dict[str, Any]:
    """Quantiles, how many values were censored, and which quantiles are only lower bounds."""
    quantiles = histogram.quantiles()
    values: dict[str, Any] = {name: round(value.ms, 6) for name, value in quantiles.items()}
    at_least = [name for name, value in quantiles.items() if value.at_least]
    return (
        values
        | {"count": histogram.count, "censored": histogram.censored}
        | ({"at_least": at_least} if at_least else {})
    )
