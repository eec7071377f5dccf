"""The generator's health: what a process notes of itself while messages are due."""

from __future__ import annotations

import pytest
from msgspec.structs import asdict

from convoy.results.health import (
    PACE_S,
    CpuShare,
    HealthAccount,
    HealthRecorder,
    LoopLag,
    Processor,
    WorkerHealth,
)
from tests.unit.results import LATE_AFTER_S, health_after


def test_a_loop_in_time_is_noted_with_its_lag_and_its_share_of_a_core() -> None:
    health = health_after(30)

    assert health.measured_s == pytest.approx(30, abs=2 * PACE_S)
    assert asdict(health.cpu_share) == pytest.approx({"mean": 0.25, "max": 0.25})
    assert asdict(health.loop_lag_ms) == pytest.approx(
        {"p50": 0.4, "p99": 0.4, "max": 0.4}, rel=0.001
    )
    assert health.loop_late_s == 0


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
        recorder.beat(duration_s, Processor(1.0, 0.0))
        noted[duration_s] = sum(count for _, count in recorder.report().lag)

    assert noted[30] == pytest.approx(30 / PACE_S, abs=1)
    assert noted[100_000] < 100_000


def test_a_standstill_of_hours_is_noted_with_its_length() -> None:
    health = health_after(100_000, stands_still=[(1, 99_998)])

    assert health.loop_lag_ms.max == pytest.approx(99_998_000, rel=0.01)


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


def test_whoever_was_never_asked_has_noted_nothing() -> None:
    told = HealthAccount()
    nothing = WorkerHealth(0, CpuShare(0, 0), 0, LoopLag(0, 0, 0), 0)

    assert told.result() == nothing
    told.absorb(HealthRecorder(LATE_AFTER_S).report())
    assert told.result() == nothing
