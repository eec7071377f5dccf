"""The generators that are compared: how each is told to post the one message flat out."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.convoy import ENVIRONMENT, FLAT_OUT, Load, convoy_command, summary_in
from bench.message import BODY, HEADERS, PATH
from bench.processes import ROOT, output_of
from bench.tallies import Tally, tally_of_convoy, tally_of_hey, tally_of_locust, tally_of_wrk

CONNECTIONS = 50
_LUA = 'wrk.method = "POST"\nwrk.body = [==[\n{body}]==]\n'


@dataclass(frozen=True, slots=True)
class Task:
    """Where to post, whom to trust (None without TLS), for how long, and a folder to work in."""

    url: str
    ca_file: Path | None
    seconds: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Contender:
    """A generator: its command for a task, and its own account once it has ended in a folder.

    `program` is what has to be installed besides Python's packages, None for nothing.
    """

    name: str
    command: Callable[[Task], list[str]]
    tally: Callable[[Path], Tally]
    program: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_installed(self) -> bool:
        return self.program is None or shutil.which(self.program) is not None


def _convoy(task: Task) -> list[str]:
    load = Load(FLAT_OUT, task.seconds, CONNECTIONS)
    return convoy_command(load, task.url, task.ca_file, task.folder)


def _locust(locustfile: str) -> Callable[[Task], list[str]]:
    path = ROOT / "bench" / "locustfiles" / f"{locustfile}.py"

    def command(task: Task) -> list[str]:
        return [
            *(sys.executable, "-m", "locust", "-f", str(path), "--headless", "-H", task.url),
            *("-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{task.seconds}s"),
            *("--json-file", str(task.folder / "statistics")),
        ]

    return command


def _wrk(task: Task) -> list[str]:
    script = task.folder / "message.lua"
    script.write_text(_LUA.format(body=BODY.decode()))
    headers = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
    duration = ("-d", f"{task.seconds}s")
    threads = ("-t", "1", "-c", str(CONNECTIONS))
    return ["wrk", *threads, *duration, *headers, "-s", str(script), task.url + PATH]


def _hey(task: Task) -> list[str]:
    body = task.folder / "message.json"
    body.write_bytes(BODY)
    others = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    headers = [part for name, value in others.items() for part in ("-H", f"{name}: {value}")]
    return [
        *("hey", "-m", "POST", "-c", str(CONNECTIONS), "-z", f"{task.seconds}s"),
        *("-disable-compression", "-T", HEADERS["Content-Type"], *headers),
        *("-D", str(body), task.url + PATH),
    ]


def _locust_tally(folder: Path) -> Tally:
    return tally_of_locust((folder / "statistics.json").read_text())


CONVOY = Contender(
    "convoy", _convoy, lambda folder: tally_of_convoy(summary_in(folder)), environment=ENVIRONMENT
)
FAST_HTTP_USER = Contender("fast_http_user", _locust("fast_http"), _locust_tally)
HTTP_USER = Contender("http_user", _locust("http"), _locust_tally)
RAW_USER = Contender("raw_user", _locust("raw_socket"), _locust_tally)
WRK = Contender("wrk", _wrk, lambda folder: tally_of_wrk(output_of(folder)), program="wrk")
HEY = Contender(
    "hey",
    _hey,
    lambda folder: tally_of_hey(output_of(folder)),
    program="hey",
    environment={"GOMAXPROCS": "1"},
)
