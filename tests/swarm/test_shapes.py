"""Shapes of load besides a constant even rate, and how tokens and limits bear on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    run_locust,
    swarm_ports,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

QUICK = ["-t", "3s", *UNHURRIED, "--set", "warm_up_s=0"]
TWO_WORKERS = ["--processes", "2"]
WORKERS = pytest.mark.parametrize("workers", [[], TWO_WORKERS], ids=["alone", "two workers"])


def test_closed_arrivals_pace_each_user_and_judge_no_delivery(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    closed = ["--set", "arrivals=closed", "--set", "think_time_s=0.2"]

    ended = run_locust(
        tmp_path, "-H", simulator.url, "-u", "4", *closed, *QUICK, *TWO_WORKERS, *swarm_ports()
    )

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["rate_per_s"]["configured"] is None
    assert 8 <= ended.scenario["accepted"] <= 4 * 3 / 0.1
    ledger = simulator.ledger(ended.run["run_id"])
    assert (ledger["accepted"], ledger["duplicates"]) == (ended.scenario["accepted"], 0)


@pytest.fixture(scope="module")
def generous() -> Iterator[SimulatorProcess]:
    """A simulator whose tokens have no limit that a short run could reach."""
    with SimulatorProcess("--token-rate-per-minute", "1000000") as simulator:
        yield simulator


@WORKERS
def test_flat_out_every_user_sends_again_at_once_until_time_is_up(
    tmp_path: Path, generous: SimulatorProcess, workers: list[str]
) -> None:
    flat_out = ["--rate", "max", "-u", "4", "-t", "1s", "--set", "limits=[]"]
    rows = ["--json-file", str(tmp_path / "rows")]

    ended = run_locust(tmp_path, "-H", generous.url, *flat_out, *rows, *workers, *swarm_ports())

    assert ended.exit_code == 0, ended.output
    figures = ended.scenario
    assert figures["accepted"] == figures["scheduled"] > 4 * 5
    assert figures["rate_per_s"]["configured"] is None
    assert (figures["late"], figures["not_sent"]) == ({}, {})
    ledger = generous.ledger(ended.run["run_id"])
    assert (ledger["accepted"], ledger["duplicates"]) == (figures["accepted"], 0)
    [row] = json.loads((tmp_path / "rows.json").read_text())
    assert (row["name"], row["num_requests"]) == ("conversation_messages", figures["sent"])
    assert sum(row["response_times"].values()) == figures["sent"]


def test_flat_out_may_end_after_so_many_messages(
    tmp_path: Path, generous: SimulatorProcess
) -> None:
    flat_out = ["--set", "rate=max", "-u", "4", "-t", "60s", "--set", "messages=30"]

    ended = run_locust(tmp_path, "-H", generous.url, *flat_out)

    assert ended.exit_code == 0, ended.output
    assert generous.ledger(ended.run["run_id"])["accepted"] == ended.scenario["accepted"] == 30
    assert ended.run["duration_s"] < 60
    assert ended.scenario["rate_per_s"]["achieved"] > 30 / 60


def test_flat_out_budgets_are_obeyed(tmp_path: Path) -> None:
    limit = ["--set", "limits=[{scope: token, count: 10, per_s: 60}]", "-u", "4"]

    with SimulatorProcess("--token-rate-per-minute", "10") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, "--rate", "max", "-t", "2s", *limit)

        assert ended.exit_code == 5, ended.output
        assert ended.scenario["sent"] == 40
        assert "the limits will hold rate: max back" in ended.output
        assert "users waited for their limits for " in ended.run["reasons"][0]
        assert simulator.ledger(ended.run["run_id"])["rejected"] == {}


def test_flat_out_scenarios_share_the_users_by_weight(
    tmp_path: Path, generous: SimulatorProcess
) -> None:
    both = ["--scenarios", "conversation_messages,guest_messages", "-u", "4"]
    weights = ["--set", "scenario.guest_messages.weight=3", "--set", "limits=[]"]

    ended = run_locust(tmp_path, "-H", generous.url, "--rate", "max", "-t", "1s", *both, *weights)

    assert ended.exit_code == 0, ended.output
    spawned = ended.output.replace(" ", "")
    assert '"ConversationMessages":1' in spawned and '"GuestMessages":3' in spawned
    assert all(figures["accepted"] > 0 for figures in ended.run["scenarios"].values())


@pytest.mark.parametrize("arrivals", ["even", "closed"])
def test_run_ends_after_so_many_messages(
    tmp_path: Path, simulator: SimulatorProcess, arrivals: str
) -> None:
    most = ["--set", "messages=25", "--set", f"arrivals={arrivals}", "--set", "think_time_s=0.01"]

    ended = run_locust(tmp_path, "-H", simulator.url, "--rate", "40", *most, *QUICK)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 25
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 25


def test_budget_that_is_spent_makes_messages_late_by_cause_limits_and_the_run_invalid(
    tmp_path: Path,
) -> None:
    limit = ["--set", "limits=[{scope: token, count: 10, per_s: 60}]", "-u", "4"]
    hurried = ["-t", "3s", "--rate", "40", "--set", "warm_up_s=0", "--set", "max_lateness_s=1"]

    with SimulatorProcess("--token-rate-per-minute", "10") as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, *limit, *hurried, *TWO_WORKERS, *swarm_ports()
        )

        assert ended.exit_code == 5, ended.output
        assert ended.scenario["sent"] == 40
        assert ended.scenario["not_sent"] == {"limits": 80}
        assert any("budgets of the tokens" in reason for reason in ended.run["reasons"])
        assert simulator.ledger(ended.run["run_id"])["rejected"] == {}


def test_limit_that_is_counted_shows_429_and_sends_all_the_same(tmp_path: Path) -> None:
    with SimulatorProcess("--token-rate-per-minute", "30") as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, "-u", "1", "--set", "on_limit=count", *QUICK
        )

    assert ended.exit_code == 3, ended.output
    assert ended.scenario["sent"] == 60
    assert ended.scenario["errors"] == {"429 too.many.requests.retry.after": 30}


def test_limit_that_stops_ends_the_run_at_the_first_429(tmp_path: Path) -> None:
    with SimulatorProcess("--token-rate-per-minute", "30") as simulator:
        stop = ["--set", "on_limit=stop", "-u", "1", "-t", "60s", "--set", "warm_up_s=0"]

        ended = run_locust(tmp_path, "-H", simulator.url, *stop)

    assert ended.exit_code == 5, ended.output
    assert any("a limit was reached" in reason for reason in ended.run["reasons"])
    assert ended.scenario["accepted"] == 30
    assert ended.scenario["sent"] < 60


def test_revoked_tokens_are_renewed_in_mid_run(tmp_path: Path, simulator: SimulatorProcess) -> None:
    options = ["-H", simulator.url, "-t", "5s", "-u", "5", *UNHURRIED]
    with LocustProcess(tmp_path, "--headless", *options) as locust:
        wait_until(lambda: simulator.ledger()["accepted"] > 60, locust.output)
        requests.post(f"{simulator.url}/simulator/tokens/revoke", timeout=10).raise_for_status()
        ended = locust.end()

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["resent"] > 0
    assert ended.scenario["accepted"] == ended.scenario["scheduled"] == 100


@pytest.mark.parametrize(
    ("tokens", "workers", "tokens_there"),
    [("per_worker", TWO_WORKERS, 2), ("3", TWO_WORKERS, 3)],
    ids=["per worker", "three in all"],
)
def test_users_share_so_many_tokens_and_their_budgets(
    tmp_path: Path, tokens: str, workers: list[str], tokens_there: int
) -> None:
    with SimulatorProcess("--token-rate-per-minute", "10") as simulator:
        options = ["-u", "8", "--rate", "30", "--set", f"oauth.tokens={tokens}"]
        limits = ["--set", "limits=[{scope: token, count: 10, per_s: 60}]"]
        limits += ["--set", "late_after_ms=900", "--set", "max_lateness_s=1"]

        ended = run_locust(
            tmp_path, "-H", simulator.url, *options, *QUICK, *limits, *workers, *swarm_ports()
        )

        assert ended.scenario["sent"] == 10 * tokens_there
        assert simulator.ledger(ended.run["run_id"])["rejected"] == {}


def test_custom_headers_may_not_replace_ours(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, "--set", "headers={Authorization: mine}")

    assert ended.exit_code == 2
    assert "headers" in ended.output and "is set by Convoy itself" in ended.output
