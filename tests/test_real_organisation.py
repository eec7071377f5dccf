"""The page on a real organisation: its files and commands, as they stand, against a simulator."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.ids import organisation_of
from tests.simulator.in_process import ACTIVE
from tests.simulator_process import OWN_SEED, SimulatorProcess
from tests.test_guide import COMMANDS, COPIED, FILE, run

PAGE = "docs/real-organisation.md"
WRITTEN, BORN = "http://127.0.0.1:8080", organisation_of(1)
"""Address and organisation of a simulator that is started as the page does."""
SHORTER = ("-t 60s", "-t 3s --set late_after_ms=4000 --set warm_up_s=0")
"""The page's run is longer than a test has time for, and a busy machine may be late."""


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / PAGE).read_text("utf-8")


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    """One whose organisation no other test loads at the same time."""
    with SimulatorProcess("--seed", str(OWN_SEED)) as simulator:
        yield simulator


@pytest.fixture
def followed(repository: Path, tmp_path: Path, page: str, simulator: SimulatorProcess) -> Path:
    """A copy of what runs, with the files of the page and the values of its rehearsal."""
    for name in COPIED:
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copyfile
        copy(repository / name, tmp_path / name)
    rehearsal = page.partition("## Rehearse it first")[2]
    values = dict(re.findall(r"^\| `(\S+)` \| `(\S+)` \|$", rehearsal, re.MULTILINE))
    assert sorted(values.values()) == sorted([ACTIVE, BORN, WRITTEN, WRITTEN])
    here = {WRITTEN: simulator.url, BORN: organisation_of(OWN_SEED)}
    for name, block in FILE.findall(page):
        for real, instead in values.items():
            block = block.replace(real, here.get(instead, instead))
        (tmp_path / name).write_text(re.sub(r"\n +window: .*", "", block), "utf-8")
    for name in ("client-id", "client-secret"):
        (tmp_path / name).write_text("public\n")
    return tmp_path


def test_each_command_of_the_page_does_what_it_says(
    followed: Path, page: str, simulator: SimulatorProcess
) -> None:
    credentials = {
        f"CONVOY_CLIENT_{name}_FILE": str(followed / f"client-{name.lower()}")
        for name in ("ID", "SECRET")
    }
    commands = re.findall(r"^\.venv/bin/(.*)$", "".join(COMMANDS.findall(page)), re.MULTILINE)
    said = {}
    for line in commands:
        module, *arguments = shlex.split(line.replace(*SHORTER).removeprefix("python -m "))
        if module == "simulator":
            continue
        ended = run(followed, module, *arguments, **credentials)
        assert ended.returncode == 0, line + ended.stdout + ended.stderr
        said[f"{module} {arguments[0]} {arguments[-1]}"] = ended

    told = json.loads(said["convoy preflight --json"].stdout)
    assert told["verdict"] == "ready"
    assert {each["state"] for each in told["checks"]} == {"ok"}
    # Every line of the preflight, and every member of the JSON, has a row in the page.
    rows = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \| ", page, re.MULTILINE))))
    names = {re.sub(r"^(pool of|canary) .*", r"\1 …", each["name"]) for each in told["checks"]}
    assert names <= rows
    assert told.keys() <= rows
    assert "first against own" in said["convoy runs runs"].stdout
    # Canaries of two preflights, one message by `send`, the run and its canary.
    assert simulator.ledger()["accepted"] == 2 + 1 + 3 + 1
