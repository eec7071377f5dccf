"""The embedded default: without a target of one's own Convoy brings its own and takes it away."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convoy.errors import RefusedError
from convoy.prepare.embedded_simulator import EmbeddedSimulator
from tests.locust_process import ROOT, clean_environment, free_port, run_locust, target_at
from tests.simulator_process import SimulatorProcess

QUICK = ["-t", "1s", "--set", "late_after_ms=4000", "--set", "warm_up_s=0"]


def test_simulator_is_started_and_stopped_with_the_run(tmp_path: Path) -> None:
    port = free_port()

    ended = run_locust(tmp_path, "--target", str(target_at(tmp_path, port)), *QUICK)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 20
    assert not is_listening(port)


def test_simulator_that_runs_already_is_used_and_left_alone(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ended = run_locust(tmp_path, "--target", str(target_at(tmp_path, simulator.port)), *QUICK)

    assert ended.exit_code == 0, ended.output
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 20
    assert simulator.is_running()


def test_the_second_run_of_a_process_still_has_its_own_simulator(
    simulator: SimulatorProcess,
) -> None:
    url, own = f"http://127.0.0.1:{free_port()}", EmbeddedSimulator()
    try:
        first, second = own.ensure(url), own.ensure(url)
        of_others = own.ensure(simulator.url)
    finally:
        own.stop()

    assert (first, second, of_others) == (True, True, False)


def test_a_simulator_that_does_not_start_is_refused_with_its_last_words() -> None:
    own = EmbeddedSimulator()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(RefusedError, match=f"did not start at {url}: .*in use"):
            own.ensure(url, is_simulator=lambda url: None)


STARTS = """
import locust, os, sys
from convoy.prepare.embedded_simulator import EmbeddedSimulator

EmbeddedSimulator().ensure(sys.argv[1])
if os.fork() == 0:
    sys.exit()
os.wait()
print("the fork has ended", flush=True)
sys.stdin.read()
"""
"""Starts a simulator, forks a process that ends, and goes on until its input ends."""


@pytest.mark.parametrize("is_killed", [False, True], ids=["exit", "kill -9"])
def test_a_simulator_ends_with_the_process_that_started_it_and_not_with_a_fork_of_it(
    is_killed: bool,
) -> None:
    port = free_port()
    command = [sys.executable, "-c", STARTS, f"http://127.0.0.1:{port}"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdin is not None and starter.stdout is not None
        assert starter.stdout.readline() == "the fork has ended\n"
        is_up_after_the_fork = is_listening(port)

        if is_killed:
            starter.send_signal(signal.SIGKILL)
        starter.stdin.close()
        starter.wait(10)

    assert is_up_after_the_fork
    give_up_s = time.monotonic() + 10
    while is_listening(port):
        assert time.monotonic() < give_up_s, "the simulator is still there"
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
