"""Random numbers by message number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.draws import draw, draw_below, stream_key

KEYS = st.integers(0, 2**64 - 1)
NUMBERS = st.integers(0, 10**9)


@given(key=KEYS, k=NUMBERS)
def test_the_same_key_and_number_give_the_same_draw(key: int, k: int) -> None:
    assert draw(key, k) == draw(key, k)
    assert 0 <= draw(key, k) < 2**64


@given(key=KEYS, k=NUMBERS, limit=st.integers(1, 10**6))
def test_a_draw_below_a_limit_is_below_it(key: int, k: int, limit: int) -> None:
    assert 0 <= draw_below(key, k, limit) < limit


def test_a_draw_does_not_depend_on_the_draws_before_it() -> None:
    key = stream_key(1, "scenario", "purpose")
    forwards = {k: draw(key, k) for k in range(1000)}

    backwards = {k: draw(key, k) for k in reversed(range(1000))}

    assert backwards == forwards


@pytest.mark.parametrize("seed", [0, 1, 2, 20261122, 2**63 - 1])
def test_draws_spread_over_the_whole_range(seed: int) -> None:
    key = stream_key(seed, "scenario", "conversation")
    buckets = [0] * 10

    for k in range(10_000):
        buckets[draw_below(key, k, 10)] += 1

    assert all(850 <= bucket <= 1150 for bucket in buckets), buckets


@pytest.mark.parametrize("step", [2, 10, 256])
def test_draws_of_every_nth_message_spread_as_well(step: int) -> None:
    key = stream_key(7, "scenario", "conversation")
    buckets = [0] * 10

    for k in range(0, 10_000 * step, step):
        buckets[draw_below(key, k, 10)] += 1

    assert all(850 <= bucket <= 1150 for bucket in buckets), buckets


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((2, "scenario", "text"), id="seed"),
        pytest.param((1, "other", "text"), id="scenario"),
        pytest.param((1, "scenario", "template"), id="purpose"),
    ],
)
def test_streams_are_independent(other: tuple[int, str, str]) -> None:
    key, other_key = stream_key(1, "scenario", "text"), stream_key(*other)

    alike = sum(draw_below(key, k, 10) == draw_below(other_key, k, 10) for k in range(10_000))

    assert 850 <= alike <= 1150


def test_a_stream_is_the_same_on_every_machine() -> None:
    key = stream_key(1, "scenario", "text")

    assert key == 0x6B0E7386F82EC3E6
    assert draw(key, 0) == 0xE47B659BD4F32ABC
    assert draw(key, 1000) == 0x4660795D9D7A517C
