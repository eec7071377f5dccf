"""A run before its load: as far as it is known without the target, and when it may start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import time

from convoy.plan.pool import NO_CONVERSATION
from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.checklist import Checklist
from convoy.prepare.guard import check_plan, check_processes, check_total, check_window
from convoy.prepare.machine import check_machine, files_per_user
from convoy.prepare.message_counts import check_due, messages_beside, planned_messages
from convoy.prepare.pools import given_pool
from convoy.prepare.scenarios import KnownScenario, check_scenarios, known_to_criteria
from convoy.prepare.templates import CheckedScenario, check_templates
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.results.criteria import Criterion
from convoy.results.grammar import parse
from convoy.results.result import RunFacts
from convoy.routes.catalogue import GUEST_CHAT
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


def drafted(
    run: PreparedRun, scenarios: Mapping[str, KnownScenario], payloads: Path
) -> tuple[PreparedRun, dict[str, CheckedScenario]]:
    """Return a run with what follows from files and settings, and whom each scenario's pool names.

    What is to be sent fits this machine and the approval. Raises SettingsError, RefusedError.
    """
    settings, checklist = run.settings, run.checklist
    routes = {name: scenarios[name].route for name in settings.scenarios}
    with checklist.step("templates"):
        checked = check_templates(settings, payloads, routes)
    inputs = {name: each.inputs for name, each in checked.items()}
    told = ", ".join(f"{len(each.templates)} of {name}" for name, each in inputs.items())
    checklist.ok("templates", told)
    with checklist.step("criteria"):
        criteria = parse(settings.criteria, known_to_criteria(settings, scenarios, inputs))
    if criteria:
        checklist.ok("criteria", "; ".join(each.text for each in criteria))
    else:
        told = "there are none, so nothing decides whether the run is good"
        checklist.warn("criteria", told, "give some, as in docs/criteria.md")
    with checklist.step("scenarios"):
        check_scenarios(settings, scenarios)
    with checklist.step("pool"):
        inputs = {
            name: replace(each, pool=given_pool(settings, name) or NO_CONVERSATION)
            for name, each in inputs.items()
        }
    guests = tuple(name for name, each in routes.items() if each is GUEST_CHAT)
    run = replace(run, inputs=inputs, criteria=criteria, guests=guests)
    _check_load(run)
    return run, checked


def _check_load(run: PreparedRun) -> None:
    settings, checklist = run.settings, run.checklist
    with checklist.step("rate"):
        check_due(run.inputs)
    check_machine(settings.users, run.processes, checklist, files_per_user(settings, run.guests))
    with checklist.step("approval"):
        check_plan(settings)
        check_processes(settings, run.processes)
        check_window(settings, time(), settings.warm_up_s + settings.duration_s)
        planned = planned_messages(settings, run.inputs)
        check_total(settings, planned, messages_beside(settings, run.inputs))
