"""One of two workers whose connection to the master is slow, or broken for a while."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import SPAWNING, EndedSwarm, SwarmOfProcesses
from tests.faults.tcp_relay import TcpRelay
from tests.simulator_process import SimulatorProcess

UP, DOWN, BOTH = ("up",), ("down",), ("up", "down")
"""From the worker to the master, and back."""
STOPPING = "DEBUG/locust.runners: Stopping "
"""What a worker with `--loglevel DEBUG` prints for each user that it has to stop."""


@pytest.mark.parametrize("ways", [UP, DOWN], ids=["up is a second late", "down is a second late"])
def test_words_that_are_a_second_late_harm_nothing(
    tmp_path: Path, simulator: SimulatorProcess, ways: tuple[str, ...]
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=6) as (swarm, relay):
        delay(swarm, relay, 1, *ways)
        ended = swarm.end()

    ended.assert_passed()
    assert ended.states == ["reported"] * 2


@pytest.mark.parametrize(
    "ways", [UP, DOWN], ids=["up is four seconds late", "down is four seconds late"]
)
def test_worker_whose_words_are_too_late_sends_nothing_more(
    tmp_path: Path, simulator: SimulatorProcess, ways: tuple[str, ...]
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=10) as (swarm, relay):
        delay(swarm, relay, 4, *ways)
        ended = swarm.end()

    assert_others_send_on(ended)


@pytest.mark.parametrize(
    "ways",
    [UP, DOWN, BOTH],
    ids=["up is cut for 2 s", "down is cut for 2 s", "both are cut for 2 s"],
)
def test_cut_that_is_shorter_than_a_lease_loses_no_worker(
    tmp_path: Path, simulator: SimulatorProcess, ways: tuple[str, ...]
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=6) as (swarm, relay):
        cut(swarm, relay, 2, *ways)
        ended = swarm.end()

    ended.assert_passed()
    assert ended.states == ["reported"] * 2


def test_down_is_cut_for_6_s(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=11) as (swarm, relay):
        cut(swarm, relay, 6, *DOWN)
        ended = swarm.end()

    assert_others_send_on(ended)


def test_down_is_cut_for_good(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=10) as (swarm, relay):
        cut(swarm, relay, None, *DOWN)
        ended = swarm.end()

    assert_others_send_on(ended)


@pytest.mark.parametrize(
    ("ways", "for_s"),
    [(UP, 6), (BOTH, 6), (UP, None), (BOTH, None)],
    ids=[
        "up is cut for 6 s",
        "both are cut for 6 s",
        "up is cut for good",
        "both are cut for good",
    ],
)
def test_worker_that_is_not_heard_of_is_lost(
    tmp_path: Path, simulator: SimulatorProcess, ways: tuple[str, ...], for_s: float | None
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=11) as (swarm, relay):
        cut(swarm, relay, for_s, *ways)
        ended = swarm.end()

    ended.assert_invalid("lost")
    assert_others_send_on(ended)


def test_down_is_three_seconds_late_and_then_up_is_cut(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=14) as (swarm, relay):
        delay(swarm, relay, 3, "down")
        time.sleep(4)  # until all that arrives is three seconds old
        cut(swarm, relay, None, "up")
        ended = swarm.end()

    ended.assert_invalid("lost")
    assert_others_send_on(ended)


@pytest.mark.parametrize(
    "for_s",
    [
        pytest.param(0.3, id="it ends, and another stands 0.3 s later"),
        pytest.param(2.9, id="it ends, and another stands 2.9 s later"),
    ],
)
def test_connection_that_ends_costs_no_words(
    tmp_path: Path, simulator: SimulatorProcess, for_s: float
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=12, is_held=False) as (swarm, relay):
        swarm.fault()
        with relay.broken():
            time.sleep(for_s)
        ended = swarm.end()

    assert_others_send_on(ended)


def test_connection_that_ends_while_users_move_to_one_that_joins(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with relayed_swarm(tmp_path, simulator, "--loglevel", "DEBUG", lasts_s=14) as (swarm, relay):
        swarm.fault()
        relay.down.is_cut = True
        joined = swarm.join("--loglevel", "DEBUG")
        joined.wait_for(SPAWNING)
        with relay.broken():
            relay.down.is_cut = False
        swarm.workers[1].wait_for(STOPPING)
        is_going_on = swarm.accepted() < swarm.planned
        ended = swarm.end()

    assert is_going_on
    assert_others_send_on(ended)


def test_connection_that_ends_with_what_its_worker_gives_back(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=14) as (swarm, relay):
        joins = swarm.hold()
        swarm.wait_until((joins.folder / "held").exists)
        swarm.fault()
        relay.up.is_cut = True
        swarm.let_in(joins)
        joins.wait_for(SPAWNING)
        time.sleep(0.5)  # until lanes were asked for; no process says so
        with relay.broken():
            relay.up.is_cut = False
        ended = swarm.end()

    assert_others_send_on(ended)
    assert "no final report" not in ended.reasons


def test_connection_that_ends_while_the_run_is_stopped(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with relayed_swarm(tmp_path, simulator, lasts_s=60, is_held=False) as (swarm, relay):
        with relay.broken():
            swarm.signal(signal.SIGUSR1, swarm.master)
            swarm.master.wait_for("SIGUSR1")
        ended = swarm.end(is_whole=False)

    ended.assert_invalid("SIGUSR1")
    assert ended.states == ["reported"] * 2
    assert "no final report" not in ended.reasons


@contextmanager
def relayed_swarm(
    folder: Path,
    simulator: SimulatorProcess,
    *options: str,
    lasts_s: int,
    is_held: bool = True,
) -> Iterator[tuple[SwarmOfProcesses, TcpRelay]]:
    """A run that goes on, with one of two workers behind a relay, which has held something.

    The `options` are of that worker.
    """
    with (
        SwarmOfProcesses(folder, simulator, workers=1, awaited=1, lasts_s=lasts_s) as swarm,
        TcpRelay(swarm.port) as relay,
    ):
        swarm.join(*options, port=relay.port)
        swarm.wait_for_flow()
        yield swarm, relay
        assert (relay.up.held + relay.down.held > 0) == is_held


def delay(swarm: SwarmOfProcesses, relay: TcpRelay, by_s: float, *ways: str) -> None:
    swarm.fault()
    for way in ways:
        getattr(relay, way).delay_s = by_s


def cut(swarm: SwarmOfProcesses, relay: TcpRelay, for_s: float | None, *ways: str) -> None:
    """Cut these ways at once; without `for_s` they stay so."""
    swarm.fault()
    for way in ways:
        getattr(relay, way).is_cut = True
    if for_s is not None:
        time.sleep(for_s)
        for way in ways:
            getattr(relay, way).is_cut = False


def assert_others_send_on(ended: EndedSwarm) -> None:
    """All messages are soon sent again, and what was late or not sent is no matter of capacity."""
    assert ended.master.exit_code in (0, 5), ended.master.output
    ended.assert_whole_again()
    assert "more workers" not in ended.reasons
