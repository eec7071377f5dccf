"""What a bench ran on: cores, processor, and the versions of everything that took part."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.nginx import find_nginx
from bench.processes import ROOT, Cores

_TIMEOUT_S = 10


About = dict[str, str | int | bool | None]


def describe(cores: Cores) -> About:
    """Return the machine and the versions; None for a program that is not installed."""
    return {
        **describe_python(cores),
        "nginx": _version_in(_said(find_nginx(), "-v")),
        "wrk": _version_in(_said("wrk", "-v")),
        "hey": _said("dpkg-query", "--show", "--showformat=${Version}", "hey") or None,
    }


def describe_python(cores: Cores) -> About:
    """Return the machine and the versions of what every run of Convoy needs."""
    return {
        "cores": os.cpu_count(),
        "generator_and_server_on_different_cores": cores.are_apart,
        "processor": processor_of(Path("/proc/cpuinfo").read_text()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("locust", "gevent", "httptools")},
    }


def processor_of(cpuinfo: str) -> str:
    """Return the name of the first processor in the text of /proc/cpuinfo."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def commit() -> str | None:
    """Return the commit of the working copy, None outside of one."""
    return _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD").strip() or None


def _version_in(text: str) -> str | None:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else None


def _said(*command: str) -> str:
    """Return what a command printed; nothing if it is not there or does not know."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # wrk prints its version and calls that a failure.
    return done.stdout + done.stderr if done.returncode in (0, 1) and done.stdout else done.stderr
