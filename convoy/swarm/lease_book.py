"""The lease book: which worker owns which lanes of a scenario, and since which message.

A lane has one owner or none. It passes from one owner to the next only with a cursor, the first
message number that the old owner did not hand out, so that none is sent twice or left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from convoy.plan.lanes import LANES, numbers_between
from convoy.settings.rate_shares import split


@dataclass(slots=True)
class _Lane:
    end: int
    highest_end: int
    """By any plan so far: a worker may have followed one for longer than the others."""
    owner: str | None = None
    cursor: int = 0
    is_leaving: bool = False
    free_from_s: float = -inf


class LeaseBook:
    """The lanes of one scenario; `ends` holds the first number of each that is not in the plan.

    Lanes are dealt in `groups`: lane `n` belongs to group `n mod groups`, and a group has one
    owner at a time.
    """

    def __init__(self, ends: Sequence[int], groups: int = LANES) -> None:
        self._lanes = [_Lane(end, end) for end in ends]
        self._groups = groups
        self._finished_tenures: Counter[str] = Counter()
        self._forgone = 0
        self._dealt_for: Mapping[str, float] | None = None

    def is_dealt_for(self, weights: Mapping[str, float]) -> bool:
        """Return whether all lanes have stayed with their owners since they were dealt for these.

        Asked many times a second: to look at each lane takes long enough to make a message late.
        """
        return self._dealt_for == weights

    def lanes_of(self, worker: str) -> list[int]:
        return [number for number, lane in enumerate(self._lanes) if lane.owner == worker]

    def moves(self, weights: Mapping[str, float]) -> dict[str, list[int]]:
        """Return the lanes that their owners have to release for these weights, and mark them.

        `weights` maps each worker that may own lanes to its share. As few groups move as possible;
        lanes that were returned once are not returned again.
        """
        leaving: dict[str, list[int]] = {}
        wanted = split(self._groups, weights)
        for worker, staying in sorted(self._staying().items()):
            # Spread, so that what stays with the worker is its share of the rate at every moment.
            for group in _spread(staying, len(staying) - wanted.get(worker, 0)):
                for number in range(group, len(self._lanes), self._groups):
                    self._lanes[number].is_leaving = True
                    leaving.setdefault(worker, []).append(number)
        if leaving:
            self._dealt_for = None
        return leaving

    def deal(self, weights: Mapping[str, float], now_s: float) -> dict[str, dict[int, int]]:
        """Give groups without an owner to workers with too few: `{worker: {lane: cursor}}`.

        Each group goes to the worker that is furthest below its share. Consecutive messages then
        belong to workers in turn, so that each worker has its share of the rate at every moment.
        """
        grants: dict[str, dict[int, int]] = {}
        wanted, staying = split(self._groups, weights), self._staying()
        missing = {worker: wanted[worker] - len(staying[worker]) for worker in wanted}
        for group in range(self._groups):
            if not self._is_free(group, now_s):
                continue
            worker = max(wanted, key=lambda name: missing[name] / max(1, wanted[name]), default="")
            if missing.get(worker, 0) <= 0:
                break
            missing[worker] -= 1
            for number in range(group, len(self._lanes), self._groups):
                lane = self._lanes[number]
                lane.owner = worker
                grants.setdefault(worker, {})[number] = lane.cursor
        is_stable = all(lane.owner is not None and not lane.is_leaving for lane in self._lanes)
        self._dealt_for = dict(weights) if is_stable else None
        return grants

    def move_ends(self, ends: Sequence[int]) -> None:
        """Set for each lane the first number that is not in the changed plan."""
        for lane, end in zip(self._lanes, ends, strict=True):
            lane.end, lane.highest_end = end, max(lane.highest_end, end)

    def give_back(self, worker: str, cursors: Mapping[int, int], *, is_final: bool = False) -> None:
        """Note that a worker gave lanes up, each from its cursor on; if final, nobody gets them.

        What lies before its tenure was sent by others, whatever it says.
        """
        for number, cursor in cursors.items():
            lane = self._lanes[number]
            if lane.owner == worker:
                self._end_tenure(lane, number, max(lane.cursor, min(cursor, lane.highest_end)))
                lane.free_from_s = inf if is_final else -inf

    def revoke(
        self, worker: str, cut: Callable[[int], int], free_from_s: float = -inf
    ) -> dict[int, int]:
        """Take all lanes from a worker that no longer answers; return `{lane: cut(lane)}`.

        Their next owners begin at that number, and not before `free_from_s`. What lies before is
        the worker's, who may have sent it.
        """
        cuts = {}
        for number in self.lanes_of(worker):
            lane = self._lanes[number]
            cuts[number] = max(lane.cursor, min(cut(number), lane.highest_end))
            self._end_tenure(lane, number, cuts[number])
            lane.free_from_s = free_from_s
        return cuts

    def settle(self, worker: str, number: int, cut: int, cursor: int) -> int:
        """Take in how far the owner of a lane that was revoked at `cut` had come: up to `cursor`.

        Returns how many messages lie between, which nobody sent. They are no longer the worker's.
        """
        forgone = numbers_between(number, cursor, cut)
        self._finished_tenures[worker] -= forgone
        self._forgone += forgone
        self._lanes[number].free_from_s = -inf
        return forgone

    def finish(self, worker: str, messages: int) -> None:
        """End all lanes of a lost worker that took `messages` messages; they are not dealt again.

        This is for runs without a schedule, where only the worker knew its next numbers.
        """
        for number in self.lanes_of(worker):
            lane = self._lanes[number]
            lane.owner, lane.cursor, lane.is_leaving = None, lane.end, False
        self._dealt_for = None
        self._finished_tenures[worker] = messages

    def messages_of(self, worker: str) -> int:
        """Return how many messages fell to a worker, its present lanes counted to the end."""
        present = sum(
            numbers_between(number, self._lanes[number].cursor, self._lanes[number].end)
            for number in self.lanes_of(worker)
        )
        return self._finished_tenures[worker] + present

    @property
    def cursors(self) -> list[int]:
        """The first number of each lane that its owners did not hand out, as they said.

        It is the lane's end where an owner has not given it back.
        """
        return [lane.end if lane.owner is not None else lane.cursor for lane in self._lanes]

    @property
    def given_out(self) -> int:
        """Messages of all tenures: the plan's total, unless lanes were given back unfinished."""
        owners = {lane.owner for lane in self._lanes if lane.owner is not None}
        workers = owners | set(self._finished_tenures)
        return self._forgone + sum(self.messages_of(worker) for worker in workers)

    @property
    def total(self) -> int:
        """Messages of the whole plan."""
        return sum(numbers_between(number, 0, lane.end) for number, lane in enumerate(self._lanes))

    @property
    def is_settled(self) -> bool:
        """True when no lane has to be released, and none without an owner has messages left."""
        return all(
            not lane.is_leaving if lane.owner is not None else lane.cursor >= lane.end
            for lane in self._lanes
        )

    def _is_free(self, group: int, now_s: float) -> bool:
        return all(
            lane.owner is None and lane.free_from_s <= now_s
            for lane in self._lanes[group :: self._groups]
        )

    def _staying(self) -> defaultdict[str, list[int]]:
        """The groups of each owner that it was not asked to give back."""
        staying = defaultdict[str, list[int]](list)
        for group, lane in enumerate(self._lanes[: self._groups]):
            if lane.owner is not None and not lane.is_leaving:
                staying[lane.owner].append(group)
        return staying

    def _end_tenure(self, lane: _Lane, number: int, cursor: int) -> None:
        assert lane.owner is not None
        self._finished_tenures[lane.owner] += numbers_between(number, lane.cursor, cursor)
        lane.owner, lane.cursor, lane.is_leaving = None, cursor, False
        self._dealt_for = None


def _spread(groups: Sequence[int], number: int) -> list[int]:
    """Return so many of the groups, evenly spread over them."""
    return [groups[turn * len(groups) // number] for turn in range(number)] if number > 0 else []
