"""A run that may start: what a preflight returns, and what load is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.checklist import Checklist
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.results.criteria import Criterion
from convoy.results.result import RunFacts
from convoy.settings import Settings


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that may start: its settings, and what the plan of each scenario is made of.

    `criteria` is what it is judged by; `spawn_rate` is in users per second, None for all at once;
    `checklist` holds what the preflight found, `ledger_since` is since when the simulator's ledger
    counts ("" for another target), `facts` what the record says of it. `processes` on this machine
    hold the users; `admission` is what may be connected to. The users of the scenarios in `guests`
    are guests of web messaging. Where the total is approved, the preflight `sent` so much of it.
    """

    settings: Settings
    inputs: Mapping[str, ScenarioInputs]
    criteria: tuple[Criterion, ...]
    spawn_rate: float | None
    checklist: Checklist
    ledger_since: str
    run_id: str
    facts: RunFacts = RunFacts()
    processes: int = 1
    admission: Admission = THIS_MACHINE
    guests: tuple[str, ...] = ()
    sent: int = 0

    @property
    def users_per_s(self) -> float:
        return self.spawn_rate or float(self.settings.users)

    @property
    def description(self) -> str:
        settings = self.settings
        return (
            f"profile {settings.profile}, {self._load} in {settings.duration_s:g} s by "
            f"{settings.users} users to {settings.target.name} ({settings.target.api_url})"
        )

    @property
    def _load(self) -> str:
        if not self.settings.is_scheduled:
            return "messages at the users' own pace"
        return f"{sum(inputs.curve.count for inputs in self.inputs.values()):,} messages"
