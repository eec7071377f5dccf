"""The workers of a swarm, and what the master of a run knows of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from convoy.results.health import HealthAccount

Users = Mapping[str, Mapping[str, int]]
"""Users by worker and scenario."""


class Swarm(Protocol):
    """The workers that are connected, and the users that they were dealt."""

    def workers(self) -> set[str]:
        """Return the ids of the workers that are connected and alive."""

    def assigned_users(self) -> Users:
        """Return how many users of each scenario each worker has been dealt."""


@dataclass(slots=True)
class WorkerStatus:
    """What is known of one worker; its wall clock is at least `clock_ahead_s` ahead of ours.

    It held lanes between two moments of the master's clock. Its last report was made
    `reported_until_s` after T0.
    """

    ready: Mapping[str, int] = field(default_factory=dict)
    clock_ahead_s: float = -inf
    reports: int = 0
    reported_until_s: float = 0.0
    granted_epoch: int = 0
    drained_epoch: int = -1
    has_been_complete: bool = False
    is_leaving: bool = False
    is_gone: bool = False
    is_lost: bool = False
    held_from_s: float = inf
    held_to_s: float = inf
    health: HealthAccount = field(default_factory=HealthAccount)

    def is_complete(self, assigned: Mapping[str, int]) -> bool:
        """Return whether all users that it was dealt, by scenario, are ready."""
        return all(self.ready.get(scenario, 0) >= users for scenario, users in assigned.items())

    def held_s(self, from_s: float, to_s: float) -> float:
        """Return for how much of a time of the master's clock it held lanes."""
        return max(0.0, min(self.held_to_s, to_s) - max(self.held_from_s, from_s))


def weights_of(
    scenario: str, workers: Mapping[str, WorkerStatus], dealt: Users
) -> dict[str, float]:
    """Return the users of a scenario by worker, of all workers that may own lanes of it."""
    return {
        name: float(dealt.get(name, {}).get(scenario, 0))
        for name, worker in workers.items()
        if not worker.is_leaving and worker.has_been_complete and worker.ready.get(scenario, 0) > 0
    }
