"""Every due message is sent once, alone and with workers, and the same one to the same place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.locust_process import (
    ROOT,
    UNHURRIED,
    run_locust,
    swarm_ports,
)
from tests.recording_relay import RecordingRelay, SentMessage
from tests.simulator_process import SimulatorProcess

QUICK = [*UNHURRIED, "--set", "warm_up_s=0.2"]
ALONE: list[str] = []
TWO_WORKERS = ["--processes", "2"]
EVERY_TEMPLATE = json.dumps(
    {f"conversation/{path.stem}": 1.0 for path in (ROOT / "payloads/conversation").glob("*.json")}
)


@pytest.mark.parametrize(
    ("rate", "users", "messages", "workers"),
    [("1", "10", 3, TWO_WORKERS), ("100", "50", 300, TWO_WORKERS), ("100", "50", 300, ALONE)],
    ids=["1 a second, two workers", "100 a second, two workers", "100 a second, alone"],
)
def test_ledger_holds_every_due_message_once(
    tmp_path: Path,
    simulator: SimulatorProcess,
    rate: str,
    users: str,
    messages: int,
    workers: list[str],
) -> None:
    options = ["-H", simulator.url, "-t", "3s", "-u", users, "--rate", rate]

    ended = run_locust(tmp_path, *options, *QUICK, *workers, *swarm_ports())

    ledger = simulator.ledger(ended.run["run_id"])
    assert ended.exit_code == 0, ended.output
    assert ended.run["verdict"] == "pass"
    counts = {name: ended.scenario[name] for name in ("scheduled", "sent", "accepted")}
    assert counts == {"scheduled": messages, "sent": messages, "accepted": messages}
    assert (ledger["accepted"], ledger["duplicates"]) == (messages, 0)


def test_same_message_goes_to_same_conversation_with_one_two_and_five_workers(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = [
        *("--rate", "60", "--set", "arrivals=poisson", "--set", "messages=80"),
        *("--scenarios", "conversation_messages,guest_messages"),
        *("--set", "scenario.conversation_messages.conversations.pick=zipf"),
        *("--set", f"scenario.conversation_messages.payloads={EVERY_TEMPLATE}"),
    ]

    one, two, five = (
        messages_by_number(tmp_path / workers, simulator, *options, "--processes", workers)
        for workers in ("1", "2", "5")
    )

    assert len(one) == 160
    assert two == one
    assert five == one


def test_a_ramp_delivers_its_messages_though_users_appear_slowly_and_a_warm_up_goes_before(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    stages = "stages=[{rate: 10, to: 50, for_s: 2}, {rate: 50, for_s: 1}]"
    slowly = ["-u", "8", "-r", "4", "--set", stages, *QUICK, "--set", "warm_up_s=1"]

    ended = run_locust(tmp_path, "-H", simulator.url, *slowly)

    run_id = ended.run["run_id"]
    assert ended.exit_code == 0, ended.output
    assert simulator.ledger(run_id)["accepted"] == ended.scenario["accepted"] == 110
    assert simulator.ledger(f"{run_id}-warmup")["accepted"] > 0


def messages_by_number(
    folder: Path, simulator: SimulatorProcess, *options: str
) -> dict[tuple[str, int], SentMessage]:
    """Run one fixed plan; return where each message went and what it said, marker aside."""
    fixed = ["-t", "3s", "-u", "20", "--seed", "7"]
    with RecordingRelay(simulator) as relay:
        ended = run_locust(folder, "-H", relay.url, *fixed, *options, *QUICK, *swarm_ports())
        assert ended.exit_code == 0, ended.output
        return relay.messages(ended.run["run_id"])
