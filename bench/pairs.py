"""The arithmetic of runs made in turns: medians, spreads, and ratios pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the middle of some figures lies, and how far they are apart."""

    median: float
    min: float
    max: float

    def to_json(self, digits: int) -> dict[str, float]:
        """Return the three, rounded."""
        return {
            "median": round(self.median, digits),
            "min": round(self.min, digits),
            "max": round(self.max, digits),
        }


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one figure; raises ValueError for none."""
    if not values:
        raise ValueError("a spread needs at least one figure")
    return Spread(median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours ÷ theirs, pair by pair: the n-th of both were measured next to each other.

    Raises ValueError if one of them has more figures than the other.
    """
    return [our / their for our, their in zip(ours, theirs, strict=True)]
