"""The clients whose round trips are compared: how each is told to say the one text flat out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.convoy import FLAT_OUT, summary_in
from bench.errors import BenchError
from bench.guests.message import TEXT
from bench.guests.runs import LOCUSTFILES, SCENARIO, GuestLoad
from bench.processes import ROOT, last_lines, output_of
from bench.short_runs import ENVIRONMENT
from bench.tallies import Tally, tally_of_convoy, tally_of_locust

GUESTS = 50
WS = "ws@8"
_INSTALL_S = 120


@dataclass(frozen=True, slots=True)
class Task:
    """Where to write: a simulator's address and a deployment's id; and for how many seconds."""

    url: str
    deployment: str
    seconds: int

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1)


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its command for a task and a folder, and its own account."""

    name: str
    command: Callable[[Task, Path], list[str]]
    tally: Callable[[Path], Tally]
    environment: Mapping[str, str] = field(default_factory=dict)


def _convoy(task: Task, folder: Path) -> list[str]:
    settings = {
        f"scenario.{SCENARIO}.variables.deployment_id": task.deployment,
        "criteria": "[]",
        "warm_up_s": "0",
    }
    load = GuestLoad(GUESTS, FLAT_OUT, task.seconds, settings=settings)
    return load.command(task.url, folder)


def _locust_user(task: Task, folder: Path) -> list[str]:
    path = LOCUSTFILES / "websocket_client.py"
    host = f"{task.socket_url}/v1?deploymentId={task.deployment}"
    return [
        *(sys.executable, "-m", "locust", "-f", str(path), "--headless"),
        *("-H", host, "-u", str(GUESTS), "-r", str(GUESTS)),
        *("-t", f"{task.seconds}s", "--json-file", str(folder / "statistics")),
    ]


def _node(modules: Path, task: Task, folder: Path) -> list[str]:
    # Node looks for packages beside the script.
    script = modules / "guests.js"
    shutil.copy(ROOT / "bench" / "guests" / script.name, script)
    told = task.socket_url, task.deployment, TEXT, str(GUESTS), str(task.seconds)
    return ["node", str(script), *told]


def _node_tally(folder: Path) -> Tally:
    try:
        return Tally(**json.loads(last_lines(output_of(folder), 1)))
    except (ValueError, TypeError) as error:
        raise BenchError(f"node told no figures: {last_lines(output_of(folder))}") from error


CONVOY = Client("convoy", _convoy, lambda folder: tally_of_convoy(summary_in(folder)), ENVIRONMENT)
LOCUST_USER = Client(
    "locust_user",
    _locust_user,
    lambda folder: tally_of_locust((folder / "statistics.json").read_text()),
)


def node_client(folder: Path) -> Client | str:
    """Install the package `ws` into a folder; return the client, or why there is none."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node or npm is not installed; on Debian: apt-get install nodejs npm"
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), WS]
    try:
        done = subprocess.run(install, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        return f"npm did not install {WS} within {_INSTALL_S} s"
    if done.returncode:
        return f"npm cannot install {WS}: {last_lines(done.stderr, 1)}"
    return Client("node_ws", partial(_node, folder), _node_tally)
