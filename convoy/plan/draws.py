"""Random numbers by message number: draw `k` needs none of the draws before it.

A `random.Random` is a sequence; a plan that several workers share needs the k-th number alone, so
this is a counter put through the finishing mix of splitmix64 (Steele, Lea, Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

# With another number below every seed has another plan, and no recorded run can be repeated.
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def stream_key(seed: int, scenario: str, purpose: str) -> int:
    """Return the 64-bit key of one independent stream of draws."""
    text = f"{seed}/{scenario}/{purpose}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def draw(key: int, k: int) -> int:
    """Return draw `k` of a stream, uniform over 64 bits."""
    return draws(key, (k,))[0]


def draws(key: int, ks: Iterable[int]) -> list[int]:
    """Return several draws of a stream."""
    found = []
    for k in ks:
        z = (key + (k + 1) * _GOLDEN) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        found.append(z ^ (z >> 31))
    return found


def draw_below(key: int, k: int, limit: int) -> int:
    """Return draw `k` of a stream, uniform over `0 … limit - 1`."""
    return (draw(key, k) * limit) >> 64
