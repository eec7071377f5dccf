"""Layers of settings: where each value was written, and how the layers become one mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from convoy.errors import Fault

Values = dict[str, object]
Path = tuple[str, ...]
"""The keys from the top to a setting; list positions are not part of it."""

_COMPARISON = re.compile(r"[<>=!]")
_PERCENTILE = re.compile(r"(?:p(\d+(?:\.\d+)?)|max)\(")
_EXCLUSIVE = (("rate", "stages"), ("stages", "rate"))


class Level(IntEnum):
    """Where a value was written; the higher level overrides the lower one."""

    DEFAULT = 0
    TARGET = 1
    PROFILE = 2
    ENVIRONMENT = 3
    ENVIRONMENT_SET = 4
    OPTION = 5
    OPTION_SET = 6


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one file, variable or option; `origin` is its path or name for the operator."""

    level: Level
    origin: str
    values: Values


def merge(layers: Iterable[Layer]) -> tuple[Values, list[Fault]]:
    """Return the merged values and the faults; a later layer overrides an earlier one.

    Mappings are merged key by key, everything else is replaced. `rate` and `stages` replace each
    other, unless both stand at the same level. Criteria are added to those below: a line replaces
    the ones about the same, and an empty list clears all.
    """
    merged: Values = {}
    faults: list[Fault] = []
    given_at: dict[str, Level] = {}
    for layer in layers:
        for key, other in _EXCLUSIVE:
            if layer.values.get(key) is None:
                continue
            if given_at.get(other) == layer.level:
                problem = "both are given, but one replaces the other"
                faults.append(Fault(f"rate, stages ({layer.origin})", problem))
            merged.pop(other, None)
            given_at[key] = layer.level
        below = merged.get("criteria")
        merged = _merged(merged, layer.values)
        if "criteria" in layer.values:
            merged["criteria"] = _with_criteria(below, layer.values["criteria"])
    return merged, faults


def origin_of(layers: Sequence[Layer], path: Path) -> str:
    """Return which layer wrote the setting at `path`, or the nearest one above it, else ""."""
    for length in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _has(layer.values, path[:length]):
                return layer.origin
    return ""


def _with_criteria(below: object, lines: object) -> object:
    if not isinstance(below, tuple) or not isinstance(lines, tuple) or not lines:
        return lines
    if not all(isinstance(line, str) for line in lines):
        return lines  # a fault, which names a place in this layer's own list
    replaced = set(map(_what_it_is_about, lines))
    return (*(line for line in below if _what_it_is_about(line) not in replaced), *lines)


def _what_it_is_about(line: object) -> str:
    """Return the part of a criterion before its comparison, in one of the ways to write it.

    `count(unknown, a)` and `unknown(a)` are the same, and so are `errors[*]` and `errors`, `p95.0`
    and `p95`, `max` and `p100`.
    """
    measure = _COMPARISON.split(str(line), maxsplit=1)[0]
    short = "".join(measure.split()).replace("[*]", "")
    short = _PERCENTILE.sub(lambda found: f"p{float(found[1] or 100):g}(", short)
    return short.removeprefix("count(").removesuffix(")").replace("(", ",")


def _merged(lower: Values, higher: Mapping[str, object]) -> Values:
    merged = dict(lower)
    for key, value in higher.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _has(values: object, path: Path) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True
