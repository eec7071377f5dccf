"""One run of one generator, counted at the far side: messages per second over a window."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender, Task
from bench.errors import BenchError
from bench.nginx import Nginx
from bench.processes import Cores, exit_code_of, last_lines, output_of, running, wait_until
from bench.usage import CoreWatch, cpu_seconds_of

_FLOWING = 500
"""Requests after which the messages are flowing, and no login is among what follows."""
_START_DEADLINE_S = 60.0
_END_DEADLINE_S = 60.0
_MARGIN_S = 2
_TOLERATED_FAILURES = 50
"""A generator that stops in mid-flight may call one request of each connection failed."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long messages flow before they are counted, and how long they are counted, in seconds."""

    warm_up_s: float = 2.0
    measured_s: float = 6.0

    @property
    def run_time_s(self) -> int:
        """How long a generator has to run to cover the window, with some time to spare."""
        return int(self.warm_up_s + self.measured_s) + _MARGIN_S


@dataclass(frozen=True, slots=True)
class Range:
    """The far side, the cores, and the window: what all runs of a bench have in common."""

    nginx: Nginx
    cores: Cores
    window: Window


@dataclass(frozen=True, slots=True)
class Reading:
    """What a generator achieved flat out, by the clock and by the CPU time that it used.

    Where the core is its own and it never waits, the two are the same; on a machine shared with
    others the latter is disturbed far less. `others_share` is what other programs used of the
    generator's core meanwhile, 0 to 1.
    """

    messages_per_s: float
    messages_per_cpu_s: float
    others_share: float


def measure(contender: Contender, place: Range, *, is_tls: bool = False) -> Reading:
    """Run a generator flat out; raises BenchError if its requests failed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        ca_file = place.nginx.ca_file if is_tls else None
        task = Task(place.nginx.url(is_tls=is_tls), ca_file, place.window.run_time_s, folder)
        before = place.nginx.requests_served()
        with running(
            contender.command(task),
            core=place.cores.generator,
            folder=folder,
            environment=contender.environment,
        ) as process:
            await_flow(place.nginx, before, process, folder)
            reading = _count(place, process.pid)
            await_end(process, contender.name, folder, runs_for_s=task.seconds)
        _check(contender, folder)
        return reading


def await_flow(
    nginx: Nginx,
    before: int,
    process: subprocess.Popen[bytes],
    folder: Path,
    *,
    flowing: int = _FLOWING,
) -> None:
    """Wait until so many requests more than `before` were served; raises BenchError."""

    def is_flowing() -> bool:
        if process.poll() is not None:
            raise BenchError(f"the generator ended early: {last_lines(output_of(folder))}")
        return nginx.requests_served() - before >= flowing

    wait_until(
        is_flowing,
        deadline_s=_START_DEADLINE_S,
        explain=lambda: f"no messages arrive: {last_lines(output_of(folder))}",
    )


def _count(place: Range, generator_pid: int) -> Reading:
    time.sleep(place.window.warm_up_s)
    before, began_s = place.nginx.requests_served(), time.perf_counter()
    cpu_before_s, core = cpu_seconds_of(generator_pid), CoreWatch(place.cores.generator)
    time.sleep(place.window.measured_s)
    served = place.nginx.requests_served() - before
    took_s = time.perf_counter() - began_s
    cpu_s = cpu_seconds_of(generator_pid) - cpu_before_s
    if not served or not cpu_s:
        raise BenchError("nothing was sent while it was counted")
    return Reading(served / took_s, served / cpu_s, core.others_share(cpu_s))


def await_end(
    process: subprocess.Popen[bytes], name: str, folder: Path, *, runs_for_s: float
) -> None:
    """Wait for a generator that has been told how long to run; raises BenchError."""
    exit_code_of(process, name, folder, deadline_s=runs_for_s + _END_DEADLINE_S)


def _check(contender: Contender, folder: Path) -> None:
    tally = contender.tally(folder)
    if tally.failures > _TOLERATED_FAILURES:
        raise BenchError(
            f"{tally.failures} of {tally.requests} requests of {contender.name} failed: "
            f"{last_lines(output_of(folder))}"
        )
