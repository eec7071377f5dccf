"""Lanes: the fixed split of a plan that workers share; message `k` is in lane `k mod 256`."""

LANES = 256
LEASE_S = 2.5
"""How long a lease on lanes lasts from when a worker asked for it, which is four times a second."""


def first_number(lane: int, from_k: int) -> int:
    """Return the first message number of `lane` that is not below `from_k`."""
    return from_k + (lane - from_k) % LANES


def numbers_between(lane: int, from_k: int, to_k: int) -> int:
    """Count the message numbers of `lane` in `[from_k, to_k)`."""
    if to_k <= from_k:
        return 0
    return (first_number(lane, to_k) - first_number(lane, from_k)) // LANES
