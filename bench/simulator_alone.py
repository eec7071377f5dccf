"""How many messages a second the simulator takes on one core: validated and in its ledger."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from bench.contenders import CONNECTIONS, WRK
from bench.errors import BenchError
from bench.message import PATH
from bench.pairs import spread
from bench.processes import ROOT, Cores, last_lines, output_of, running
from bench.simulators import Simulator, simulating
from bench.tallies import tally_of_wrk
from bench.usage import cpu_seconds_of

_RUN_ID = "bench"
_DEADLINE_S = 30.0
_SCRIPT = ROOT / "bench" / "wrk" / "simulator.lua"


def measure_simulator(cores: Cores, seconds: int, rounds: int) -> dict[str, Any]:
    """Load a simulator with unique messages by wrk; return accepted messages a second.

    They are told by the clock and by the CPU time that the simulator used. Raises BenchError when
    a message was refused or counted twice.
    """
    by_clock, by_cpu = zip(*(_one_round(cores, seconds) for _ in range(rounds)), strict=True)
    return {
        "seconds": seconds,
        "rounds": rounds,
        "messages_per_s": spread(by_clock).to_json(0),
        "messages_per_cpu_s": spread(by_cpu).to_json(0),
    }


def is_possible() -> bool:
    """True when wrk, which this bench loads with, is installed."""
    return WRK.is_installed


def _one_round(cores: Cores, seconds: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folders = Path(name) / "simulator", Path(name) / "wrk"
        for folder in folders:
            folder.mkdir()
        with simulating(folders[0], cores.server) as simulator:
            cpu_before_s = cpu_seconds_of(simulator.process.pid)
            report = _load(simulator, cores.generator, seconds, folders[1])
            cpu_s = cpu_seconds_of(simulator.process.pid) - cpu_before_s
            ledger = simulator.ledger(_RUN_ID)
        _check(report, ledger)
        return rate_in(report), ledger["accepted"] / cpu_s


def rate_in(report: str) -> float:
    """Return the answers per second of a report of wrk; raises BenchError."""
    found = re.search(r"^Requests/sec:\s+([\d.]+)", report, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk told no rate: {last_lines(report)}")
    return float(found[1])


def _load(simulator: Simulator, core: int, seconds: int, folder: Path) -> str:
    token = simulator.token()
    listing = simulator.get("/api/v2/conversations?pageSize=100", token)
    ids = [each["id"] for each in listing["entities"] if each["state"] == "connected"]
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-s", str(_SCRIPT)]
    command += [simulator.url + PATH, "--", _RUN_ID, token, *ids]
    with running(command, core=core, folder=folder) as wrk:
        wrk.wait(seconds + _DEADLINE_S)
    return output_of(folder)


def _check(report: str, ledger: dict[str, Any]) -> None:
    """wrk leaves when its time is up: of each connection one message is accepted unheard."""
    tally = tally_of_wrk(report)
    unheard = ledger["accepted"] - tally.requests
    if tally.failures or ledger["duplicates"] or not 0 <= unheard <= CONNECTIONS:
        raise BenchError(
            f"the simulator's ledger has {ledger['accepted']} messages and "
            f"{ledger['duplicates']} duplicates; wrk says: {last_lines(report)}"
        )
