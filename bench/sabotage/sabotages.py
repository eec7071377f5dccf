"""A sabotage: what is done to a run, and what its verdict must or must not be then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bench.sabotage.scene import Means
from bench.short_runs import ShortLoad


class Declared(StrEnum):
    """What must come of a sabotaged run.

    It must not pass: neither its verdict nor its exit code says so. Or it must stay true: verdict
    and figures are what they would be without the sabotage.
    """

    MUST_NOT_PASS = "must not pass"
    MUST_STAY_TRUE = "must stay true"


@dataclass(frozen=True, slots=True)
class Between:
    """The milliseconds that a quantile of a run's durations has to lie between."""

    durations: str
    quantile: str
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One sabotage as data; `what` says it in a clause, `means` do it.

    `faults` are the simulator's own. `verdict` and `between` belong to those that must stay true.
    With `slows_generator` a generator that could not keep up is what the sabotage makes of it; any
    other run that says so of itself was disturbed by other programs, and is repeated.
    """

    name: str
    what: str
    declared: Declared
    means: tuple[Means, ...]
    load: ShortLoad = ShortLoad()
    faults: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    verdict: str = "pass"
    between: tuple[Between, ...] = ()
    slows_generator: bool = False
