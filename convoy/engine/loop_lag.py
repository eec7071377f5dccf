"""The measurement of the event loop's lag in each process that holds users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import gevent

from convoy.clock import clock_s
from convoy.results.health import HealthRecorder, Processor

_SCHEDULER = Path("/proc/thread-self/schedstat")
"""Nanoseconds run, nanoseconds waited, turns (Linux's Documentation/scheduler/sched-stats.rst,
read 2026-11-22)."""


def own_processor() -> Processor:
    """Return this process's processor time so far.

    Where the system does not count the time waited for a processor, that is 0.
    """
    try:
        waited_ns = int(_SCHEDULER.read_bytes().split()[1])
    except OSError:
        waited_ns = 0
    return Processor(process_time(), waited_ns / 1e9)


def watch(
    recorder: HealthRecorder,
    begins_s: float,
    ends_s: float,
    is_over: Callable[[], bool],
    notice: Callable[[], None],
    *,
    clock: Callable[[], float] = clock_s,
    processor: Callable[[], Processor] = own_processor,
    sleep: Callable[[float], object] = gevent.sleep,
) -> None:
    """Beat at the recorder's pace from `begins_s` to `ends_s` of the clock, or until it is over.

    `notice` is called after each beat. It runs in the loop that also receives the answers, so it is
    as late as they are.
    """
    sleep(max(0.0, begins_s - clock()))
    next_s = recorder.begin(clock(), processor(), ends_s, begins_s)
    while next_s < ends_s and not is_over():
        sleep(max(0.0, next_s - clock()))
        next_s = recorder.beat(clock(), processor())
        notice()
