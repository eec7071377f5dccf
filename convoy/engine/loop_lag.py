"""The measurement of the event loop's lag in each process that holds users."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import process_time

import gevent

from convoy.clock import clock_s
from convoy.results.health import HealthRecorder, Processor

_SCHEDULER = Path("/proc/thread-self/schedstat")
"""Nanoseconds run, nanoseconds waited, turns (Linux's Documentation/scheduler/sched-stats.rst,
read 2026-11-22)."""

AskProcessor = Callable[[], Processor]


@contextmanager
def own_processor() -> Iterator[AskProcessor]:
    """Yield a function that returns this process's processor time so far.

    Where the system does not count the time waited for a processor, that is 0.
    """
    try:
        # Opened by each watch and not at import: after a fork, as by `--processes`, a file that was
        # open before still tells of the parent.
        scheduler = _SCHEDULER.open("rb", buffering=0)
    except OSError:
        yield lambda: Processor(process_time(), 0.0)
        return
    with scheduler:
        # Opened once: opening takes ten times as long as reading, and every beat reads it.
        yield lambda: Processor(process_time(), _waited_s(os.pread(scheduler.fileno(), 100, 0)))


def watch(
    recorder: HealthRecorder,
    begins_s: float,
    ends_s: float,
    is_over: Callable[[], bool],
    notice: Callable[[], None],
    *,
    clock: Callable[[], float] = clock_s,
    processor: Callable[[], AbstractContextManager[AskProcessor]] = own_processor,
    sleep: Callable[[float], object] = gevent.sleep,
) -> None:
    """Beat at the recorder's pace from `begins_s` to `ends_s` of the clock, or until it is over.

    `notice` is called after each beat. It runs in the loop that also receives the answers, so it is
    as late as they are.
    """
    sleep(max(0.0, begins_s - clock()))
    with processor() as ask_processor:
        next_s = recorder.begin(clock(), ask_processor(), ends_s, begins_s)
        while next_s < ends_s and not is_over():
            sleep(max(0.0, next_s - clock()))
            next_s = recorder.beat(clock(), ask_processor())
            notice()


def _waited_s(line: bytes) -> float:
    return int(line.split()[1]) / 1e9
