"""What is to be done after a message or a look at a run: the actions of its protocol."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
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


class InOrder:
    """Has actions carried out in their order.

    A worker in the master's process answers at once, in the midst of an action, and what follows
    from that comes after those that were there.
    """

    def __init__(self, carry_out: Callable[[Action], None]) -> None:
        self._carry_out = carry_out
        self._to_do: deque[Action] = deque()
        self._is_doing = False

    def do(self, actions: Iterable[Action]) -> None:
        """Carry these out, after those that are being carried out."""
        self._to_do += actions
        if self._is_doing:
            return
        self._is_doing = True
        try:
            while self._to_do:
                self._carry_out(self._to_do.popleft())
        finally:
            self._is_doing = False
