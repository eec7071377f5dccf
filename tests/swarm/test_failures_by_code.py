"""Failures appear in Locust's own table by scenario and error code, one row for each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.locust_process import (
    ROOT,
    UNHURRIED,
    clean_environment,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

FAILURE_ROW = r"(?m)^(\d+) +POST conversation_messages: (.+?) *$"
THREE_THOUSAND_FAILURES = """
import locust
from locust.env import Environment
from convoy.plugin.rows import MessageFailure

environment = Environment()
environment.create_local_runner()
codes = ["400 invalid_payload", "503 service.unavailable", "connection refused"]
for number in range(3_000):
    environment.events.request.fire(
        request_type="POST", name="conversation_messages", response_time=1.0, response_length=0,
        exception=MessageFailure(codes[number % 3]), context={},
    )
for error in environment.stats.errors.values():
    print(f"{error.name}|{error.to_dict()['error']}|{error.occurrences}")
"""


def test_3_000_failures_of_three_causes_are_three_rows() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", THREE_THOUSAND_FAILURES],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert sorted(ended.stdout.splitlines()) == [
        "conversation_messages|400 invalid_payload|1000",
        "conversation_messages|503 service.unavailable|1000",
        "conversation_messages|connection refused|1000",
    ]


def test_rows_of_a_swarm_agree_with_the_summary(tmp_path: Path) -> None:
    options = ["-t", "4s", "-u", "20", "--rate", "60", "--processes", "2"]
    unhurried = [*UNHURRIED, "--set", "warm_up_s=0"]

    with SimulatorProcess("--fault", "error=503:0.1", "--fault", "drop=0.1") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *options, *unhurried, *swarm_ports())

    shown = {code: int(count) for count, code in re.findall(FAILURE_ROW, ended.output)}
    assert shown == ended.scenario["errors"], ended.output
    assert set(shown) == {"503 service.unavailable", "connection closed"}
