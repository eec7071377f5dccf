"""A run that is ended early, or whose target fails in every way: its account stays true."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.convoy_command import convoy_process
from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    assert_true_account,
    free_port,
    run_locust,
    swarm_ports,
    target_at,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

QUICK = [*UNHURRIED, "--set", "warm_up_s=0.2"]
TWO_WORKERS = ["--processes", "2"]


@pytest.mark.parametrize(
    ("signal_number", "workers"),
    [(signal.SIGINT, TWO_WORKERS), (signal.SIGTERM, TWO_WORKERS), (signal.SIGTERM, [])],
    ids=["SIGINT, two workers", "SIGTERM, two workers", "SIGTERM, alone"],
)
def test_told_to_end_it_says_interrupted_and_loses_nothing(
    tmp_path: Path, simulator: SimulatorProcess, workers: list[str], signal_number: int
) -> None:
    options = ["-H", simulator.url, "-t", "60s", "--rate", "50", *QUICK]

    with LocustProcess(tmp_path, "--headless", *options, *workers, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 30)
        os.kill(locust.process.pid, signal_number)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.run["verdict"] == "invalid"
    assert any("interrupted" in reason for reason in ended.run["reasons"])
    assert_true_account(ended, simulator.ledger(ended.run["run_id"]))
    assert 0 < ended.scenario["accepted"] < 3000


def test_told_to_end_it_says_all_of_it_once(tmp_path: Path) -> None:
    """A simulator of its own takes time to end, in which Locust would shut down once more."""
    target = str(target_at(tmp_path, free_port()))

    with LocustProcess(tmp_path, "--headless", "--target", target, "-t", "60s", *QUICK) as locust:
        locust.wait_for("measuring")
        os.kill(locust.process.pid, signal.SIGTERM)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.output.count("Aggregated") == 2, "each of Locust's two tables once"
    assert ended.output.count("verdict ") == 1


@pytest.mark.parametrize(
    ("switch", "workers"),
    [("file", TWO_WORKERS), ("signal", [])],
    ids=["file, two workers", "signal, alone"],
)
def test_the_kill_switch_ends_a_run_within_a_second_with_its_figures_so_far(
    tmp_path: Path, simulator: SimulatorProcess, workers: list[str], switch: str
) -> None:
    options = ["-H", simulator.url, "-t", "60s", "--rate", "50", *QUICK]

    with LocustProcess(tmp_path, "--headless", *options, *workers, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 30)
        if switch == "file":
            (tmp_path / "runs" / "STOP").touch()
        else:
            os.kill(locust.process.pid, signal.SIGUSR1)
        accepted = simulator.ledger()["accepted"]
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.run["verdict"] == "invalid"
    assert "the kill switch: " in ended.run["reasons"][0]
    assert_true_account(ended, simulator.ledger(ended.run["run_id"]))
    # What is sent in a second after that, and the answer to the question above that came late.
    assert simulator.ledger()["accepted"] - accepted <= 50 + 50


SLOW = ["--fault", "latency=700ms"]
MANY_CANARIES = [
    "--set",
    "scenario.conversation_messages.payloads="
    "{conversation/text: 1, conversation/emoji: 1, conversation/long: 1, conversation/unicode: 1}",
]


def test_the_kill_switch_ends_a_run_that_is_prepared(tmp_path: Path) -> None:
    with SimulatorProcess(*SLOW) as simulator:
        options = ["--headless", "-H", simulator.url, *QUICK, *MANY_CANARIES]
        with LocustProcess(tmp_path, *options) as locust:
            wait_for_accepted(simulator, 1)
            (tmp_path / "runs" / "STOP").touch()
            ended = locust.end()

        assert ended.exit_code == 5, ended.output
        assert "convoy: the kill switch: " in ended.output
        assert "nothing more was sent, and no run begins" in ended.output
        # The one that was on its way, and the answer to the question above that came late.
        assert simulator.ledger()["accepted"] <= 2


@pytest.mark.parametrize(
    ("command", "said"), [("preflight", "failure  kill switch"), ("send", "the kill switch: ")]
)
def test_the_kill_switch_ends_a_command_that_sends(command: str, said: str) -> None:
    with SimulatorProcess(*SLOW) as simulator:
        with convoy_process(command, "-H", simulator.url, *MANY_CANARIES) as process:
            wait_for_accepted(simulator, 1)
            process.send_signal(signal.SIGUSR1)
            output, _ = process.communicate(timeout=120)

        assert process.returncode == 5, output
        assert said in output and "nothing more was sent, and no run begins" in output
        assert simulator.ledger()["accepted"] <= 2


def test_no_run_begins_while_the_kill_switch_is_on(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "STOP").touch()

    ended = run_locust(tmp_path, "-H", simulator.url, *QUICK)

    assert ended.exit_code == 4, ended.output
    assert "runs/STOP is there, which stops every run; remove it" in ended.output
    assert simulator.ledger()["accepted"] == 0


def test_nothing_is_lost_or_counted_twice_with_every_fault_on_and_tokens_revoked(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    faults = ["latency=5ms", "error=503:0.05", "drop=0.03", "truncate=0.03", "stall=1s@2s"]
    options = ["-H", simulator.url, "-t", "7s", "-u", "40", "--rate", "80", *QUICK]

    with LocustProcess(tmp_path, "--headless", *options, *TWO_WORKERS, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 50)
        ask(simulator, "faults", {"faults": faults})
        wait_for_accepted(simulator, 150)
        ask(simulator, "tokens/revoke", {})
        ended = locust.end()

    assert ended.exit_code == 3, ended.output
    assert ended.run["verdict"] == "fail"
    assert ended.scenario["scheduled"] == ended.scenario["sent"] == 560
    assert set(ended.scenario["errors"]) == {"503 service.unavailable", "connection closed"}
    assert ended.scenario["resent"] > 0
    assert_true_account(ended, simulator.ledger(ended.run["run_id"]))


def ask(simulator: SimulatorProcess, path: str, wish: dict[str, Any]) -> None:
    """Have the simulator do something to its guests."""
    requests.post(f"{simulator.url}/simulator/{path}", json=wish, timeout=10).raise_for_status()


def wait_for_accepted(simulator: SimulatorProcess, messages: int) -> None:
    wait_until(
        lambda: simulator.ledger()["accepted"] >= messages,
        lambda: f"{messages} messages accepted, but only {simulator.ledger()['accepted']}",
    )


def test_workers_share_the_rate_at_every_moment(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "2s", "--rate", "5", *QUICK, *TWO_WORKERS]

    ended = run_locust(tmp_path, *options, *swarm_ports())

    assert ended.exit_code == 0, ended.output
    assert [worker["sent"] for worker in ended.run["workers"]] == [5, 5]


def test_interrupted_while_workers_are_waited_for_it_ends_in_a_sentence_and_takes_them_along(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ports = swarm_ports()
    options = ["--master", "--expect-workers", "2", "-H", simulator.url, *QUICK, *ports]
    worker_options = ["--worker", *ports[-2:]]

    with (
        LocustProcess(tmp_path, "--headless", *options) as master,
        LocustProcess(tmp_path / "worker", *worker_options) as worker,
    ):
        master.wait_for("reported as ready")
        os.kill(master.process.pid, signal.SIGINT)
        ended, worker_ended = master.end(), worker.end()

    assert ended.exit_code == 5, ended.output
    assert "interrupted while workers were waited for; no load was started" in ended.output
    assert "Traceback" not in ended.output
    assert worker_ended.exit_code == 0, worker_ended.output
    assert "Got quit message from master" in worker_ended.output
    assert ended.summary is None
    assert simulator.ledger()["accepted"] == 1, "the canary message alone"


def test_interrupted_twice_it_still_says_what_came_of_it(tmp_path: Path) -> None:
    with SimulatorProcess("--fault", "latency=3s") as simulator:
        options = ["-H", simulator.url, "-t", "60s", "--rate", "20", *QUICK]
        with LocustProcess(tmp_path, "--headless", *options) as locust:
            wait_for_accepted(simulator, 20)
            os.kill(locust.process.pid, signal.SIGINT)
            locust.wait_for("Ctrl-C: ending")
            os.kill(locust.process.pid, signal.SIGINT)
            ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert "INVALID" in ended.output
    assert any("a second time" in reason for reason in ended.run["reasons"])
