"""Scenario `guest_messages` against a real simulator: the second route, with a guest's own id."""

from __future__ import annotations

from pathlib import Path

from tests.locust_process import run_locust, swarm_ports
from tests.simulator_process import SimulatorProcess

GUESTS = ["--scenarios", "guest_messages", "-t", "2s", "-u", "20", "--rate", "40"]
UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0"]
NO_CANARY = ["--set", "canary=false"]
PLACE = "scenario.guest_messages.conversations"


def test_guests_write_into_their_own_conversations(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ended = run_locust(tmp_path, "-H", simulator.url, *GUESTS, *UNHURRIED)

    assert ended.exit_code == 0, ended.output
    assert ended.run["scenarios"]["guest_messages"]["accepted"] == 80
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 80


def test_both_routes_can_be_loaded_in_one_run(tmp_path: Path, simulator: SimulatorProcess) -> None:
    both = ["--scenarios", "conversation_messages,guest_messages", "--processes", "2"]

    ended = run_locust(tmp_path, "-H", simulator.url, *GUESTS, *UNHURRIED, *both, *swarm_ports())

    assert ended.exit_code == 0, ended.output
    accepted = {name: each["accepted"] for name, each in ended.run["scenarios"].items()}
    assert accepted == {"conversation_messages": 40, "guest_messages": 40}


def test_a_pool_without_customers_is_refused_before_any_load(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ids = ["--set", f"{PLACE}={{source: inline, ids: [conversation-1, conversation-2]}}"]

    ended = run_locust(tmp_path, "-H", simulator.url, *GUESTS, *ids)

    assert ended.exit_code == 4, ended.output
    assert "pool of scenario guest_messages has no customer_id for 2 of 2" in ended.output
    assert "Traceback" not in ended.output
    assert simulator.ledger()["accepted"] == 0


def test_the_customers_of_a_pool_file_are_used(tmp_path: Path, simulator: SimulatorProcess) -> None:
    (tmp_path / "pool.csv").write_text("conversation_id,customer_id\nnobodys,somebody\n")
    pool = ["--set", f"{PLACE}={{source: file, path: pool.csv}}"]

    ended = run_locust(tmp_path, "-H", simulator.url, *GUESTS, *UNHURRIED, *pool, *NO_CANARY)

    assert ended.run["scenarios"]["guest_messages"]["errors"].keys() == {
        "404 conversation.error.conversation.not.found"
    }
