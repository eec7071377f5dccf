"""`metrics.txt`: the figures of a run in the text format of OpenMetrics.

https://prometheus.io/docs/specs/om/open_metrics_spec/, read 2026-11-26. Times are in seconds and
shares in parts of one, as that asks; each sample names the run, its profile and its target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from convoy.results.account import StepResult
from convoy.results.criteria import CriterionResult
from convoy.results.histograms import QUANTILES
from convoy.results.reports.escaping import label_value
from convoy.results.result import RunResult
from convoy.results.summary import Quantiles, ScenarioSummary, Summary
from convoy.results.verdict import Verdict

Labels = Mapping[str, str]
_FATES = ("accepted", "rejected", "failed", "unknown")
_TIMES = {
    "response_time": ("response", "From when accepted messages were due until they were answered"),
    "service_time": ("service", "From when accepted messages were sent until they were answered"),
    "rejected_time": ("rejected", "From when rejected messages were due until they were answered"),
    "unknown_time": ("unknown", "From when messages of unknown fate were due until they were lost"),
    "send_error": ("send_error", "Between when messages were due and when they were sent"),
}
_OUTCOMES = ("matched", "missing", "duplicate", "unexpected")
_RATES = ("configured", "scheduled", "achieved")
_QUANTILES = {name: round(percent / 100, 6) for name, percent in QUANTILES.items()} | {"max": 1.0}
_BASE_UNITS = {"ms": ("seconds", 1000), "%": ("ratio", 100), "/s": ("messages_per_second", 1)}
_CRITERION_VERDICTS = ("pass", "fail", "not judged")


@dataclass(frozen=True, slots=True)
class _Sample:
    value: float
    labels: Labels
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class _Family:
    """Samples of one name and kind; a name that ends in `_seconds` has that unit."""

    name: str
    kind: Literal["counter", "gauge", "info", "stateset", "summary"]
    help: str
    samples: Iterable[_Sample]

    def lines(self, common: Labels) -> Iterator[str]:
        yield f"# TYPE convoy_{self.name} {self.kind}"
        if self.name.endswith("_seconds"):
            yield f"# UNIT convoy_{self.name} seconds"
        yield f"# HELP convoy_{self.name} {self.help}."
        for each in self.samples:
            labels = ",".join(
                f'{name}="{label_value(value)}"'
                for name, value in {**common, **each.labels}.items()
            )
            yield f"convoy_{self.name}{each.suffix}{{{labels}}} {each.value!r}"


def metrics_report(summary: Summary, result: RunResult) -> str:
    """Return the samples as text; none has a time of its own, so that who reads it gives them one.

    By codes and by scenarios there are as many as the run had, at most some hundred codes.
    """
    common = {
        "run_id": summary.run_id,
        "profile": summary.profile,
        "target": summary.target,
    }
    families = [
        *_of_the_run(summary),
        *_of_criteria(summary.criteria),
        *_of_messages(summary.scenarios),
        *_of_times(summary, result),
        *_of_parts(summary, result),
    ]
    lines = [line for family in families for line in family.lines(common)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _of_the_run(summary: Summary) -> Iterator[_Family]:
    started_s = datetime.fromisoformat(summary.started_at).timestamp()
    info = {"seed": str(summary.seed), "plan_hash": summary.plan_hash}
    info |= _own_labels("version", summary.versions) | _own_labels("label", summary.labels)
    yield _Family(
        "run", "info", "What ran, with the operator's labels", [_Sample(1, info, "_info")]
    )
    yield _Family(
        "verdict",
        "stateset",
        "The verdict on the run",
        _states("verdict", summary.verdict, Verdict),
    )
    yield _one("exit_code", "The exit code of the run", int(summary.exit_code))
    yield _one("run_start_timestamp_seconds", "When the measured part began", started_s)
    yield _one("run_duration_seconds", "How long the measured part lasted", summary.duration_s)


def _one(name: str, help: str, value: float) -> _Family:
    return _Family(name, "gauge", help, [_Sample(value, {})])


def _own_labels(prefix: str, values: Labels) -> dict[str, str]:
    """Return texts by names that a label may have; a number tells apart those that become one."""
    named: dict[str, str] = {}
    for written, value in values.items():
        name = base = f"{prefix}_{re.sub('[^a-zA-Z0-9_]', '_', written)}"
        number = 1
        while name in named:
            number += 1
            name = f"{base}_{number}"
        named[name] = value
    return named


def _states(
    name: str, present: str, states: Iterable[str], labels: Labels | None = None
) -> Iterator[_Sample]:
    for state in states:
        yield _Sample(int(state == present), {**(labels or {}), f"convoy_{name}": state})


def _of_criteria(criteria: Iterable[CriterionResult]) -> Iterator[_Family]:
    # A file of criteria may hold the same line twice, and a sample may come once only.
    found = {each.criterion: each for each in criteria}.values()
    observed, limits = [], []
    for each in found:
        unit, per_unit = _BASE_UNITS.get(each.unit, ("messages", 1))
        labels = {"criterion": each.criterion, "unit": unit}
        limits.append(_Sample(each.limit / per_unit, labels))
        if each.observed is not None:
            observed.append(_Sample(each.observed / per_unit, labels))
    yield _Family("criterion_observed", "gauge", "What a criterion found, in its unit", observed)
    yield _Family("criterion_limit", "gauge", "The limit of a criterion, in its unit", limits)
    yield _Family(
        "criterion_verdict",
        "stateset",
        "What a criterion says of the run",
        [
            sample
            for each in found
            for sample in _states(
                "criterion_verdict",
                each.verdict,
                _CRITERION_VERDICTS,
                {"criterion": each.criterion},
            )
        ],
    )


def _of_messages(scenarios: Mapping[str, ScenarioSummary]) -> Iterator[_Family]:
    def one(field: str) -> list[_Sample]:
        return [
            _Sample(getattr(each, field), {"scenario": name}, "_total")
            for name, each in scenarios.items()
        ]

    def by(field: str, label: str) -> list[_Sample]:
        return [
            _Sample(count, {"scenario": name, label: key}, "_total")
            for name, each in scenarios.items()
            for key, count in getattr(each, field).items()
        ]

    fates = [
        _Sample(getattr(each, fate), {"scenario": name, "fate": fate}, "_total")
        for name, each in scenarios.items()
        for fate in _FATES
    ]
    yield _Family("messages", "counter", "Messages that were sent, by what became of them", fates)
    for field, help in (
        ("scheduled", "Messages that fell due"),
        ("resent", "Messages that were sent again after a new login"),
        ("unexpected", "Accepted messages that should have been refused"),
    ):
        yield _Family(f"{field}_messages", "counter", help, one(field))
    for field, help in (
        ("late", "Messages that were sent late, by cause"),
        ("not_sent", "Messages that were not sent, by cause"),
    ):
        yield _Family(f"{field}_messages", "counter", help, by(field, "cause"))
    errors = by("errors", "code")
    yield _Family("errors", "counter", "Messages that were not accepted, by error code", errors)
    rates = [
        _Sample(value, {"scenario": name, "rate": rate})
        for name, each in scenarios.items()
        for rate in _RATES
        if (value := getattr(each.rate_per_s, rate)) is not None
    ]
    yield _Family("messages_per_second", "gauge", "Messages per second of the measured part", rates)


def _of_times(summary: Summary, result: RunResult) -> Iterator[_Family]:
    doubts: list[_Sample] = []
    for name, (field, help) in _TIMES.items():
        samples: list[_Sample] = []
        for scenario, each in summary.scenarios.items():
            labels, times = {"scenario": scenario}, getattr(each, f"{name}_ms")
            total_s = getattr(result.scenarios[scenario].durations, field).total_s
            samples += _summary(times, total_s, labels)
            doubts += _doubts(times, labels | {"time": name})
        yield _Family(f"{name}_seconds", "summary", help, samples)
    yield _Family(
        "quantile_doubts",
        "gauge",
        "Quantiles that are lower bounds only, or may be the load generator's own lag",
        doubts,
    )


def _summary(times: Quantiles, total_s: float, labels: Labels) -> Iterator[_Sample]:
    """Yield the samples of a summary; without durations it has no quantiles."""
    if times.count:
        for name, quantile in _QUANTILES.items():
            value_s = round(getattr(times, name) / 1000, 9)
            yield _Sample(value_s, {**labels, "quantile": str(quantile)})
    yield _Sample(times.count, labels, "_count")
    yield _Sample(total_s, labels, "_sum")


def _doubts(times: Quantiles, labels: Labels) -> Iterator[_Sample]:
    for doubt, names in (("lower_bound", times.at_least), ("generator", times.ours)):
        for name in names:
            yield _Sample(1, {**labels, "of": str(_QUANTILES[name]), "doubt": doubt})


def _of_parts(summary: Summary, result: RunResult) -> Iterator[_Family]:
    """Yield what came of the steps and timings of all scenarios."""
    steps: list[_Sample] = []
    errors: list[_Sample] = []
    step_times: list[_Sample] = []
    pairs: list[_Sample] = []
    pair_times: list[_Sample] = []
    for scenario, each in summary.scenarios.items():
        of_result = result.scenarios[scenario]
        for name, step in each.steps.items():
            labels = {"scenario": scenario, "step": name}
            steps.append(_Sample(step.count, labels, "_total"))
            errors += [
                _Sample(count, {**labels, "code": code}, "_total")
                for code, count in step.errors.items()
            ]
            step_times += _part_times(step.time_ms, of_result.steps[name], labels)
        for name, timing in each.timings.items():
            labels = {"scenario": scenario, "timing": name}
            pairs += [
                _Sample(getattr(timing, outcome), {**labels, "outcome": outcome}, "_total")
                for outcome in _OUTCOMES
            ]
            pair_times += _part_times(timing.time_ms, of_result.timings[name], labels)
    yield _Family("steps", "counter", "Steps that users did besides their messages", steps)
    yield _Family("step_errors", "counter", "Steps that failed, by error code", errors)
    yield _Family("step_time_seconds", "summary", "How long steps took", step_times)
    yield _Family("timings", "counter", "Pairs of sent and received, by what was found", pairs)
    yield _Family("timing_time_seconds", "summary", "Between sent and received", pair_times)


def _part_times(times: Quantiles, part: StepResult, labels: Labels) -> Iterator[_Sample]:
    return _summary(times, part.durations.response.total_s, labels)
