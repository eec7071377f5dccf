"""The places settings are read from: files, the environment, the command line; each as layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from convoy.errors import Fault
from convoy.settings.documents import DocumentError, parse_yaml, read_yaml
from convoy.settings.environment import VARIABLE_BY_OPTION
from convoy.settings.layers import Layer, Level, Values, at_path

OPTIONS = {
    "target": "--target",
    "load_profile": "--load-profile",
    "scenarios": "--scenarios",
    "rate": "--rate",
    "seed": "--seed",
    "set": "--set",
    "users": "--users",
    "run_time_s": "--run-time",
    "host": "--host",
}
"""Keys of the command line's values, and how the operator knows them."""

_FILES = ("target", "load_profile")


def options_given(command_line: Mapping[str, object], faults: list[Fault]) -> dict[str, object]:
    """Return the options that have a value: None, empty texts and empty lists are none."""
    for key in command_line:
        if key not in OPTIONS:
            close = get_close_matches(str(key), OPTIONS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            faults.append(Fault(f"{key!r} (command line)", f"is no option of Convoy{hint}"))
    return {key: value for key in OPTIONS if _is_given(value := command_line.get(key))}


def variables_given(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the same options as far as the environment gives them."""
    found = {key: environ.get(name) for key, name in VARIABLE_BY_OPTION.items()}
    return {key: value for key, value in found.items() if _is_given(value)}


def option_layers(
    given: Mapping[str, object], level: Level, names: Mapping[str, str], faults: list[Fault]
) -> list[Layer]:
    """Return a layer for each option that is a setting, the ones of `set` last and one level up."""
    layers = [
        Layer(level, names[key], _SETTING_BY_OPTION[key](value))
        for key, value in given.items()
        if key != "set" and key not in _FILES
    ]
    for number, entry in enumerate(_entries(given.get("set")), start=1):
        origin = f"{names['set']} {number}"
        values = _set_values(entry, origin, faults)
        if values is not None:
            layers.append(Layer(Level(level + 1), origin, values))
    return layers


def file_layer(level: Level, path: Path, faults: list[Fault]) -> Layer | None:
    """Return the layer of one YAML file, or None and a fault."""
    try:
        values = read_yaml(path)
    except DocumentError as error:
        faults.append(Fault(str(path), str(error)))
        return None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        faults.append(Fault(str(path), "should hold settings, one `name: value` a line"))
        return None
    return Layer(level, str(path), values)


def find_file(
    name_or_path: object, directory: Path, option: str, faults: list[Fault]
) -> Path | None:
    """Return the YAML file that a name in `directory`, or a path, stands for, or None and a fault.

    What holds a slash or ends in `.yaml` or `.yml` is a path.
    """
    if not isinstance(name_or_path, str):
        faults.append(Fault(option, "should be a name or the path of a YAML file"))
        return None
    text = name_or_path.strip()
    if "/" in text or text.endswith((".yaml", ".yml")):
        return Path(text)
    names = sorted(path.stem for path in directory.glob("*.yaml"))
    if text in names:
        return directory / f"{text}.yaml"
    close = get_close_matches(text, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    there_are = ", ".join(names) or "none"
    faults.append(
        Fault(option, f"there is no {text[:60]!r} in {directory}; there are: {there_are}{hint}")
    )
    return None


def _is_given(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and not (isinstance(value, (list, tuple)) and not value)


def _entries(value: object) -> Iterable[object]:
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return value if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _set_values(entry: object, origin: str, faults: list[Fault]) -> Values | None:
    """Return what `dotted.path=YAML` sets, or None and a fault, which never shows the entry."""
    path, equals, text = entry.partition("=") if isinstance(entry, str) else ("", "", "")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        faults.append(Fault(origin, "should be dotted.path=YAML, as in --set users=20"))
        return None
    try:
        return at_path(keys, parse_yaml(text))
    except DocumentError as error:
        faults.append(Fault(f"{'.'.join(keys)} ({origin})", str(error)))
        return None


def _number(value: object) -> object:
    """Return the number that a text from a form or a variable stands for, else the text itself."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _names(value: object) -> object:
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _host(value: object) -> Values:
    """An address given on the spot is no one's own: nothing is started there, nothing approved."""
    url = value.strip() if isinstance(value, str) else value
    addresses = {"api_url": url, "login_url": url}
    return {"target": {**addresses, "embedded_simulator": False, "approval": None}}


_SETTING_BY_OPTION: dict[str, Callable[[object], Values]] = {
    "scenarios": lambda value: {"scenarios": _names(value)},
    "rate": lambda value: {"rate": _number(value)},
    "seed": lambda value: {"seed": _number(value)},
    "users": lambda value: {"users": _number(value)},
    "run_time_s": lambda value: {"run_time_s": _number(value)},
    "host": _host,
}
