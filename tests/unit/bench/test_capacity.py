"""The search for the capacity on schedule."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bench.capacity import ON_SCHEDULE, SEND_ERROR_P999_MS, holds, search


def a_run(on_schedule: float = 1.0, p999_ms: float = 1.0) -> dict[str, Any]:
    return {"on_schedule": on_schedule, "send_error_ms": {"p999": p999_ms}}


@pytest.mark.parametrize(
    ("run", "does_hold"),
    [
        pytest.param(a_run(ON_SCHEDULE, SEND_ERROR_P999_MS), True, id="just"),
        pytest.param(a_run(ON_SCHEDULE - 0.0001), False, id="too many late"),
        pytest.param(a_run(p999_ms=SEND_ERROR_P999_MS + 0.1), False, id="too far from their time"),
    ],
)
def test_a_rate_holds_with_enough_messages_on_schedule(
    run: dict[str, Any], does_hold: bool
) -> None:
    assert holds(run) is does_hold


@pytest.mark.parametrize("limit", [3_500.0, 6_000.0, 8_123.0, 10_000.0])
def test_the_capacity_is_found_to_a_part_of_the_stretch(limit: float) -> None:
    found = search(10_000, lambda rate: a_run(float(rate <= limit)), halvings=6)

    assert limit - 7_000 / 2**6 - 1 <= found["on_schedule_per_s"] <= limit
    assert found["share_of_flat_out"] == pytest.approx(
        found["on_schedule_per_s"] / 10_000, abs=1e-3
    )


def test_a_rate_that_fails_once_is_tried_again() -> None:
    tried: Counter[float] = Counter()

    def disturbed_at_first(rate: float) -> dict[str, Any]:
        tried[rate] += 1
        return a_run(float(tried[rate] == 2))

    found = search(10_000, disturbed_at_first, halvings=3)

    assert found["on_schedule_per_s"] == round(max(tried)) == 9_125
    assert (len(found["runs"]), set(tried.values())) == (6, {2})


def test_where_no_rate_holds_the_capacity_is_0() -> None:
    found = search(10_000, lambda rate: a_run(0.5), halvings=4)

    assert (found["on_schedule_per_s"], found["share_of_flat_out"]) == (0, 0.0)
    assert len(found["runs"]) == 8
