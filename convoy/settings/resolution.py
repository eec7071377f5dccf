"""From files, environment and command line to one `Settings`, or to every fault at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from convoy.errors import Fault, SettingsError
from convoy.settings.contradictions import problems
from convoy.settings.environment import (
    VARIABLE_BY_OPTION,
    config_directory,
    credential_redactor,
    unknown_variables,
)
from convoy.settings.faults import setting_faults, where
from convoy.settings.layers import Layer, Level, Values, merge, origin_of
from convoy.settings.model import Settings
from convoy.settings.sources import (
    CHOSEN_BY_DEFAULT,
    FOLDERS,
    OPTIONS,
    file_layer,
    find_file,
    option_layers,
    options_given,
    variables_given,
)

_NAME_OF_FILE = "the file's name"
_STAND_IN_TARGET: Values = {
    "name": "none",
    "api_url": "http://127.0.0.1",
    "login_url": "http://127.0.0.1",
}


def resolve(
    *,
    command_line: Mapping[str, object],
    environ: Mapping[str, str],
    known_scenarios: Collection[str],
    config_dir: Path | None = None,
) -> Settings:
    """Return the settings of one run.

    `command_line` maps the keys of `sources.OPTIONS` to values; None and empty ones are not given.
    `config_dir` beats `CONVOY_CONFIG_DIR`. Command line > environment > profile > target >
    `default.yaml`. Raises SettingsError with all faults; none of them shows a credential.
    """
    faults = list(unknown_variables(environ))
    layers = _layers(command_line, environ, config_dir, faults)
    merged, merge_faults = merge(layers)
    faults += merge_faults
    settings = None
    if any(layer.level == Level.DEFAULT for layer in layers):
        values = _with_scenarios(_with_approval(merged, layers), known_scenarios)
        settings = _checked(values, layers, known_scenarios, faults)
    if faults or settings is None:
        redact = credential_redactor(environ).redact
        raise SettingsError(Fault(redact(fault.path), redact(fault.problem)) for fault in faults)
    return settings


def _layers(
    command_line: Mapping[str, object],
    environ: Mapping[str, str],
    config_dir: Path | None,
    faults: list[Fault],
) -> list[Layer]:
    """Return all layers in rising order; without `default.yaml` the lowest is not there."""
    options, variables = options_given(command_line, faults), variables_given(environ)
    by_variable = option_layers(variables, Level.ENVIRONMENT, VARIABLE_BY_OPTION, faults)
    by_option = option_layers(options, Level.OPTION, OPTIONS, faults)
    try:
        directory = config_dir or config_directory(environ)
    except SettingsError as error:
        faults += error.faults
        return []
    layers = []
    default = file_layer(Level.DEFAULT, directory / "default.yaml", faults)
    if default:
        layers.append(default)
    for option, level in (("target", Level.TARGET), ("load_profile", Level.PROFILE)):
        origin = OPTIONS[option] if option in options else VARIABLE_BY_OPTION[option]
        chosen = options.get(option, variables.get(option, CHOSEN_BY_DEFAULT[option]))
        path = find_file(chosen, directory / FOLDERS[option], origin, faults)
        layers += _file_layers(level, path, faults)
    return [_without_choices(layer, faults) for layer in (*layers, *by_variable, *by_option)]


def _file_layers(level: Level, path: Path | None, faults: list[Fault]) -> list[Layer]:
    """Return the layers of a chosen target or profile: its name, and what its file says.

    Where the file cannot be had, a stand-in keeps its absence from showing up as more faults.
    """
    layer = file_layer(level, path, faults) if path else None
    name = (path.stem if path else "") or "unnamed"
    named: Values = {"profile": name}
    if level == Level.TARGET:
        named = {"target": {"name": name} if layer else _STAND_IN_TARGET}
    return [Layer(level, _NAME_OF_FILE, named), *([layer] if layer else [])]


def _without_choices(layer: Layer, faults: list[Fault]) -> Layer:
    """Return the layer without a choice of profile or target, which only an option can make."""
    values = dict(layer.values)
    if layer.origin == _NAME_OF_FILE:
        return layer
    if "profile" in values:
        faults.append(Fault(where([layer], ("profile",)), "is chosen with --load-profile"))
        del values["profile"]
    target = values.get("target")
    if isinstance(target, str):
        faults.append(Fault(where([layer], ("target",)), "is chosen with --target"))
        del values["target"]
    if isinstance(target, dict) and target.get("approval") and layer.level != Level.TARGET:
        problem = "belongs in the target's own file, beside the address it is for"
        faults.append(Fault(where([layer], ("target", "approval")), problem))
    return Layer(layer.level, layer.origin, values)


def _with_approval(values: Values, layers: Sequence[Layer]) -> Values:
    """Return the values without the approval where it is not for the address that is loaded."""
    target = values.get("target")
    addresses = (("target", "api_url"), ("target", "login_url"))
    own = {layer.origin for layer in layers if layer.level == Level.TARGET}
    if not isinstance(target, dict) or all(origin_of(layers, path) in own for path in addresses):
        return values
    return {**values, "target": {**target, "approval": None}}


def _with_scenarios(values: Values, known_scenarios: Collection[str]) -> Values:
    """Return the values with a section for every scenario that runs, if only an empty one."""
    chosen, sections = values.get("scenarios"), values.get("scenario", {})
    if not isinstance(chosen, (list, tuple)) or not isinstance(sections, dict):
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
        stand_ins = {**layers[0].values, "target": _STAND_IN_TARGET}
        right = {name: value for name, value in values.items() if name not in faulty}
        try:
            settings = Settings.model_validate({**stand_ins, **right})
        except ValidationError:
            return None
    for path, problem in problems(settings, known_scenarios, faulty):
        faults.append(Fault(where(layers, path), problem))
    return settings
