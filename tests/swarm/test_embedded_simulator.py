"""The embedded default: without a target of one's own Convoy brings its own and takes it away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from convoy.errors import RefusedError
from convoy.prepare.embedded_simulator import EmbeddedSimulator
from convoy.remote.simulator import read_ledger, starter_of_simulator
from tests.locust_process import (
    DEADLINE_S,
    ROOT,
    UNHURRIED,
    LocustProcess,
    clean_environment,
    free_port,
    run_locust,
    swarm_ports,
    target_at,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

QUICK = ["-t", "1s", *UNHURRIED, "--set", "warm_up_s=0"]


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


def test_who_has_credentials_of_his_own_and_names_no_target_runs_by_published_ones(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    at = [f"--set=target.{name}={simulator.url}" for name in ("api_url", "login_url")]
    own = {"CONVOY_CLIENT_ID": "of-my-own", "CONVOY_CLIENT_SECRET": "of-my-own"}

    ended = run_locust(tmp_path, *at, *QUICK, "--processes", "2", *swarm_ports(), environment=own)

    assert ended.exit_code == 0, ended.output
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 20
    assert "credentials: your credentials and secret headers are not used" in ended.output
    assert "--target simulator lets it have them" in ended.output


def test_a_run_that_finds_another_runs_simulator_starts_its_own(tmp_path: Path) -> None:
    others = EmbeddedSimulator(os.environ)
    port = free_port()
    try:
        url, _ = others.ensure(f"http://127.0.0.1:{port}", "run-of-others")

        target = ["--target", str(target_at(tmp_path, port))]
        ended = run_locust(tmp_path, *target, *QUICK, "--processes", "2", *swarm_ports())

        assert ended.exit_code == 0, ended.output
        assert ended.scenario["accepted"] == ended.run["far_side"]["accepted"] == 20
        assert read_ledger(url, "").accepted == 0
        assert starter_of_simulator(url) == "run-of-others"
    finally:
        others.stop()


OTHERS = {
    "another run": lambda url: "20261122-223439-7f0b20",
    "another program": lambda url: "",
    "one that came in between": lambda url: None,
}


@pytest.mark.parametrize("starter_of", OTHERS.values(), ids=OTHERS)
def test_a_port_that_something_else_has_is_left_to_it(
    starter_of: Callable[[str], str | None],
) -> None:
    own = EmbeddedSimulator(os.environ)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = f"http://127.0.0.1:{taken.getsockname()[1]}"
        try:
            url, is_ours = own.ensure(wanted, "run-1", starter_of=starter_of)
            again = own.ensure(wanted, "run-2", starter_of=starter_of)

            assert is_ours and url != wanted
            assert starter_of_simulator(url) == "run-1"
            assert again == (url, True)
        finally:
            own.stop()


def test_a_simulator_that_a_person_started_is_not_ours(simulator: SimulatorProcess) -> None:
    assert EmbeddedSimulator(os.environ).ensure(simulator.url, "run-1") == (simulator.url, False)


def test_a_simulator_that_does_not_start_is_refused_with_its_last_words() -> None:
    # An address of no machine (RFC 5737).
    with pytest.raises(RefusedError, match=r"did not start at 192\.0\.2\.1: .*cannot listen"):
        EmbeddedSimulator(os.environ).ensure(
            "http://192.0.2.1:8080", "run-1", starter_of=lambda url: None
        )


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment from /proc")
def test_a_simulator_is_handed_no_credential(tmp_path: Path) -> None:
    secret, port = "do-not-hand-on-4711", free_port()
    login = {
        "CONVOY_CLIENT_ID": "demo",
        "CONVOY_CLIENT_SECRET": "demo",
        "HTTPS_PROXY": f"http://user:{secret}@127.0.0.1:9",
        "AWS_SECRET_ACCESS_KEY": secret,
        "CONVOY_LABELS": "a=b",
    }
    options = ["--headless", "--target", str(target_at(tmp_path, port)), *QUICK, "-t", "5s"]

    with LocustProcess(tmp_path, *options, environment=login) as locust:
        locust.wait_for("All users spawned")
        [simulator] = locust.children()
        environment = Path(f"/proc/{simulator}/environ").read_bytes()
        ended = locust.end()

    assert secret.encode() not in environment and b"CONVOY_" not in environment
    assert b"PATH=" in environment
    assert ended.exit_code == 0, ended.output


STARTS = """
import locust, os, sys
from convoy.prepare.embedded_simulator import EmbeddedSimulator

EmbeddedSimulator(os.environ).ensure(sys.argv[1], "run-1")
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
        starter.wait(DEADLINE_S)

    assert is_up_after_the_fork
    wait_until(lambda: not is_listening(port), lambda: "the simulator is still there")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
