"""The places settings are read from: files, the environment, the command line; each as layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from convoy.errors import Fault, did_you_mean
from convoy.settings.documents import DocumentError, parse_yaml, plain_value, read_yaml
from convoy.settings.environment import CONFIG, CONFIG_DIR, VARIABLE_BY_OPTION
from convoy.settings.layers import Layer, Level, Values

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

FOLDERS = {"target": "targets", "load_profile": "profiles"}
"""Where in the configuration the files are that an option names."""

CHOSEN_BY_DEFAULT = {"target": "simulator", "load_profile": "smoke"}


def names_of(option: str, environ: Mapping[str, str]) -> list[str]:
    """Return the targets or the profiles that can be chosen by name; none are no fault here."""
    directory = Path(environ.get(CONFIG_DIR, "").strip() or CONFIG)
    return _names_in(directory / FOLDERS[option])


def environment_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what each option is when it is not given; empty means the profile's."""
    return {
        option: environ.get(variable, "") or CHOSEN_BY_DEFAULT.get(option, "")
        for option, variable in VARIABLE_BY_OPTION.items()
        if option != "set"
    }


def options_given(command_line: Mapping[str, object], faults: list[Fault]) -> dict[str, object]:
    """Return the options that have a value: None, empty texts and empty lists are none."""
    for key in command_line:
        if key not in OPTIONS:
            problem = f"is no option of Convoy{did_you_mean(str(key), OPTIONS)}"
            faults.append(Fault(f"{key!r} (command line)", problem))
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
        Layer(level, names[key], _set_by(key, value))
        for key, value in given.items()
        if key != "set" and key not in FOLDERS
    ]
    for number, entry in enumerate(_entries(given.get("set")), start=1):
        origin = f"{names['set']} {number}"
        values = _parsed(entry, origin, faults)
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
    names = _names_in(directory)
    if text in names:
        return directory / f"{text}.yaml"
    there_are = (", ".join(names) or "none") + did_you_mean(text, names)
    faults.append(
        Fault(option, f"there is no {text[:60]!r} in {directory}; there are: {there_are}")
    )
    return None


def _names_in(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.yaml"))


def _is_given(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], ())


def _entries(value: object) -> Iterable[object]:
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return value if isinstance(value, (list, tuple)) else [] if value is None else [value]


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
    if isinstance(value, str):
        value = value.strip()
    if option == "host":
        # An address given on the spot is no one's own: nothing is started there, nothing approved.
        addresses = {"api_url": value, "login_url": value}
        return {"target": {**addresses, "embedded_simulator": False, "approval": None}}
    if isinstance(value, list):
        return {option: tuple(value)}
    if not isinstance(value, str):
        return {option: value}
    if option == "scenarios":
        return {option: tuple(name for part in value.split(",") if (name := part.strip()))}
    return {option: plain_value(value)}
