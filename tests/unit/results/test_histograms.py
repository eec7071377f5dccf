"""Histograms: percentiles true to 0.1 %, and those that are lower bounds only."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.results.histograms import QUANTILES, Histogram, Recorder

DURATIONS_S = st.lists(st.floats(0, 600), max_size=200)


def log_normal_s(count: int, seed: int = 1) -> list[float]:
    """Return durations as a service has them: around 50 ms, with a long tail."""
    chance = random.Random(seed)
    return [chance.lognormvariate(-3, 1) for _ in range(count)]


def recorded(durations_s: list[float]) -> Recorder:
    recorder = Recorder()
    for duration_s in durations_s:
        recorder.record(duration_s)
    return recorder


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_percentiles_are_true_to_a_thousandth(seed: int) -> None:
    durations_s = log_normal_s(20_000, seed)
    histogram = Histogram()

    histogram.add(recorded(durations_s).take())

    in_order = sorted(durations_s)
    for percent in (10, *QUANTILES.values()):
        exact_ms = in_order[round(percent / 100 * 20_000) - 1] * 1000
        found = histogram.percentile(percent)
        assert found.ms == pytest.approx(exact_ms, rel=0.001, abs=0.001)
        assert not found.at_least
    assert histogram.max.ms == pytest.approx(in_order[-1] * 1000, rel=0.001, abs=0.001)
    assert histogram.count == 20_000


@pytest.mark.parametrize("duration_us", [1, 2, 999, 2047, 2048, 4097, 10**6, 3 * 10**8])
def test_a_single_duration_is_every_percentile(duration_us: int) -> None:
    histogram = Histogram()

    histogram.add(recorded([duration_us / 1e6]).take())

    for percentile in histogram.quantiles().values():
        assert percentile.ms == pytest.approx(duration_us / 1000, rel=0.001, abs=0.001)


@given(parts=st.lists(DURATIONS_S, min_size=1, max_size=5))
def test_merging_recorders_equals_one_recorder(parts: list[list[float]]) -> None:
    merged, whole = Histogram(), Histogram()

    for part in parts:
        merged.add(recorded(part).take())
    whole.add(recorded([duration_s for part in parts for duration_s in part]).take())

    assert merged.quantiles() == whole.quantiles()
    assert merged.count == whole.count == sum(map(len, parts))


def test_a_recorder_begins_anew_after_each_take() -> None:
    recorder = recorded([0.001, 0.001, 0.002])

    first = recorder.take()
    recorder.record(0.003)

    assert sorted(first) == [(1000, 2), (2000, 1)]
    assert recorder.take() == [(3000, 1)]
    assert recorder.take() == []


@given(durations_s=DURATIONS_S)
def test_a_recorder_keeps_few_counters_and_loses_a_thousandth_at_most(
    durations_s: list[float],
) -> None:
    pairs = recorded(durations_s).take()

    kept = sorted(value for value, count in pairs for _ in range(count))
    for value_us, duration_s in zip(kept, sorted(durations_s), strict=True):
        assert duration_s * 1e6 * 0.999 - 1 <= value_us <= duration_s * 1e6


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


def test_what_is_longer_than_an_hour_counts_as_an_hour() -> None:
    histogram = Histogram()

    histogram.add(recorded([86_400]).take())

    assert histogram.max.ms == pytest.approx(3_600_000, rel=0.001)


def test_a_histogram_without_samples_has_no_duration() -> None:
    histogram = Histogram()

    assert histogram.count == 0
    assert {percentile.ms for percentile in histogram.quantiles().values()} == {0}


def test_quantiles_have_the_names_of_the_summary() -> None:
    assert list(Histogram().quantiles()) == ["p50", "p90", "p95", "p99", "p999", "max"]


def test_a_lower_bound_is_shown_as_one() -> None:
    measured, censored = Histogram(), Histogram()

    measured.add([(1500, 1)])
    censored.add_censored([(1500, 1)])

    assert str(measured.max) == "1.5 ms"
    assert str(censored.max) == "≥ 1.5 ms"
