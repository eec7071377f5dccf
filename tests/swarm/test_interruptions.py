"""Whatever ends or joins in mid-run, the account stays true and the verdict says what happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.locust_process import Ended, LocustProcess, run_locust, swarm_ports, wait_until
from tests.simulator_process import SimulatorProcess

UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0.2"]
TWO_WORKERS = ["--processes", "2"]
SOME_FAILURES_SHOWN = r"conversation_messages +\d+ +[1-9]\d*\("


@pytest.mark.parametrize("workers", [[], TWO_WORKERS], ids=["alone", "two workers"])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_says_interrupted_and_loses_nothing(
    tmp_path: Path, simulator: SimulatorProcess, workers: list[str], signal_number: int
) -> None:
    options = ["-H", simulator.url, "-t", "60s", "--rate", "50", *UNHURRIED]

    with LocustProcess(tmp_path, "--headless", *options, *workers, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 30)
        os.kill(locust.process.pid, signal_number)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.run["verdict"] == "invalid"
    assert any("interrupted" in reason for reason in ended.run["reasons"])
    assert_true_account(ended, simulator)
    assert 0 < ended.scenario["accepted"] < 3000


def test_worker_told_to_end_hands_its_lanes_over_and_nothing_is_lost(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "8s", "-u", "20", "--rate", "50", *UNHURRIED]

    with LocustProcess(tmp_path, "--headless", *options, *TWO_WORKERS, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 50)
        os.kill(locust.children()[0], signal.SIGTERM)
        ended = locust.end()

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 400
    assert_true_account(ended, simulator)
    assert [worker["state"] for worker in ended.run["workers"]] == ["reported", "reported"]


def test_killed_worker_makes_the_run_invalid_and_its_messages_unknown(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "10s", "-u", "20", "--rate", "50", *UNHURRIED]

    with LocustProcess(tmp_path, "--headless", *options, *TWO_WORKERS, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 50)
        os.kill(locust.children()[0], signal.SIGKILL)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert any("was lost" in reason for reason in ended.run["reasons"])
    assert ended.scenario["scheduled"] == 500
    assert ended.scenario["errors"]["worker lost"] == ended.scenario["unknown"] > 0
    assert_true_account(ended, simulator)
    assert sorted(worker["state"] for worker in ended.run["workers"]) == ["lost", "reported"]


def test_worker_that_joins_in_mid_run_takes_its_share(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ports = swarm_ports()
    master_port = ports[-1]
    options = ["-H", simulator.url, "-t", "12s", "-u", "20", "--rate", "50", *UNHURRIED]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", master_port]

    with (
        LocustProcess(
            tmp_path / "master", "--headless", "--master", "--expect-workers", "1", *options, *ports
        ) as master,
        LocustProcess(tmp_path / "first", *worker),
    ):
        wait_for_accepted(simulator, 50)
        with LocustProcess(tmp_path / "second", *worker):
            ended = master.end()

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 600
    assert_true_account(ended, simulator)
    assert [worker["sent"] > 20 for worker in ended.run["workers"]] == [True, True]


def test_simulator_that_dies_and_comes_back_leaves_a_true_account(tmp_path: Path) -> None:
    ledger_file = str(tmp_path / "ledger.jsonl")
    options = ["-t", "10s", "-u", "20", "--rate", "50", *UNHURRIED]

    with (
        SimulatorProcess("--ledger-file", ledger_file) as first,
        LocustProcess(tmp_path, "--headless", "-H", first.url, *options) as locust,
    ):
        wait_for_accepted(first, 50)
        first.kill()
        locust.wait_for(SOME_FAILURES_SHOWN)
        with SimulatorProcess("--ledger-file", ledger_file, port=first.port) as second:
            ended = locust.end()

            assert ended.exit_code == 3, ended.output
            assert ended.run["verdict"] == "fail"
            assert ended.scenario["scheduled"] == 500
            assert ended.scenario["errors"]["connection refused"] > 0
            assert ended.scenario["accepted"] > 100
            assert_true_account(ended, second)


@pytest.mark.parametrize("workers", [[], TWO_WORKERS], ids=["alone", "two workers"])
def test_nothing_is_lost_or_counted_twice_with_every_fault_on_and_tokens_revoked(
    tmp_path: Path, simulator: SimulatorProcess, workers: list[str]
) -> None:
    faults = ["latency=5ms", "error=503:0.05", "drop=0.03", "truncate=0.03", "stall=1s@2s"]
    options = ["-H", simulator.url, "-t", "9s", "-u", "40", "--rate", "100", *UNHURRIED]

    with LocustProcess(tmp_path, "--headless", *options, *workers, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 50)
        ask(simulator, "faults", {"faults": faults})
        wait_for_accepted(simulator, 150)
        ask(simulator, "tokens/revoke", {})
        ended = locust.end()

    assert ended.exit_code == 3, ended.output
    assert ended.run["verdict"] == "fail"
    assert ended.scenario["scheduled"] == ended.scenario["sent"] == 900
    assert set(ended.scenario["errors"]) == {"503 service.unavailable", "connection closed"}
    assert ended.scenario["resent"] > 0
    assert_true_account(ended, simulator)


def assert_true_account(ended: Ended, simulator: SimulatorProcess) -> None:
    """The equations of the accounting hold, also against what the far side has."""
    figures: dict[str, Any] = ended.scenario
    ledger = simulator.ledger(ended.run["run_id"])
    fates = [figures[name] for name in ("accepted", "rejected", "failed", "unknown")]
    assert figures["scheduled"] == figures["sent"] + sum(figures["not_sent"].values())
    assert figures["sent"] == sum(fates)
    assert sum(figures["errors"].values()) == sum(fates[1:])
    assert figures["accepted"] <= ledger["accepted"] <= figures["accepted"] + figures["unknown"]
    assert ledger["duplicates"] == 0


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
    options = ["-H", simulator.url, "-t", "4s", "--rate", "5", *UNHURRIED, *TWO_WORKERS]

    ended = run_locust(tmp_path, *options, *swarm_ports())

    assert ended.exit_code == 0, ended.output
    assert [worker["sent"] for worker in ended.run["workers"]] == [10, 10]


def test_worker_that_is_paused_and_comes_back_sends_nothing_twice(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "14s", "-u", "20", "--rate", "50", *UNHURRIED]

    with LocustProcess(tmp_path, "--headless", *options, *TWO_WORKERS, *swarm_ports()) as locust:
        wait_for_accepted(simulator, 50)
        worker = locust.children()[0]
        os.kill(worker, signal.SIGSTOP)
        locust.wait_for("was lost")
        os.kill(worker, signal.SIGCONT)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.scenario["scheduled"] == 700
    assert_true_account(ended, simulator)


def test_interrupted_twice_it_still_says_what_came_of_it(tmp_path: Path) -> None:
    with SimulatorProcess("--fault", "latency=3s") as simulator:
        options = ["-H", simulator.url, "-t", "60s", "--rate", "20", *UNHURRIED]
        with LocustProcess(tmp_path, "--headless", *options) as locust:
            wait_for_accepted(simulator, 20)
            os.kill(locust.process.pid, signal.SIGINT)
            locust.wait_for("Ctrl-C: ending")
            os.kill(locust.process.pid, signal.SIGINT)
            ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert "INVALID" in ended.output
    assert any("a second time" in reason for reason in ended.run["reasons"])
