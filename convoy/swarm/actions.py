"""What is to be done after a message or a look at a run: the actions of its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convoy.swarm.messages import ToWorker


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a worker."""

    worker: str
    message: ToWorker


@dataclass(frozen=True, slots=True)
class Forgo:
    """Count messages of a scenario that nobody sent, because their owner had stood still."""

    scenario: str
    messages: int


@dataclass(frozen=True, slots=True)
class Lose:
    """Count what a lost worker may have sent, by scenario, as unknown."""

    worker: str
    messages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Note what makes the figures of the run doubtful."""

    problem: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the operator of something that harms nothing."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the run before its load, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class EndEarly:
    """Stop the run, because a worker asks for it."""

    reason: str


Action = Send | Forgo | Lose | Doubt | Tell | Refuse | EndEarly
