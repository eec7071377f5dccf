"""Logs of HdrHistogram, read back by the package of that name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from msgspec.structs import replace

from convoy.results.histograms import Histogram
from convoy.results.hlog import encode, histogram_logs
from tests.unit.results import bucketed, counts_of, run_of

PERCENTS = (0.0, 1.0, 50.0, 95.0, 99.0, 99.9, 100.0)


def histogram_of(*durations_s: float) -> Histogram:
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.add(bucketed(duration_s, 1))
    return histogram


def read(histogram: Histogram) -> HdrHistogram:
    return HdrHistogram.decode(encode(histogram))


@pytest.mark.parametrize(
    "durations_s",
    [
        pytest.param([0.1], id="one"),
        pytest.param([0.0, 0.0, 0.0], id="none of them took any time"),
        pytest.param([1e-9, 2047e-9, 2048e-9, 2049e-9], id="where counters become wider"),
        pytest.param([0.001 * 2**n for n in range(20)], id="doubling"),
        pytest.param([random.Random(7).lognormvariate(-3, 1) for _ in range(3000)], id="a lot"),
    ],
)
def test_another_program_reads_the_same_durations(durations_s: list[float]) -> None:
    ours, theirs = histogram_of(*durations_s), read(histogram_of(*durations_s))

    assert theirs.total_count == len(durations_s)
    for percent in PERCENTS:
        found_ms = theirs.get_value_at_percentile(percent) / 1e6
        assert found_ms == pytest.approx(ours.percentile(percent).ms, rel=0.002, abs=1e-6)


def test_durations_beyond_what_fits_count_as_the_longest() -> None:
    found = read(histogram_of(0.1, 1e9))

    assert found.total_count == 2
    assert found.get_max_value() == pytest.approx(2**47, rel=0.01)


def test_a_log_has_an_interval_for_each_stretch_and_adds_up_to_the_run(tmp_path: Path) -> None:
    run = run_of(*[counts_of(accepted=10)] * 6, times_s=[[0.1] * 30, [0.2, 0.4] * 15])

    logs = dict(histogram_logs(replace(run, started_at="2026-11-22T12:00:00.500Z")))

    assert set(logs) == {"messages.response_time.hlog", "messages.service_time.hlog"}
    path = tmp_path / "read.hlog"
    path.write_text(logs["messages.response_time.hlog"])
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**47, 3))
    intervals = [reader.get_next_interval_histogram() for _ in range(3)]
    reader.close()
    assert intervals[2] is None
    assert [each.total_count for each in intervals[:2]] == [30, 30]
    assert intervals[1].get_start_time_stamp() - intervals[0].get_start_time_stamp() == 3000
    assert intervals[1].get_max_value() / 1e9 == pytest.approx(0.4, rel=0.002)
    assert "#[StartTime: 1795348800.500" in logs["messages.response_time.hlog"]
