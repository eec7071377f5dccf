"""The outcome: the one thing that every message of a run ends in."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(max_length=128)]
"""A code or another name in a worker's report; a longer one cannot be decoded."""
Seconds = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
"""Seconds in a worker's report: neither infinite nor NaN, because JSON cannot express them."""

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
class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one sent message ended. Times are seconds on the process's `perf_counter`.

    `attempt` counts from 1 and is the last one; `code` is empty when the message was accepted;
    `ok` is true when the message ended as expected, which may be a refusal.
    """

    scenario: str
    step: str
    k: int
    attempt: int
    due_s: float
    sent_s: float
    done_s: float
    fate: Fate
    code: str
    status: int
    answer_bytes: int
    correlation_id: str
    conversation_id: str
    phase: Phase
    epoch: int
    ok: bool

    @property
    def failure(self) -> str:
        """The code to show: its own, or `UNEXPECTED` for an accepted message that is not ok."""
        return self.code or ("" if self.ok else UNEXPECTED)

    @property
    def response_time_s(self) -> float:
        """From when the message was due: what a customer waited."""
        return self.done_s - self.due_s
