"""Locust as its users start it: a real process in a folder of its own, and what it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.fork_server import ROOT, Program

DEADLINE_S = 120.0
ELSEWHERE = "233.252.0.1"
"""An address of another machine to which no packet leaves: it is one of the multicast addresses for
documentation (RFC 6676), to which the system refuses a TCP connection by itself."""
UNHURRIED = (
    *("--set", "late_after_ms=20000", "--set", "max_lateness_s=30"),
    *("--set", "criteria=p95(response_time) < 20s"),  # in place of the profile's 2 s
)
"""Options of a run in which nothing is late, left unsent or too slow because this machine is
busy."""
_FIRST_PORT, _PORTS_EACH, _APART = 10_240, 1_800, 12
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended: exit code, everything it printed, and its newest summary."""

    exit_code: int
    output: str
    summary: dict[str, Any] | None

    @property
    def run(self) -> dict[str, Any]:
        """The summary; fails with the output where there is none."""
        assert self.summary is not None, self.output
        return self.summary

    @property
    def scenario(self) -> dict[str, Any]:
        figures: dict[str, Any] = self.run["scenarios"]["conversation_messages"]
        return figures


class LocustProcess:
    """Starts `locust` with these options when made; its process group is gone after the block.

    `environment` replaces every `CONVOY_` variable of the surroundings.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._output_path = folder / f"output-{time.monotonic_ns()}.txt"
        with self._output_path.open("wb") as output:
            self.process = Program(
                *("locust", "-f", str(ROOT / "locustfile.py"), *options),
                cwd=folder,
                env=clean_environment() | dict(environment or {}),
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> LocustProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def output(self) -> str:
        return self._output_path.read_text("utf-8", "replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches; fails with the output when the process ends before."""
        return wait_until(lambda: self._match(pattern), self.output)

    def web_ui(self) -> str:
        """Wait until the web UI listens, which it says a little too early; return its address."""
        url = self.wait_for(r"Starting web interface at (http://\S+:\d+)")[1]
        address = urlsplit(url)

        def is_listening() -> bool:
            try:
                socket.create_connection((address.hostname, address.port)).close()
            except ConnectionRefusedError:
                return False
            return True

        wait_until(is_listening, self.output)
        return url

    def end(self, within_s: float = DEADLINE_S) -> Ended:
        """Wait for the process to end by itself."""
        try:
            exit_code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"locust did not end in {within_s} s: {self.output()}") from None
        return Ended(exit_code, self.output(), self.summary())

    def summary(self) -> dict[str, Any] | None:
        path = self.folder / "runs" / "latest" / "summary.json"
        return json.loads(path.read_text()) if path.exists() else None

    def children(self) -> list[int]:
        """The process ids of the workers that `--processes` forked."""
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listing.split()]

    def _match(self, pattern: str) -> re.Match[str] | None:
        found = re.search(pattern, self.output())
        if found is None and self.process.poll() is not None:
            raise AssertionError(f"locust ended without saying {pattern!r}: {self.output()}")
        return found


def assert_true_account(ended: Ended, ledger: Mapping[str, Any]) -> None:
    """The equations of the accounting hold, also against what the far side has of the run."""
    figures = ended.scenario
    fates = [figures[name] for name in ("accepted", "rejected", "failed", "unknown")]
    assert figures["scheduled"] == figures["sent"] + sum(figures["not_sent"].values())
    assert figures["sent"] == sum(fates)
    assert sum(figures["errors"].values()) == sum(fates[1:])
    assert figures["accepted"] <= ledger["accepted"] <= figures["accepted"] + figures["unknown"]
    assert ledger["duplicates"] == 0


def run_locust(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run `locust --headless` with these options to its end."""
    with LocustProcess(folder, "--headless", *options, environment=environment) as process:
        return process.end()


def clean_environment() -> dict[str, str]:
    """The surroundings' environment without anything that would steer Locust or Convoy."""
    # Python's own variable would hide what becomes of output that waits in a buffer.
    prefixes = ("CONVOY_", "GITHUB_", "LOCUST_", "PYTHONUNBUFFERED")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)} | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens at.

    It lies below those that the system hands out by itself, and apart from those of tests that run
    at the same time: one of theirs would take it otherwise before it is used here.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _APART
    first = _FIRST_PORT + number * _PORTS_EACH
    for port in random.sample(range(first, first + _PORTS_EACH), _PORTS_EACH):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def target_at(folder: Path, port: int) -> Path:
    """Write a target file whose embedded simulator is at a port of its own."""
    url = f"http://127.0.0.1:{port}"
    target = folder / "embedded.yaml"
    target.write_text(
        f"target: {{name: simulator, api_url: '{url}', login_url: '{url}',"
        " embedded_simulator: true}\n"
    )
    return target


def swarm_ports() -> list[str]:
    """Options that give master and workers a port of their own to meet at."""
    port = str(free_port())
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]


def wait_until(condition: Callable[[], T | None], explain: Callable[[], str]) -> T:
    """Return the first true value of a condition; fails with an explanation at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"it did not happen: {explain()}")
