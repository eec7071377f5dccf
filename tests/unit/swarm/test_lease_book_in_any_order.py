"""The lease book while workers join, leave and die in any order and at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from convoy.plan.lanes import LANES, first_number
from convoy.swarm.lease_book import LeaseBook

LAST_K = 3000
NAMES = [f"worker-{number}" for number in range(6)]
WORKERS = st.sampled_from(NAMES)
WEIGHTS = st.integers(1, 50)


class Swarm(RuleBasedStateMachine):
    """Workers that join, leave and die, each handing out what is due in the lanes it was granted.

    `held` is what each worker knows: the next number of every lane granted to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[str, float] = {}
        self.held: dict[str, dict[int, int]] = {}
        self.told_to_release: dict[str, set[int]] = {}
        self.taken: Counter[str] = Counter()
        self.fallen_to: dict[int, str] = {}
        self.due_k = 0

    @initialize(
        name=WORKERS, weight=WEIGHTS, groups=st.integers(1, LANES), turns=st.integers(0, 11)
    )
    def begin(self, name: str, weight: int, groups: int, turns: int) -> None:
        """The first worker joins; with `turns` the lanes are of different lengths."""
        self.groups = groups
        self.ends = [
            first_number(lane, LAST_K) - LANES * (lane * turns % 7) for lane in range(LANES)
        ]
        self.book = LeaseBook(self.ends, groups)
        self.join(name, weight)

    @rule(name=WORKERS, weight=WEIGHTS)
    def join(self, name: str, weight: int) -> None:
        """A worker joins, or has another number of users now."""
        self.weights[name] = weight
        self._settle()

    @rule(messages=st.integers(1, 700))
    def time_passes(self, messages: int) -> None:
        self.due_k = min(LAST_K, self.due_k + messages)

    @rule(name=WORKERS)
    def hand_out(self, name: str) -> None:
        for lane in self.held.get(name, {}):
            self._hand_out_lane(name, lane)

    @rule(name=WORKERS)
    def answer(self, name: str) -> None:
        """A worker gives up what it was told to give up, with its cursors."""
        self._give_back(name, self.told_to_release.pop(name, set()))
        self._settle()

    @precondition(lambda self: len(self.weights) > 1)
    @rule(name=WORKERS)
    def leave(self, name: str) -> None:
        if self.weights.pop(name, None) is not None:
            self.told_to_release.pop(name, None)
            self._give_back(name, set(self.held.get(name, {})))
            self._settle()

    @precondition(lambda self: len(self.weights) > 1)
    @rule(name=WORKERS)
    def die(self, name: str) -> None:
        """A worker dies, and nobody knows what it sent of what was due."""
        if self.weights.pop(name, None) is not None:
            self.told_to_release.pop(name, None)
            for lane in self.held.get(name, {}):
                self._hand_out_lane(name, lane)
            self.held.pop(name, None)
            self.book.revoke(name, lambda lane: first_number(lane, self.due_k))
            self._settle()

    @invariant()
    def every_lane_has_one_owner_at_most(self) -> None:
        owned = [lane for name in NAMES for lane in self.book.lanes_of(name)]
        assert len(owned) == len(set(owned))
        for name in NAMES:
            assert self.book.lanes_of(name) == sorted(self.held.get(name, {}))

    @invariant()
    def every_group_has_one_owner_at_most(self) -> None:
        owners: dict[int, set[str]] = {}
        for name in NAMES:
            for lane in self.book.lanes_of(name):
                owners.setdefault(lane % self.groups, set()).add(name)
        assert all(len(names) == 1 for names in owners.values())

    @invariant()
    def the_book_is_settled_when_nobody_has_to_give_up_anything(self) -> None:
        is_idle = not any(self.told_to_release.values())
        assert self.book.is_settled is is_idle or not self.weights

    def teardown(self) -> None:
        while any(self.told_to_release.values()):
            for name in list(self.told_to_release):
                self.answer(name)
        self.due_k = LAST_K
        for name in list(self.held):
            self.hand_out(name)
        if self.weights:
            assert self.book.is_settled
            planned = [k for lane in range(LANES) for k in range(lane, self.ends[lane], LANES)]
            assert sorted(self.fallen_to) == sorted(planned)
            assert {name: self.book.messages_of(name) for name in NAMES} == {
                name: self.taken[name] for name in NAMES
            }
            assert self.book.given_out == self.book.total == len(planned)

    def _settle(self) -> None:
        owned = {name: set(self.book.lanes_of(name)) for name in NAMES}
        was_idle = not any(self.told_to_release.values())
        was_dealt = self.book.is_dealt_for(self.weights)
        leaving = self.book.moves(self.weights)
        grants = self.book.deal(self.weights, 0.0)
        assert not was_dealt or not (leaving or grants)
        for name, lanes in leaving.items():
            assert set(lanes) <= owned[name] - self.told_to_release.get(name, set())
            self.told_to_release.setdefault(name, set()).update(lanes)
        for name, cursors in grants.items():
            assert name in self.weights
            self.held.setdefault(name, {}).update(cursors)
        if was_idle:
            self._assert_that_only_surplus_leaves(owned, leaving)

    def _assert_that_only_surplus_leaves(
        self, owned: dict[str, set[int]], leaving: dict[str, list[int]]
    ) -> None:
        whole = sum(self.weights.values())
        for name in NAMES:
            share = self.groups * self.weights.get(name, 0) / whole
            surplus = len(self._groups_of(owned[name])) - share
            assert len(self._groups_of(leaving.get(name, []))) < max(surplus, 0) + 1

    def _groups_of(self, lanes: Iterable[int]) -> set[int]:
        return {lane % self.groups for lane in lanes}

    def _hand_out_lane(self, name: str, lane: int) -> None:
        for k in range(first_number(lane, self.held[name][lane]), self._due_end(lane), LANES):
            assert k not in self.fallen_to, f"message {k} fell to two workers"
            self.fallen_to[k] = name
            self.taken[name] += 1
        self.held[name][lane] = max(self.held[name][lane], self._due_end(lane))

    def _due_end(self, lane: int) -> int:
        return min(self.due_k, self.ends[lane])

    def _give_back(self, name: str, lanes: set[int]) -> None:
        cursors = {lane: first_number(lane, self.held[name].pop(lane)) for lane in lanes}
        self.book.give_back(name, cursors)


def test_whatever_workers_do_every_lane_has_one_owner_and_every_message_one_sender() -> None:
    run_state_machine_as_test(Swarm, settings=settings(max_examples=60, stateful_step_count=30))
