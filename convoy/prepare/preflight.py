"""The preflight: everything that has to be in place before load starts, checked and collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from convoy.errors import Fault, RemoteError, SettingsError
from convoy.plan.picks import PickRule
from convoy.plan.pool import ConversationPool
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioInputs, ScenarioPlan
from convoy.prepare.allowance import allowance_line, shortfall
from convoy.prepare.canaries import new_run_id, send_canaries
from convoy.prepare.checklist import Checklist
from convoy.prepare.embedded_simulator import EmbeddedSimulator
from convoy.prepare.guard import check_plan, check_target
from convoy.prepare.pools import find_pool
from convoy.prepare.reach import check_way
from convoy.prepare.templates import ScenarioPayloads, check_pool, check_templates
from convoy.remote.client import Connections
from convoy.remote.discovery import read_ledger
from convoy.remote.oauth import Token
from convoy.results.criteria import Criterion
from convoy.results.grammar import Known, parse
from convoy.results.series import step_of
from convoy.routes.catalogue import Route
from convoy.routes.codes import KNOWN_CODES
from convoy.settings import Settings


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that may start: its settings, and what the plan of each scenario is made of.

    `criteria` is what it is judged by; `spawn_rate` is in users per second, None for all at once;
    `checklist` holds what the preflight found, `ledger_since` is since when the simulator's ledger
    counts ("" for another target).
    """

    settings: Settings
    inputs: Mapping[str, ScenarioInputs]
    criteria: tuple[Criterion, ...]
    spawn_rate: float | None
    checklist: Checklist
    ledger_since: str
    run_id: str = field(default_factory=new_run_id)

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


@dataclass(frozen=True, slots=True)
class Preflight:
    """The checks of one run, in order, each entered into `checklist`.

    `routes` are by scenario. The canary messages are the last step, and the only one that sends
    messages.
    """

    settings: Settings
    connections: Connections
    simulator: EmbeddedSimulator
    payloads: Path
    routes: Mapping[str, Route]
    checklist: Checklist

    def prepare(self, spawn_rate: float | None, *, sends_canaries: bool) -> PreparedRun:
        """Return the run; raises RefusedError or SettingsError. Checks without network go first."""
        settings, step = self.settings, self.checklist.step
        with step("templates"):
            checked = check_templates(settings, self.payloads, self.routes)
        told = ", ".join(f"{len(each.sources)} of {name}" for name, each in checked.items())
        self.checklist.ok("templates", told)
        with step("criteria"):
            criteria = self._criteria(checked)
        with step("approval"):
            check_plan(settings)
        with step("target"):
            check_target(settings)
        self._check_simulator()
        for url in dict.fromkeys((settings.target.api_url, settings.target.login_url)):
            check_way(url, self.connections, settings.request_timeout_s, self.checklist)
        self.checklist.refuse_if_failed()
        session = self.connections.open_session()
        try:
            with step("login"):
                token = session.open()
            self.checklist.ok("login", f"{settings.target.login_url} gave a token")
            run = PreparedRun(
                settings,
                self._inputs(checked, token),
                criteria,
                spawn_rate,
                self.checklist,
                self._ledger_since(),
            )
            warning = shortfall(settings)
            if warning:
                self.checklist.warn("limits", *warning)
            else:
                self.checklist.ok("limits", allowance_line(settings))
            if sends_canaries:
                send_canaries(
                    run.inputs,
                    self.routes,
                    {
                        scenario: self.routes[scenario].answers(settings.scenario[scenario].expect)
                        for scenario in run.inputs
                    },
                    session,
                    run_id=run.run_id,
                    timeout_s=settings.request_timeout_s,
                    checklist=self.checklist,
                )
        finally:
            session.close()
        self.checklist.refuse_if_failed()
        return run

    def _criteria(self, checked: Mapping[str, ScenarioPayloads]) -> tuple[Criterion, ...]:
        """Return the run's criteria; raises SettingsError with every line that is none."""
        settings = self.settings
        expected = {code for each in checked.values() for code in each.expected.values()}
        known = Known(
            scenarios=settings.scenarios,
            duration_s=settings.duration_s,
            step_s=step_of(settings.duration_s),
            codes={*KNOWN_CODES, *expected},
        )
        criteria = parse(settings.criteria, known)
        if criteria:
            self.checklist.ok("criteria", "; ".join(each.text for each in criteria))
        else:
            told = "there are none, so nothing decides whether the run is good"
            self.checklist.warn("criteria", told, "give some, as in docs/criteria.md")
        return criteria

    def _check_simulator(self) -> None:
        if not self.settings.target.embedded_simulator:
            return
        url = self.settings.target.api_url
        with self.checklist.step("simulator"):
            is_ours = self.simulator.ensure(url)
        if is_ours:
            self.checklist.ok("simulator", f"started at {url}")
            return
        told = f"a simulator that was running already is used at {url}"
        self.checklist.warn("simulator", told, "stop it to have a fresh one")

    def _ledger_since(self) -> str:
        if self.settings.target.approval is not None:
            return ""
        try:
            return read_ledger(self.settings.target.api_url, "").since
        except RemoteError:
            return ""

    def _inputs(
        self, checked: Mapping[str, ScenarioPayloads], token: Token
    ) -> dict[str, ScenarioInputs]:
        with self.checklist.step("pool"):
            stages = self.settings.stages_by_scenario()
            inputs = {
                scenario: _scenario_inputs(
                    self.settings,
                    payloads,
                    RateCurve([Stage(*stage) for stage in stages[scenario]]),
                    find_pool(self.settings, scenario, token),
                )
                for scenario, payloads in checked.items()
            }
        counts = {scenario: ScenarioPlan(each).count for scenario, each in inputs.items()}
        for scenario, each in inputs.items():
            _check_pool_size(each, counts[scenario], self.checklist)
        with self.checklist.step("rate"):
            _check_that_something_is_due(counts)
        return inputs


def _scenario_inputs(
    settings: Settings, payloads: ScenarioPayloads, curve: RateCurve, pool: ConversationPool
) -> ScenarioInputs:
    check_pool(payloads, pool)
    rule = settings.scenario[payloads.scenario]
    return ScenarioInputs(
        scenario=payloads.scenario,
        seed=settings.seed,
        curve=curve,
        pool=pool,
        templates=payloads.sources,
        weights=payloads.weights,
        users=settings.users,
        pick=PickRule(
            rule.conversations.pick, rule.conversations.exponent, rule.conversations.on_exhausted
        ),
        arrivals=ArrivalRule(settings.arrivals, settings.messages, settings.think_time_s),
        texts=payloads.texts,
        expected=payloads.expected,
        variables=rule.variables,
    )


def _check_pool_size(inputs: ScenarioInputs, messages: int | None, checklist: Checklist) -> None:
    """Compare the size of a pool with the users that share it and the messages that use it up."""
    size, pick = len(inputs.pool), inputs.pick
    check = f"pool of {inputs.scenario}"
    if pick.is_exclusive and size < inputs.users:
        told = f"{inputs.users} users share {size:,} conversations, one message at a time to each"
        fix = "use a larger pool or fewer users, or messages may not be sent by cause pool"
        checklist.warn(check, told, fix)
    elif pick.binds_users and size < inputs.users:
        told = f"{inputs.users} users keep {size:,} conversations: some share one"
        checklist.warn(check, told, "use a larger pool or fewer users")
    elif pick.on_exhausted == "fail" and messages is not None and messages > size:
        told = f"{messages:,} messages use up {size:,} conversations; the rest fails"
        checklist.warn(check, told, "use a larger pool, or on_exhausted: recycle")
    else:
        checklist.ok(check, f"{size:,} conversations, pick {pick.name}")


def _check_that_something_is_due(counts: Mapping[str, int | None]) -> None:
    faults = [
        Fault("rate", f"is so low that no message of {scenario} is due; raise it or run_time_s")
        for scenario, count in counts.items()
        if count == 0
    ]
    if faults:
        raise SettingsError(faults)
