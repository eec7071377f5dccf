"""Alarms ring once for each time that they are set, at that time or soon after."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from gevent import get_hub

from convoy.clock import clock_s
from convoy.engine.alarm import Alarm, LoopAlarm, TimerFdAlarm, make_alarm
from convoy.engine.dispatch import Dispatcher
from convoy.results.account import ScenarioRecorder
from tests.unit.engine import let_the_loop_run, wait_until

KINDS = [LoopAlarm, *([TimerFdAlarm] if sys.platform == "linux" else [])]
Make = Callable[[Callable[[], None]], Alarm]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.mark.parametrize("delay_s", [0.02, 0.0, -1.0], ids=["soon", "now", "past"])
def test_an_alarm_rings_once_and_not_before_its_time(make: Make, delay_s: float) -> None:
    rung_s: list[float] = []
    alarm = make(lambda: rung_s.append(clock_s()))
    set_s = clock_s()

    alarm.set(delay_s)
    wait_until(lambda: bool(rung_s))
    let_the_loop_run()

    [at_s] = rung_s
    assert at_s >= set_s + delay_s - 0.001


def test_the_last_time_that_was_set_is_the_one_that_counts(make: Make) -> None:
    rung: list[None] = []
    alarm = make(lambda: rung.append(None))
    alarm.set(30.0)

    alarm.set(0.0)
    wait_until(lambda: bool(rung))

    alarm.set(0.0)
    alarm.set(30.0)
    let_the_loop_run()
    assert len(rung) == 1


def test_an_alarm_may_be_set_again_while_it_rings(make: Make) -> None:
    rung: list[None] = []

    def ring() -> None:
        rung.append(None)
        if len(rung) < 5:
            alarm.set(0.001)

    alarm = make(ring)
    alarm.set(0.001)
    wait_until(lambda: len(rung) == 5)
    let_the_loop_run()

    assert len(rung) == 5


def test_a_ring_that_fails_is_told_and_not_repeated(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    rung: list[None] = []

    def ring() -> None:
        rung.append(None)
        raise ValueError("no bell")

    alarm = make(ring)
    alarm.set(0.0)
    wait_until(lambda: bool(rung))
    let_the_loop_run()

    assert len(rung) == 1
    assert "no bell" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="there are no such descriptors")
def test_an_alarm_that_nobody_holds_gives_its_descriptor_back() -> None:
    before = descriptors_of_the_loop()
    alarm = make_alarm(lambda: None)
    alarm.set(30.0)
    its = descriptors() - before

    del alarm
    gc.collect()
    gevent.sleep(0)

    assert len(its) == 1 and not its & descriptors()


@pytest.mark.skipif(sys.platform != "linux", reason="there are no such descriptors")
def test_a_dispatcher_that_nobody_holds_is_gone_without_the_collector() -> None:
    before = descriptors_of_the_loop()
    gc.disable()
    try:
        dispatcher = Dispatcher(ScenarioRecorder(0.010, 30), max_lateness_s=5)
        its = descriptors() - before

        del dispatcher

        assert len(its) == 1 and not its & descriptors()
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such clock")
def test_what_falls_due_while_the_machine_is_suspended_waits_no_longer() -> None:
    before = descriptors_of_the_loop()

    alarm = make_alarm(lambda: None)

    [number] = descriptors() - before
    assert f"clockid: {time.CLOCK_BOOTTIME}\n" in Path(f"/proc/self/fdinfo/{number}").read_text()
    del alarm


def descriptors_of_the_loop() -> set[str]:
    """Return the descriptors that are open once a loop has run, as it is alone in needing some."""
    make_alarm(lambda: None).set(0.0)
    let_the_loop_run()
    gc.collect()
    return descriptors()


def descriptors() -> set[str]:
    """Return the descriptors that are open, without the one that lists them."""
    listed = set(os.listdir("/proc/self/fd"))
    return {each for each in listed if os.path.lexists(f"/proc/self/fd/{each}")}


def test_an_alarm_is_called_before_all_else_that_a_poll_finds(make: Make) -> None:
    called: list[str] = []
    loop, pipes = get_hub().loop, [os.pipe() for _ in range(6)]
    watchers = [loop.io(reading, 1) for reading, _ in pipes]
    for watcher in watchers:
        watcher.start(called.append, "other")
    alarm = make(lambda: called.append("alarm"))
    let_the_loop_run()  # which takes note of all of them

    alarm.set(0.0)
    _spend(0.002)  # so that a poll finds all of them together, and the alarm is there first
    for _, writing in pipes:
        os.write(writing, b"x")
    wait_until(lambda: "alarm" in called)

    for watcher, pipe in zip(watchers, pipes, strict=True):
        watcher.close()
        for number in pipe:
            os.close(number)
    assert called[0] == "alarm" and len(called) > 1


def _spend(time_s: float) -> None:
    ends_s = clock_s() + time_s
    while clock_s() < ends_s:
        pass
