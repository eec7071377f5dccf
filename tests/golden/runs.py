"""Runs and commands of given options, how they end and which members their summaries have.

`exit_codes.json` holds their options, so a new case is a line there without an exit code.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.convoy_command import convoy
from tests.locust_process import (
    UNHURRIED,
    Ended,
    LocustProcess,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

FOLDER = Path(__file__).parent
EXIT_CODES_PATH = FOLDER / "exit_codes.json"
MEMBERS_PATH = FOLDER / "summary_keys.json"
CASES: dict[str, dict[str, Any]] = json.loads(EXIT_CODES_PATH.read_text("utf-8"))
MEMBERS: dict[str, list[str]] = json.loads(MEMBERS_PATH.read_text("utf-8"))
BY_DATA = {
    "scenarios",
    "errors",
    "failures",
    "error_samples",
    "late",
    "not_sent",
    "retired",
    "versions",
}
"""Members whose own members are named by what there was: a scenario, a code, a cause."""
SHORT = ["-t", "2s", "-u", "5", "--rate", "40", "--set", "warm_up_s=0"]


def end_of(case: Mapping[str, Any], folder: Path) -> Ended:
    """Run a case to its end with a simulator of its own."""
    with SimulatorProcess(*case.get("simulator", ())) as simulator:
        if "convoy" in case:
            done = convoy(*(each.replace("SIMULATOR", simulator.url) for each in case["convoy"]))
            return Ended(done.returncode, done.stdout + done.stderr, None)
        options = ["-H", simulator.url, *SHORT, *UNHURRIED, *case["locust"]]
        with LocustProcess(folder, "--headless", *options) as locust:
            if "interrupted_after" in case:
                _interrupt(locust, simulator, case["interrupted_after"])
            return locust.end()


def members_of(ended: Ended) -> list[str]:
    """Return the dotted path of every member of the summary, sorted.

    Marks of our own lag are left out: they depend on how busy this machine is.
    """
    return sorted({path for path in _paths(ended.run) if not path.endswith(".ours")})


def write() -> None:
    """Run every case, and write its exit code and, where they are kept, its summary's members."""
    cases, members = {}, dict(MEMBERS)
    for name, case in CASES.items():
        with TemporaryDirectory() as folder:
            ended = end_of(case, Path(folder))
        cases[name] = {**case, "exit_code": ended.exit_code}
        if name in members:
            members[name] = members_of(ended)
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items())
    EXIT_CODES_PATH.write_text(f"{{\n{rows}\n}}\n", "utf-8")
    MEMBERS_PATH.write_text(json.dumps(members, indent=1) + "\n", "utf-8")


def _interrupt(locust: LocustProcess, simulator: SimulatorProcess, accepted: int) -> None:
    """Send SIGINT once so many messages are accepted, or none where the process has ended."""
    wait_until(
        lambda: simulator.ledger()["accepted"] >= accepted or locust.process.poll() is not None,
        locust.output,
    )
    locust.process.send_signal(signal.SIGINT)


def _paths(value: Any, path: str = "", parent: str = "") -> Iterator[str]:
    """Yield the path of every member, `*` for names that are data and `[]` for entries."""
    if isinstance(value, dict):
        for name, inner in value.items():
            member = f"{path}.{'*' if parent in BY_DATA else name}".lstrip(".")
            yield member
            yield from _paths(inner, member, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{path}[]")
