"""Workers that are told to end, and others that come: nothing is lost, and the run is as valid."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import SPAWNING, SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

TERM = signal.SIGTERM
PREPARE_S = 20
REFUSED_AFTER_S = 10.0
"""So long after the time for the preparation a run that cannot begin has ended."""
GONE = {
    "the first of two ends by Ctrl-C": signal.SIGINT,
    "the first of two is killed": signal.SIGKILL,
}


def lose_the_first(swarm: SwarmOfProcesses, number: int) -> None:
    """Let a worker join and end it by a signal, and wait until the master says that it is gone."""
    leaving = swarm.join("--loglevel", "DEBUG")
    leaving.wait_for("Sending convoy_hello message")
    swarm.first_connected()
    swarm.signal(number, leaving)
    swarm.master.wait_for(r"\) quit\.|has stopped|setting state to missing")


@pytest.mark.parametrize(
    "number", GONE.values(), ids=[f"{each} before two others come" for each in GONE]
)
def test_the_first_of_two_is_gone_before_two_others_come(
    tmp_path: Path, simulator: SimulatorProcess, number: int
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=0, awaited=2, lasts_s=3) as swarm:
        lose_the_first(swarm, number)
        swarm.join()
        swarm.join()
        ended = swarm.end()

    ended.assert_passed()
    assert ended.states == ["reported"] * 2


@pytest.mark.parametrize(
    "number", GONE.values(), ids=[f"{each} and nobody else comes" for each in GONE]
)
def test_the_first_of_two_is_gone_and_nobody_else_comes(
    tmp_path: Path, simulator: SimulatorProcess, number: int
) -> None:
    prepare = ["--set", f"prepare_timeout_s={PREPARE_S}"]
    with SwarmOfProcesses(tmp_path, simulator, *prepare, workers=0, awaited=2) as swarm:
        lose_the_first(swarm, number)
        ended = swarm.gone(PREPARE_S + REFUSED_AFTER_S)

    assert ended.exit_code == 4, ended.output
    assert "no load was started: 0 of 2 workers came" in ended.output


def test_ctrl_c_at_a_master_whose_first_worker_is_gone(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=0, awaited=2) as swarm:
        lose_the_first(swarm, signal.SIGKILL)
        os.kill(swarm.master.process.pid, signal.SIGINT)
        ended = swarm.gone()

    assert ended.exit_code == 5, ended.output
    assert "interrupted while workers were waited for; no load was started" in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("leaving", [1, 2], ids=["one of three", "two of three in the same moment"])
def test_workers_that_are_told_to_end_hand_their_lanes_over(
    tmp_path: Path, simulator: SimulatorProcess, leaving: int
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=6) as swarm:
        swarm.wait_for_flow()
        swarm.signal(TERM, *swarm.workers[:leaving])
        ended = swarm.end()

    ended.assert_passed()
    assert ended.states == ["reported"] * 3
    assert ended.exit_codes == (0, 0, 0)


def test_half_of_four_while_two_join(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=4) as swarm:
        joining = [swarm.hold(), swarm.hold()]
        swarm.wait_for_flow()
        swarm.let_in(*joining)
        swarm.signal(TERM, *swarm.workers[:2])
        ended = swarm.end()

    ended.assert_passed()
    assert set(ended.states) == {"reported"}
    assert set(ended.exit_codes) == {0}


def test_each_of_two_is_restarted_in_turn(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=2) as swarm:
        pairs = [(worker, swarm.hold()) for worker in swarm.workers[:2]]
        swarm.wait_for_flow()
        for leaving, joining in pairs:
            swarm.signal(TERM, leaving)
            leaving.end()
            swarm.let_in(joining)
            joining.wait_for(SPAWNING)
        ended = swarm.end()

    ended.assert_passed()
    assert set(ended.states) == {"reported"}
    assert ended.exit_codes == (0, 0, 0, 0)


def test_one_of_three_is_killed_and_started_again(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with SwarmOfProcesses(tmp_path, simulator) as swarm:
        again = swarm.hold()
        swarm.wait_for_flow()
        swarm.signal(signal.SIGKILL, swarm.workers[0])
        swarm.let_in(again)
        ended = swarm.end()

    ended.assert_invalid("lost")
    ended.assert_whole_again()
    assert ended.states == ["lost", "reported", "reported", "reported"]
    assert ended.master.run["workers"][-1]["sent"] > 10


def test_one_joins(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=2) as swarm:
        joining = swarm.hold()
        swarm.wait_for_flow()
        swarm.let_in(joining)
        ended = swarm.end()

    ended.assert_passed()
    assert [worker["sent"] > 10 for worker in ended.master.run["workers"]] == [True] * 3
