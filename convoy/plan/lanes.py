"""Lanes: the fixed split of a plan that workers share; message `k` is in lane `k mod 256`."""

from __future__ import annotations

from collections.abc import Iterator

from convoy.plan.rates import RateCurve

LANES = 256


def first_number(lane: int, from_k: int) -> int:
    """Return the first message number of `lane` that is not below `from_k`."""
    return from_k + (lane - from_k) % LANES


def even_arrivals(curve: RateCurve, lane: int, from_k: int = 0) -> Iterator[tuple[float, int]]:
    """Yield `(due_s, k)` of one lane's messages in order, from number `from_k` on."""
    for k in range(first_number(lane, from_k), curve.count, LANES):
        yield curve.due_s(k), k
