"""`metrics.txt`: the figures of a run in the text format of OpenMetrics.

https://prometheus.io/docs/specs/om/open_metrics_spec/, read 2026-11-26. Times are in seconds and
shares in parts of one, as that asks; each sample names the run, its profile and its target.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import get_args

from convoy.results.criteria import CriterionVerdict
from convoy.results.histograms import QUANTILES
from convoy.results.reports.escaping import label_value
from convoy.results.result import RunResult
from convoy.results.summary import Quantiles, ScenarioSummary, Summary
from convoy.results.verdict import Verdict

_FAMILIES = {
    "run": ("info", "What ran, with the operator's labels"),
    "verdict": ("stateset", "The verdict on the run"),
    "exit_code": ("gauge", "The exit code of the run"),
    "run_start_timestamp_seconds": ("gauge", "When the measured part began"),
    "run_duration_seconds": ("gauge", "How long the measured part lasted"),
    "criterion_observed": ("gauge", "What a criterion found, in its unit"),
    "criterion_limit": ("gauge", "The limit of a criterion, in its unit"),
    "criterion_verdict": ("stateset", "What a criterion says of the run"),
    "messages": ("counter", "Messages that were sent, by what became of them"),
    "scheduled_messages": ("counter", "Messages that fell due"),
    "resent_messages": ("counter", "Messages that were sent again after a new login"),
    "unexpected_messages": ("counter", "Accepted messages that should have been refused"),
    "late_messages": ("counter", "Messages that were sent late, by cause"),
    "not_sent_messages": ("counter", "Messages that were not sent, by cause"),
    "errors": ("counter", "Messages that were not accepted, by error code"),
    "messages_per_second": ("gauge", "Messages per second of the measured part"),
    "response_time_seconds": (
        "summary",
        "From when accepted messages were due until they were answered",
    ),
    "service_time_seconds": (
        "summary",
        "From when accepted messages were sent until they were answered",
    ),
    "rejected_time_seconds": (
        "summary",
        "From when rejected messages were due until they were answered",
    ),
    "unknown_time_seconds": (
        "summary",
        "From when messages of unknown fate were due until they were lost",
    ),
    "send_error_seconds": ("summary", "Between when messages were due and when they were sent"),
    "quantile_doubts": (
        "gauge",
        "Quantiles that are lower bounds only, or may be the load generator's own lag",
    ),
    "steps": ("counter", "Steps that users did besides their messages"),
    "step_errors": ("counter", "Steps that failed, by error code"),
    "step_time_seconds": ("summary", "How long steps took"),
    "timings": ("counter", "Pairs of sent and received, by what was found"),
    "timing_time_seconds": ("summary", "Between sent and received"),
}
"""Kind and description of each family of samples; a name that ends in `_seconds` has that unit."""
_SUFFIXES = {"counter": "_total", "info": "_info"}
_FATES = ("accepted", "rejected", "failed", "unknown")
_TIMES = ("response_time", "service_time", "rejected_time", "unknown_time", "send_error")
_OUTCOMES = ("matched", "missing", "duplicate", "unexpected")
_RATES = ("configured", "scheduled", "achieved")
_QUANTILES = {name: round(percent / 100, 6) for name, percent in QUANTILES.items()} | {"max": 1.0}
_BASE_UNITS = {"ms": ("seconds", 1000), "%": ("ratio", 100), "/s": ("messages_per_second", 1)}

_Sample = tuple[str, float, dict[str, str]]
"""A name, which may be that of a family with `_count` or `_sum` behind it, a value and labels."""


def metrics_report(summary: Summary, result: RunResult) -> str:
    """Return the samples as text; none has a time of its own, so that who reads it gives them one.

    By codes and by scenarios there are as many as the run had, at most some hundred codes.
    """
    common = {name: getattr(summary, name) for name in ("run_id", "profile", "target")}
    samples = defaultdict[str, list[str]](list)
    for name, value, labels in _samples(summary, result):
        family = re.sub("_(count|sum)$", "", name)
        named = ((each, label_value(text)) for each, text in (common | labels).items())
        shown = ",".join(f'{each}="{text}"' for each, text in named)
        suffix = _SUFFIXES.get(_FAMILIES[family][0], "")
        samples[family].append(f"convoy_{name}{suffix}{{{shown}}} {value!r}")
    lines = []
    for family, (kind, help) in _FAMILIES.items():
        lines.append(f"# TYPE convoy_{family} {kind}")
        if family.endswith("_seconds"):
            lines.append(f"# UNIT convoy_{family} seconds")
        lines += [f"# HELP convoy_{family} {help}.", *samples[family]]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _samples(summary: Summary, result: RunResult) -> Iterator[_Sample]:
    info = {"seed": str(summary.seed), "plan_hash": summary.plan_hash}
    info |= _own_labels("version", summary.versions) | _own_labels("label", summary.labels)
    yield "run", 1, info
    for state in Verdict:
        # The label of a state set has to have the name of its family.
        yield "verdict", int(state is summary.verdict), {"convoy_verdict": state}
    yield "exit_code", int(summary.exit_code), {}
    yield "run_start_timestamp_seconds", result.t0_s, {}
    yield "run_duration_seconds", summary.duration_s, {}
    # A file of criteria may hold the same line twice, and a sample may come once only.
    for text, found in {each.criterion: each for each in summary.criteria}.items():
        unit, per_unit = _BASE_UNITS.get(found.unit, ("messages", 1))
        labels = {"criterion": text, "unit": unit}
        yield "criterion_limit", found.limit / per_unit, labels
        if found.observed is not None:
            yield "criterion_observed", found.observed / per_unit, labels
        for state in get_args(CriterionVerdict):
            labels = {"criterion": text, "convoy_criterion_verdict": state}
            yield "criterion_verdict", int(state == found.verdict), labels
    for name, scenario in summary.scenarios.items():
        yield from _of_messages(scenario, {"scenario": name})
        durations = result.scenarios[name].durations
        for kind in _TIMES:
            times: Quantiles = getattr(scenario, f"{kind}_ms")
            total_s = getattr(durations, kind.removesuffix("_time")).total_s
            yield from _of_times(kind, times, total_s, {"scenario": name})
            for doubt, doubted in (("lower_bound", times.at_least), ("generator", times.ours)):
                for of in doubted:
                    labels = {"time": kind, "of": str(_QUANTILES[of]), "doubt": doubt}
                    yield "quantile_doubts", 1, {"scenario": name, **labels}
        yield from _of_parts(name, scenario, result)


def _own_labels(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
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


def _of_messages(scenario: ScenarioSummary, own: dict[str, str]) -> Iterator[_Sample]:
    for fate in _FATES:
        yield "messages", getattr(scenario, fate), own | {"fate": fate}
    for field in ("scheduled", "resent", "unexpected"):
        yield f"{field}_messages", getattr(scenario, field), own
    for field in ("late", "not_sent"):
        for cause, count in getattr(scenario, field).items():
            yield f"{field}_messages", count, own | {"cause": cause}
    for code, count in scenario.errors.items():
        yield "errors", count, own | {"code": code}
    for rate in _RATES:
        if (value := getattr(scenario.rate_per_s, rate)) is not None:
            yield "messages_per_second", value, own | {"rate": rate}


def _of_times(
    kind: str, times: Quantiles, total_s: float, own: dict[str, str]
) -> Iterator[_Sample]:
    """Yield the samples of a summary; without durations it has no quantiles."""
    for name, quantile in _QUANTILES.items() if times.count else ():
        value_s = round(getattr(times, name) / 1000, 9)
        yield f"{kind}_seconds", value_s, own | {"quantile": str(quantile)}
    yield f"{kind}_seconds_count", times.count, own
    yield f"{kind}_seconds_sum", total_s, own


def _of_parts(name: str, scenario: ScenarioSummary, result: RunResult) -> Iterator[_Sample]:
    """Yield what came of the steps and timings of a scenario."""
    found = result.scenarios[name]
    for part, step in scenario.steps.items():
        own = {"scenario": name, "step": part}
        yield "steps", step.count, own
        for code, count in step.errors.items():
            yield "step_errors", count, own | {"code": code}
        total_s = found.steps[part].durations.response.total_s
        yield from _of_times("step_time", step.time_ms, total_s, own)
    for part, timing in scenario.timings.items():
        own = {"scenario": name, "timing": part}
        for outcome in _OUTCOMES:
            yield "timings", getattr(timing, outcome), own | {"outcome": outcome}
        total_s = found.timings[part].durations.response.total_s
        yield from _of_times("timing_time", timing.time_ms, total_s, own)
