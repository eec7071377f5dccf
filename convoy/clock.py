"""The clock of a process: monotonic, and it goes on while the machine is suspended."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any


def clock_of(system: Any) -> Callable[[], float]:
    """Return the clock of a system, whose functions and numbers are those of the module `time`.

    On Linux Python's `perf_counter` stands still while the machine is suspended. By it a worker's
    lease would hold when the machine goes on, although others have had its lanes since.
    """
    number = getattr(system, "CLOCK_BOOTTIME", None)
    perf_counter: Callable[[], float] = system.perf_counter
    return perf_counter if number is None else partial(system.clock_gettime, number)


clock_s = clock_of(time)
"""The seconds since some moment. Called six times or more for each message, so that it is not a
function in Python, which takes a third longer."""
