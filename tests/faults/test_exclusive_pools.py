"""An exclusive pool with answers longer than a round of it: no conversation is used twice."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import freeze
from tests.faults.swarm_of_processes import SwarmOfProcesses
from tests.recording_relay import RecordingRelay
from tests.simulator import api
from tests.simulator_process import SimulatorProcess

POOL = "scenario.conversation_messages.conversations"
CONVERSATIONS, RATE_PER_S = 40, 20
"""A round takes two seconds."""
SLOW = "latency=2500ms"


def test_one_of_two_workers_is_told_to_end(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with slow_swarm(tmp_path, simulator) as (swarm, relay):
        swarm.signal(signal.SIGTERM, swarm.workers[0])
        ended = swarm.end()

    assert relay.most_at_once == 1
    assert ended.master.exit_code == 0, ended.master.output


def test_a_worker_joins(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with slow_swarm(tmp_path, simulator, holds_one=True) as (swarm, relay):
        swarm.let_in(swarm.workers[-1])
        ended = swarm.end()

    assert relay.most_at_once == 1
    assert ended.master.exit_code == 0, ended.master.output
    assert ended.master.run["workers"][-1]["sent"] > 0


def test_one_of_two_workers_is_paused_for_6_s(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with slow_swarm(tmp_path, simulator) as (swarm, relay):
        swarm.fault()
        freeze(swarm.workers[0].process.pid, 6)
        ended = swarm.end()

    assert relay.most_at_once == 1
    ended.assert_invalid("lost")


@contextmanager
def slow_swarm(
    folder: Path, simulator: SimulatorProcess, holds_one: bool = False
) -> Iterator[tuple[SwarmOfProcesses, RecordingRelay]]:
    """A run that goes on, in which each conversation is needed again before its answer comes.

    It can hold one more worker, the last one.
    """
    found = [str(each["id"]) for each in api.open_conversations(simulator)][:CONVERSATIONS]
    pool = f"{POOL}={{source: inline, ids: {json.dumps(found)}, pick: exclusive}}"
    # Each round is late by half a second more than the one before.
    patient = ["--set", "late_after_ms=15000", "--set", "max_lateness_s=20"]
    options = ["-u", "120", "--set", pool, *patient]
    with (
        RecordingRelay(simulator) as relay,
        SwarmOfProcesses(
            folder, simulator, *options, workers=2, lasts_s=14, rate_per_s=RATE_PER_S, url=relay.url
        ) as swarm,
    ):
        if holds_one:
            swarm.hold()
        swarm.wait_for_accepted(1)
        swarm.trouble(SLOW)
        swarm.wait_for_accepted(60)
        yield swarm, relay
