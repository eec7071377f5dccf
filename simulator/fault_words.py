"""What the SPECs of faults are made of: durations, shares and delays that are drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from random import Random

DURATION = r"(\d+(?:\.\d+)?)(ms|s)"
NUMBER = r"(\d+(?:\.\d+)?)"
DELAY = rf"(?:{DURATION}|lognormal\({DURATION}, ?{NUMBER}\))"
"""A delay that is always the same, or one with this median and spread; five groups."""
DURATION_MAX_S = 3600.0
SPREAD_MAX = 10.0
SHOWN_MAX = 60

Delay = Callable[[], float]
"""Draws how many seconds something takes."""


class BadFault(ValueError):
    """A SPEC that is not understood; the message names it and says what would be."""


def seconds(spec: str, number: str, unit: str) -> float:
    found = float(number) / (1000 if unit == "ms" else 1)
    if found > DURATION_MAX_S:
        raise BadFault(f"fault {spec[:SHOWN_MAX]!r}: {number}{unit} is longer than an hour")
    return found


def share(spec: str, number: str) -> float:
    found = float(number)
    if found > 1:
        raise BadFault(f"fault {spec[:SHOWN_MAX]!r}: the share {number} must lie between 0 and 1")
    return found


def delay(spec: str, groups: Sequence[str], rng: Random) -> Delay:
    """What the five groups of `DELAY` say."""
    number, unit, median, median_unit, spread = groups
    if number is not None:
        always_s = seconds(spec, number, unit)
        return lambda: always_s
    median_s, sigma = seconds(spec, median, median_unit), float(spread)
    if sigma > SPREAD_MAX:
        raise BadFault(f"fault {spec[:SHOWN_MAX]!r}: the spread {spread} must be at most 10")
    return lambda: min(median_s * math.exp(sigma * rng.gauss(0.0, 1.0)), DURATION_MAX_S)


def parse_delay(text: str, rng: Random) -> Delay:
    """The delay of a text such as `20ms` or `lognormal(20ms,0.5)`; raises `BadFault`."""
    match = re.fullmatch(DELAY, text, re.ASCII)
    if match is None:
        raise BadFault(f"delay {text[:SHOWN_MAX]!r} is none; for example 20ms, lognormal(20ms,0.5)")
    return delay(text, match.groups(), rng)
