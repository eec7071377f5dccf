"""The watch of a process on itself, on a clock that a test sets and in a loop that is blocked."""

from __future__ import annotations

import gevent
import pytest

from convoy.clock import clock_s
from convoy.engine.loop_lag import own_processor, watch
from convoy.results.health import HealthAccount, HealthRecorder, Processor, WorkerHealth

T0_S = 50.0


class FakeTime:
    """A clock that only sleeping moves on, and how late each sleep wakes."""

    def __init__(self, lag_s: float) -> None:
        self.now_s = 0.0
        self._lag_s = lag_s

    def clock(self) -> float:
        return self.now_s

    def processor(self) -> Processor:
        return Processor(self.now_s / 2, self.now_s / 10)

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s + self._lag_s


def health_of(recorder: HealthRecorder) -> WorkerHealth:
    told = HealthAccount()
    told.absorb(recorder.report())
    return told.result()


def test_it_notes_from_the_beginning_to_the_end_and_no_longer() -> None:
    recorder, fake = HealthRecorder(late_after_s=0.01), FakeTime(lag_s=0.003)

    watch(
        recorder,
        T0_S,
        T0_S + 10,
        lambda: False,
        lambda: None,
        clock=fake.clock,
        processor=fake.processor,
        sleep=fake.sleep,
    )

    health = health_of(recorder)
    assert fake.now_s == pytest.approx(T0_S + 10, abs=0.05)
    assert health.measured_s == pytest.approx(10, abs=0.05)
    assert health.cpu_share.mean == pytest.approx(0.5)
    assert health.cpu_waited_s == pytest.approx(1, abs=0.01)
    assert health.loop_lag_ms.p99 == pytest.approx(3, rel=0.01)
    assert health.loop_late_s == 0


def test_it_ends_when_the_run_is_over() -> None:
    recorder, fake = HealthRecorder(late_after_s=0.01), FakeTime(lag_s=0.0)

    watch(
        recorder,
        0.0,
        1e9,
        lambda: fake.now_s > 5,
        lambda: None,
        clock=fake.clock,
        processor=fake.processor,
        sleep=fake.sleep,
    )

    assert health_of(recorder).measured_s == pytest.approx(5, abs=0.05)


def test_a_loop_that_somebody_blocks_is_late_for_that_long() -> None:
    recorder = HealthRecorder(late_after_s=0.01)
    begins_s = clock_s()
    watching = gevent.spawn(watch, recorder, begins_s, begins_s + 0.5, lambda: False, lambda: None)
    gevent.sleep(0.1)

    blocked_until_s = clock_s() + 0.3
    while clock_s() < blocked_until_s:
        pass

    watching.join(timeout=30)
    health = health_of(recorder)
    assert watching.successful()
    assert health.loop_lag_ms.max >= 270
    assert health.loop_late_s >= 0.25


def test_a_process_knows_what_it_had_of_the_processor() -> None:
    before = own_processor()
    sum(range(1_000_000))
    after = own_processor()

    assert after.used_s > before.used_s > 0
    assert after.waited_s >= before.waited_s >= 0
