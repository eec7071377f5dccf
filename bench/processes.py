"""Processes on a core of their own, started and ended by the bench."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError
from convoy.settings.environment import environment_of_children

ROOT = Path(__file__).resolve().parent.parent
_END_DEADLINE_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that generates load and the one that answers; the same where there is only one."""

    generator: int
    server: int

    @property
    def are_apart(self) -> bool:
        return self.generator != self.server


def choose_cores() -> Cores:
    """Return the first and the last core that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[-1], usable[0])


@contextmanager
def running(
    command: Sequence[str],
    *,
    core: int,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on one core; it is gone after the block.

    It works in `folder`, and what it prints is in `output.txt` there. `environment` comes on top
    of the bench's own.
    """
    more = [f"{name}={value}" for name, value in (environment or {}).items()]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            ["env", *more, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(os.sched_setaffinity, 0, {core}),
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, at first by asking; harmless if it has ended already."""
    process.terminate()
    try:
        process.wait(_END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_END_DEADLINE_S)


def exit_code_of(
    process: subprocess.Popen[bytes], what: str, folder: Path, *, deadline_s: float
) -> int:
    """Wait for the end of a process that works in `folder`; raises BenchError at the deadline."""
    try:
        return process.wait(deadline_s)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{what} did not end: {last_lines(output_of(folder))}") from error


def freeze(pid: int, for_s: float) -> float:
    """Stop a process for so long, and return how long it really was, in seconds.

    Raises BenchError when it was not stopped.
    """
    os.kill(pid, signal.SIGSTOP)
    began_s = time.perf_counter()
    try:
        time.sleep(for_s)
        state = state_of(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    if state != "T":
        raise BenchError(f"the process {pid} was to be stopped and is in state {state!r}")
    return time.perf_counter() - began_s


def state_of(pid: int) -> str:
    """Return the letter for a process's state (proc(5)): T stopped, Z ended; "" if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def output_of(folder: Path) -> str:
    """Return what a process started by `running` has printed so far."""
    return (folder / "output.txt").read_text("utf-8", "replace")


def last_lines(text: str, count: int = 15) -> str:
    """Return the end of a text, for a message that has to stay readable."""
    return "\n".join(text.strip().splitlines()[-count:])


def wait_until(
    condition: Callable[[], bool], *, deadline_s: float, explain: Callable[[], str]
) -> None:
    """Wait until a condition holds; raises BenchError with the explanation at the deadline."""
    ends_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > ends_s:
            raise BenchError(explain())
        time.sleep(_POLL_S)


def isolate(environment: MutableMapping[str, str]) -> None:
    """Leave in an environment what programs need, no credential, and let it find our modules."""
    needed = environment_of_children(environment)
    environment.clear()
    environment.update(needed, PYTHONPATH=str(ROOT))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
