"""Disturbances from outside while messages flow: signals, and programs that use the core."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import (
    exit_code_of,
    freeze,
    last_lines,
    output_of,
    running,
    state_of,
    wait_until,
)
from bench.sabotage.scene import Means, Scene

_DEADLINE_S = 10.0
_ENDED = ("Z", "")

Act = Callable[[Scene, subprocess.Popen[bytes]], int]
"""What to do to the process of a run once messages flow; returns how often it was done."""


def acted(what: str, act: Act) -> Means:
    """Return the means that does something to a run once messages flow, counted under `what`."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        def do(process: subprocess.Popen[bytes]) -> None:
            scene.effects[what] = act(scene, process)

        scene.effects[what] = 0
        scene.acts.append(do)
        yield

    return means


def run_frozen(for_s: float) -> Means:
    """Return the means that stops the process of the run for so many seconds."""
    return acted("stops of the run", lambda _, process: int(freeze(process.pid, for_s) >= for_s))


def target_frozen(for_s: float) -> Means:
    """Return the means that stops the process of the simulator for so many seconds."""
    return acted(
        "stops of the simulator",
        lambda scene, _: int(freeze(scene.simulator.process.pid, for_s) >= for_s),
    )


def worker_killed() -> Means:
    return acted("workers killed", lambda _, process: _kill(children_of(process.pid)[0]))


def run_killed() -> Means:
    return acted("runs killed", lambda _, process: _kill(process.pid))


@dataclass(frozen=True, slots=True)
class Theft:
    """How the generator's core is used by another program: see `hog`; it ends after `seconds`."""

    seconds: float
    busy_ms: float
    idle_ms: float
    priority: int = 0


def core_stolen(theft: Theft) -> Means:
    """Return the means that uses the generator's core as `theft` says."""

    def act(scene: Scene, _: subprocess.Popen[bytes]) -> int:
        folder = scene.start.folder / "hog"
        folder.mkdir()
        figures = theft.seconds, theft.busy_ms, theft.idle_ms, theft.priority
        command = [sys.executable, "-m", "bench.sabotage.hog", *(f"{each:g}" for each in figures)]
        with running(command, core=scene.cores.generator, folder=folder) as hog:
            ends_in_s = theft.seconds + _DEADLINE_S
            exit_code = exit_code_of(hog, "the theft", folder, deadline_s=ends_in_s)
        if exit_code:
            raise BenchError(f"the core could not be stolen: {last_lines(output_of(folder), 1)}")
        return int(output_of(folder))

    return acted("stretches of stolen time", act)


def children_of(pid: int) -> list[int]:
    """Return the process ids of the children of a process; raises BenchError if there are none."""
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    if not listing.split():
        raise BenchError(f"the process {pid} has no workers")
    return [int(child) for child in listing.split()]


def _kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: state_of(pid) in _ENDED,
        deadline_s=_DEADLINE_S,
        explain=lambda: f"the process {pid} does not end",
    )
    return 1
