"""Workers that are told to end, and others that come: nothing is lost, and the run is as valid."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import SPAWNING, SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

TERM = signal.SIGTERM


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
