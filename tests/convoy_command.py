"""`python -m convoy` as its users start it: a process of its own, and all that it said."""

from __future__ import annotations

import subprocess

from tests.fork_server import Program, run
from tests.locust_process import ROOT, clean_environment


def convoy_process(*arguments: str, **environment: str) -> Program:
    """Begin a command; what it says, also on standard error, can be read at its end.

    `environment` replaces every `CONVOY_` variable around it.
    """
    return Program(
        *("convoy", *arguments),
        cwd=ROOT,
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def convoy(
    *arguments: str, encoding: str = "utf-8", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `environment` replaces every `CONVOY_` variable around it."""
    return run(
        *("convoy", *arguments),
        cwd=ROOT,
        env=clean_environment() | environment,
        encoding=encoding,
    )
