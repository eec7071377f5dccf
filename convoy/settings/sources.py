"""The places settings are read from: files, the environment, the command line; each as layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from os.path import expanduser
from pathlib import Path
from shlex import quote

from convoy.errors import Fault, SettingsError, did_you_mean, there_are
from convoy.settings.documents import DocumentError, parse_yaml, plain_value, read_yaml
from convoy.settings.environment import (
    CONFIG,
    CONFIG_DIR,
    LABELS,
    PAYLOADS_DIR,
    config_directory,
    secret_faults,
)
from convoy.settings.faults import ANY_KEY, where
from convoy.settings.layers import Layer, Level, Values
from convoy.settings.options import OPTIONS, VARIABLE_BY_OPTION
from convoy.untrusted_text import quoted

STAND_IN_TARGET: Values = {
    "name": "none",
    "api_url": "http://127.0.0.1",
    "login_url": "http://127.0.0.1",
}
"""Replaces a target that cannot be read, so that it is reported as one fault only."""

_CHOSEN_BY_DEFAULT = {"target": "simulator", "load_profile": "smoke"}
FOLDERS = {"target": "targets", "load_profile": "profiles"}
_LEVELS = {"target": Level.TARGET, "load_profile": Level.PROFILE}
_NAME_OF_FILE = "the file's name"
_PATHS = (
    ("scenario", ANY_KEY, "conversations", "path"),
    ("scenario", ANY_KEY, "conversations", "cache"),
    ("scenario", ANY_KEY, "texts", "corpus"),
    ("target", "ca_file"),
    ("headers", ANY_KEY, "file"),
    ("criteria",),
)
"""The settings that name files."""


def read_sources(
    command_line: Mapping[str, object],
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    faults: list[Fault],
) -> list[Layer]:
    """Return all layers in rising order; without `default.yaml` the lowest is not there."""
    for key in command_line:
        if key not in OPTIONS:
            problem = f"is no option of Convoy{did_you_mean(str(key), OPTIONS)}"
            faults.append(Fault(f"{key!r} (command line)", problem))
    clean = _without_secrets(environ, redact, faults)
    options = _options_without_secrets(_given(command_line), redact, faults)
    variables = _variables(command_line, clean)
    layers: list[Layer] = []
    try:
        layers += _file_layers(options, variables, config_directory(environ), faults)
    except SettingsError as error:
        faults += error.faults
    layers += _label_layer(clean.get(LABELS, ""), faults)
    layers += _option_layers(variables, Level.ENVIRONMENT, VARIABLE_BY_OPTION, faults)
    written = {key: each.written for key, each in OPTIONS.items()}
    layers += _option_layers(options, Level.OPTION, written, faults)
    # Paths before criteria: a file of criteria lies where the path in its layer leads.
    return [
        _with_criteria(_with_paths(_without_choices(layer, faults)), faults) for layer in layers
    ]


def names_of(option: str, environ: Mapping[str, str]) -> list[str]:
    """Return the targets or the profiles that can be chosen by name; having none is no fault."""
    directory = Path(expanduser(environ.get(CONFIG_DIR, "").strip() or CONFIG))
    return _names_in(directory / FOLDERS[option])


def environment_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what each option is when it is not given; empty means the profile's."""
    return {
        option: environ.get(variable, "") or _CHOSEN_BY_DEFAULT.get(option, "")
        for option, variable in VARIABLE_BY_OPTION.items()
        if option != "set"
    }


def command_of(command_line: Mapping[str, object], environ: Mapping[str, str], seed: int) -> str:
    """Return the shell command that starts the same run again, without a web UI."""
    options = _given(command_line)
    variables = _variables(command_line, environ)
    chosen = {**variables, **options, "seed": seed}
    folders = [
        f"{name}={quote(environ[name])}" for name in (CONFIG_DIR, PAYLOADS_DIR) if environ.get(name)
    ]
    words = [*folders, ".venv/bin/locust", "--headless"]
    for key, option in OPTIONS.items():
        if key != "set" and key in chosen:
            words += [option.written, quote(str(chosen[key]))]
    for layer in (variables, options):
        for entry in _entries(layer.get("set", ())):
            words += [OPTIONS["set"].written, quote(str(entry))]
    return " ".join(words)


def read_criteria(path: Path) -> tuple[object, ...]:
    """Return the lines of a file of criteria; raises DocumentError."""
    lines = read_yaml(path)
    if not isinstance(lines, tuple):
        raise DocumentError(
            "should hold a list of criteria, one `- p95(response_time) < 1s` a line"
        )
    return lines


def _given(values: Mapping[str, object]) -> dict[str, object]:
    """Return the options that have a value; None, empty texts and empty lists do not count."""
    found = {key: values.get(key) for key in OPTIONS}
    plain = {key: each.strip() if isinstance(each, str) else each for key, each in found.items()}
    return {key: value for key, value in plain.items() if value not in (None, "", [], ())}


def _variables(command_line: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    """Return what variables say, but for an option that is empty: that means the profile's.

    A target and a profile there are always.
    """
    names = {
        key: name
        for key, name in VARIABLE_BY_OPTION.items()
        if key in FOLDERS or command_line.get(key) != ""
    }
    return _given({key: environ.get(name) for key, name in names.items()})


def _without_secrets(
    environ: Mapping[str, str], redact: Callable[[str], str], faults: list[Fault]
) -> dict[str, str]:
    """Return the environment without variables of options and labels that hold a secret."""
    names = [name for key, name in VARIABLE_BY_OPTION.items() if key not in FOLDERS]
    texts = {name: environ.get(name, "") for name in (*names, LABELS)}
    found = list(secret_faults(texts, redact))
    faults += found
    return {name: environ[name] for name in environ.keys() - {fault.path for fault in found}}


def _options_without_secrets(
    options: Mapping[str, object], redact: Callable[[str], str], faults: list[Fault]
) -> dict[str, object]:
    """Return the options without those that hold a secret; of `set`, without all its entries."""
    clean: dict[str, object] = {}
    for key, value in options.items():
        written = OPTIONS[key].written
        texts = {written: value}
        if isinstance(value, (list, tuple)):
            entries = enumerate(value, start=1)
            texts = {f"{written} {number}": entry for number, entry in entries}
        found = [] if key in FOLDERS else list(secret_faults(texts, redact))
        faults += found
        if not found:
            clean[key] = value
    return clean


def _file_layers(
    options: Mapping[str, object],
    variables: Mapping[str, object],
    directory: Path,
    faults: list[Fault],
) -> Iterator[Layer]:
    """Yield a layer for `default.yaml`, and two for target and profile: the name and the file."""
    default = _file_layer(Level.DEFAULT, directory / "default.yaml", faults)
    if default:
        yield default
    for option, level in _LEVELS.items():
        known = OPTIONS[option]
        origin = known.written if option in options else known.variable
        chosen = options.get(option, variables.get(option, _CHOSEN_BY_DEFAULT[option]))
        path = _find_file(chosen, directory / FOLDERS[option], origin, faults)
        layer = _file_layer(level, path, faults, str(chosen)) if path else None
        name = (path.stem if path else "") or "unnamed"
        target = {"name": name} if layer else STAND_IN_TARGET
        is_target = level == Level.TARGET
        yield Layer(level, _NAME_OF_FILE, {"target": target} if is_target else {"profile": name})
        if layer:
            yield layer


def _file_layer(level: Level, path: Path, faults: list[Fault], given: str = "") -> Layer | None:
    """Return the layer of one YAML file, or None and a fault.

    A path is named as it was `given`: what a `Path` leaves out of a secret that stands there by
    mistake would keep the rest from being found.
    """
    try:
        values = read_yaml(path)
    except DocumentError as error:
        named = given if "/" in given or _is_yaml(given) else str(path)
        faults.append(Fault(named, str(error)))
        return None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        faults.append(Fault(str(path), "should hold settings, one `name: value` a line"))
        return None
    return Layer(level, str(path), values)


def _find_file(chosen: object, directory: Path, option: str, faults: list[Fault]) -> Path | None:
    """Return the YAML file that a name in `directory`, or a path, stands for, or None and a fault.

    What holds a slash or ends in `.yaml` or `.yml` is a path.
    """
    if not isinstance(chosen, str):
        faults.append(Fault(option, "should be a name or the path of a YAML file"))
        return None
    names = _names_in(directory)
    if "/" in chosen or _is_yaml(chosen):
        path = Path(expanduser(chosen))
        if "/" in chosen or path.stem not in names or path.exists():
            return path
        which = f"one of {directory} is named without {path.suffix}: {path.stem}"
        faults.append(Fault(option, f"there is no file {chosen} in this folder; {which}"))
        return None
    if chosen in names:
        return directory / f"{chosen}.yaml"
    others = there_are(chosen, names)
    faults.append(Fault(option, f"there is no {quoted(chosen)} in {directory}{others}"))
    return None


def _names_in(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.yaml"))


def _option_layers(
    given: Mapping[str, object], level: Level, names: Mapping[str, str], faults: list[Fault]
) -> Iterator[Layer]:
    """Yield a layer for each option that is a setting, the ones of `set` last and one level up."""
    for key, value in given.items():
        if key != "set" and key not in FOLDERS:
            yield Layer(level, names[key], _set_by(key, value))
    for number, entry in enumerate(_entries(given.get("set", ())), start=1):
        origin = f"{names['set']} {number}"
        values = _parsed(entry, origin, faults)
        if values is not None:
            yield Layer(Level(level + 1), origin, values)


def _label_layer(text: str, faults: list[Fault]) -> Iterator[Layer]:
    """Yield the layer of labels that are written `name=value`, one after a comma or a line."""
    labels: Values = {}
    for entry in filter(None, map(str.strip, text.replace(",", "\n").splitlines())):
        name, equals, value = map(str.strip, entry.partition("="))
        if name and equals and value:
            labels[name] = value
        else:
            problem = f"has {quoted(entry)}, but should be name=value, name=value"
            faults.append(Fault(LABELS, problem))
    if labels:
        yield Layer(Level.ENVIRONMENT, LABELS, {"labels": labels})


def _entries(value: object) -> Iterable[object]:
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return value if isinstance(value, (list, tuple)) else [value]


def _parsed(entry: object, origin: str, faults: list[Fault]) -> Values | None:
    """Return what `dotted.path=YAML` sets, or None and a fault, which never shows the entry."""
    path, equals, text = entry.partition("=") if isinstance(entry, str) else ("", "", "")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        faults.append(Fault(origin, "should be dotted.path=YAML, as in --set users=20"))
        return None
    try:
        value = parse_yaml(text)
    except DocumentError as error:
        faults.append(Fault(f"{'.'.join(keys)} ({origin})", str(error)))
        return None
    for key in reversed(keys[1:]):
        value = {key: value}
    return {keys[0]: value}


def _set_by(option: str, value: object) -> Values:
    """Return what an option sets; forms and variables give everything as text."""
    if option == "host":
        # No target file belongs to this address, so no simulator is started there.
        addresses = {"api_url": value, "login_url": value, "messaging_url": None}
        return {"target": {**addresses, "embedded_simulator": False}}
    if isinstance(value, str) and option == "scenarios":
        return {option: tuple(name for part in value.split(",") if (name := part.strip()))}
    if isinstance(value, str):
        return {option: plain_value(value)}
    return {option: tuple(value) if isinstance(value, list) else value}


def _without_choices(layer: Layer, faults: list[Fault]) -> Layer:
    """Return the layer without a choice of profile or target, which only an option can make."""
    values = dict(layer.values)
    if layer.origin == _NAME_OF_FILE:
        return layer
    if "profile" in values:
        faults.append(Fault(where([layer], ("profile",)), "is chosen with --load-profile"))
        del values["profile"]
    if isinstance(values.get("target"), str):
        faults.append(Fault(where([layer], ("target",)), "is chosen with --target"))
        del values["target"]
    return replace(layer, values=values)


def _with_paths(layer: Layer) -> Layer:
    """Return the layer with its paths as seen from here: those in a file are relative to it."""
    folder = Path(layer.origin).parent if layer.level <= Level.PROFILE else Path()
    values = layer.values
    for keys in _PATHS:
        values = _located(values, keys, folder)
    return replace(layer, values=values)


def _located(values: Values, keys: tuple[str, ...], folder: Path) -> Values:
    """Return the values with the path at `keys`, where there is one, taken from a folder on."""
    key, *inner = keys
    changed: Values = {}
    for name in [key] if key != ANY_KEY else values:
        value = values.get(name)
        if inner and isinstance(value, dict):
            changed[name] = _located(value, tuple(inner), folder)
        elif not inner and isinstance(value, str) and (key != "criteria" or _is_yaml(value)):
            changed[name] = str(folder / expanduser(value)) if value else value
    return {**values, **changed}


def _is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _with_criteria(layer: Layer, faults: list[Fault]) -> Layer:
    """Return the layer with a list of criteria, where it names their file or is a single line."""
    given = layer.values.get("criteria")
    if not isinstance(given, str):
        return layer
    lines: tuple[object, ...] = (given,)
    if _is_yaml(given):
        try:
            lines = read_criteria(Path(given))
        except DocumentError as error:
            lines = ()
            faults.append(Fault(where([layer], ("criteria",)), f"the file {given!r} {error}"))
    return replace(layer, values={**layer.values, "criteria": lines})
