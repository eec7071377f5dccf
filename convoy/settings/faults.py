"""What is wrong with a setting, in one sentence: which, from where, its value, what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from convoy.errors import Fault, did_you_mean
from convoy.settings.layers import Layer, Path, origin_of
from convoy.settings.model import Settings
from convoy.untrusted_text import quoted

ANY_KEY = "*"
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


def setting_faults(error: ValidationError, layers: Sequence[Layer]) -> Iterator[Fault]:
    """Yield a fault for every error pydantic found."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        # Where a key itself is wrong, pydantic appends this mark to the location.
        setting = loc[:-1] if loc[-1:] == ("[key]",) else loc
        yield Fault(where(layers, setting), _problem(detail))


def where(layers: Sequence[Layer], loc: Sequence[int | str]) -> str:
    """Return a setting's dotted path and the file, variable or option that its value came from."""
    dotted = ""
    for part in loc:
        name = part or "''"
        dotted += f"[{part}]" if isinstance(part, int) else f".{name}" if dotted else str(name)
    origin = origin_of(layers, _keys(loc))
    return f"{dotted} ({origin})" if origin else dotted


def _problem(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return f"is no setting{_suggestion(_keys(detail['loc']))}"
    if kind == "missing":
        return "is missing"
    expected = _EXPECTED.get(kind, detail["msg"].replace("Input should", "should", 1))
    if kind == "origin" and "@" in value:
        # The text before the @ may be a password.
        return expected
    return f"is {_shown(value)}, {'but' if expected.startswith('should') else 'which'} {expected}"


def _shown(value: object) -> str:
    """Return a value for a message; a mapping or list is only named, as it may hold a secret."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (int, float, bool)) or value is None:
        digits = repr(value)
        return digits if len(digits) <= _LONGEST_SHOWN else f"a number of {len(digits)} characters"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


def _suggestion(keys: Path) -> str:
    """Return what an unknown key most likely meant: a sibling, or a setting from elsewhere."""
    *above, wanted = keys
    known = list(_paths(Settings, ()))
    siblings = [path[-1] for path in known if _is_beside(path, keys)]
    close = did_you_mean(wanted, siblings, "".join(f"{key}." for key in above))
    if close:
        return close
    elsewhere = [path for path in known if path[-1] == wanted and ANY_KEY not in path]
    if elsewhere:
        return f"; did you mean {'.'.join(elsewhere[0])}?"
    return f"; known here: {', '.join(siblings)}"


def _paths(annotation: Any, prefix: Path) -> Iterator[Path]:
    """Yield the keys to every setting of a type; the keys of a mapping by scenario are `*`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield (*prefix, name)
            yield from _paths(field.annotation, (*prefix, name))
    below = (*prefix, ANY_KEY) if get_origin(annotation) is dict else prefix
    for part in get_args(annotation):
        yield from _paths(part, below)


def _is_beside(path: Path, keys: Path) -> bool:
    return len(path) == len(keys) and all(
        expected in (ANY_KEY, key) for expected, key in zip(path[:-1], keys, strict=False)
    )


def _keys(loc: Sequence[int | str]) -> Path:
    return tuple(part for part in loc if isinstance(part, str))
