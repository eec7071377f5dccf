"""The lanes of a run: who owns which, over all its scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import inf

from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve
from convoy.plan.scenario import ScenarioPlan
from convoy.results.counts import Counts
from convoy.swarm.lease_book import LeaseBook
from convoy.swarm.messages import Lanes

LaneNumbers = dict[str, list[int]]
"""Lanes by scenario."""


class RunLanes:
    """Who owns which lanes of each scenario; `plans` are those of the scenarios, by name.

    Moments are seconds from T0, `timeout_s` is how long an answer may take.
    """

    def __init__(self, plans: dict[str, ScenarioPlan], timeout_s: float) -> None:
        self.plans = plans
        self._timeout_s = timeout_s
        self._books = {name: LeaseBook(_ends(plan), plan.groups) for name, plan in plans.items()}
        self._replaced: list[tuple[float, str, ScenarioPlan]] = []
        """When a plan was replaced by another one, of which scenario it was, and the plan."""

    def deal(
        self, weights: Mapping[str, Mapping[str, float]], at_s: float
    ) -> tuple[dict[str, LaneNumbers], dict[str, Lanes]]:
        """Return the lanes that workers have to release, and those that they are granted now.

        `weights` are the shares of the workers that may own lanes, by scenario.
        """
        releases: dict[str, LaneNumbers] = {}
        grants: dict[str, Lanes] = {}
        for scenario, book in self._books.items():
            shares = weights[scenario]
            if book.is_dealt_for(shares) or not any(shares.values()):
                continue
            for worker, lanes in book.moves(shares).items():
                releases.setdefault(worker, {})[scenario] = lanes
            for worker, cursors in book.deal(shares, at_s).items():
                grants.setdefault(worker, {})[scenario] = cursors
        return releases, grants

    def follow(self, curves: Mapping[str, RateCurve], at_s: float) -> None:
        """Follow other curves, by scenario; workers are told at this moment."""
        for name, curve in curves.items():
            self._replaced.append((at_s, name, self.plans[name]))
            plan = self.plans[name] = self.plans[name].with_curve(curve)
            self._books[name].move_ends(_ends(plan))

    def take_back(
        self, worker: str, lanes: Lanes, revoked: dict[str, dict[int, int]], *, is_final: bool
    ) -> Lanes:
        """Take lanes back from a worker; those in `revoked` are settled and removed from it.

        If that `is_final`, nobody gets the lanes again. Returns the number of messages that nobody
        sent, by scenario and lane.
        """
        forgone: Lanes = {}
        for scenario, cursors in lanes.items():
            if scenario not in self._books:
                continue
            book, cuts = self._books[scenario], revoked.get(scenario, {})
            for lane, cursor in cursors.items():
                if lane not in cuts:
                    book.give_back(worker, {lane: cursor}, is_final=is_final)
                elif messages := book.settle(worker, lane, cuts.pop(lane), cursor):
                    forgone.setdefault(scenario, {})[lane] = messages
        return forgone

    def revoke(self, worker: str, at_s: float, heard_s: float) -> dict[str, dict[int, int]]:
        """Take all lanes with a schedule from a worker; return where others go on, by scenario.

        The worker may have sent by any plan that was replaced since it was last known to hear.
        """
        revoked = {}
        for scenario, book in self._books.items():
            plan = self.plans[scenario]
            if plan.is_scheduled and book.lanes_of(worker):
                # An answer to it may still be out: another worker would use the conversation too.
                free_from_s = at_s + self._timeout_s if plan.is_exclusive else -inf
                followed = [plan, *self._replaced_since(scenario, heard_s)]
                first_not_due = partial(_first_not_due, followed, max(0.0, at_s))
                revoked[scenario] = book.revoke(worker, first_not_due, free_from_s)
        return revoked

    def _replaced_since(self, scenario: str, at_s: float) -> Iterator[ScenarioPlan]:
        for replaced_s, name, plan in self._replaced:
            if name == scenario and replaced_s >= at_s:
                yield plan

    def are_owned_by(self, worker: str) -> bool:
        """Return whether a worker owns any lane."""
        return any(book.lanes_of(worker) for book in self._books.values())

    def lose(
        self, worker: str, at_s: float, heard_s: float, counted: Callable[[str, str], Counts]
    ) -> dict[str, int]:
        """Take all lanes from a worker that is gone; return what it did not report, by scenario.

        `counted(worker, scenario)` is what it has reported.
        """
        self.revoke(worker, at_s, heard_s)
        missing = {}
        for scenario, book in self._books.items():
            counts = counted(worker, scenario)
            if not self.plans[scenario].is_scheduled:
                book.finish(worker, counts.scheduled)
            # Whatever it said, it has sent no more than it was given.
            had = max(0, book.messages_of(worker))
            missing[scenario] = min(max(0, had - counts.ended), had)
        return missing

    def ends(self, scenario: str) -> list[int]:
        """Return for each lane the first number that is not to be sent.

        Without a schedule only the workers know that, and say it when they give a lane back; one
        that was not given back counts to its end.
        """
        plan = self.plans[scenario]
        return _ends(plan) if plan.is_scheduled else self._books[scenario].cursors

    def planned(self, scenario: str, is_whole: bool) -> int:
        """Return how many messages have to be accounted for.

        A run that is not whole, because it was stopped, has to account only for what fell to its
        workers. Without a schedule, the number is known only from the lanes that were given out.
        """
        book = self._books[scenario]
        is_known = is_whole and self.plans[scenario].is_scheduled
        return book.total if is_known else book.given_out

    @property
    def duration_s(self) -> float:
        """How long the measured phase lasts by the plans."""
        return max(plan.arrivals.duration_s for plan in self.plans.values())

    @property
    def are_settled(self) -> bool:
        """True when every message with a schedule has an owner, or has had one."""
        return all(
            book.is_settled or not self.plans[scenario].is_scheduled
            for scenario, book in self._books.items()
        )


def _first_not_due(plans: Iterable[ScenarioPlan], at_s: float, lane: int) -> int:
    """Return the first number of a lane that is due by none of these plans before a moment."""
    return max(plan.arrivals.first_due_after(lane, at_s) for plan in plans)


def _ends(plan: ScenarioPlan) -> list[int]:
    return [plan.arrivals.lane_end(lane) for lane in range(LANES)]
