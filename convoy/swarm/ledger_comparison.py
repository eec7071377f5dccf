"""The comparison at a run's end: the simulator's ledger is asked what it has of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import gevent

from convoy.engine.alarm import A_POLL_S
from convoy.errors import RemoteError
from convoy.plan.lanes import LANES, numbers_between
from convoy.remote.addresses import Admission
from convoy.remote.simulator import read_ledger
from convoy.results.far_side import FarSide, far_side
from convoy.settings.model import Target
from convoy.swarm.run_lanes import RunLanes
from convoy.untrusted_text import told

_MOST_BY_CONVERSATION = 1_000_000
"""Messages of a run; to find where each goes takes a second for so many."""


def compare(
    target: Target,
    run_id: str,
    since: str,
    lanes: RunLanes,
    admission: Admission,
    redact: Callable[[str], str],
) -> FarSide:
    """Return what the simulator that is the target has of a run, or why that is not known.

    `since` is what its ledger said before the run, "" where the target has no ledger; with its
    `admission` the run has connected there. `redact` hides secrets in what the target says.
    """
    if target.approval is not None:
        return FarSide("a target with an approval is not asked for a simulator's ledger")
    if not since:
        return FarSide("the target is no Convoy simulator")
    try:
        ledger = read_ledger(target.api_url, run_id, admission=admission)
    except RemoteError as error:
        return FarSide(told(str(error), redact))
    return far_side(ledger, since, _planned(lanes))


def _planned(lanes: RunLanes) -> dict[str, int] | None:
    """Return the messages to send by conversation id; None where those are too many to count."""
    ends = {scenario: list(enumerate(lanes.ends(scenario))) for scenario in lanes.plans}
    counts = (numbers_between(lane, 0, end) for each in ends.values() for lane, end in each)
    if sum(counts) > _MOST_BY_CONVERSATION:
        return None
    planned: Counter[str] = Counter()
    for scenario, plan in lanes.plans.items():
        for lane, end in ends[scenario]:
            planned.update(plan.conversation_ids(range(lane, end, LANES)))
            gevent.sleep(A_POLL_S)  # so that no heartbeat is missed meanwhile
    return planned
