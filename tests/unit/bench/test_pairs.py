"""The arithmetic of runs made in turns."""

from __future__ import annotations

import pytest

from bench.pairs import Spread, ratios, spread


def test_a_spread_is_the_middle_and_the_ends() -> None:
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert spread([4.0, 1.0]) == Spread(2.5, 1.0, 4.0)


def test_a_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_ratios_are_taken_pair_by_pair() -> None:
    slow_hour, fast_hour = 1.0, 4.0

    found = ratios([6 * slow_hour, 6 * fast_hour], [2 * slow_hour, 2 * fast_hour])

    assert found == [3.0, 3.0]


def test_ratios_of_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError):
        ratios([1.0, 2.0], [1.0])
