"""The picks: which conversation of the pool, and which author, message `k` belongs to.

`random`, `round_robin` and `zipf` draw from the whole pool. `exclusive` and `sticky` bind each
conversation to a group of lanes, so that two workers never write to the same conversation: a group
is the smallest part of a plan that can be leased. Lane `n` belongs to group `n mod groups`. A group
has at least two conversations, so that one can stand in for another that is retired; only where the
pool has a single one, the group has a single one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from random import Random

from convoy.plan.draws import draws, stream_key
from convoy.plan.lanes import LANES


@dataclass(frozen=True, slots=True)
class PickRule:
    """How conversations are picked; `exponent` is for `zipf`.

    `on_exhausted` is recycle, stop or fail: what happens when each was used once.
    """

    name: str = "random"
    exponent: float = 1.0
    on_exhausted: str = "recycle"

    @property
    def is_exclusive(self) -> bool:
        """True when a conversation takes one message at a time."""
        return self.name == "exclusive"

    @property
    def binds_users(self) -> bool:
        """True when each user keeps one conversation: how many users there are matters then."""
        return self.name == "sticky"


class _FromTheWholePool:
    """A pick that goes through all conversations, whoever sends."""

    groups = LANES
    """How many parts the lanes are leased in: less only where conversations are bound."""

    def __init__(self, size: int) -> None:
        self._size = size

    def author(self, k: int) -> int:
        """Return the number of the author that message `k` belongs to."""
        return k % LANES

    def indexes(self, ks: Sequence[int]) -> list[int]:
        """Return the index of each message's conversation."""
        raise NotImplementedError

    def others(self, k: int) -> Iterator[int]:
        """Yield the indexes that can replace a retired conversation, in order of preference."""
        [index] = self.indexes((k,))
        return chain(range(index + 1, self._size), range(index))


class RandomPick(_FromTheWholePool):
    """Any conversation, each equally likely, for every message anew."""

    def __init__(self, size: int, seed: int, scenario: str) -> None:
        super().__init__(size)
        self._key = stream_key(seed, scenario, "conversation")

    def indexes(self, ks: Sequence[int]) -> list[int]:
        size = self._size
        return [(drawn * size) >> 64 for drawn in draws(self._key, ks)]


class RoundRobinPick(_FromTheWholePool):
    """One conversation after the other in the order of the pool."""

    def indexes(self, ks: Sequence[int]) -> list[int]:
        return [k % self._size for k in ks]


class ZipfPick(_FromTheWholePool):
    """A few hot conversations: the one of rank r is picked in proportion to 1 / r ** exponent.

    Which ones are hot is drawn from the seed.
    """

    def __init__(self, size: int, seed: int, scenario: str, exponent: float) -> None:
        super().__init__(size)
        self._sums = array("d", accumulate((rank + 1) ** -exponent for rank in range(size)))
        self._key = stream_key(seed, scenario, "conversation")
        self._order = _shuffled(size, seed, scenario)

    def indexes(self, ks: Sequence[int]) -> list[int]:
        sums, last = self._sums, len(self._sums) - 1
        points = (drawn / 2**64 * sums[-1] for drawn in draws(self._key, ks))
        # The highest draws are rounded to 1.0, which is beyond the last sum.
        return [self._order[min(bisect_right(sums, point), last)] for point in points]


class BoundPick:
    """Conversations bound to groups of lanes, each group going through its own in turn.

    With `authors` authors each keeps one conversation for the whole run; with as many as there are
    conversations each conversation is an author of its own.
    """

    def __init__(self, size: int, authors: int, seed: int, scenario: str) -> None:
        self._authors = min(size, authors)
        self.groups = min(self._authors, _groups_of_two_or_more(size))
        self._order = _shuffled(size, seed, scenario)

    def author(self, k: int) -> int:
        lane, turn = k % LANES, k // LANES
        group = lane % self.groups
        # By the message's place in its group, not in its lane: the lanes of a group take turns, and
        # so do its conversations.
        lanes_in_group = _members(group, self.groups, LANES)
        turn = turn * lanes_in_group + lane // self.groups
        return group + self.groups * (turn % _members(group, self.groups, self._authors))

    def indexes(self, ks: Sequence[int]) -> list[int]:
        return [self._order[self.author(k)] for k in ks]

    def others(self, k: int) -> Iterator[int]:
        """Only conversations of the same group: the others may belong to another worker.

        Those that no author keeps come first.
        """
        group, kept = k % LANES % self.groups, self.author(k)
        mine = range(group, len(self._order), self.groups)
        owned = _members(group, self.groups, self._authors)
        numbers = chain(mine[owned:], (number for number in mine[:owned] if number != kept))
        return (self._order[number] for number in numbers)


Pick = RandomPick | RoundRobinPick | ZipfPick | BoundPick
"""A way to pick conversations by their index in the pool, and the lanes in `groups`."""


def make_pick(rule: PickRule, size: int, *, seed: int, scenario: str, users: int) -> Pick:
    """Return the pick that a rule names; raises KeyError for an unknown name."""
    makers: dict[str, Callable[[], Pick]] = {
        "random": lambda: RandomPick(size, seed, scenario),
        "round_robin": lambda: RoundRobinPick(size),
        "zipf": lambda: ZipfPick(size, seed, scenario, rule.exponent),
        "exclusive": lambda: BoundPick(size, size, seed, scenario),
        "sticky": lambda: BoundPick(size, users, seed, scenario),
    }
    return makers[rule.name]()


def _groups_of_two_or_more(size: int) -> int:
    """Return how many groups there may be so that a retired conversation has a stand-in in its own.

    Beyond as many conversations as lanes the number divides that of the lanes; otherwise some
    conversations would have their second turn before others have had their first.
    """
    if size <= LANES:
        return max(1, size // 2)
    return LANES if size >= 2 * LANES else LANES // 2


def _members(group: int, groups: int, total: int) -> int:
    """Count the numbers below `total` that belong to a group."""
    return (total - group + groups - 1) // groups


def _shuffled(size: int, seed: int, scenario: str) -> array[int]:
    order = array("l", range(size))
    Random(stream_key(seed, scenario, "order")).shuffle(order)
    return order
