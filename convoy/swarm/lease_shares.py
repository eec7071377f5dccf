"""What a master gives out to its workers with their leases: together they keep to bounds."""

from __future__ import annotations

from msgspec.structs import replace

from convoy.remote.approved_total import TotalBook
from convoy.remote.login_turns import TurnBook
from convoy.swarm.messages import Ask, Lease


class LeaseShares:
    """Turns to log in and for guests to begin, `logins_per_s` of each; messages beyond the plans.

    Moments are seconds of the master's clock.
    """

    def __init__(self, logins_per_s: float | None, total: TotalBook, now_s: float) -> None:
        self.total = total
        self._turns, self._starts = (TurnBook(logins_per_s, now_s) for _ in range(2))

    def fill(self, lease: Lease, worker: str, ask: Ask, workers: int) -> Lease:
        """Return the lease of one of so many workers with its part of what it asks for."""
        beyond = self.total.give(worker, ask.beyond, workers)
        return replace(
            lease,
            turns=self._turns.give(worker, ask.turns, workers, lease.now_s, ask.unsure_s),
            starts=self._starts.give(worker, ask.starts, workers, lease.now_s, ask.unsure_s),
            beyond=beyond,
            is_used_up=self.total.is_used_up,
        )
