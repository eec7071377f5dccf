"""CPU time of processes and cores, and memory of a process, as Linux tells them under /proc."""

from __future__ import annotations

import os
import re
import resource
import time
from pathlib import Path

from bench.errors import BenchError

_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Places in /proc/PID/stat behind the name (proc(5): utime and stime, fields 14 and 15)."""
_CORE_USER, _CORE_NICE, _CORE_SYSTEM, _CORE_STOLEN = 0, 1, 2, 7
"""Places in a core's line of /proc/stat, without interrupts: those are on everybody's behalf."""


class CoreWatch:
    """Tells how much of a core was used by others than the process that it is meant for."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._began_s = time.perf_counter()
        self._busy_before_s = _busy_seconds_of(core)

    def others_share(self, own_cpu_s: float) -> float:
        """Return the others' share since the beginning, 0 to 1, given the CPU time of our own."""
        took_s = time.perf_counter() - self._began_s
        busy_s = _busy_seconds_of(self._core) - self._busy_before_s
        return min(1.0, max(0.0, (busy_s - own_cpu_s) / took_s))


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together, in seconds."""
    return cpu_ticks(_read(pid, "stat")) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_ended() -> float:
    """Return the CPU time of all child processes that have ended so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_mib_of(pid: int) -> float:
    """Return the memory of a process that is in RAM, in MiB."""
    return resident_kib(_read(pid, "status")) / 1024


def cpu_ticks(stat: str) -> int:
    """Return the sum of user and system ticks in the text of /proc/PID/stat."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])


def core_ticks(stat: str, core: int) -> int:
    """Return the ticks that programs had of a core, in the text of /proc/stat.

    What the host of a virtual machine gave to others counts, too.
    """
    line = re.search(rf"^cpu{core} (.+)$", stat, re.MULTILINE)
    if line is None:
        raise BenchError(f"/proc/stat knows no core {core}")
    fields = [int(field) for field in line[1].split()]
    return sum(fields[at] for at in (_CORE_USER, _CORE_NICE, _CORE_SYSTEM, _CORE_STOLEN))


def resident_kib(status: str) -> int:
    """Return VmRSS in the text of /proc/PID/status."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise BenchError("the process has ended: it has no resident memory any more")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchError(f"the process {pid} ended while it was measured") from error


def _busy_seconds_of(core: int) -> float:
    return core_ticks(Path("/proc/stat").read_text(), core) / os.sysconf("SC_CLK_TCK")
