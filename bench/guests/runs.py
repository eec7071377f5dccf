"""One run of Convoy's guests against a simulator of their own, and all that it left behind."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.convoy import summary_in
from bench.errors import BenchError
from bench.processes import ROOT, Cores, exit_code_of, running
from bench.short_runs import ENVIRONMENT, setting_options
from bench.simulators import Simulator, simulating
from bench.usage import CoreWatch, cpu_seconds_of_ended

SCENARIO = "guest_chat"
LOCUSTFILES = ROOT / "bench" / "locustfiles"
FOR_EVER = 10**8
"""As messages of one guest: nobody leaves."""
NO_LIMITS = (
    *("--guest-requests-per-minute", "0", "--guest-messages-per-second", "0"),
    *("--guest-connections-per-minute", "0"),
)
_PREPARE_S = 300
_END_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class GuestLoad:
    """A run: its guests, messages per second (or `max`), measured seconds, messages of each guest.

    `settings` come on top; `locustfile` is one of the bench's own.
    """

    guests: int
    rate: float | str
    run_time_s: int
    messages_per_guest: int = FOR_EVER
    scenarios: Sequence[str] = (SCENARIO,)
    settings: Mapping[str, str] = field(default_factory=dict)
    locustfile: str = "guests.py"

    def command(self, url: str, folder: Path) -> list[str]:
        """Return the command; the target file is written into the folder."""
        target = folder / "target.yaml"
        target.write_text(yaml.safe_dump({"target": {"api_url": url, "login_url": url}}))
        settings = {
            "limits": "[]",
            "prepare_timeout_s": str(_PREPARE_S),
            f"scenario.{SCENARIO}.variables.messages_per_guest": f"'{self.messages_per_guest}'",
        }
        return [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / self.locustfile)),
            *("--headless", "-u", str(self.guests), "-t", f"{self.run_time_s}s"),
            *("--rate", str(self.rate), "--scenarios", ",".join(self.scenarios)),
            *("--target", str(target)),
            *setting_options(settings | dict(self.settings)),
        ]


@dataclass(frozen=True, slots=True)
class GuestRun:
    """A run that ended: its summary, the far side's ledger of it, and what its process left.

    `left` is as `bench/locustfiles/guests.py` has written it; `others_share` is what other
    programs used of its core, 0 to 1.
    """

    summary: Mapping[str, Any]
    ledger: Mapping[str, Any]
    left: Mapping[str, float]
    others_share: float


@contextmanager
def guest_simulator(core: int, *options: str) -> Iterator[Simulator]:
    """Run a simulator whose guests may connect as often as they like; raises BenchError."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        simulating(Path(name), core, "--guest-connections-per-minute", "0", *options) as simulator,
    ):
        yield simulator


def run_guests(load: GuestLoad, cores: Cores, *simulator_options: str) -> GuestRun:
    """Run to the end; raises BenchError when the run leaves no figures."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        guest_simulator(cores.server, *simulator_options) as simulator,
    ):
        folder = Path(name)
        core, cpu_before_s = CoreWatch(cores.generator), cpu_seconds_of_ended()
        command = load.command(simulator.url, folder)
        with running(
            command, core=cores.generator, folder=folder, environment=ENVIRONMENT
        ) as process:
            deadline_s = _PREPARE_S + load.run_time_s + _END_DEADLINE_S
            exit_code_of(process, "Convoy", folder, deadline_s=deadline_s)
        others_share = core.others_share(cpu_seconds_of_ended() - cpu_before_s)
        summary = summary_in(folder)
        ledger = simulator.ledger(summary["run_id"])
        return GuestRun(summary, ledger, _left_in(folder), others_share)


def _left_in(folder: Path) -> dict[str, float]:
    try:
        left: dict[str, float] = json.loads((folder / "left.json").read_text())
    except OSError as error:
        raise BenchError("the run did not say what it left behind") from error
    return left
