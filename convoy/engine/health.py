"""The watch that a process which holds users keeps on itself: is its event loop in time?"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time

import gevent

from convoy.results.health import HealthRecorder


def watch(
    recorder: HealthRecorder,
    begins_s: float,
    ends_s: float,
    is_over: Callable[[], bool],
    *,
    clock: Callable[[], float] = perf_counter,
    processor_time: Callable[[], float] = process_time,
    sleep: Callable[[float], object] = gevent.sleep,
) -> None:
    """Beat at the recorder's pace from `begins_s` to `ends_s` of the clock, or until it is over.

    It is a greenlet of the loop that also takes the answers in, so it is as late as they are.
    """
    sleep(max(0.0, begins_s - clock()))
    next_s = recorder.begin(clock(), processor_time(), ends_s)
    while next_s < ends_s and not is_over():
        sleep(max(0.0, next_s - clock()))
        next_s = recorder.beat(clock(), processor_time())
