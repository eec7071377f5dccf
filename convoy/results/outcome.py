"""The attempt and the outcome: what every message of a run ends in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

LONGEST_NAME = 128
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
"""A code or another name in a worker's report; a longer one cannot be decoded."""
MOST_SECONDS, MOST = 1e9, 2**53
Seconds = Annotated[float, msgspec.Meta(ge=-MOST_SECONDS, le=MOST_SECONDS)]
"""Seconds in a worker's report: neither infinite nor NaN, because JSON cannot express them."""
Number = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
"""A whole number in a report or a record, as large as a float can hold it. A sum of what several
workers say is `MOST` at most, else nobody could read the record."""
Second = Annotated[int, msgspec.Meta(ge=0, lt=10**8)]
"""A second in a worker's report, counted from T0."""

UNEXPECTED = "200 unexpected"
"""The code of a message that was accepted and should have been refused."""


class Phase(StrEnum):
    """The part of a run an outcome belongs to; only `MEASURE` enters figures and criteria."""

    WARM_UP = "warm-up"
    MEASURE = "measure"


class Fate(StrEnum):
    """What the remote did with a message, as far as is known (docs/glossary.md)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"


# Read for every message: a module's name costs a tenth of the look-up of an enum's member.
ACCEPTED = Fate.ACCEPTED
REJECTED = Fate.REJECTED
FAILED = Fate.FAILED
UNKNOWN = Fate.UNKNOWN


class Cause(StrEnum):
    """Why a message was late or never sent.

    `SCENARIO` is the scenario's own code: an exception in it, or its work before the first byte.
    """

    TARGET = "target"
    LIMITS = "limits"
    POOL = "pool"
    GENERATOR = "generator"
    SCENARIO = "scenario"
    STOPPED = "stopped"


# A structure, and untracked by the collector: one is made per message.
class Attempt(msgspec.Struct, frozen=True, gc=False):
    """The last attempt at a message, or at a step, and what came back, whatever protocol it took.

    `code` is empty when it was accepted, and only then. `sent_s` is when the first byte was
    written, or when that was tried if none was; before, it `waited_s` for a connection or a token.
    Times are seconds on the process's `clock_s`. `attempts` is 2 when the message was sent
    again. `status` and `body` are those of the answer, 0 and empty where there is no whole one.
    """

    fate: Fate
    code: str
    sent_s: float
    done_s: float
    attempts: int = 1
    status: int = 0
    body: bytes = b""
    waited_s: float = 0.0

    @property
    def correlation_id(self) -> str:
        """The id under which the remote's support finds the exchange; empty where it gave none."""
        return ""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one sent message ended: its last attempt, and what the plan says of it.

    `due_s` is on the same clock as the attempt; `ok` is true when the message ended as expected,
    which may be a refusal.
    """

    scenario: str
    k: int
    conversation_id: str
    due_s: float
    attempt: Attempt
    ok: bool

    @property
    def failure(self) -> str:
        """The code to show: its own, or `UNEXPECTED` for an accepted message that is not ok."""
        return self.attempt.code or ("" if self.ok else UNEXPECTED)

    @property
    def response_time_s(self) -> float:
        """From when the message was due: what a customer waited."""
        return self.attempt.done_s - self.due_s
