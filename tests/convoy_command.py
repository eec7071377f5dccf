"""`python -m convoy` as its users start it: a process of its own, and all that it said."""

from __future__ import annotations

import subprocess
import sys

from tests.locust_process import ROOT, clean_environment


def convoy(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `environment` replaces every `CONVOY_` variable around it."""
    return subprocess.run(
        [sys.executable, "-m", "convoy", *arguments],
        cwd=ROOT,
        env=clean_environment() | {"PYTHONUTF8": "1"} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
