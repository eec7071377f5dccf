"""Wall clocks that differ, or are stepped: messages are sent when they are due all the same."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path

import pytest

from bench.sabotage.clocks import STEP
from bench.sabotage.proof import effects_in
from tests.faults.swarm_of_processes import SPAWNING, SwarmOfProcesses
from tests.locust_process import LocustProcess
from tests.simulator_process import SimulatorProcess

STEPPED = ("-f", str(Path(__file__).parent / "locustfiles" / "stepped_clock.py"))
TWO_MINUTES_S = 120
USERS = 3
"""On each of two workers."""
MAX_LATENESS_S = 5.0
AHEAD_AND_BEHIND = (TWO_MINUTES_S, -TWO_MINUTES_S)


@pytest.mark.parametrize(
    "by_s",
    AHEAD_AND_BEHIND,
    ids=["a worker's is two minutes ahead", "a worker's is two minutes behind"],
)
def test_worker_with_another_clock_sends_with_the_others(
    tmp_path: Path, simulator: SimulatorProcess, by_s: float
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=1, awaited=1, lasts_s=5) as swarm:
        worker = swarm.join(*STEPPED, environment={"CLOCK_STEP_S": str(by_s)})
        step_clock(worker.folder)
        assert_sent_in_time(swarm)

    assert effects_in(worker.folder / "clock-proof")


@pytest.mark.parametrize(
    "by_s",
    AHEAD_AND_BEHIND,
    ids=["the master's is two minutes ahead", "the master's is two minutes behind"],
)
def test_master_with_another_clock_has_its_workers_send_in_time(
    tmp_path: Path, simulator: SimulatorProcess, by_s: float
) -> None:
    step_clock(tmp_path / "master")
    environment = {"CLOCK_STEP_S": str(by_s)}

    with SwarmOfProcesses(
        tmp_path, simulator, *STEPPED, workers=2, lasts_s=5, environment=environment
    ) as swarm:
        assert_sent_in_time(swarm)
        summary = swarm.master.summary()

    assert summary is not None
    began_s = datetime.fromisoformat(summary["started_at"]).timestamp()
    assert abs(began_s - time.time()) > TWO_MINUTES_S / 2


@pytest.mark.parametrize(
    "by_s",
    [20, -20],
    ids=["a worker's goes 20 s forward after login", "a worker's goes 20 s back after login"],
)
def test_clock_that_is_stepped_between_login_and_load_moves_no_message(
    tmp_path: Path, simulator: SimulatorProcess, by_s: float
) -> None:
    slowly = ["-u", str(2 * USERS), "-r", "1"]
    environment = {"CLOCK_STEP_S": str(by_s)}
    with SwarmOfProcesses(
        tmp_path, simulator, *slowly, workers=0, awaited=2, lasts_s=5, rate_per_s=10
    ) as swarm:
        for _ in range(2):
            swarm.join(*STEPPED, "--loglevel", "DEBUG", environment=environment)
        # The users of both appear in turn, so that those of the other one are not complete.
        first = swarm.wait_until(lambda: next(filter(has_all_users, swarm.workers), None))
        step_clock(first.folder)
        assert_sent_in_time(swarm)

    assert effects_in(first.folder / "clock-proof")


def step_clock(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / STEP).touch()


def has_all_users(worker: LocustProcess) -> bool:
    return len(re.findall(SPAWNING, worker.output())) == USERS


def assert_sent_in_time(swarm: SwarmOfProcesses) -> None:
    """All messages arrive within the planned time and what a message may be late, and it passes."""
    swarm.wait_for_accepted(1)
    began_s = time.monotonic()
    swarm.wait_for_accepted(swarm.planned)
    took_s = time.monotonic() - began_s
    ended = swarm.end()

    ended.assert_passed()
    assert took_s <= swarm.lasts_s + MAX_LATENESS_S, ended.master.output
