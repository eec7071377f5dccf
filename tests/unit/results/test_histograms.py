"""Histograms: percentiles true to 0.1 %, and those that are lower bounds only."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.results.histograms import QUANTILES, BucketCounts, Histogram, Recorder

DURATIONS_S = st.lists(st.floats(0, 600), max_size=200)
FROM_A_MICROSECOND_TO_MINUTES_S = st.floats(1e-6, 600)


def log_uniform_s(count: int, seed: int) -> list[float]:
    """Return durations as often in microseconds as in minutes."""
    chance = random.Random(seed)
    return [10 ** chance.uniform(-6, 2.78) for _ in range(count)]


def log_normal_s(count: int, seed: int) -> list[float]:
    """Return durations as a service has them: around 50 ms, with a long tail."""
    chance = random.Random(seed)
    return [chance.lognormvariate(-3, 1) for _ in range(count)]


def recorded(durations_s: list[float]) -> Recorder:
    recorder = Recorder()
    for duration_s in durations_s:
        recorder.record(duration_s)
    return recorder


def histogram_of(*durations_s: float) -> Histogram:
    histogram = Histogram()
    histogram.add(recorded(list(durations_s)).take())
    return histogram


def exact_ms(durations_s: list[float], per_mille: int) -> float:
    """Return the shortest duration that so many in a thousand do not exceed."""
    rank = max(1, -(-per_mille * len(durations_s) // 1000))
    return sorted(durations_s)[rank - 1] * 1000


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("draw", [log_uniform_s, log_normal_s])
@pytest.mark.parametrize("count", [100, 1_000, 12_345])
def test_percentiles_are_those_of_the_sorted_list_to_a_thousandth(
    draw: Callable[[int, int], list[float]], count: int, seed: int
) -> None:
    durations_s = draw(count, seed)

    histogram = histogram_of(*durations_s)

    for percent in (1, 10, *QUANTILES.values(), 100):
        found = histogram.percentile(percent)
        assert found.ms == pytest.approx(exact_ms(durations_s, round(percent * 10)), rel=0.0006)
        assert not found.at_least
    assert histogram.max.ms == pytest.approx(max(durations_s) * 1000, rel=0.0006)
    assert histogram.count == count


@given(durations_s=st.lists(FROM_A_MICROSECOND_TO_MINUTES_S, min_size=1, max_size=300))
def test_percentiles_of_any_durations_are_true_to_a_thousandth(durations_s: list[float]) -> None:
    histogram = histogram_of(*durations_s)

    for percent in QUANTILES.values():
        exact = exact_ms(durations_s, round(percent * 10))
        assert histogram.percentile(percent).ms == pytest.approx(exact, rel=0.001)
    assert histogram.max.ms == pytest.approx(max(durations_s) * 1000, rel=0.001)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 20, 99, 100, 101, 999, 1_000, 1_001])
def test_a_percentile_is_the_first_value_that_enough_do_not_exceed(count: int) -> None:
    durations_s = [1.01**number * 1e-3 for number in range(count)]

    histogram = histogram_of(*durations_s)

    for percent in QUANTILES.values():
        exact = exact_ms(durations_s, round(percent * 10))
        assert histogram.percentile(percent).ms == pytest.approx(exact, rel=0.001)


@pytest.mark.parametrize(
    "duration_s", [2e-9, 1e-7, 1e-6, 1.5e-6, 1e-3, 1.0, 600.0, 3600.0, 86_400.0]
)
def test_a_single_duration_is_every_percentile(duration_s: float) -> None:
    histogram = histogram_of(duration_s)

    for percentile in histogram.quantiles().values():
        assert percentile.ms == pytest.approx(duration_s * 1000, rel=0.001)


@pytest.mark.parametrize("duration_s", [0.0, -0.0, -0.0004, -3.0, 1e-12])
def test_what_took_no_time_or_less_counts_as_no_time(duration_s: float) -> None:
    histogram = histogram_of(duration_s, 0.001)

    assert histogram.percentile(50).ms == pytest.approx(0, abs=1e-6)
    assert histogram.max.ms == pytest.approx(1, rel=0.001)
    assert histogram.count == 2


@given(parts=st.lists(DURATIONS_S, min_size=1, max_size=8), censored=st.integers(0, 3))
def test_however_durations_are_split_over_workers_the_whole_is_the_same(
    parts: list[list[float]], censored: int
) -> None:
    merged, whole = Histogram(), Histogram()

    for part in reversed(parts):
        merged.add_censored(recorded(part[:censored]).take())
        merged.add(recorded(part[censored:]).take())
    whole.add(recorded([each for part in parts for each in part[censored:]]).take())
    whole.add_censored(recorded([each for part in parts for each in part[:censored]]).take())

    assert merged.quantiles() == whole.quantiles()
    assert merged.count == whole.count == sum(map(len, parts))
    assert merged.censored == whole.censored


def test_a_recorder_begins_anew_after_each_take() -> None:
    recorder = recorded([0.001, 0.001, 0.002])

    first = recorder.take()
    recorder.record(0.003)

    assert sorted(count for _, count in first) == [1, 2]
    assert [count for _, count in recorder.take()] == [1]
    assert recorder.take() == BucketCounts()


def test_many_at_once_are_as_many_one_by_one() -> None:
    at_once, one_by_one = Recorder(), recorded([0.25] * 7)

    at_once.record(0.25, 7)

    assert at_once.take() == one_by_one.take()


@given(durations_s=st.lists(st.floats(-1, 600)))
def test_durations_recorded_together_are_those_recorded_one_by_one(
    durations_s: list[float],
) -> None:
    together = Recorder()

    together.record_all(durations_s)

    assert sorted(together.take()) == sorted(recorded(durations_s).take())


def test_a_recorder_keeps_few_counters_however_much_it_counts() -> None:
    pairs = list(recorded(log_normal_s(50_000, seed=1)).take())

    assert sum(count for _, count in pairs) == 50_000
    assert len(pairs) < 10_000


@pytest.mark.parametrize(
    ("percent", "at_least"),
    [
        pytest.param(50, False, id="well below"),
        pytest.param(79, False, id="just below"),
        pytest.param(80, True, id="at the smallest"),
        pytest.param(95, True, id="above, though measured"),
        pytest.param(100, True, id="the maximum"),
    ],
)
def test_a_percentile_within_the_censored_mass_is_a_lower_bound(
    percent: float, at_least: bool
) -> None:
    histogram = Histogram()
    measured = [ms / 1000 for ms in range(1, 101) if ms != 80]

    histogram.add(recorded(measured).take())
    histogram.add_censored(recorded([0.080]).take())

    found = histogram.percentile(percent)
    assert found.ms == pytest.approx(percent, rel=0.001)
    assert found.at_least is at_least
    assert (histogram.count, histogram.censored) == (100, 1)


@given(
    measured_s=DURATIONS_S,
    censored_s=st.lists(st.floats(0.001, 600), min_size=1, max_size=50),
    percent=st.floats(0, 100),
)
def test_no_percentile_from_the_smallest_censored_one_on_is_taken_for_exact(
    measured_s: list[float], censored_s: list[float], percent: float
) -> None:
    histogram = Histogram()
    histogram.add(recorded(measured_s).take())

    histogram.add_censored(recorded(censored_s).take())

    found, smallest_ms = histogram.percentile(percent), min(censored_s) * 1000
    assert found.at_least or found.ms < smallest_ms
    assert not found.at_least or found.ms > smallest_ms * 0.998 - 0.002
    assert histogram.censored == len(censored_s)


def test_a_histogram_without_samples_has_no_duration() -> None:
    histogram = Histogram()

    assert histogram.count == 0
    assert {percentile.ms for percentile in histogram.quantiles().values()} == {0}


def test_quantiles_have_the_names_of_the_summary() -> None:
    assert list(Histogram().quantiles()) == ["p50", "p90", "p95", "p99", "p999", "max"]


@given(known=DURATIONS_S, censored=DURATIONS_S, others=DURATIONS_S, late=DURATIONS_S)
def test_what_is_subtracted_again_leaves_no_trace(
    known: list[float], censored: list[float], others: list[float], late: list[float]
) -> None:
    expected, found = histogram_of(*known), histogram_of(*known)
    for histogram in (expected, found):
        histogram.add_censored(recorded(censored).take())

    found.add(recorded(others).take())
    found.add_censored(recorded(late).take())
    found.subtract(recorded(others).take())
    found.subtract_censored(recorded(late).take())

    assert found.quantiles() == expected.quantiles()
    assert (found.count, found.censored) == (expected.count, expected.censored)
    assert found.pairs() == expected.pairs()


@given(known=DURATIONS_S, censored=DURATIONS_S)
def test_a_histogram_can_be_built_anew_from_its_pairs(
    known: list[float], censored: list[float]
) -> None:
    histogram, again = histogram_of(*known), Histogram()
    histogram.add_censored(recorded(censored).take())

    pairs, censored_pairs = histogram.pairs()
    again.add(pairs)
    again.add_censored(censored_pairs)

    assert [*pairs] == sorted(pairs) and [*censored_pairs] == sorted(censored_pairs)
    assert again.quantiles() == histogram.quantiles()
    assert again.censored == histogram.censored == len(censored)


@pytest.mark.parametrize(
    ("touched", "ours"),
    [
        (0, set()),
        (1, {"p999", "max"}),
        (2, {"p99", "p999", "max"}),
        (60, {"p50", "p90", "p95", "p99", "p999", "max"}),
    ],
)
def test_percentiles_among_the_longest_may_be_our_own(touched: int, ours: set[str]) -> None:
    recorder, histogram = Recorder(), Histogram()
    for number in range(100):
        recorder.record(0.1 + number / 1000)
    histogram.add(recorder.take())

    quantiles = histogram.quantiles(touched)

    assert {name for name, value in quantiles.items() if value.is_ours} == ours


def test_the_sum_of_durations_is_true_to_its_buckets() -> None:
    recorder, histogram = Recorder(), Histogram()
    recorder.record(0.25, 1000)
    recorder.record(0.0, 5)
    histogram.add(recorder.take())

    assert histogram.total_s == pytest.approx(250, rel=0.0005)


def test_more_durations_in_a_bucket_than_four_bytes_hold_can_be_kept() -> None:
    histogram = Histogram()
    for _ in range(3):
        histogram.add([(7, 2**32 - 1)])
        histogram.add_censored([(9, 2**32 - 1)])

    known, censored = histogram.pairs()

    again = Histogram()
    again.add(known)
    again.add_censored(censored)
    assert (again.count, again.censored) == (6 * (2**32 - 1), 3 * (2**32 - 1))
    assert dict(known).keys() == {7} and dict(censored).keys() == {9}


def test_pairs_without_a_duration_in_them_are_refused() -> None:
    with pytest.raises(ValueError, match="a bucket of no duration"):
        BucketCounts.of([(7, 1), (8, 0)])


@given(st.lists(st.tuples(st.integers(0, (0x41D << 10) - 1), st.integers(1, 2**32 - 1))))
def test_packed_pairs_are_the_same_when_they_are_read(pairs: list[tuple[int, int]]) -> None:
    counts = BucketCounts.of(pairs)

    assert list(counts) == pairs
    assert bool(counts) is bool(pairs)
    assert msgspec.json.decode(msgspec.json.encode(counts), type=BucketCounts) == counts


def test_a_bucket_in_which_nothing_fell_is_no_duration() -> None:
    histogram = Histogram()
    histogram.add([(1_000, 0)])

    assert histogram.quantiles() == Histogram().quantiles()
