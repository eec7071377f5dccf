"""The embedded default: without a target of one's own Convoy brings its own and takes it away."""

from __future__ import annotations

import socket
from pathlib import Path

from convoy.prepare.embedded_simulator import EmbeddedSimulator
from tests.locust_process import free_port, run_locust
from tests.simulator_process import SimulatorProcess

QUICK = ["-t", "1s", "--set", "late_after_ms=4000", "--set", "warm_up_s=0"]


def test_simulator_is_started_and_stopped_with_the_run(tmp_path: Path) -> None:
    port = free_port()

    ended = run_locust(tmp_path, "--target", str(target_at(tmp_path, port)), *QUICK)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 20
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


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


def target_at(folder: Path, port: int) -> Path:
    url = f"http://127.0.0.1:{port}"
    target = folder / "embedded.yaml"
    target.write_text(
        f"target: {{name: simulator, api_url: '{url}', login_url: '{url}',"
        " embedded_simulator: true}\n"
    )
    return target
