"""The criterion: one requirement of a run, and what the run was found to be by it.

    p99(service_time, conversation_messages) < 2s for 30s, abort

is function, subject and place, comparison and limit, window, action; `results.grammar` reads it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

Kind = Literal["time", "number", "rate"]
Unit = Literal["ms", "%", "", "/s"]
CriterionVerdict = Literal["pass", "fail", "not judged"]
_FURTHER_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """What a criterion can be about.

    A `time` is a field of `Durations`, called `name`. A `number` is a field of `Counts`, and `of`
    is the one that it can be a share of. `selects` says what its brackets choose by. What has a
    meaning only with a schedule or an id is not `is_of_steps`, because steps have neither.
    """

    kind: Kind
    name: str = ""
    of: str = ""
    selects: Literal["", "code", "cause", "timing"] = ""
    is_of_steps: bool = True


SUBJECTS: dict[str, Subject] = {
    "response_time": Subject("time", "response"),
    "service_time": Subject("time", "service"),
    "rejected_time": Subject("time", "rejected"),
    "unknown_time": Subject("time", "unknown"),
    "send_error": Subject("time", "send_error", is_of_steps=False),
    "timing": Subject("time", "response", selects="timing", is_of_steps=False),
    "scheduled": Subject("number", "scheduled", is_of_steps=False),
    "sent": Subject("number", "sent", of="scheduled"),
    "accepted": Subject("number", "accepted", of="sent"),
    "rejected": Subject("number", "rejected", of="sent"),
    "failed": Subject("number", "failed", of="sent"),
    "unknown": Subject("number", "unknown", of="sent"),
    "unexpected": Subject("number", "unexpected", of="sent", is_of_steps=False),
    "resent": Subject("number", "resent", of="sent", is_of_steps=False),
    "errors": Subject("number", "errors", of="sent", selects="code"),
    "failures": Subject("number", "failures", of="sent", selects="code"),
    "late": Subject("number", "late", of="scheduled", selects="cause", is_of_steps=False),
    "not_sent": Subject("number", "not_sent", of="scheduled", selects="cause", is_of_steps=False),
    "achieved_rate": Subject("rate", is_of_steps=False),
}
"""Every subject by its name in a line; `docs/criteria.md` explains each."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class CriterionWindow:
    """The stretches of `length_s` seconds by which a criterion is judged.

    With `over` it has to hold in each stretch as a whole. With `for` it is broken only where it is
    broken at every moment of a stretch.
    """

    word: Literal["over", "for"]
    length_s: int


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line. `limit` is in milliseconds, percent, messages or messages per second by `unit`.

    `function` is `count`, `share`, `rate`, `max` or a percentile such as `p99.9`, `selector` what
    the brackets held, "" for everything; `place` names a scenario, or `scenario/step`, "" for all
    scenarios together.
    """

    text: str
    function: str
    subject: str
    selector: str
    place: str
    comparison: str
    limit: float
    unit: Unit
    window: CriterionWindow | None = None
    aborts: bool = False

    @property
    def percent(self) -> float:
        """The percentile that a criterion on a time asks for."""
        return 100.0 if self.function == "max" else float(self.function[1:])

    @property
    def is_lower_bound(self) -> bool:
        """True where the figure has to be large, so that time that is not over yet breaks it."""
        return self.comparison in (">", ">=") or (self.comparison == "==" and self.limit > 0)

    def holds(self, value: float) -> bool:
        return COMPARISONS[self.comparison](value, self.limit)


class CriterionResult(msgspec.Struct, frozen=True):
    """What a run was found to be by one criterion.

    `observed` and `limit` are in `unit`: ms, %, /s, or none for messages. `observed` is None where
    there is no figure, and with `at_least` only a lower bound. With a window it is the worst one's,
    which ended `at_s` seconds after T0. `aborted` is true if the run was ended early for it, and
    `reason` says why a criterion was not judged.
    """

    criterion: str
    observed: float | None
    limit: float
    verdict: CriterionVerdict
    unit: str = ""
    at_least: bool = False
    at_s: float | None = None
    aborted: bool = False
    reason: str = ""

    @property
    def shown(self) -> str:
        """The observed figure with its unit, as a person reads it.

        It has so many digits that it is on the same side of the limit as the figure itself.
        """
        observed = self.observed
        if observed is None:
            return "nothing"
        is_small = bool(self.unit) and observed < 10
        for more in range(_FURTHER_DIGITS):
            if is_small:
                number = f"{observed:.{3 + more}g}"
            else:
                number = f"{observed:,.{more + bool(self.unit)}f}".removesuffix(".0")
            if _side(float(number.replace(",", "")), self.limit) == _side(observed, self.limit):
                break
        return f"{'≥ ' * self.at_least}{number}{' ms' if self.unit == 'ms' else self.unit}"

    @property
    def when(self) -> str:
        """The moment of the observed figure, "" for the whole run."""
        return "" if self.at_s is None else f" at {self.at_s:,.1f} s".replace(".0 s", " s")

    @property
    def sentence(self) -> str:
        """What a reader is told of a criterion that does not pass."""
        if self.verdict == "not judged":
            return f"{self.criterion}: not judged, because {self.reason}"
        ended = "; the run was ended early for it" if self.aborted else ""
        return f"{self.criterion}: observed {self.shown}{self.when}{ended}"


def _side(figure: float, limit: float) -> int:
    return (figure > limit) - (figure < limit)


def selects(pattern: str, code: str) -> bool:
    """Return whether a selector, in which `*` and `?` stand for anything, chooses a code.

    It is held against the whole code, and where that begins with a status, also against the status
    and the name by themselves. "" chooses every code.
    """
    if not pattern or fnmatchcase(code, pattern):
        return True
    status, _, name = code.partition(" ")
    return status[:1].isdigit() and (fnmatchcase(status, pattern) or fnmatchcase(name, pattern))
