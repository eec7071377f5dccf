"""CPU time and memory of a process, as Linux tells them under /proc."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import BenchError

_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Places in /proc/PID/stat behind the name (proc(5): utime and stime, fields 14 and 15)."""


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together, in seconds."""
    return cpu_ticks(_read(pid, "stat")) / os.sysconf("SC_CLK_TCK")


def resident_mib_of(pid: int) -> float:
    """Return the memory of a process that is in RAM, in MiB."""
    return resident_kib(_read(pid, "status")) / 1024


def cpu_ticks(stat: str) -> int:
    """Return the sum of user and system ticks in the text of /proc/PID/stat."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])


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
