"""The lease book: which worker owns which lanes of a scenario, and since which message.

A lane has one owner or none. It passes from one owner to the next only with a cursor, the first
message number that the old owner did not hand out, so no message is sent twice or by nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from convoy.plan.lanes import LANES, first_number


@dataclass(slots=True)
class _Lane:
    owner: str | None = None
    cursor: int = 0
    is_leaving: bool = False


class LeaseBook:
    """The lanes of one scenario. `total` is the number of messages in its whole plan."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._lanes = [_Lane() for _ in range(LANES)]
        self._finished_tenures: Counter[str] = Counter()

    def lanes_of(self, worker: str) -> list[int]:
        return [number for number, lane in enumerate(self._lanes) if lane.owner == worker]

    def moves(self, weights: Mapping[str, float]) -> tuple[dict[str, list[int]], list[int]]:
        """Return what has to leave which owner, and the lanes without one, for these weights.

        `weights` maps each worker that may own lanes to its share. As few lanes move as possible;
        lanes named once as leaving are not named again.
        """
        surplus: dict[str, list[int]] = {}
        wanted = _shares(weights)
        for worker in {lane.owner for lane in self._lanes if lane.owner is not None}:
            owned = [number for number in self.lanes_of(worker)]
            for number in owned[wanted.get(worker, 0) :]:
                if not self._lanes[number].is_leaving:
                    self._lanes[number].is_leaving = True
                    surplus.setdefault(worker, []).append(number)
        free = [number for number, lane in enumerate(self._lanes) if lane.owner is None]
        return surplus, free

    def deal(self, free: list[int], weights: Mapping[str, float]) -> dict[str, dict[int, int]]:
        """Give the free lanes to workers that own too few; return `{worker: {lane: cursor}}`."""
        grants: dict[str, dict[int, int]] = {}
        waiting = list(free)
        for worker, wanted in _shares(weights).items():
            missing = max(0, wanted - len(self.lanes_of(worker)))
            for number in waiting[:missing]:
                lane = self._lanes[number]
                lane.owner = worker
                grants.setdefault(worker, {})[number] = lane.cursor
            waiting = waiting[missing:]
        return grants

    def give_back(self, worker: str, cursors: Mapping[int, int | None]) -> None:
        """Note that a worker gave lanes up; a cursor of None says the lane was finished."""
        for number, cursor in cursors.items():
            lane = self._lanes[number]
            if lane.owner == worker:
                self._end_tenure(lane, number, self.total if cursor is None else cursor)

    def lose(self, worker: str, cut_k: int) -> None:
        """Take all lanes of a dead worker; others go on with them from message `cut_k` on."""
        for number in self.lanes_of(worker):
            lane = self._lanes[number]
            self._end_tenure(lane, number, max(lane.cursor, min(cut_k, self.total)))

    def messages_of(self, worker: str) -> int:
        """Return how many messages fell to a worker, its present lanes counted to the end."""
        present = sum(
            _between(number, self._lanes[number].cursor, self.total)
            for number in self.lanes_of(worker)
        )
        return self._finished_tenures[worker] + present

    @property
    def given_out(self) -> int:
        """Messages of all tenures: the plan's total, unless lanes were given back unfinished."""
        owners = {lane.owner for lane in self._lanes if lane.owner is not None}
        return sum(self.messages_of(worker) for worker in owners | set(self._finished_tenures))

    @property
    def is_settled(self) -> bool:
        """True when no lane is on its way from one owner to the next."""
        return all(
            not lane.is_leaving
            if lane.owner is not None
            else _between(number, lane.cursor, self.total) == 0
            for number, lane in enumerate(self._lanes)
        )

    def _end_tenure(self, lane: _Lane, number: int, cursor: int) -> None:
        assert lane.owner is not None
        self._finished_tenures[lane.owner] += _between(number, lane.cursor, cursor)
        lane.owner, lane.cursor, lane.is_leaving = None, cursor, False


def _between(lane: int, from_k: int, to_k: int) -> int:
    """Count the message numbers of a lane in `[from_k, to_k)`."""
    if to_k <= from_k:
        return 0
    return (first_number(lane, to_k) - first_number(lane, from_k)) // LANES


def _shares(weights: Mapping[str, float]) -> dict[str, int]:
    """Split the lanes by weight, the largest remainders first; ties go by name."""
    total = sum(weights.values())
    if total <= 0:
        return {}
    exact = {worker: LANES * weight / total for worker, weight in weights.items()}
    shares = {worker: int(share) for worker, share in exact.items()}
    by_remainder = sorted(exact, key=lambda worker: (shares[worker] - exact[worker], worker))
    for worker in by_remainder[: LANES - sum(shares.values())]:
        shares[worker] += 1
    return shares
