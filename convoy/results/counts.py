"""Counters of one scenario and the equations that must hold between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convoy.results.outcome import ACCEPTED, FAILED, REJECTED, Cause, Outcome


@dataclass(slots=True)
class Counts:
    """Cumulative counters of the measured phase; `scheduled` counts what was taken or given up.

    `unexpected` are those of the accepted that should have been refused.
    """

    scheduled: int = 0
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    resent: int = 0
    attempts: int = 0
    not_ok: int = 0
    unexpected: int = 0
    late: Counter[str] = field(default_factory=Counter)
    not_sent: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def record(self, outcome: Outcome) -> None:
        """Count a sent message by the fate of its last attempt."""
        self.sent += 1
        self.attempts += outcome.attempt
        self.resent += outcome.attempt - 1
        fate = outcome.fate
        if fate is ACCEPTED:
            self.accepted += 1
            self.unexpected += not outcome.ok
        else:
            self.errors[outcome.code] += 1
            if fate is REJECTED:
                self.rejected += 1
            elif fate is FAILED:
                self.failed += 1
            else:
                self.unknown += 1
        if not outcome.ok:
            self.not_ok += 1

    def give_up(self, cause: Cause) -> None:
        """Count a scheduled message that will never be sent."""
        self.not_sent[cause] += 1

    def lose(self, messages: int, code: str) -> None:
        """Count messages of a worker that died: each may have been sent, so each is unknown."""
        self.scheduled += messages
        self.sent += messages
        self.attempts += messages
        self.unknown += messages
        self.not_ok += messages
        if messages:
            self.errors[code] += messages

    def add(self, other: Counts) -> None:
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _BY_NAME:
            getattr(self, name).update(getattr(other, name))

    def to_dict(self) -> dict[str, Any]:
        numbers: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        return numbers | {name: dict(getattr(self, name)) for name in _BY_NAME}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Counts:
        counts = cls()
        for name in _NUMBERS:
            setattr(counts, name, int(values[name]))
        for name in _BY_NAME:
            getattr(counts, name).update(values[name])
        return counts


_NUMBERS = (
    "scheduled",
    "sent",
    "accepted",
    "rejected",
    "failed",
    "unknown",
    "resent",
    "attempts",
    "not_ok",
    "unexpected",
)
_BY_NAME = ("late", "not_sent", "errors")


def violations(counts: Counts, planned: int) -> list[str]:
    """Return a sentence for every equation of the accounting that does not hold.

    `planned` is the number of messages the plan holds, counted without asking any worker.
    """
    not_sent = sum(counts.not_sent.values())
    errors = sum(counts.errors.values())
    fates = counts.accepted + counts.rejected + counts.failed + counts.unknown
    equations = (
        ("planned = scheduled", planned, counts.scheduled),
        ("scheduled = sent + not sent", counts.scheduled, counts.sent + not_sent),
        ("sent = accepted + rejected + failed + unknown", counts.sent, fates),
        ("attempts = sent + resent", counts.attempts, counts.sent + counts.resent),
        ("errors = rejected + failed + unknown", errors, counts.sent - counts.accepted),
    )
    return [
        f"{equation} does not hold: {left} against {right}"
        for equation, left, right in equations
        if left != right
    ]
