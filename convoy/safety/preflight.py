"""The preflight: everything that has to be in place before load starts, checked and collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convoy.errors import Fault, LoginError, RefusedError, SettingsError
from convoy.plan.plan import ArrivalRule, PickRule, ScenarioInputs, ScenarioPlan
from convoy.plan.rates import RateCurve, Stage
from convoy.remote.connections import Connections
from convoy.remote.oauth import Token
from convoy.safety.allowance import shortfall
from convoy.safety.embedded_simulator import EmbeddedSimulator
from convoy.safety.guard import capped, check_target, highest_rate
from convoy.safety.pools import find_pool
from convoy.safety.templates import ScenarioPayloads, check_pool, check_templates
from convoy.settings import Settings


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that may start: its settings, and what the plan of each scenario is made of.

    `spawn_rate` is in users per second, None for all at once; `notices` are sentences that the
    operator should read before the run.
    """

    settings: Settings
    inputs: Mapping[str, ScenarioInputs]
    spawn_rate: float | None
    notices: tuple[str, ...]

    @property
    def description(self) -> str:
        settings = self.settings
        messages = sum(inputs.curve.count for inputs in self.inputs.values())
        return (
            f"profile {settings.profile}, {messages:,} messages in {settings.duration_s:g} s by "
            f"{settings.users} users to {settings.target.name} ({settings.target.api_url})"
        )


def prepare(
    settings: Settings,
    connections: Connections,
    simulator: EmbeddedSimulator,
    *,
    payloads: Path,
    spawn_rate: float | None = None,
) -> PreparedRun:
    """Check target, login and pool in this order; raises RefusedError or SettingsError.

    Templates come first, since they need no network.
    """
    checked = check_templates(settings, payloads)
    check_target(settings)
    is_borrowed = settings.target.embedded_simulator and not simulator.ensure(
        settings.target.api_url
    )
    token = _log_in(connections)
    curves = rate_curves(settings)
    inputs = {
        scenario: _inputs(settings, checked[scenario], curves[scenario], token)
        for scenario in settings.scenarios
    }
    _check_that_something_is_due(inputs)
    return PreparedRun(settings, inputs, spawn_rate, _notices(settings, curves, is_borrowed))


def rate_curves(settings: Settings) -> dict[str, RateCurve]:
    """Return each scenario's rate over time, within the approval's highest rate."""
    curves = {
        scenario: RateCurve([Stage(*stage) for stage in stages])
        for scenario, stages in settings.stages_by_scenario().items()
    }
    return capped(curves, settings)


def _inputs(
    settings: Settings, payloads: ScenarioPayloads, curve: RateCurve, token: Token
) -> ScenarioInputs:
    scenario = payloads.scenario
    pool = find_pool(settings, scenario, token)
    check_pool(payloads, pool)
    return ScenarioInputs(
        scenario=scenario,
        seed=settings.seed,
        curve=curve,
        pool=pool,
        templates=payloads.sources,
        weights=payloads.weights,
        users=settings.users,
        pick=_pick_rule(settings, scenario),
        arrivals=_arrival_rule(settings),
        texts=payloads.texts,
        expected=payloads.expected,
    )


def _check_that_something_is_due(inputs: Mapping[str, ScenarioInputs]) -> None:
    faults = [
        Fault("rate", f"is so low that no message of {scenario} is due; raise it or run_time_s")
        for scenario, each in inputs.items()
        if ScenarioPlan(each).count == 0
    ]
    if faults:
        raise SettingsError(faults)


def _pick_rule(settings: Settings, scenario: str) -> PickRule:
    rule = settings.scenario[scenario].conversations
    return PickRule(rule.pick, rule.exponent, rule.on_exhausted)


def _arrival_rule(settings: Settings) -> ArrivalRule:
    return ArrivalRule(settings.arrivals, settings.messages, settings.think_time_s)


def _log_in(connections: Connections) -> Token:
    try:
        return connections.log_in()
    except LoginError as error:
        raise RefusedError(str(error)) from error


def _notices(
    settings: Settings, curves: Mapping[str, RateCurve], is_borrowed: bool
) -> tuple[str, ...]:
    notices = []
    url, approval = settings.target.api_url, settings.target.approval
    if is_borrowed:
        notices.append(f"a simulator that was running already is used at {url}")
    if approval is not None and highest_rate(settings) > approval.highest_rate:
        notices.append(
            f"the run is scaled down from {highest_rate(settings):g} to "
            f"{approval.highest_rate:g} messages per second at most, as approval "
            f"{approval.ticket} allows: {sum(curve.count for curve in curves.values()):,} messages"
        )
    if settings.on_limit == "obey" and (warning := shortfall(settings)):
        notices.append(warning)
    return tuple(notices)
