"""The generator's health: what a process notes of itself while messages are due."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import asdict

from convoy.results.health import (
    PACE_S,
    CpuShare,
    HealthAccount,
    HealthRecorder,
    HealthReport,
    LoopLag,
    Processor,
    WorkerHealth,
)
from convoy.results.histograms import BucketCounts
from tests.unit.results import LATE_AFTER_S, health_after


def test_a_loop_in_time_is_noted_with_its_lag_and_its_share_of_a_core() -> None:
    health = health_after(30)

    assert health.measured_s == pytest.approx(30, abs=2 * PACE_S)
    assert asdict(health.cpu_share) == pytest.approx({"mean": 0.25, "max": 0.25})
    assert asdict(health.loop_lag_ms) == pytest.approx(
        {"p50": 0.4, "p99": 0.4, "max": 0.4}, rel=0.001
    )
    assert health.loop_late_s == 0


@pytest.mark.parametrize(
    ("late_after_s", "lag_s", "is_late"),
    [
        pytest.param(0.01, 0.009, False, id="no later than a message may be"),
        pytest.param(0.01, 0.011, True, id="later than a message may be"),
        pytest.param(60.0, 0.24, False, id="within a quarter of a second"),
        pytest.param(60.0, 0.26, True, id="later than that, whatever a message may be"),
    ],
)
def test_a_loop_is_late_as_messages_are_and_after_a_quarter_of_a_second_at_most(
    late_after_s: float, lag_s: float, is_late: bool
) -> None:
    recorder = HealthRecorder(late_after_s)
    due_s = recorder.begin(0.0, Processor(0.0, 0.0), ends_s=30.0)

    recorder.beat(due_s + lag_s, Processor(0.0, 0.0))

    assert recorder.is_late is is_late
    assert bool(recorder.report().late_s) is is_late


def test_what_stood_still_was_late_for_all_that_time() -> None:
    health = health_after(30, stands_still=[(10, 3)])

    assert health.loop_late_s == pytest.approx(3, abs=2 * PACE_S)
    assert health.loop_lag_ms.max == pytest.approx(3000, rel=0.01)
    # A tenth of all beats fell into the three seconds, so a hundredth was late for 2.7 or more.
    assert health.loop_lag_ms.p99 == pytest.approx(2700, rel=0.01)


def test_a_standstill_beyond_the_end_counts_until_the_end() -> None:
    health = health_after(10, stands_still=[(9, 60)])

    assert health.loop_late_s == pytest.approx(1, abs=2 * PACE_S)
    assert health.loop_lag_ms.max == pytest.approx(60_000, rel=0.01)


def test_every_beat_that_was_due_is_noted_within_bounds() -> None:
    noted = {}
    for duration_s in (30, 100_000):
        recorder = HealthRecorder(LATE_AFTER_S)
        recorder.begin(0.0, Processor(0.0, 0.0), ends_s=duration_s)
        next_s = recorder.beat(duration_s, Processor(1.0, 0.0))
        assert next_s == pytest.approx(duration_s + PACE_S, abs=0.001)
        noted[duration_s] = sum(count for _, count in recorder.report().lag)

    assert noted[30] == pytest.approx(30 / PACE_S, abs=1)
    assert noted[100_000] < 100_000


def test_a_standstill_of_hours_is_noted_with_its_length() -> None:
    health = health_after(100_000, stands_still=[(1, 99_998)])

    assert health.loop_lag_ms.max == pytest.approx(99_998_000, rel=0.01)


def test_each_second_has_its_share_of_a_core_and_its_longest_lag() -> None:
    recorder = HealthRecorder(LATE_AFTER_S)
    next_s, is_late = recorder.begin(101.2, Processor(9.0, 0.0), 104.3, 100.0), []

    while next_s < 104.3:
        now_s = next_s + (0.3 if 102.9 < next_s < 102.93 else 0.002)
        used_s = 9.0 + 0.25 * (now_s - 101.2) + 0.5 * max(0.0, now_s - 102.2)
        next_s = recorder.beat(now_s, Processor(used_s, 0.0))
        is_late.append(recorder.is_late)

    seconds = recorder.report().seconds
    # Each is that of T0's seconds in which its middle lies.
    assert list(seconds) == [1, 2, 3]
    assert [each.loop_lag_ms for each in seconds.values()] == pytest.approx([2, 300, 2])
    shares = [each.cpu_share for each in seconds.values()]
    assert shares[0] == pytest.approx(0.25, abs=0.03)
    assert shares[2] == pytest.approx(0.75, abs=0.1)
    assert sum(is_late) == 1


@pytest.mark.parametrize(
    ("rest_s", "busiest", "seconds"),
    [
        pytest.param(0.4, 0.2, [0], id="too short to be a second"),
        pytest.param(0.6, 0.2, [0, 1], id="a second in the series, and not the busiest"),
        pytest.param(0.95, 0.8, [0, 1], id="nearly a second"),
    ],
)
def test_what_is_left_of_a_second_at_a_report_counts_by_its_length(
    rest_s: float, busiest: float, seconds: list[int]
) -> None:
    recorder = HealthRecorder(LATE_AFTER_S)
    recorder.begin(0.0, Processor(0.0, 0.0), ends_s=9.0)

    recorder.beat(1.0, Processor(0.2, 0.0))
    recorder.beat(1.0 + rest_s, Processor(0.2 + 0.8 * rest_s, 0.0))

    report = recorder.report()
    assert report.cpu_share_max == pytest.approx(busiest)
    assert list(report.seconds) == seconds


def test_the_busiest_second_is_noted() -> None:
    recorder, told = HealthRecorder(LATE_AFTER_S), HealthAccount()
    recorder.begin(0.0, Processor(0.0, 0.0), ends_s=3.0)

    for now_s, cpu_s in ((1.0, 0.1), (2.0, 0.8), (3.0, 0.9)):
        recorder.beat(now_s, Processor(cpu_s, 0.0))

    told.absorb(recorder.report())
    assert told.result().cpu_share == CpuShare(mean=0.3, max=0.7)


def test_less_than_a_second_is_as_busy_as_its_mean() -> None:
    health = health_after(0.5, cpu_share=0.6)

    assert asdict(health.cpu_share) == pytest.approx({"mean": 0.6, "max": 0.6})


def test_whatever_a_worker_reports_of_itself_can_be_read_again() -> None:
    told = HealthAccount()
    told.absorb(
        HealthReport(5e-324, 1e9, 0.0, 0.0, 0.0, BucketCounts.of([((0x3FF + 29) << 10, 1)]))
    )
    found = told.result()

    assert msgspec.json.decode(msgspec.json.encode(found), type=WorkerHealth) == found


def test_whoever_was_never_asked_has_noted_nothing() -> None:
    told = HealthAccount()
    nothing = WorkerHealth(0, CpuShare(0, 0), 0, LoopLag(0, 0, 0), 0)

    assert told.result() == nothing
    told.absorb(HealthRecorder(LATE_AFTER_S).report())
    assert told.result() == nothing
