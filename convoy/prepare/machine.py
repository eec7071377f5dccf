"""The machine: its open files and local ports for the users of a run, and what runs on it."""

from __future__ import annotations

import platform
import re
import resource
import subprocess
from collections.abc import Collection, Mapping
from importlib.metadata import version
from math import ceil, inf
from pathlib import Path

import convoy
from convoy.prepare.checklist import Checklist
from convoy.settings import Settings

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The first and the last local port (Linux's Documentation/networking/ip-sysctl.rst, read
2026-11-25)."""
_LOCUST_RAISES_TO = 10_000
"""Locust raises its limit of open files to this many, as far as the hard limit allows."""
_FILES_PER_USER = 2
"""Its connection, and that of a login while the other one is open."""
_OVER_HTTP = {"attachment", "history"}
"""Steps for which a guest opens a second connection; it has no login."""
_OTHER_FILES = 100
"""Beside those of its users a process has some ten open; the rest is room for what else runs."""
_CHECKOUT = Path(__file__).resolve().parents[2]
_GIT_S = 5


def check_machine(
    users: int,
    processes: int,
    checklist: Checklist,
    files_per_user: int = _FILES_PER_USER,
    *,
    files: float | None = None,
    ports: float | None = None,
) -> None:
    """Enter whether `processes` on this machine can hold so many users, with the number to set.

    `files` is how many files a process may open, `ports` how many local ports there are; both may
    be infinite, and are this machine's by default. Without processes here, the users are on other
    machines.
    """
    if not processes:
        return
    files = files_allowed() if files is None else files
    ports = local_ports() if ports is None else ports
    needed = files_per_user * ceil(users / processes) + _OTHER_FILES
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


def files_per_user(settings: Settings, guests: Collection[str]) -> int:
    """Return how many files a user may have open at once, given which scenarios are guests'."""
    chosen = settings.scenarios
    steps = {step for name in chosen for step in settings.scenario[name].steps}
    return 1 if set(chosen) <= set(guests) and not steps & _OVER_HTTP else _FILES_PER_USER


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


def versions(environ: Mapping[str, str], checkout: Path = _CHECKOUT) -> dict[str, str]:
    """Return the versions of what makes a run, and the commit where this is a checkout of git.

    Git is asked in the environment `environ`.
    """
    found = {"convoy": convoy.VERSION}
    if commit := _commit(environ, checkout):
        found["commit"] = commit
    found |= {"locust": version("locust"), "python": platform.python_version()}
    return found | {"system": f"{platform.system()} {platform.release()} {platform.machine()}"}


def _commit(environ: Mapping[str, str], checkout: Path) -> str:
    """Return the commit of the checkout, with a `+` where files differ from it; "" without one."""
    if not (checkout / ".git").exists():
        return ""
    # Unlike `describe` it can do without the lock of the index, which is left behind where it is
    # interrupted, and would be in the way of whoever works with the checkout.
    status = ["status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    asked = ["git", "-C", str(checkout), "--no-optional-locks", *status]
    try:
        told = subprocess.run(
            asked, env=environ, capture_output=True, text=True, timeout=_GIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    commit = re.search(r"^# branch\.oid ([0-9a-f]{12})", told.stdout, re.MULTILINE)
    differs = re.search(r"^[^#]", told.stdout, re.MULTILINE)
    return commit[1] + "+" * bool(differs) if commit else ""
