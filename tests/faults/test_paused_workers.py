"""Workers that stand still for a while: others take their lanes, and nothing is sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.processes import freeze
from tests.faults.swarm_of_processes import SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

THREE = ["reported"] * 3
TWO = ["lost", "reported", "reported"]


@pytest.mark.parametrize(
    ("for_s", "lasts_s", "states", "word"),
    [
        (1, 6, (THREE,), "event loop"),
        (3, 10, (THREE, TWO), ""),
        (6, 10, (TWO,), "lost"),
        (20, 23, (TWO,), "lost"),
    ],
    ids=["for 1 s", "for 3 s", "for 6 s", "for 20 s"],
)
def test_paused_worker_sends_nothing_twice_when_it_comes_back(
    tmp_path: Path,
    simulator: SimulatorProcess,
    for_s: int,
    lasts_s: int,
    states: tuple[list[str], ...],
    word: str,
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=lasts_s) as swarm:
        swarm.wait_for_flow()
        swarm.fault()
        freeze(swarm.workers[0].process.pid, for_s)
        ended = swarm.end()

    ended.assert_invalid(word)
    ended.assert_whole_again()
    assert ended.states in states


def test_over_the_end_of_the_run(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=6) as swarm:
        swarm.wait_for_accepted(150)
        swarm.fault()
        freeze(swarm.workers[0].process.pid, 10)
        ended = swarm.end()

    ended.assert_invalid("lost")
    assert ended.states == TWO
