"""The members of `summary.json` and the exit codes are those of the golden files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.convoy_command import convoy
from tests.locust_process import run_locust
from tests.simulator_process import SimulatorProcess

FOLDER = Path(__file__).parent
EXIT_CODES: dict[str, dict[str, Any]] = json.loads((FOLDER / "exit_codes.json").read_text("utf-8"))
KEYS: dict[str, list[str]] = json.loads((FOLDER / "summary_keys.json").read_text("utf-8"))
BY_DATA = {"scenarios", "errors", "error_samples", "late", "not_sent", "retired"}
"""Members whose own members are named by what happened: a scenario, a code, a cause."""
SHORT = ["-t", "2s", "-u", "5", "--rate", "40", "--set", "warm_up_s=0"]
UNHURRIED = ["--set", "late_after_ms=4000"]


def paths(value: Any, path: str = "", parent: str = "") -> Iterator[str]:
    """Yield the dotted path of every member, `*` for names that are data and `[]` for entries."""
    if isinstance(value, dict):
        for name, inner in value.items():
            member = f"{path}.{'*' if parent in BY_DATA else name}".lstrip(".")
            yield member
            yield from paths(inner, member, name)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")


def test_a_clean_run_has_the_golden_members(tmp_path: Path, simulator: SimulatorProcess) -> None:
    ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, *UNHURRIED)

    assert sorted({*paths(ended.run)}) == KEYS["clean"]


def test_a_run_with_failures_has_the_golden_members(tmp_path: Path) -> None:
    with SimulatorProcess("--fault", "error=503:0.3") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, "--set", "late_after_ms=0")

    assert sorted({*paths(ended.run)}) == KEYS["with failures"]


@pytest.mark.parametrize("name", [name for name, each in EXIT_CODES.items() if "locust" in each])
def test_a_run_ends_with_the_golden_exit_code(name: str, tmp_path: Path) -> None:
    wanted = EXIT_CODES[name]

    with SimulatorProcess(*wanted["simulator"]) as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, *UNHURRIED, *wanted["locust"])

    assert ended.exit_code == wanted["exit_code"], ended.output


@pytest.mark.parametrize("name", [name for name, each in EXIT_CODES.items() if "convoy" in each])
def test_a_command_ends_with_the_golden_exit_code(name: str, simulator: SimulatorProcess) -> None:
    wanted = EXIT_CODES[name]

    ended = convoy(*(each.replace("SIMULATOR", simulator.url) for each in wanted["convoy"]))

    assert ended.returncode == wanted["exit_code"], ended.stdout + ended.stderr
