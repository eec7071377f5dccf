"""Convoy as its users start it, `locust --headless` on the project's locustfile; its record."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError
from bench.message import STATUS
from bench.processes import ROOT, last_lines, output_of

ENVIRONMENT = {"CONVOY_CLIENT_ID": "bench", "CONVOY_CLIENT_SECRET": "bench"}
FLAT_OUT = "max"


@dataclass(frozen=True, slots=True)
class Load:
    """A run of Convoy: messages per second (or `max`), measured seconds, users, other settings."""

    rate: float | str
    run_time_s: int
    users: int
    settings: Mapping[str, str] = field(default_factory=dict)


def convoy_command(load: Load, url: str, ca_file: Path | None, folder: Path) -> list[str]:
    """Return the command that loads `url`; the target file is written into `folder`."""
    target = folder / "bench-target.yaml"
    trust = {} if ca_file is None else {"ca_file": str(ca_file)}
    target.write_text(yaml.safe_dump({"target": {"api_url": url, "login_url": url, **trust}}))
    options = ["--target", str(target), "--set", "limits=[]"]
    # nginx gives each answer an id of its own, but cannot repeat the conversation that is asked.
    options += ["--set", f"scenario.conversation_messages.expect={{{STATUS}: [id]}}"]
    for name, value in load.settings.items():
        options += ["--set", f"{name}={value}"]
    return [
        *(sys.executable, "-m", "locust", "-f", str(ROOT / "locustfile.py"), "--headless"),
        *("-u", str(load.users), "-t", f"{load.run_time_s}s", "--rate", str(load.rate), *options),
    ]


def summary_in(folder: Path) -> dict[str, Any]:
    """Return the summary of the run that ended in `folder`; raises BenchError if there is none."""
    path = folder / "runs" / "latest" / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise BenchError(f"Convoy left no record: {last_lines(output_of(folder))}") from error
    return summary


def scenario_in(folder: Path) -> dict[str, Any]:
    """Return the figures of the one scenario that the benches run."""
    figures: dict[str, Any] = summary_in(folder)["scenarios"]["conversation_messages"]
    return figures
