"""The master that is killed, paused or told to end while its workers send."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bench.processes import freeze
from tests.faults.swarm_of_processes import GONE_AFTER_S, SwarmOfProcesses
from tests.simulator_process import SimulatorProcess

RATE_PER_S = 30
LEASE_S = 2.5
LATE_S = 1.0
"""How late messages may be that are sent in the last moments of a lease, on a busy machine."""


def test_it_is_killed(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, lasts_s=20, rate_per_s=RATE_PER_S) as swarm:
        swarm.wait_for_flow()
        os.kill(swarm.master.process.pid, signal.SIGKILL)
        before = swarm.accepted()
        exit_codes = [worker.end(GONE_AFTER_S).exit_code for worker in swarm.workers]
        sent_after = swarm.accepted() - before
        summary = swarm.master.summary()

    assert 0 not in exit_codes
    assert sent_after <= RATE_PER_S * (LEASE_S + LATE_S)
    assert summary is None


def test_it_is_paused_for_3_s(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with SwarmOfProcesses(tmp_path, simulator, "--set", "late_after_ms=100", lasts_s=6) as swarm:
        swarm.wait_for_flow()
        freeze(swarm.master.process.pid, 3)
        ended = swarm.end()

    ended.assert_invalid("by cause generator")
    assert ended.master.scenario["accepted"] == ended.planned
    assert ended.states == ["reported"] * 3


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=["it is interrupted", "it is told to end"]
)
def test_master_that_is_stopped_ends_the_run_in_order(
    tmp_path: Path, simulator: SimulatorProcess, number: int
) -> None:
    with SwarmOfProcesses(tmp_path, simulator) as swarm:
        swarm.wait_for_flow()
        os.kill(swarm.master.process.pid, number)
        ended = swarm.end(is_whole=False)

    ended.assert_invalid("interrupted")
    assert ended.master.scenario["unknown"] == 0
    assert 0 < ended.master.scenario["accepted"] < ended.planned
    assert ended.states == ["reported"] * 3
    assert ended.exit_codes == (0, 0, 0)
