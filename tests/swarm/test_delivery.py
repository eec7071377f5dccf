"""Every due message is sent once, alone and with workers, and the same one to the same place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.locust_process import run_locust, swarm_ports
from tests.simulator_process import SimulatorProcess

UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0.2"]
ALONE: list[str] = []
TWO_WORKERS = ["--processes", "2"]


@pytest.mark.parametrize("workers", [ALONE, TWO_WORKERS], ids=["alone", "two workers"])
@pytest.mark.parametrize(
    ("rate", "users", "messages"),
    [("1", "10", 3), ("50", "20", 150), ("500", "200", 1500)],
    ids=["1 a second", "50 a second", "500 a second"],
)
def test_ledger_holds_every_due_message_once(
    tmp_path: Path,
    simulator: SimulatorProcess,
    workers: list[str],
    rate: str,
    users: str,
    messages: int,
) -> None:
    options = ["-H", simulator.url, "-t", "3s", "-u", users, "--rate", rate]

    ended = run_locust(tmp_path, *options, *UNHURRIED, *workers, *swarm_ports())

    ledger = simulator.ledger(ended.run["run_id"])
    assert ended.exit_code == 0, ended.output
    assert ended.run["verdict"] == "pass"
    counts = {name: ended.scenario[name] for name in ("scheduled", "sent", "accepted")}
    assert counts == {"scheduled": messages, "sent": messages, "accepted": messages}
    assert (ledger["accepted"], ledger["duplicates"]) == (messages, 0)


def test_same_message_goes_to_same_conversation_with_one_and_with_two_workers(
    tmp_path: Path,
) -> None:
    one = messages_by_number(tmp_path / "one", "--processes", "1")
    two = messages_by_number(tmp_path / "two", "--processes", "2")

    assert len(one) == 150
    assert one == two


def test_ramp_delivers_exactly_its_messages(tmp_path: Path, simulator: SimulatorProcess) -> None:
    stages = "stages=[{rate: 10, to: 50, for_s: 2}, {rate: 50, for_s: 1}]"

    ended = run_locust(tmp_path, "-H", simulator.url, "--set", stages, *UNHURRIED)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 110
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 110


def test_warm_up_messages_carry_a_run_id_of_their_own(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "2s", *UNHURRIED, "--set", "warm_up_s=1"]

    ended = run_locust(tmp_path, *options)

    run_id = ended.run["run_id"]
    assert simulator.ledger(run_id)["accepted"] == ended.scenario["accepted"] == 40
    assert simulator.ledger(f"{run_id}-warmup")["accepted"] > 0


def test_users_that_appear_slowly_do_not_eat_the_run(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-u", "8", "-r", "4", "-t", "2s"]

    ended = run_locust(tmp_path, *options, *UNHURRIED)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 40


def test_approval_of_the_target_caps_the_rate(tmp_path: Path, simulator: SimulatorProcess) -> None:
    target = tmp_path / "approved.yaml"
    target.write_text(
        f"target: {{name: approved, api_url: '{simulator.url}', login_url: '{simulator.url}',"
        " approval: {ticket: T-1, organisation_id: an-organisation, highest_rate: 5}}\n"
    )
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}

    ended = run_locust(tmp_path, "--target", str(target), "-t", "2s", *UNHURRIED, environment=login)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["scheduled"] == 10
    assert "T-1" in ended.output


def messages_by_number(folder: Path, *workers: str) -> dict[int, str]:
    """Run one fixed plan and return `{k: conversation}` as the far side has it."""
    ledger_file = folder / "ledger.jsonl"
    folder.mkdir()
    with SimulatorProcess("--ledger-file", str(ledger_file)) as simulator:
        options = ["-H", simulator.url, "-t", "3s", "-u", "10", "--rate", "50", "--seed", "7"]
        ended = run_locust(folder, *options, *UNHURRIED, *workers, *swarm_ports())
    assert ended.exit_code == 0, ended.output
    entries = [json.loads(line) for line in ledger_file.read_text().splitlines()]
    return {
        entry["k"]: entry["conversation_id"]
        for entry in entries
        if entry["run_id"] == ended.run["run_id"]
    }
