"""The comparison at a run's end: the simulator's ledger is asked what it has of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import gevent

from convoy.errors import RemoteError
from convoy.plan.lanes import LANES
from convoy.plan.scenario import ScenarioPlan
from convoy.remote.discovery import read_ledger
from convoy.results.far_side import FarSide, far_side

_MOST_BY_CONVERSATION = 1_000_000
"""Messages of a plan; to find where each goes takes a second for so many."""


def compare(url: str, run_id: str, since: str, plans: Iterable[ScenarioPlan]) -> FarSide:
    """Return what the simulator at `url` has of a run, or why that is not known.

    `since` is what its ledger said before the run, "" where the target has no ledger.
    """
    if not since:
        return FarSide("the target is no Convoy simulator")
    try:
        ledger = read_ledger(url, run_id)
    except RemoteError as error:
        return FarSide(str(error))
    return far_side(ledger, since, _planned(list(plans)))


def _planned(plans: list[ScenarioPlan]) -> dict[str, int] | None:
    """Return the messages of all plans by conversation id; None where they cannot be counted."""
    counts = [plan.count for plan in plans if plan.is_scheduled]
    if len(counts) < len(plans) or sum(filter(None, counts)) > _MOST_BY_CONVERSATION:
        return None
    planned: Counter[str] = Counter()
    for plan in plans:
        for lane in range(LANES):
            planned.update(plan.conversation_ids(range(lane, plan.arrivals.lane_end(lane), LANES)))
            gevent.sleep(0)  # so that no heartbeat is missed meanwhile
    return planned
