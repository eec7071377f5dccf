"""A target that is restarted or stands still while a swarm loads it."""

from __future__ import annotations

from pathlib import Path

from tests.faults.swarm_of_processes import LEDGER_FILE, SIMULATOR_OPTIONS, SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

SOME_FAILURES_SHOWN = r"conversation_messages +\d+ +[1-9]\d*\("


def test_it_is_killed_and_started_again(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, "--print-stats", lasts_s=12) as swarm:
        swarm.wait_for_flow()
        before = swarm.accepted()
        simulator.kill()
        swarm.master.wait_for(SOME_FAILURES_SHOWN)
        options = (*SIMULATOR_OPTIONS, str(tmp_path / LEDGER_FILE))
        with SimulatorProcess(*options, port=simulator.port) as swarm.simulator:
            ended = swarm.end()

    assert (ended.master.exit_code, ended.master.run["verdict"]) == (3, "fail")
    figures = ended.master.scenario
    assert figures["errors"]["connection refused"] > 0
    assert figures["accepted"] > before


def test_it_stands_still_for_3_s(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=6) as swarm:
        swarm.wait_for_flow()
        swarm.trouble("stall=3s@0s")
        ended = swarm.end()

    ended.assert_passed()
    assert ended.master.scenario["response_time_ms"]["max"] > 2000
