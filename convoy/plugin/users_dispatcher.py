"""How users are dealt to workers: every worker gets users of every scenario.

Locust's own dispatcher takes classes in turn and workers in turn. Where there are as many of both,
each worker gets the users of one class only, and no other worker could take over its lanes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, cycle, islice
from typing import Any

from locust import User
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode

Shares = Mapping[str, float]


def deal_users(total: int, shares: Shares, workers: Sequence[str]) -> list[tuple[str, str]]:
    """Return `(worker, class)` for each user in spawning order, classes spread over all workers.

    Each class has its share of them, at least one user as long as there are enough.
    """
    counts, whole = dict.fromkeys(shares, 0), sum(shares.values())
    names: list[str] = []
    for _ in range(total):
        neediest = max(
            counts,
            key=lambda name: (counts[name] == 0, shares[name] / whole * total - counts[name]),
        )
        counts[neediest] += 1
        names.append(neediest)
    # Each class begins with the worker after the last one of the class before.
    dealt_before = accumulate(counts.values(), initial=0)
    offsets = zip(counts, dealt_before, strict=False)
    turns = {name: islice(cycle(workers), offset, None) for name, offset in offsets}
    return [(next(turns[name]), name) for name in names]


class EvenUsersDispatcher(UsersDispatcher):
    """Locust's dispatcher with `deal_users`; a run begins with its first dispatch.

    `begin(users, spawn_rate)` is called at the start of every dispatch with the numbers given to
    Locust, and returns those to use; `shares()` returns the share of users of each class, and
    `may_have_users(worker)` whether a worker takes part: the others get none.
    """

    def __init__(
        self,
        worker_nodes: list[WorkerNode],
        user_classes: list[type[User]],
        *,
        begin: Callable[[int, float], tuple[int, float]],
        shares: Callable[[], Shares],
        may_have_users: Callable[[str], bool],
    ) -> None:
        super().__init__(worker_nodes, user_classes)
        self._begin = begin
        self._shares = shares
        self._may_have_users = may_have_users
        self._dealt_to: set[str] = set()
        self._has_been_dealt_to: set[str] = set()

    def new_dispatch(
        self,
        target_user_count: int,
        spawn_rate: float,
        user_classes: list[type[User]] | None = None,
    ) -> None:
        users, rate = self._begin(target_user_count, spawn_rate)
        super().new_dispatch(users, rate, user_classes)

    def __next__(self) -> dict[str, dict[str, int]]:
        """Return how many users of each class each worker is to have.

        Workers that never took part in the run are left out: they may not have the classes, and
        would be sent their names.
        """
        users = super().__next__()
        known = {name: each for name, each in users.items() if name in self._has_been_dealt_to}
        # Locust reads the names of the classes from some worker.
        return known or users

    def assigned(self) -> dict[str, dict[str, int]]:
        """Return `{worker: {class: users}}` as dealt so far."""
        return {worker: dict(users) for worker, users in self._users_on_workers.items()}

    def is_to_deal_anew(self) -> bool:
        """Return whether workers have to be told of another deal than the last one they know.

        That is so where other workers may have users now than at the last deal, and where Locust
        has dealt anew without telling: it does so for a worker that went while users were starting.
        """
        return self._rebalance or self._dealt_to != self._eligible().keys()

    def deal_anew(self) -> None:
        """Deal the present users to the workers that may have some; the next dispatch tells."""
        self._prepare_rebalance()

    def _eligible(self) -> dict[str, WorkerNode]:
        return {node.id: node for node in self._worker_nodes if self._may_have_users(node.id)}

    def _deal(self, total: int) -> list[tuple[WorkerNode, str]]:
        """Return where each of so many users belongs, in spawning order."""
        nodes = self._eligible()
        self._dealt_to = set(nodes)
        self._has_been_dealt_to |= self._dealt_to
        if not nodes:
            return []
        dealt = deal_users(total, self._shares(), list(nodes))
        return [(nodes[worker], name) for worker, name in dealt]

    def _add_users_on_workers(self) -> dict[str, dict[str, int]]:
        step = self._current_user_count + self._user_count_per_dispatch_iteration
        step = min(step, self._target_user_count)
        seen: Counter[tuple[str, str]] = Counter()
        for node, name in self._deal(self._target_user_count):
            seen[node.id, name] += 1
            if self._current_user_count >= step:
                break
            if seen[node.id, name] > self._users_on_workers[node.id][name]:
                self._users_on_workers[node.id][name] += 1
                self._active_users.append((node, name))
                self._current_user_count += 1
        # Without anybody to have them, the dispatch would go on for ever.
        self._no_user_to_spawn = not seen
        return self._users_on_workers

    def _distribute_users(
        self, target_user_count: int
    ) -> tuple[
        dict[str, dict[str, int]], Iterator[str | None], cycle[Any], list[tuple[WorkerNode, str]]
    ]:
        dealt = self._deal(target_user_count)
        names = [user_class.__name__ for user_class in self._original_user_classes]
        users = {node.id: dict.fromkeys(names, 0) for node in self._worker_nodes}
        for node, name in dealt:
            users[node.id][name] += 1
        # Locust keeps both generators for its `_add_users_on_workers`, which is replaced above.
        return users, self._user_gen(), cycle(self._worker_nodes), dealt
