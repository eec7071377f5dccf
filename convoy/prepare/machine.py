"""The machine: whether it has the open files and the local ports that the users of a run need."""

from __future__ import annotations

import resource
from math import ceil, inf
from pathlib import Path

from convoy.prepare.checklist import Checklist

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The first and the last local port (Linux's Documentation/networking/ip-sysctl.rst, read
2026-11-25)."""
_LOCUST_RAISES_TO = 10_000
"""Locust raises its limit of open files to this many, as far as the hard limit allows."""
_FILES_PER_USER = 2
"""Its connection, and that of a login while the other one is open."""
_OTHER_FILES = 100


def check_machine(
    users: int, processes: int, checklist: Checklist, *, files: float, ports: float
) -> None:
    """Enter whether `processes` on this machine can hold so many users, with the number to set.

    `files` is how many files a process may open, `ports` how many local ports there are; both may
    be infinite. Without processes here, the users are on other machines.
    """
    if not processes:
        return
    needed = _FILES_PER_USER * ceil(users / processes) + _OTHER_FILES
    if needed > files:
        told = f"{ceil(users / processes):,} users in a process may need {needed:,} open files"
        fix = f"`ulimit -n {needed}`, more processes, or fewer users"
        checklist.fail("open files", f"{told}, and {files:,.0f} are allowed", fix)
    if users > ports:
        told = f"{users:,} users need a local port each, and there are {ports:,.0f}"
        fix = "widen net.ipv4.ip_local_port_range, or use fewer users or more machines"
        checklist.fail("local ports", told, fix)
    if needed <= files and users <= ports:
        checklist.ok("machine", f"open files and local ports suffice for {users:,} users")


def files_allowed() -> float:
    """Return how many files a process of Locust's may open."""
    soft, hard = (
        inf if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return min(max(soft, _LOCUST_RAISES_TO), hard)


def local_ports() -> float:
    """Return how many local ports connections to one address can have; inf where nobody says."""
    try:
        first, last = map(int, _PORTS.read_text().split())
    except (OSError, ValueError):
        return inf
    return last - first + 1
