"""The result of a run up to some moment; every report is made from it.

It is a value: at a later moment of the run there is another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from convoy.results.account import ScenarioResult, StepResult, step_name, timing_name
from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.far_side import FarSide
from convoy.results.health import WorkerHealth
from convoy.results.outcome import Number, Seconds
from convoy.results.reconciled import Reconciled
from convoy.results.samples import CodeSamples
from convoy.results.series import Series, Step


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change in mid-run, `at_s` seconds after T0.

    `rate_per_s` is the new rate, `users` the new number of users, if that was changed.
    """

    at_s: Seconds
    change: Literal["rate", "pause", "resume", "users"]
    rate_per_s: float | None = None
    users: Number | None = None

    def __str__(self) -> str:
        rate = "" if self.rate_per_s is None else f" of {self.rate_per_s:g}/s"
        users = "" if self.users is None else f" to {self.users:,}"
        return f"{self.change}{rate}{users} from {self.at_s:.1f} s on"


class WorkerResult(msgspec.Struct, frozen=True):
    """What became of one worker; it `sent` so many messages by its own reports.

    For `held_s` of the measured phase it had lanes, so that its health should be known for as long.
    """

    id: str
    state: Literal["reported", "lost"]
    sent: Number
    health: WorkerHealth
    held_s: Seconds = 0.0


class Row(msgspec.Struct, frozen=True):
    """What Locust's own statistics say of one scenario; `total_s` is the sum of response times."""

    requests: Number
    failures: Number
    total_s: float


class RunFacts(msgspec.Struct, frozen=True):
    """What a run was made of: its resolved `settings` as YAML with nothing secret in them.

    `versions` are those of Convoy, Locust, Python and the system, and the commit of the checkout;
    `labels` are the operator's. `command` starts the same run again in such a checkout.
    """

    settings: str = ""
    command: str = ""
    versions: dict[str, str] = {}
    labels: dict[str, str] = {}


class GeneratorStep(msgspec.Struct, frozen=True):
    """The workers in one step of a run: their users, and the worst of them.

    `cpu_share` is the highest share of a core that one used, `loop_lag_ms` the longest time by
    which the event loop of one was late.
    """

    users: Number
    cpu_share: Seconds
    loop_lag_ms: Seconds


class RunResult(msgspec.Struct, frozen=True):
    """What came of a run up to the moment when this was taken.

    `started_at` is T0 as ISO 8601 in UTC, `duration_s` how long the measured part lasts or lasted.
    `samples` are those of failures by code. Each of `problems` is a sentence on what makes the
    numbers themselves doubtful: a lost worker, a missing report, an interruption. `series` holds
    what happened by part and step, `generator` how the workers were by the number of the step, and
    `aborted` the criterion that ended the run early.
    `far_side` is what the remote has of the run, known after its end, and `rows` are those of
    Locust by scenario, where they were not reset meanwhile. `reconciled` is what was found of each
    message at the far side, None unless that was asked for. Before the run `is_over`, the figures
    of its workers are not of one moment.
    """

    run_id: str
    seed: int
    plan_hash: str
    target: str
    profile: str
    started_at: str
    duration_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    late_after_s: Seconds
    is_flat_out: bool
    scenarios: Annotated[dict[str, ScenarioResult], msgspec.Meta(max_length=1_000)]
    workers: tuple[WorkerResult, ...]
    samples: dict[str, CodeSamples]
    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    facts: RunFacts = RunFacts()
    series: dict[str, Series] = {}
    generator: dict[Step, GeneratorStep] = {}
    aborted: CriterionResult | None = None
    far_side: FarSide = FarSide("the run is not over")
    rows: dict[str, Row] = {}
    reconciled: Reconciled | None = None
    is_over: bool = False

    @property
    def t0_s(self) -> float:
        """T0 in seconds since 1970."""
        return datetime.fromisoformat(self.started_at).timestamp()

    @property
    def parts(self) -> dict[str, StepResult]:
        """What came of each scenario, step and timing, by the name of each."""
        parts: dict[str, StepResult] = dict(self.scenarios)
        for name, each in self.scenarios.items():
            parts |= {step_name(name, step): part for step, part in each.steps.items()}
            parts |= {timing_name(name, timing): part for timing, part in each.timings.items()}
        return parts

    @property
    def totals(self) -> Counts:
        return Counts.total(scenario.counts for scenario in self.scenarios.values())
