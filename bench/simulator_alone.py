"""How many messages a second the simulator takes on one core: validated and in its ledger."""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from bench.contenders import CONNECTIONS, WRK
from bench.errors import BenchError
from bench.message import PATH
from bench.pairs import spread
from bench.processes import ROOT, Cores, last_lines, output_of, running, wait_until
from bench.tallies import tally_of_wrk
from bench.usage import cpu_seconds_of

_RUN_ID = "bench"
_NO_LIMIT = "1000000000"
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
        command = [sys.executable, "-m", "simulator", "--port", "0"]
        command += ["--token-rate-per-minute", _NO_LIMIT]
        with running(command, core=cores.server, folder=folders[0]) as simulator:
            url = _url_in(folders[0])
            cpu_before_s = cpu_seconds_of(simulator.pid)
            report = _load(url, cores.generator, seconds, folders[1])
            cpu_s = cpu_seconds_of(simulator.pid) - cpu_before_s
            ledger = _get_json(f"{url}/simulator/ledger?run_id={_RUN_ID}")
        _check(report, ledger)
        return rate_in(report), ledger["accepted"] / cpu_s


def rate_in(report: str) -> float:
    """Return the answers per second of a report of wrk; raises BenchError."""
    found = re.search(r"^Requests/sec:\s+([\d.]+)", report, re.MULTILINE)
    if found is None:
        raise BenchError(f"wrk told no rate: {last_lines(report)}")
    return float(found[1])


def _load(url: str, core: int, seconds: int, folder: Path) -> str:
    token = _token(url)
    listing = _get_json(f"{url}/api/v2/conversations?pageSize=100", token)
    ids = [each["id"] for each in listing["entities"] if each["state"] == "connected"]
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-s", str(_SCRIPT)]
    command += [url + PATH, "--", _RUN_ID, token, *ids]
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


def _url_in(folder: Path) -> str:
    pattern = re.compile(r"^listening on (http://\S+)$", re.MULTILINE)
    wait_until(
        lambda: pattern.search(output_of(folder)) is not None,
        deadline_s=_DEADLINE_S,
        explain=lambda: f"the simulator did not start: {last_lines(output_of(folder))}",
    )
    return pattern.findall(output_of(folder))[0]  # type: ignore[no-any-return]


def _token(url: str) -> str:
    basic = base64.b64encode(b"demo:demo").decode()
    asked = urllib.request.Request(
        f"{url}/oauth/token",
        data=b"grant_type=client_credentials",
        headers={"Authorization": f"Basic {basic}"},
    )
    return str(_json_of(asked)["access_token"])


def _get_json(url: str, token: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return _json_of(urllib.request.Request(url, headers=headers))


def _json_of(asked: urllib.request.Request) -> dict[str, Any]:
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with no_proxy.open(asked, timeout=_DEADLINE_S) as answer:
        values: dict[str, Any] = json.load(answer)
    return values
