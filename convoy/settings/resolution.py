"""From files, environment and command line to one `Settings`, or to every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from convoy.errors import Fault, SettingsError
from convoy.settings.contradictions import problems
from convoy.settings.environment import credential_redactor, unknown_variables
from convoy.settings.faults import setting_faults, where
from convoy.settings.layers import Layer, Level, Values, merge, origin_of
from convoy.settings.model import LOGINS_PER_S, Settings
from convoy.settings.origin import Origin
from convoy.settings.sources import STAND_IN_TARGET, read_sources


def resolve(
    *,
    command_line: Mapping[str, object],
    environ: Mapping[str, str],
    known_scenarios: Collection[str],
    redact: Callable[[str], str] | None = None,
) -> Settings:
    """Return the settings of one run.

    `command_line` maps the keys of `sources.OPTIONS` to values; None and empty ones are not given.
    Command line > environment > profile > target > `default.yaml`. Raises SettingsError with all
    faults; `redact`, by default for the credentials of `environ`, hides in them what is secret, and
    an option that holds any is a fault itself.
    """
    redact = redact or credential_redactor(environ).redact
    faults = list(unknown_variables(environ))
    layers = [
        _for_these(layer, known_scenarios) if layer.level == Level.DEFAULT else layer
        for layer in read_sources(command_line, environ, redact, faults)
    ]
    merged, merge_faults = merge(layers)
    faults += merge_faults
    settings = None
    if any(layer.level == Level.DEFAULT for layer in layers):
        values = _with_scenarios(_with_approval(merged, layers, faults), known_scenarios)
        settings = _checked(values, layers, known_scenarios, faults)
    if faults or settings is None:
        raise SettingsError(Fault(redact(fault.path), redact(fault.problem)) for fault in faults)
    return _with_login_rate(_with_pace(settings))


def _for_these(defaults: Layer, known_scenarios: Collection[str]) -> Layer:
    """Return the defaults without the scenarios that a locustfile of one's own does not import.

    Where it imports none of those that run by default, all that it imports do.
    """
    values = dict(defaults.values)
    sections, chosen = values.get("scenario"), values.get("scenarios")
    if isinstance(sections, dict):
        values["scenario"] = {key: sections[key] for key in sections if key in known_scenarios}
    if known_scenarios and isinstance(chosen, tuple) and not {*chosen} & {*known_scenarios}:
        values["scenarios"] = tuple(sorted(known_scenarios))
    return replace(defaults, values=values)


def _with_pace(settings: Settings) -> Settings:
    """Return the settings with what follows from `rate` and `arrivals`, so that nobody asks again.

    Flat out is closed arrivals without pauses, and where nothing is due there is no warm-up.
    """
    paced = settings
    if settings.is_flat_out:
        paced = settings.model_copy(update={"arrivals": "closed", "think_time_s": 0.0})
    return paced if paced.is_scheduled else paced.model_copy(update={"warm_up_s": 0.0})


def _with_login_rate(settings: Settings) -> Settings:
    """Return the settings with a rate of logins, where the login is not on this machine."""
    approval, oauth = settings.target.approval, settings.oauth
    is_here = approval is None and Origin.parse(settings.target.login_url).is_loopback
    if oauth.logins_per_s is not None or is_here:
        return settings
    rate = approval.most_logins_per_s if approval else LOGINS_PER_S
    oauth = oauth.model_copy(update={"logins_per_s": rate})
    return settings.model_copy(update={"oauth": oauth})


def _with_approval(values: Values, layers: Sequence[Layer], faults: list[Fault]) -> Values:
    """Return the values, without the approval where an address is not that of the target's file.

    An approval outside a target's file is a fault, because no address stands beside it.
    """
    for layer in layers:
        target, path = layer.values.get("target"), ("target", "approval")
        if layer.level != Level.TARGET and isinstance(target, dict) and target.get("approval"):
            problem = "belongs in the target's own file, beside the address it is for"
            faults.append(Fault(where([layer], path), problem))
    target = values.get("target")
    addresses = [("target", "api_url"), ("target", "login_url")]
    if isinstance(target, dict) and target.get("messaging_url"):
        addresses.append(("target", "messaging_url"))
    own = {layer.origin for layer in layers if layer.level == Level.TARGET}
    if not isinstance(target, dict) or all(origin_of(layers, path) in own for path in addresses):
        return values
    return {**values, "target": {**target, "approval": None}}


def _with_scenarios(values: Values, known_scenarios: Collection[str]) -> Values:
    """Return the values with a section for every scenario that runs, if only an empty one."""
    chosen, sections = values.get("scenarios"), values.get("scenario", {})
    if not isinstance(chosen, tuple) or not isinstance(sections, dict):
        return values
    known: Values = {
        name: {} for name in chosen if isinstance(name, str) and name in known_scenarios
    }
    return {**values, "scenario": {**known, **sections}}


def _checked(
    values: Values,
    layers: Sequence[Layer],
    known_scenarios: Collection[str],
    faults: list[Fault],
) -> Settings | None:
    """Return the settings as far as they can be built; all that is wrong is added to `faults`.

    Where a value is wrong, the default stands in for it while the others are checked together.
    """
    faulty: set[str] = set()
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += setting_faults(error, layers)
        faulty = {str(detail["loc"][0]) for detail in error.errors(include_input=False)}
        stand_ins = {**layers[0].values, "target": STAND_IN_TARGET}
        right = {name: value for name, value in values.items() if name not in faulty}
        try:
            settings = Settings.model_validate({**stand_ins, **right})
        except ValidationError:
            return None
    for path, problem in problems(settings, known_scenarios, faulty):
        faults.append(Fault(where(layers, path), problem))
    return settings
