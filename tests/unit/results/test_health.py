"""The generator's health: what a process notes of itself while messages are due."""

from __future__ import annotations

import pytest

from convoy.results.health import PACE_S, HealthRecorder, Processor, WorkerHealth
from tests.unit.results import LATE_AFTER_S, health_after


def test_a_loop_in_time_is_noted_with_its_lag_and_its_share_of_a_core() -> None:
    health = health_after(30)

    plain = health.to_plain()
    assert plain["measured_s"] == pytest.approx(30, abs=2 * PACE_S)
    assert plain["cpu_share"] == pytest.approx({"mean": 0.25, "max": 0.25})
    assert plain["loop_lag_ms"] == pytest.approx({"p50": 0.4, "p99": 0.4, "max": 0.4}, rel=0.001)
    assert plain["loop_late_s"] == 0
    assert health.lag.count == pytest.approx(30 / PACE_S, abs=1)


def test_what_stood_still_was_late_for_all_that_time() -> None:
    health = health_after(30, stands_still=[(10, 3)])

    assert health.lag.max.ms == pytest.approx(3000, rel=0.01)
    assert health.late_s == pytest.approx(3, abs=2 * PACE_S)
    assert health.lag.percentile(95).ms == pytest.approx(1500, rel=0.02)
    assert health.lag.count == pytest.approx(30 / PACE_S, abs=1)


def test_a_standstill_beyond_the_end_counts_until_the_end() -> None:
    health = health_after(10, stands_still=[(9, 60)])

    assert health.late_s == pytest.approx(1, abs=2 * PACE_S)
    assert health.lag.max.ms == pytest.approx(60_000, rel=0.01)


def test_a_standstill_of_hours_is_noted_within_bounds() -> None:
    health = health_after(100_000, stands_still=[(1, 99_998)])

    assert health.lag.count < 100_000
    assert health.lag.max.ms == pytest.approx(99_998_000, rel=0.01)


def test_the_busiest_second_is_health_after() -> None:
    recorder, health = HealthRecorder(LATE_AFTER_S), WorkerHealth()
    recorder.begin(0.0, Processor(0.0, 0.0), ends_s=3.0)

    for now_s, cpu_s in ((1.0, 0.1), (2.0, 0.8), (3.0, 0.9)):
        recorder.beat(now_s, Processor(cpu_s, 0.0))

    health.absorb(recorder.report())
    assert health.to_plain()["cpu_share"] == {"mean": 0.3, "max": 0.7}


def test_less_than_a_second_is_as_busy_as_its_mean() -> None:
    plain = health_after(0.5, cpu_share=0.6).to_plain()

    assert plain["cpu_share"] == pytest.approx({"mean": 0.6, "max": 0.6})


def test_whoever_was_never_asked_has_noted_nothing() -> None:
    health = WorkerHealth()

    health.absorb(HealthRecorder(LATE_AFTER_S).report())

    assert health.to_plain() == {
        "measured_s": 0,
        "cpu_share": {"mean": 0, "max": 0},
        "cpu_waited_s": 0,
        "loop_lag_ms": {"p50": 0, "p99": 0, "max": 0},
        "loop_late_s": 0,
    }
