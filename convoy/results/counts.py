"""Counters of one scenario, and what is tolerated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields

from convoy.results.outcome import (
    ACCEPTED,
    FAILED,
    MOST,
    MOST_SECONDS,
    REJECTED,
    Cause,
    Name,
    Number,
    Outcome,
    Seconds,
)

TOLERATED_SHARE = 0.01
TOLERATED_MESSAGES = 5
"""Both have to be exceeded: in a run of a hundred messages two alone are more than that share."""
WORKER_LOST = "worker lost"
"""The code of messages that a dead worker may have sent."""


@dataclass(slots=True)
class Counts:
    """Cumulative counters of the measured phase; `scheduled` counts what was taken or given up.

    `unexpected` are those of the accepted that should have been refused, `delayed` those whose
    answer waited for our own event loop; `failures` are those that are `not_ok`, by their code, and
    `exceptions` those that the scenario's code raised, by their type, the first one first.
    `shortages` are attempts for which this machine had no means, by the error number's name. With
    closed arrivals, where nothing is due before it is sent, `limited_s` is how long limits held
    users, all together. The mappings are `Counter`s, also in counts that were decoded from a
    report.
    """

    scheduled: Number = 0
    sent: Number = 0
    accepted: Number = 0
    rejected: Number = 0
    failed: Number = 0
    unknown: Number = 0
    resent: Number = 0
    attempts: Number = 0
    not_ok: Number = 0
    unexpected: Number = 0
    delayed: Number = 0
    limited_s: Seconds = 0.0
    late: dict[Cause, Number] = field(default_factory=dict)
    not_sent: dict[Cause, Number] = field(default_factory=dict)
    errors: dict[Name, Number] = field(default_factory=dict)
    failures: dict[Name, Number] = field(default_factory=dict)
    exceptions: dict[Name, Number] = field(default_factory=dict)
    shortages: dict[Name, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.late, self.not_sent = Counter(self.late), Counter(self.not_sent)
        self.errors, self.failures = Counter(self.errors), Counter(self.failures)
        self.exceptions, self.shortages = Counter(self.exceptions), Counter(self.shortages)

    @classmethod
    def total(cls, parts: Iterable[Counts]) -> Counts:
        """Return the sum of counts, each bounded; it shares no counter with any of them."""
        total = cls()
        for part in parts:
            for each in fields(cls):
                mine, theirs = getattr(total, each.name), getattr(part, each.name)
                if isinstance(mine, Counter):
                    for key in theirs:
                        mine[key] = min(mine[key] + theirs[key], MOST)
                else:
                    most = MOST_SECONDS if each.name == "limited_s" else MOST
                    setattr(total, each.name, max(-most, min(mine + theirs, most)))
        return total

    def since(self, earlier: Counts) -> Counts:
        """Return what was counted since `earlier`, a copy of these counts at another moment."""
        counted = Counts()
        for each in fields(Counts):
            setattr(counted, each.name, getattr(self, each.name) - getattr(earlier, each.name))
        return counted

    def record(self, outcome: Outcome) -> None:
        """Count a sent message by the fate of its last attempt."""
        attempt = outcome.attempt
        fate = attempt.fate
        self.sent += 1
        self.attempts += attempt.attempts
        self.resent += attempt.attempts - 1
        if fate is ACCEPTED:
            self.accepted += 1
            self.unexpected += not outcome.ok
        else:
            self.errors[attempt.code] += 1
            if fate is REJECTED:
                self.rejected += 1
            elif fate is FAILED:
                self.failed += 1
            else:
                self.unknown += 1
        if not outcome.ok:
            self.not_ok += 1
            self.failures[outcome.failure] += 1

    def give_up(self, cause: Cause) -> None:
        """Count a scheduled message that will never be sent."""
        self.not_sent[cause] += 1

    def forgo(self, messages: int) -> None:
        """Count messages that nobody sent: their owner stood still, and others began after them."""
        self.scheduled += messages
        self.not_sent[Cause.GENERATOR] += messages

    def lose(self, messages: int) -> None:
        """Count messages of a worker that died: each may have been sent, so each is unknown.

        Those that were in flight at its last report are among them.
        """
        self.scheduled = self.ended + messages
        self.sent += messages
        self.attempts += messages
        self.unknown += messages
        self.not_ok += messages
        if messages:
            self.errors[WORKER_LOST] += messages
            self.failures[WORKER_LOST] += messages

    def rename_codes(self, name_code: Callable[[str], str]) -> None:
        """Count errors, failures and exceptions under the names that `name_code` gives to them."""
        for counter in (self.errors, self.failures, self.exceptions):
            named = Counter[str]()
            for code, count in counter.items():
                name = name_code(code)
                named[name] = min(named[name] + count, MOST)
            counter.clear()
            counter.update(named)

    @property
    def ended(self) -> int:
        """Scheduled messages that are not in flight any more."""
        return self.sent + sum(self.not_sent.values())

    def missed(self, cause: Cause) -> int:
        """Return how many messages were late or not sent by a cause."""
        return self.late[cause] + self.not_sent[cause]

    @property
    def touched(self) -> int:
        """Messages whose times our own lag made longer."""
        return self.delayed + self.missed(Cause.GENERATOR) + self.missed(Cause.SCENARIO)

    def is_too_often(self, *causes: Cause) -> bool:
        """Return whether more were late or not sent by causes of ours than is tolerated."""
        missed = sum(map(self.missed, causes))
        return missed > TOLERATED_MESSAGES and missed > TOLERATED_SHARE * self.scheduled
