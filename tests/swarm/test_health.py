"""A generator that cannot keep up says so, and does not blame its own slowness on the target."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    run_locust,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

BLOCKING = """
import time

from locust import events

from locustfile import *


def block(**_):
    until_s = time.perf_counter() + 0.1
    while time.perf_counter() < until_s:
        pass


events.request.add_listener(block)
"""
"""The usual locustfile, and a listener that holds up the loop for a tenth of a second a message."""


def test_healthy_generator_says_so_in_one_line(tmp_path: Path, simulator: SimulatorProcess) -> None:
    unhurried = [*UNHURRIED, "--set", "warm_up_s=0"]

    ended = run_locust(tmp_path, "-H", simulator.url, "-t", "3s", *unhurried)

    assert ended.exit_code == 0, ended.output
    [line] = [line for line in ended.output.splitlines() if line.startswith("  generator ")]
    assert "% of a core" in line and "loop lag p99" in line
    [worker] = ended.run["workers"]
    assert 2 < worker["health"]["measured_s"] < 10
    assert 0 < worker["health"]["cpu_share"]["mean"] <= worker["health"]["cpu_share"]["max"]
    assert worker["health"]["loop_lag_ms"]["max"] > 0


def test_listener_that_blocks_the_loop_makes_the_run_invalid_with_the_evidence(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    locustfile = tmp_path / "blocking.py"
    locustfile.write_text(BLOCKING)
    options = ["-H", simulator.url, "-t", "4s", "--rate", "5", "--set", "warm_up_s=0"]

    ended = run_locust(tmp_path, "-f", str(locustfile), *options)

    assert ended.exit_code == 5, ended.output
    assert ended.run["verdict"] == "invalid"
    assert ended.run["generator"]["state"] == "too slow"
    [reason] = [each for each in ended.run["reasons"] if "generator's own" in each]
    assert "worker local" in reason and "10 ms late" in reason and "more workers" in reason
    [worker] = ended.run["workers"]
    assert worker["health"]["loop_late_s"] > 0.25
    assert "max" in ended.scenario["response_time_ms"]["ours"]
    assert "* may be the generator's own lag" in ended.output


def test_process_that_was_stopped_for_a_while_says_for_how_long(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "6s", "--rate", "20"]

    with LocustProcess(tmp_path, "--headless", *options) as locust:
        wait_until(lambda: simulator.ledger()["accepted"] > 60, locust.output)
        os.kill(locust.process.pid, signal.SIGSTOP)
        time.sleep(1.5)  # how long it stands still is what is tested
        os.kill(locust.process.pid, signal.SIGCONT)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.run["generator"]["state"] == "too slow"
    [warning] = [each for each in ended.run["generator"]["warnings"] if "stood still" in each]
    assert "worker local" in warning and warning in ended.output
    assert ended.run["workers"][0]["health"]["loop_lag_ms"]["max"] > 1000


def test_flat_out_a_busy_core_is_by_design(tmp_path: Path) -> None:
    flat_out = ["--rate", "max", "--set", "limits=[]"]

    with SimulatorProcess("--token-rate-per-minute", "1000000") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, "-t", "3s", "-u", "10", *flat_out)

    assert ended.exit_code == 0, ended.output
    assert ended.run["generator"]["state"] == "flat out"
    assert "a busy core is by design" in ended.output


def test_flat_out_a_run_that_waited_for_its_limits_is_invalid(tmp_path: Path) -> None:
    flat_out = ["--rate", "max", "--set", "limits=[]"]

    with SimulatorProcess("--token-rate-per-minute", "100") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, "-t", "3s", "-u", "2", *flat_out)

    assert ended.exit_code == 5, ended.output
    [reason] = ended.run["reasons"]
    assert reason.startswith("users waited for their limits for ")
