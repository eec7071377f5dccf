"""A short run of Convoy against a simulator, as its users start it, and all it left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError
from bench.processes import (
    ROOT,
    exit_code_of,
    free_port,
    last_lines,
    output_of,
    running,
    wait_until,
)
from bench.simulators import CREDENTIALS, Simulator

LOCUSTFILE = ROOT / "locustfile.py"
NO_RECORD = "no record"
_PRINTED_REASON = re.compile(r"^  verdict .*\n {4,}(\S.*)$", re.MULTILINE)
_LOGGED_REASON = re.compile(r"/ERROR/[\w.]+: (\S.*)$", re.MULTILINE)
"""Below it Locust may print its figures, which are of nothing then."""
_CANARY_MESSAGES = 1
_FLOWS_FOR_S = 0.5
_START_DEADLINE_S = 60.0
_END_DEADLINE_S = 90.0
ENVIRONMENT = dict(zip(("CONVOY_CLIENT_ID", "CONVOY_CLIENT_SECRET"), CREDENTIALS, strict=True))
_SETTINGS = {
    "request_timeout_s": "4",
    "stop_timeout_s": "5",
    "max_lateness_s": "2",
    "prepare_timeout_s": "30",
}
"""Short, so that a run that does not get its answers does not take half a minute."""


@dataclass(frozen=True, slots=True)
class ShortLoad:
    """Messages per second, measured seconds, users, seconds of warm-up, and worker processes.

    Without workers one process is master and worker.
    """

    rate: float = 40.0
    run_time_s: int = 4
    users: int = 20
    warm_up_s: int = 1
    workers: int = 0

    @property
    def messages(self) -> int:
        """How many messages are due in the measured part."""
        return round(self.rate * self.run_time_s)

    @property
    def flowing(self) -> int:
        """How many messages have been accepted when the measured ones flow."""
        return _CANARY_MESSAGES + round(self.rate * (self.warm_up_s + _FLOWS_FOR_S))


@dataclass(slots=True)
class Start:
    """How a run is started: its load, the target's address, the core, and the working folder.

    `options` are more of Locust's; `settings` and `environment` come on top of what every run has.
    """

    folder: Path
    core: int
    load: ShortLoad
    url: str
    locustfile: Path = LOCUSTFILE
    options: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Return the command; the target file is written into the folder."""
        load = self.load
        processes = [] if not load.workers else ["--processes", str(load.workers), *swarm_ports()]
        return [
            *(sys.executable, "-m", "locust", "-f", str(self.locustfile), "--headless"),
            *("-u", str(load.users), "-t", f"{load.run_time_s}s", "--rate", f"{load.rate:g}"),
            *processes,
            *self.options,
            *convoy_options(self.folder, self.url, {"warm_up_s": str(load.warm_up_s)}),
            *setting_options(self.settings),
        ]


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What a run left behind, as a pipeline sees it: exit code, output and `runs/latest`.

    `summary` is None where there is none; `is_of_older_run` where it was there before the run.
    """

    exit_code: int
    output: str
    summary: Mapping[str, Any] | None
    is_of_older_run: bool

    @property
    def verdict(self) -> str:
        """The verdict that a reader of `runs/latest` finds."""
        if self.summary is None:
            return NO_RECORD
        verdict = str(self.summary["verdict"])
        return f"{verdict} of an older run" if self.is_of_older_run else verdict

    @property
    def reason(self) -> str:
        """The first reason of the verdict; what the output says where there is no record."""
        if self.summary is not None and not self.is_of_older_run:
            return str(next(iter(self.summary["reasons"]), ""))
        if self.exit_code < 0:
            return f"ended by signal {-self.exit_code}"
        printed = _PRINTED_REASON.search(self.output) or _LOGGED_REASON.search(self.output)
        return printed[1] if printed else last_lines(self.output, 1)

    @property
    def is_generator_slow(self) -> bool:
        """True when the run itself says that its generator could not keep up."""
        return self.summary is not None and self.summary["generator"]["state"] == "too slow"


def convoy_options(folder: Path, url: str, settings: Mapping[str, str]) -> list[str]:
    """Return the options for a target at `url` with these settings and short deadlines."""
    target = folder / "target.yaml"
    target.write_text(yaml.safe_dump({"target": {"api_url": url, "login_url": url}}))
    return ["--target", str(target), *setting_options(_SETTINGS | dict(settings))]


def setting_options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def swarm_ports() -> list[str]:
    """Return options that give a master and its workers a port of their own to meet at."""
    port = str(free_port())
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]


@contextmanager
def started(start: Start) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run; it and every process it has started are gone after the block."""
    environment = ENVIRONMENT | start.environment
    with running(
        start.command(), core=start.core, folder=start.folder, environment=environment
    ) as process:
        try:
            yield process
        finally:
            # The group has the process's id, because it began a session of its own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run_to_its_end(start: Start) -> EndedRun:
    """Run to the end; raises BenchError when it does not come."""
    before = run_ids(start.folder)
    with started(start) as process:
        return await_end(process, start.folder, before)


def await_end(
    process: subprocess.Popen[bytes], folder: Path, older_runs: Sequence[str] = ()
) -> EndedRun:
    """Wait for a run to end and read what it left; raises BenchError when it does not end."""
    exit_code = exit_code_of(process, "Convoy", folder, deadline_s=_END_DEADLINE_S)
    summary = _summary_in(folder)
    is_of_older_run = summary is not None and summary["run_id"] in older_runs
    # Without its folder, which is another one in every run, the output can stand in results.
    output = output_of(folder).replace(f"{folder}/", "")
    return EndedRun(exit_code, output, summary, is_of_older_run)


def await_flow(
    process: subprocess.Popen[bytes], simulator: Simulator, start: Start, before: int
) -> None:
    """Wait until measured messages arrive; raises BenchError when the run ends before.

    `before` is how many messages the simulator had accepted when the run was started.
    """

    def is_flowing() -> bool:
        if process.poll() is not None:
            raise BenchError(f"Convoy ended early: {last_lines(output_of(start.folder))}")
        return bool(simulator.ledger()["accepted"] - before >= start.load.flowing)

    wait_until(
        is_flowing,
        deadline_s=_START_DEADLINE_S,
        explain=lambda: f"no messages arrive: {last_lines(output_of(start.folder))}",
    )


def run_ids(folder: Path) -> list[str]:
    """Return the ids of the runs that have a record in this folder."""
    return [path.parent.name for path in folder.glob("runs/*-*/summary.json")]


def _summary_in(folder: Path) -> dict[str, Any] | None:
    try:
        summary: dict[str, Any] = json.loads((folder / "runs/latest/summary.json").read_text())
    except (OSError, ValueError):
        return None
    return summary
