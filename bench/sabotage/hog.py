"""A program that uses a core: busy for a while, idle for a while, and over after some seconds.

`python -m bench.sabotage.hog SECONDS BUSY_MS IDLE_MS PRIORITY` prints how many busy stretches it
had to itself. A priority from 1 on is a real-time one: no ordinary program interrupts it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

_UNDISTURBED = 0.9
"""The share of a busy stretch in which the hog had the core, from which on the stretch counts."""


def main(arguments: Sequence[str]) -> None:
    seconds, busy_ms, idle_ms, priority = map(float, arguments)
    if priority:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(priority)))
    ends_s = time.perf_counter() + seconds
    stretches = 0
    while time.perf_counter() < ends_s:
        stretches += _use_core(busy_ms / 1000)
        time.sleep(idle_ms / 1000)
    print(stretches)


def _use_core(for_s: float) -> bool:
    """Use the core for so long; return whether it was this process's alone."""
    began_s, used_before_s = time.perf_counter(), time.process_time()
    while time.perf_counter() - began_s < for_s:
        pass
    return time.process_time() - used_before_s >= _UNDISTURBED * for_s


if __name__ == "__main__":
    main(sys.argv[1:])
