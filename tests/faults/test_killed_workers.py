"""Workers that are killed: the others send on, and what the lost may have sent is unknown."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import SPAWNING, EndedSwarm, SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

KILL = signal.SIGKILL
LASTS_S, RATE_PER_S = 9, 30
PLANNED = LASTS_S * RATE_PER_S
MISSING_AFTER_S = 4.0
"""A worker that was silent for so long is missing, by Locust's count of heartbeats."""
ENDS_AFTER_S = 10.0
"""So long after the last worker was lost the run has ended."""


@pytest.mark.parametrize(
    ("killed", "accepted"),
    [(1, 0), (2, 0), (1, PLANNED - 20)],
    ids=["one of three in mid-run", "two of three in mid-run", "one of three in the last second"],
)
def test_what_killed_workers_may_have_sent_is_unknown_and_the_others_send_on(
    tmp_path: Path, simulator: SimulatorProcess, killed: int, accepted: int
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=LASTS_S, rate_per_s=RATE_PER_S) as swarm:
        swarm.wait_for_flow()
        swarm.wait_for_accepted(accepted)
        swarm.signal(KILL, *swarm.workers[:killed])
        ended = swarm.end()

    ended.assert_invalid("lost")
    ended.assert_whole_again()
    assert_lost(ended, killed)


def test_one_of_three_while_answers_are_out(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, "-u", "120") as swarm:
        swarm.wait_for_accepted(PLANNED - 30)
        swarm.trouble("latency=3s")
        swarm.wait_for_accepted(PLANNED)
        swarm.signal(KILL, swarm.workers[0])
        ended = swarm.end()

    ended.assert_invalid("lost")
    assert ended.missing == set()
    assert_lost(ended, 1)


def test_one_of_three_in_the_warm_up(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, "--set", "warm_up_s=6", lasts_s=6) as swarm:
        swarm.wait_for_accepted(15, "-warmup")
        swarm.signal(KILL, swarm.workers[0])
        ended = swarm.end()

    ended.assert_invalid("lost")
    assert ended.master.scenario["accepted"] == ended.planned
    assert ended.states == ["lost", "reported", "reported"]


def test_one_of_three_while_users_appear(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(
        tmp_path, simulator, "-r", "10", workers=2, awaited=1, lasts_s=4
    ) as swarm:
        killed = swarm.join("--loglevel", "DEBUG")
        killed.wait_for(SPAWNING)
        swarm.signal(KILL, killed)
        ended = swarm.end()

    ended.assert_passed()


def test_one_of_three_under_on_worker_lost_degrade(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["on_worker_lost=degrade", "criteria=share(failures[*]) < 50%"]
    settings = [word for option in options for word in ("--set", option)]

    with SwarmOfProcesses(tmp_path, simulator, *settings) as swarm:
        swarm.wait_for_flow()
        swarm.signal(KILL, swarm.workers[0])
        ended = swarm.end()

    assert (ended.master.exit_code, ended.master.run["verdict"]) == (0, "pass"), ended.master.output
    ended.assert_whole_again()
    assert_lost(ended, 1)


def test_all_three(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator) as swarm:
        swarm.wait_for_flow()
        swarm.signal(KILL, *swarm.workers)
        ended = swarm.end(is_whole=False, within_s=MISSING_AFTER_S + ENDS_AFTER_S)

    ended.assert_invalid("lost")
    assert_lost(ended, 3)


def assert_lost(ended: EndedSwarm, number: int) -> None:
    """So many workers were lost, and what they may have sent is all that is unknown."""
    reported = len(ended.exit_codes) - number
    assert ended.states == ["lost"] * number + ["reported"] * reported
    figures = ended.master.scenario
    assert 0 < figures["unknown"] == figures["errors"]["worker lost"] < ended.planned
