"""The workers of a swarm, and what the master knows of each: its state, also where it is silent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Protocol

from convoy.results.outcome import MOST
from convoy.swarm.delivery import Delivery
from convoy.swarm.messages import Ask, Drained, Hello
from convoy.swarm.phases import Phases

Users = Mapping[str, Mapping[str, int]]
"""Users by worker and scenario."""


class Swarm(Protocol):
    """The workers that are connected, and the users that they were dealt.

    `hellos` has what each of them has said that runs Convoy.
    """

    hellos: dict[str, Hello]

    def workers(self) -> set[str]:
        """Return the ids of the workers that are connected and alive."""

    def assigned_users(self) -> Users:
        """Return how many users of each scenario each worker has been dealt."""


_UNACKNOWLEDGED_S = 2.2
"""A worker should have acknowledged a lease, or a later one, within this time after it was given.
Otherwise the way to the worker is slow or cut: it may have no lease any more, and should own
nothing. Less than a lease lasts."""
_PAUSE_S = 1.0
"""Looks at a run so far apart mean that this process stood still."""


class WorkerState(StrEnum):
    """What a worker is in a run.

    It was sent the inputs (joining), takes part (ready), was granted lanes (holding), had them
    taken because its lease ended (silent), gave them back because it ends (leaving). Out of the run
    are those that left in order, were lost, or can take no part (refused).
    """

    JOINING = "joining"
    READY = "ready"
    HOLDING = "holding"
    SILENT = "silent"
    LEAVING = "leaving"
    LEFT = "left"
    LOST = "lost"
    REFUSED = "refused"

    @property
    def is_out(self) -> bool:
        return self in (WorkerState.LEFT, WorkerState.LOST, WorkerState.REFUSED)


@dataclass(slots=True)
class WorkerStatus:
    """What is known of one worker; moments are seconds of the master's clock.

    Its last lease was given at `given_s`. The latest one that it has acknowledged, or counts as
    having after a pause of the master, was given at `leased_s`, and the latest one that it has
    acknowledged for certain at `heard_s`: what was said before that it has heard. `delay_s` is how
    long after it was given one was acknowledged last; those in `unacknowledged` were given later.
    Its T0 may be off by `t0_unsure_s`, as far as it has said. It held lanes from `held_from_s` to
    `held_to_s`. `revoked` are the lanes that were taken from it and of which it has not said yet
    how far it came, by scenario, each with the first number that another worker may send.
    """

    delivery: Delivery
    state: WorkerState = WorkerState.JOINING
    ready: Mapping[str, int] = field(default_factory=dict)
    given_s: float = -inf
    leased_s: float = 0.0
    heard_s: float = 0.0
    t0_unsure_s: float = 0.0
    delay_s: float = inf
    unacknowledged: deque[float] = field(default_factory=deque)
    granted_epoch: int = 0
    drained_epoch: int = -1
    has_been_complete: bool = False
    held_from_s: float = inf
    held_to_s: float = inf
    revoked: dict[str, dict[int, int]] = field(default_factory=dict)

    def acknowledge(self, ask: Ask, now_s: float) -> None:
        """Note at `now_s` that it has the lease of which it says so."""
        leased_s = ask.leased_s
        # Before it knows T0, that will be no worse known than the time is now.
        self.t0_unsure_s = ask.unsure_s if ask.t0_unsure_s is None else ask.t0_unsure_s
        self.heard_s = max(self.heard_s, leased_s)
        if leased_s > self.leased_s:
            self.leased_s, self.delay_s = leased_s, now_s - leased_s
        while self.unacknowledged and self.unacknowledged[0] <= leased_s:
            self.unacknowledged.popleft()

    def hold(self, epoch: int, now_s: float) -> None:
        """Note that it was granted lanes."""
        self.state, self.granted_epoch = WorkerState.HOLDING, epoch
        self.held_from_s = min(self.held_from_s, now_s)

    def reach_s(self, phases: Phases, now_s: float) -> tuple[float, float]:
        """Return how far it may have come by now, and when it last heard, in seconds from T0."""
        since_t0_s = phases.since_t0_s
        return since_t0_s(now_s) + self.t0_unsure_s, since_t0_s(self.heard_s)

    def give(self, now_s: float) -> None:
        """Note that it was given a lease."""
        self.given_s = now_s
        self.unacknowledged.append(now_s)

    def allow_for_pause(self, paused_s: float) -> None:
        """Count its last lease as given later, and those before a pause of the master as received.

        What is heard of them after the pause says nothing of how long they took.
        """
        self.given_s += paused_s
        if self.unacknowledged:
            self.leased_s = self.unacknowledged[-1]
            self.unacknowledged.clear()

    def drain(self, message: Drained, *, is_stopped: bool) -> None:
        """Note that what it was granted has ended.

        After a stop one from before that, which was said again, is no answer.
        """
        if message.after_stop or not is_stopped:
            self.drained_epoch = message.epoch

    def is_through(self, is_stopped: bool) -> bool:
        """Return whether all that it was granted has ended, or all since the run was stopped."""
        if is_stopped:
            return self.drained_epoch >= 0
        return not self.granted_epoch or self.drained_epoch >= self.granted_epoch

    @property
    def is_lost(self) -> bool:
        return self.state is WorkerState.LOST

    def held_s(self, from_s: float, to_s: float) -> float:
        """Return for how much of a time it held lanes."""
        return max(0.0, min(self.held_to_s, to_s) - max(self.held_from_s, from_s))


class Workers:
    """All workers of a run, those that are out of it included; moments are those of the master.

    A lease lasts for `lease_s`, None where the only worker is in the master's process.
    """

    def __init__(
        self, lease_s: float | None, now_s: float, delivery_to: Callable[[str], Delivery]
    ) -> None:
        self.status: dict[str, WorkerStatus] = {}
        self._delivery_to = delivery_to
        self.lease_s = lease_s
        self._looked_s = now_s
        self._alive: Set[str] = frozenset()
        self._users: Users = {}

    def of(self, worker: str) -> WorkerStatus:
        """Return what is known of a worker, of which nothing may have been known before."""
        if worker not in self.status:
            self.status[worker] = WorkerStatus(self._delivery_to(worker))
        return self.status[worker]

    def see(self, alive: Set[str], users: Users, now_s: float) -> None:
        """Take in who is connected, and how many users each was dealt."""
        self._alive, self._users = alive, users
        self.allow_for_pause(now_s)
        self._looked_s = now_s

    def allow_for_pause(self, now_s: float) -> None:
        """Count no time in which this process stood still: nothing was heard, so nobody silent."""
        paused_s = now_s - self._looked_s
        if paused_s > _PAUSE_S:
            self._looked_s = now_s
            for _, status in self.in_run():
                status.allow_for_pause(paused_s)

    @property
    def present(self) -> list[str]:
        return [name for name, _ in self.in_run() if name in self._alive]

    def in_run(self) -> Iterator[tuple[str, WorkerStatus]]:
        """Yield those that are not out of the run, connected or not."""
        return ((name, each) for name, each in self.status.items() if not each.state.is_out)

    def is_in(self, worker: str) -> bool:
        """Return whether a worker is in the run, connected or not."""
        status = self.status.get(worker)
        return status is not None and not status.state.is_out

    def has_had_lanes(self, worker: str) -> bool:
        """Return whether a worker was ever granted lanes in this run."""
        status = self.status.get(worker)
        return status is not None and status.granted_epoch > 0

    def may_have_users(self, worker: str) -> bool:
        """Return whether a worker takes part, so that users may be dealt to it."""
        status = self.status.get(worker)
        return status is not None and status.state in (
            WorkerState.READY,
            WorkerState.HOLDING,
            WorkerState.SILENT,
        )

    def is_gone(self, worker: str) -> bool:
        return worker not in self._alive

    def reach_s(self, phases: Phases, now_s: float) -> float:
        """Return how far any may have come by now, in seconds from T0; -inf if none had lanes."""
        had = [status for status in self.status.values() if status.granted_epoch]
        return max((status.reach_s(phases, now_s)[0] for status in had), default=-inf)

    @property
    def users_ready(self) -> int:
        return min(MOST, sum(sum(self.status[name].ready.values()) for name in self.present))

    @property
    def has_surplus(self) -> bool:
        """True while a worker has more users than it was dealt, as it has not heard of that."""
        return any(
            sum(self.status[name].ready.values()) > sum(self._users.get(name, {}).values())
            for name in self.present
        )

    def readiness(self, wanted: int) -> str:
        """Return how many users are ready, as a part of a sentence."""
        return f"{self.users_ready} of {wanted} users are logged in and ready"

    def waiting(self, is_stopped: bool) -> list[str]:
        """Return those that are not through."""
        return [name for name in self.present if not self.status[name].is_through(is_stopped)]

    def are_complete(self, now_s: float) -> bool:
        """Return whether all users that were dealt are ready, and all leases arrive."""
        return all(self._is_complete(name, now_s) for name in self.present)

    def weights(self, scenarios: Iterable[str], now_s: float) -> dict[str, dict[str, float]]:
        """Return the users of each scenario by worker, of all workers that may own lanes of it."""
        owners = [name for name in self.present if self._may_own(name, now_s)]
        return {
            scenario: {
                name: float(self._users.get(name, {}).get(scenario, 0))
                for name in owners
                if self.status[name].ready.get(scenario, 0) > 0
            }
            for scenario in scenarios
        }

    def is_leased(self, worker: str, now_s: float) -> bool:
        """Return whether leases reach a worker in time."""
        status = self.status[worker]
        if self.lease_s is None:
            return True
        waiting = status.unacknowledged
        waits_s = now_s - waiting[0] if waiting else 0.0
        return max(status.delay_s, waits_s) <= _UNACKNOWLEDGED_S

    def has_no_lease(self, worker: str, now_s: float) -> bool:
        """Return whether a worker's lease has ended for certain: it asked before it was given."""
        return self.lease_s is not None and now_s - self.status[worker].given_s > self.lease_s

    def _may_own(self, worker: str, now_s: float) -> bool:
        status = self.status[worker]
        status.has_been_complete = status.has_been_complete or self._is_complete(worker, now_s)
        is_able = status.state in (WorkerState.READY, WorkerState.HOLDING)
        return is_able and status.has_been_complete and self.is_leased(worker, now_s)

    def _is_complete(self, worker: str, now_s: float) -> bool:
        status, dealt = self.status[worker], self._users.get(worker, {})
        return self.is_leased(worker, now_s) and all(
            status.ready.get(scenario, 0) >= users for scenario, users in dealt.items()
        )
