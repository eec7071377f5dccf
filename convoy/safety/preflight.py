"""The preflight: everything that has to be in place before load starts, checked and collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convoy.errors import Fault, LoginError, RefusedError, SettingsError
from convoy.plan.conversations import parse_pool
from convoy.plan.payloads import PayloadError
from convoy.plan.plan import ScenarioInputs, ScenarioPlan
from convoy.plan.rates import RateCurve, Stage
from convoy.remote.connections import Connections
from convoy.remote.discovery import find_conversations
from convoy.remote.oauth import Token
from convoy.safety.embedded_simulator import EmbeddedSimulator
from convoy.safety.guard import capped, check_target, highest_rate
from convoy.settings import Settings

_LARGEST_TEMPLATE_BYTES = 512_000


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


def check_templates(settings: Settings, payloads: Path) -> dict[str, dict[str, str]]:
    """Return `{scenario: {template name: source}}`; raises SettingsError with every fault."""
    faults: list[Fault] = []
    sources: dict[str, dict[str, str]] = {}
    for scenario in settings.scenarios:
        sources[scenario] = {}
        for name in settings.scenario[scenario].payloads:
            try:
                sources[scenario][name] = _checked_template(payloads, scenario, name)
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
                path = payloads / f"{name}.json"
                faults.append(
                    Fault(
                        f"scenario.{scenario}.payloads.{name}",
                        f"the template {path} cannot be read: {reason}",
                    )
                )
            except PayloadError as error:
                faults.append(Fault(f"scenario.{scenario}.payloads.{name}", str(error)))
    if faults:
        raise SettingsError(faults)
    return sources


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
    sources = check_templates(settings, payloads)
    check_target(settings)
    if settings.target.embedded_simulator:
        simulator.ensure(settings.target.api_url)
    token = _log_in(connections)
    curves = rate_curves(settings)
    inputs = {
        scenario: ScenarioInputs(
            scenario=scenario,
            seed=settings.seed,
            curve=curves[scenario],
            conversation_ids=_find_pool(settings, scenario, token),
            templates=sources[scenario],
            weights=settings.scenario[scenario].payloads,
        )
        for scenario in settings.scenarios
    }
    return PreparedRun(settings, inputs, spawn_rate, _notices(settings, curves))


def rate_curves(settings: Settings) -> dict[str, RateCurve]:
    """Return each scenario's rate over time, within the approval's highest rate."""
    curves = {
        scenario: RateCurve([Stage(*stage) for stage in stages])
        for scenario, stages in settings.stages_by_scenario().items()
    }
    return capped(curves, settings)


def _checked_template(payloads: Path, scenario: str, name: str) -> str:
    path = payloads / f"{name}.json"
    if path.stat().st_size > _LARGEST_TEMPLATE_BYTES:
        raise PayloadError(name, 0, f"is larger than {_LARGEST_TEMPLATE_BYTES:,} bytes")
    source = path.read_text(encoding="utf-8")
    inputs = ScenarioInputs(
        scenario=scenario,
        seed=0,
        curve=RateCurve([Stage(1, 1, 1)]),
        conversation_ids=("00000000-0000-0000-0000-000000000000",),
        templates={name: source},
        weights={name: 1},
    )
    ScenarioPlan(inputs).check_templates()
    return source


def _log_in(connections: Connections) -> Token:
    try:
        return connections.log_in()
    except LoginError as error:
        raise RefusedError(str(error)) from error


def _notices(settings: Settings, curves: Mapping[str, RateCurve]) -> tuple[str, ...]:
    approval = settings.target.approval
    if approval is None or highest_rate(settings) <= approval.highest_rate:
        return ()
    planned = sum(curve.count for curve in curves.values())
    return (
        f"the run is scaled down from {highest_rate(settings):g} to {approval.highest_rate:g} "
        f"messages per second at most, as approval {approval.ticket} allows: {planned:,} messages",
    )


def _find_pool(settings: Settings, scenario: str, token: Token) -> tuple[str, ...]:
    conversations = settings.scenario[scenario].conversations
    if conversations.source == "file":
        assert conversations.path is not None
        ids = _read_pool(Path(conversations.path), scenario)
        where = f"the file {conversations.path}"
    else:
        ids = find_conversations(
            settings.target.api_url,
            token,
            timeout_s=settings.request_timeout_s,
            ca_file=settings.target.ca_file,
        )
        where = f"{settings.target.api_url} (state connected, type webchat)"
    if not ids:
        raise RefusedError(
            f"the pool of scenario {scenario} is empty: no conversation in {where}; open some "
            "conversations or name others"
        )
    return tuple(ids)


def _read_pool(path: Path, scenario: str) -> list[str]:
    try:
        return parse_pool(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(
            [
                Fault(
                    f"scenario.{scenario}.conversations.path",
                    f"the file {path} cannot be read: {reason}",
                )
            ]
        ) from error
