"""Every due message is sent once, alone and with workers, and the same one to the same place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.locust_process import ROOT, run_locust, swarm_ports
from tests.recording_relay import RecordingRelay, SentMessage
from tests.simulator_process import SimulatorProcess

UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0.2"]
ALONE: list[str] = []
TWO_WORKERS = ["--processes", "2"]
EVERY_TEMPLATE = json.dumps(
    {f"conversation/{path.stem}": 1.0 for path in (ROOT / "payloads/conversation").glob("*.json")}
)


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


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (["--rate", "50"], 150),
        (
            [
                *("--rate", "60", "--set", "arrivals=poisson", "--set", "messages=80"),
                *("--scenarios", "conversation_messages,guest_messages"),
                *("--set", "scenario.conversation_messages.conversations.pick=zipf"),
                *("--set", f"scenario.conversation_messages.payloads={EVERY_TEMPLATE}"),
            ],
            160,
        ),
    ],
    ids=["evenly, picked at random", "poisson on both routes, zipf, every template"],
)
def test_same_message_goes_to_same_conversation_with_one_two_and_five_workers(
    tmp_path: Path, simulator: SimulatorProcess, options: list[str], messages: int
) -> None:
    one, two, five = (
        messages_by_number(tmp_path / workers, simulator, *options, "--processes", workers)
        for workers in ("1", "2", "5")
    )

    assert len(one) == messages
    assert two == one
    assert five == one


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


def messages_by_number(
    folder: Path, simulator: SimulatorProcess, *options: str
) -> dict[tuple[str, int], SentMessage]:
    """Run one fixed plan; return where each message went and what it said, marker aside."""
    fixed = ["-t", "3s", "-u", "20", "--seed", "7"]
    with RecordingRelay(simulator) as relay:
        ended = run_locust(folder, "-H", relay.url, *fixed, *options, *UNHURRIED, *swarm_ports())
        assert ended.exit_code == 0, ended.output
        return relay.messages(ended.run["run_id"])
