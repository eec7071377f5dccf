"""The record of a run has the names that other programs rely on, and no secret."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.locust_process import run_locust
from tests.simulator_process import SimulatorProcess

SUMMARY_KEYS = {
    "schema",
    "run_id",
    "verdict",
    "exit_code",
    "reasons",
    "seed",
    "plan_hash",
    "target",
    "profile",
    "started_at",
    "duration_s",
    "scenarios",
    "totals",
    "criteria",
    "workers",
}
SCENARIO_KEYS = {
    "scheduled",
    "sent",
    "accepted",
    "rejected",
    "failed",
    "unknown",
    "resent",
    "late",
    "not_sent",
    "rate_per_s",
    "send_error_ms",
    "response_time_ms",
    "service_time_ms",
    "errors",
}


def test_record_keeps_the_contract_and_no_secret(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    (tmp_path / "secret").write_text("demo\n")
    options = ["-H", simulator.url, "-t", "1s", "--set", "late_after_ms=4000", "-L", "DEBUG"]

    ended = run_locust(tmp_path, *options, environment=login)

    record = tmp_path / "runs" / ended.run["run_id"]
    assert ended.exit_code == 0, ended.output
    assert set(ended.run) >= SUMMARY_KEYS
    assert set(ended.scenario) >= SCENARIO_KEYS
    assert (tmp_path / "runs" / "latest").resolve() == record
    settings = yaml.safe_load((record / "settings.yaml").read_text())
    assert (settings["users"], settings["rate"], settings["run_time_s"]) == (10, 20, 1)
    assert "secret" not in (record / "settings.yaml").read_text().lower()
    assert "Bearer" not in ended.output


def test_wrong_secret_never_appears_anywhere(tmp_path: Path, simulator: SimulatorProcess) -> None:
    secret = "do-not-show-me-4711"
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": secret}

    ended = run_locust(tmp_path, "-H", simulator.url, "-L", "DEBUG", environment=login)

    assert ended.exit_code == 4
    assert secret not in ended.output
