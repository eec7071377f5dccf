"""How lanes and users are dealt to workers."""

from __future__ import annotations

from convoy.plan.lanes import LANES, first_number


def ends_of(total: int) -> list[int]:
    """Return the first number of each lane that is not in a plan of so many messages."""
    return [first_number(lane, total) for lane in range(LANES)]
