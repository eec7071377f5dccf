"""The summary of a run: `summary.json` (schema 1) as a value, its writer and its reader.

`python -m convoy.results.summary` prints the JSON Schema that is kept in `docs/`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from convoy.errors import ConvoyError, ExitCode
from convoy.files import FileError, read_bytes
from convoy.results.account import ScenarioResult, StepResult
from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.far_side import FarSide
from convoy.results.generator import GeneratorState
from convoy.results.health import CpuShare, LoopLag
from convoy.results.histograms import Histogram
from convoy.results.reconciled import KINDS, Compared, Reconciled
from convoy.results.result import Change, RunResult, WorkerResult
from convoy.results.samples import CodeSamples, ErrorSample
from convoy.results.steps import pairs_in
from convoy.results.verdict import Judgement, Verdict
from convoy.routes.codes import meaning
from convoy.untrusted_text import UNREADABLE


class Quantiles(msgspec.Struct, frozen=True, omit_defaults=True):
    """Milliseconds of `count` durations; those named in `at_least` are only lower bounds.

    Those named in `ours` may have been made by the generator's own lag. `censored` of the durations
    are known to have lasted at least so long, not how long.
    """

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    count: int
    censored: int
    at_least: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()

    def shown(self, name: str) -> str:
        """Return one of them as a person reads it: a lower bound with `≥`, a doubtful one with `*`.

        Without any durations it is a dash.
        """
        if not self.count:
            return "–"
        at_least, ours = "≥ " * (name in self.at_least), "*" * (name in self.ours)
        return f"{at_least}{getattr(self, name):,.1f}{ours}"


class Totals(msgspec.Struct, frozen=True):
    """Messages by what became of them; `late` and `not_sent` by cause, the others by code.

    `failures` did not end as expected: the errors without the refusals that the scenario asks for,
    and the `unexpected`, which were accepted and should have been refused.
    """

    scheduled: int
    sent: int
    accepted: int
    rejected: int
    failed: int
    unknown: int
    resent: int
    unexpected: int
    late: dict[str, int]
    not_sent: dict[str, int]
    errors: dict[str, int]
    failures: dict[str, int]

    @property
    def expected(self) -> dict[str, int]:
        """The refusals that the scenario asks for, by code."""
        counts = Counter(self.errors)
        counts.subtract(self.failures)
        return dict((+counts).most_common())

    @property
    def codes(self) -> list[str]:
        """The codes of all failures, and then of the refusals that were asked for."""
        return list(dict.fromkeys([*self.failures, *self.errors]))


class Rates(msgspec.Struct, frozen=True):
    """Messages per second; nothing is `configured` where nothing is scheduled."""

    configured: float | None
    scheduled: float
    achieved: float


class PoolSummary(msgspec.Struct, frozen=True):
    """Conversations that were retired, by the code that they answered; messages sent elsewhere."""

    retired: dict[str, int]
    redirected: int


class StepSummary(msgspec.Struct, frozen=True):
    """How often a step was done, its errors by code, and the times of those that succeeded.

    A step without an answer is among the times as censored. `not_sent` counts, by cause, the steps
    that were left out because something before them had failed.
    """

    count: int
    errors: dict[str, int]
    time_ms: Quantiles
    not_sent: dict[str, int] = {}


class TimingSummary(msgspec.Struct, frozen=True):
    """Pairs of sent and received: matched ones, and what was missing, came twice or unexpected.

    `time_ms` holds the times between the two of matched pairs, and of missing ones, censored.
    """

    matched: int
    missing: int
    duplicate: int
    unexpected: int
    time_ms: Quantiles


class ScenarioSummary(Totals, frozen=True, omit_defaults=True):
    """What came of the messages of one scenario, and of its steps and timings by themselves.

    `response_time_ms` and `service_time_ms` are those of accepted ones, from when they were due and
    from when they were sent; what got no whole answer is in the former, censored. The times of
    rejected and unknown ones count from when they were due; `send_error_ms` is |sent - due|.
    """

    rate_per_s: Rates
    send_error_ms: Quantiles
    response_time_ms: Quantiles
    service_time_ms: Quantiles
    rejected_time_ms: Quantiles
    unknown_time_ms: Quantiles
    pool: PoolSummary
    steps: dict[str, StepSummary] = {}
    timings: dict[str, TimingSummary] = {}


_MOST_BYTES = 100 * 2**20
_Figures = TypeVar("_Figures", CpuShare, LoopLag)


class GeneratorSummary(msgspec.Struct, frozen=True):
    """The judgement on the workers, and the highest of each figure among them."""

    state: GeneratorState
    warnings: tuple[str, ...]
    cpu_share: CpuShare
    loop_lag_ms: LoopLag


class VisibilitySummary(msgspec.Struct, frozen=True):
    """How many messages analytics has shown (`matched`), and how many it has not (`missing`).

    Of the matched ones, `at_first_look` were there when analytics was asked for the first time, and
    may have been visible much earlier. `time_ms` counts from when a message was sent until it was
    seen; it holds the missing ones as censored.
    """

    matched: int
    missing: int
    at_first_look: int
    time_ms: Quantiles


class ReconciledSummary(Compared, frozen=True):
    """What was compared; `failure` says why the run has failed by that, "" where it has not."""

    failure: str
    analytics_visible: VisibilitySummary | None

    @property
    def shown(self) -> str:
        """What was found, in a line."""
        named = {kind: getattr(self, kind).count for kind in KINDS}
        others = "".join(
            f", {count:,} {kind.replace('_', ' ')}" for kind, count in named.items() if count
        )
        return f"{self.found:,} of {self.accepted:,} accepted messages found{others}"


class ErrorSummary(msgspec.Struct, frozen=True):
    """A code's usual cause, when it was seen, in seconds into the run, and its first failures."""

    hint: str
    first_s: float | None
    last_s: float | None
    samples: tuple[ErrorSample, ...]


class Summary(msgspec.Struct, frozen=True):
    """All figures of a run. `started_at` is T0 as ISO 8601 in UTC; `labels` are the operator's."""

    schema: Literal[1]
    run_id: str
    verdict: Verdict
    exit_code: ExitCode
    reasons: tuple[str, ...]
    seed: int
    plan_hash: str
    target: str
    profile: str
    started_at: str
    duration_s: float
    scenarios: dict[str, ScenarioSummary]
    totals: Totals
    criteria: tuple[CriterionResult, ...]
    changes: tuple[Change, ...]
    generator: GeneratorSummary
    far_side: FarSide
    workers: tuple[WorkerResult, ...]
    error_samples: dict[str, ErrorSummary]
    labels: dict[str, str] = {}
    versions: dict[str, str] = {}
    reconciled: ReconciledSummary | None = None

    def to_json(self) -> str:
        return json.dumps(msgspec.to_builtins(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Return the summary that a file holds; raises ConvoyError."""
        try:
            return msgspec.json.decode(read_bytes(path, _MOST_BYTES), type=cls)
        except FileError as error:
            raise ConvoyError(f"{path} {error}") from error
        except UNREADABLE as error:
            raise ConvoyError(f"{path} is no summary of a run (schema 1): {error}") from error


def summarise(result: RunResult, judgement: Judgement) -> Summary:
    """Return the summary of what came of a run and how it was judged."""
    totals = Totals(**_totals(result.totals))
    healths = [worker.health for worker in result.workers]
    own = {
        "schema": 1,
        "duration_s": round(result.duration_s, 3),
        "scenarios": {
            name: _scenario(scenario, result.duration_s)
            for name, scenario in result.scenarios.items()
        },
        "totals": totals,
        "generator": GeneratorSummary(
            state=judgement.generator.state,
            warnings=judgement.generator.warnings,
            cpu_share=_worst(CpuShare, [each.cpu_share for each in healths]),
            loop_lag_ms=_worst(LoopLag, [each.loop_lag_ms for each in healths]),
        ),
        "error_samples": {
            code: _error_samples(code, result.samples.get(code)) for code in totals.codes
        },
        "reconciled": None if result.reconciled is None else _reconciled(result.reconciled),
    }
    return Summary(**{**_same(Summary, result, judgement, result.facts), **own})


def _same(kind: type[msgspec.Struct], *sources: object) -> dict[str, Any]:
    """Return the fields of a struct that others have by the same names, the later ones first."""
    names = kind.__struct_fields__
    return {name: getattr(each, name) for each in sources for name in names if hasattr(each, name)}


def _totals(counts: Counts) -> dict[str, Any]:
    return {**_same(Totals, counts), "failures": dict(Counter(counts.failures).most_common())}


def _reconciled(found: Reconciled) -> ReconciledSummary:
    shown, visible = None, found.visibility
    if visible is not None:
        missing = visible.times.censored
        times = _quantiles(visible.times, 0)
        shown = VisibilitySummary(visible.matched, missing, visible.at_first_look, times)
    same = _same(Compared, found)
    return ReconciledSummary(**same, failure=found.failure(), analytics_visible=shown)


def _scenario(scenario: ScenarioResult, duration_s: float) -> ScenarioSummary:
    counts, configured = scenario.counts, scenario.configured_per_s
    durations, touched = scenario.durations, counts.touched
    rates = Rates(
        configured=None if configured is None else round(configured, 3),
        scheduled=round(counts.scheduled / duration_s, 3) if duration_s else 0.0,
        achieved=round(counts.sent / duration_s, 3) if duration_s else 0.0,
    )
    return ScenarioSummary(
        **_totals(counts),
        rate_per_s=rates,
        send_error_ms=_quantiles(durations.send_error, 0),
        response_time_ms=_quantiles(durations.response, touched),
        service_time_ms=_quantiles(durations.service, touched),
        rejected_time_ms=_quantiles(durations.rejected, touched),
        unknown_time_ms=_quantiles(durations.unknown, touched),
        pool=PoolSummary(scenario.retired, scenario.redirected),
        steps={name: _step(each) for name, each in scenario.steps.items()},
        timings={name: _timing(each) for name, each in scenario.timings.items()},
    )


def _step(step: StepResult) -> StepSummary:
    counts = step.counts
    times = _quantiles(step.durations.response, counts.touched)
    not_sent = {str(cause): count for cause, count in counts.not_sent.items()}
    return StepSummary(counts.sent, dict(counts.errors), times, not_sent)


def _timing(timing: StepResult) -> TimingSummary:
    times = _quantiles(timing.durations.response, timing.counts.touched)
    return TimingSummary(**pairs_in(timing.counts), time_ms=times)


def _quantiles(histogram: Histogram, touched: int) -> Quantiles:
    quantiles = histogram.quantiles(touched)
    return Quantiles(
        **{name: round(value.ms, 6) for name, value in quantiles.items()},
        count=histogram.count,
        censored=histogram.censored,
        at_least=tuple(name for name, value in quantiles.items() if value.at_least),
        ours=tuple(name for name, value in quantiles.items() if value.is_ours),
    )


def _worst(kind: type[_Figures], figures: list[_Figures]) -> _Figures:
    """Return the highest of each figure."""
    return kind(
        *(
            max((getattr(each, name) for each in figures), default=0.0)
            for name in kind.__struct_fields__
        )
    )


def _error_samples(code: str, seen: CodeSamples | None) -> ErrorSummary:
    if seen is None:
        return ErrorSummary(meaning(code), None, None, ())
    return ErrorSummary(meaning(code), seen.first_s, seen.last_s, seen.samples)


def json_schema() -> str:
    """Return the JSON Schema of `summary.json`."""
    return json.dumps(msgspec.json.schema(Summary), indent=2) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
