"""What is wrong with a setting, in one sentence: which, from where, its value, what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from convoy.errors import Fault
from convoy.settings.layers import Layer, Path, origin_of
from convoy.settings.model import Settings

_ANY_KEY = "*"
_KEY_ITSELF = "[key]"
_LONGEST_SHOWN = 60
_EXPECTED = {
    "model_type": "should be a mapping (`name: value`)",
    "model_attributes_type": "should be a mapping (`name: value`)",
    "dict_type": "should be a mapping (`name: value`)",
    "tuple_type": "should be a list",
    "string_type": "should be text; put it in quotes",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "int_parsing_size": "should be a smaller number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "string_too_short": "should not be empty",
    "too_long": "should have fewer entries",
    "string_unicode": "should be text in Unicode",
}
_VALUE_HIDDEN = {"url_credentials"}


def setting_faults(error: ValidationError, layers: Sequence[Layer]) -> Iterator[Fault]:
    """Yield a fault for every error pydantic found."""
    for detail in error.errors(include_url=False):
        yield Fault(where(layers, _setting(detail["loc"])), _problem(detail))


def where(layers: Sequence[Layer], loc: Sequence[int | str]) -> str:
    """Return a setting's dotted path and the file, variable or option that its value came from."""
    dotted = ""
    for part in loc:
        name = part or "''"
        dotted += f"[{part}]" if isinstance(part, int) else f".{name}" if dotted else str(name)
    origin = origin_of(layers, _keys(loc))
    return f"{dotted} ({origin})" if origin else dotted


def shown(value: object) -> str:
    """Return a value for a message; what holds other values is only named: a secret may be near."""
    if isinstance(value, (str, int, float, bool)) or value is None:
        try:
            text = repr(value)
        except ValueError:
            return "a number of thousands of digits"
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


def _setting(loc: Sequence[int | str]) -> Sequence[int | str]:
    """Return the setting a location speaks of: where a key is wrong, pydantic puts a word after."""
    return loc[:-1] if loc[-1:] == (_KEY_ITSELF,) else loc


def _problem(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"is no setting{_suggestion(detail['loc'])}"
    if kind == "missing":
        return "is missing"
    expected = _EXPECTED.get(kind, detail["msg"].replace("Input should", "should", 1))
    if kind in _VALUE_HIDDEN:
        return expected
    return f"is {shown(detail['input'])}, {_joined(expected)}"


def _joined(expected: str) -> str:
    """Let the expectation follow "is …," whether it begins with "should" or not."""
    return f"but {expected}" if expected.startswith("should") else f"which {expected}"


def _suggestion(loc: Sequence[int | str]) -> str:
    """Return what an unknown key most likely meant: a sibling, or a setting from elsewhere."""
    keys = _keys(loc)
    wanted = keys[-1]
    known = list(_paths(Settings, ()))
    siblings = [path[-1] for path in known if _matches(path[:-1], keys[:-1])]
    close = get_close_matches(wanted, siblings, n=1)
    if close:
        return f"; did you mean {'.'.join((*keys[:-1], close[0]))}?"
    elsewhere = [path for path in known if path[-1] == wanted and _ANY_KEY not in path]
    if elsewhere:
        return f"; did you mean {'.'.join(elsewhere[0])}?"
    return f"; known here: {', '.join(name for name in siblings if name != _ANY_KEY)}"


def _paths(model: type[BaseModel], prefix: Path) -> Iterator[Path]:
    """Yield the keys to every setting; the keys of a mapping by scenario are `*`."""
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        yield path
        is_mapping = getattr(field.annotation, "__origin__", None) is dict
        for section in _sections(field.annotation):
            yield from _paths(section, (*path, _ANY_KEY) if is_mapping else path)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _sections(part)


def _matches(pattern: Path, keys: Path) -> bool:
    return len(pattern) == len(keys) and all(
        expected in (_ANY_KEY, key) for expected, key in zip(pattern, keys, strict=True)
    )


def _keys(loc: Sequence[int | str]) -> Path:
    return tuple(part for part in loc if isinstance(part, str))
