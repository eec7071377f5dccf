"""Profile `mixed_day`: customers, agents and notifications at once, each with its kind of token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.locust_process import ROOT, run_locust, swarm_ports
from tests.scenarios.test_agent_reply import figures_of
from tests.simulator_process import SimulatorProcess

SECONDS_FOR_ONE = 15
SHARES = {"open_messaging": 0.6, "agent_reply": 0.3, "agentless": 0.1}


def shortened(profile: dict[str, Any]) -> dict[str, Any]:
    """The profile, a quarter of a minute made a second, on a machine that others use, too."""
    for stage in profile["stages"]:
        stage["for_s"] /= SECONDS_FOR_ONE
    profile["run_time_s"] /= SECONDS_FOR_ONE
    profile["scenario"]["agent_reply"]["steps"].append("agent_to_customer")
    return profile | {"warm_up_s": 0.5, "late_after_ms": 4000}


def test_the_three_run_together_on_two_workers_while_tokens_of_both_kinds_expire(
    tmp_path: Path,
) -> None:
    profile = yaml.safe_load((ROOT / "config" / "profiles" / "mixed_day.yaml").read_text("utf-8"))
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(shortened(profile)), "utf-8")
    workers = ["--processes", "2", *swarm_ports()]

    with SimulatorProcess("--token-lifetime-s", "3") as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, "--load-profile", "quick.yaml", "-u", "12", *workers
        )
        run_id = ended.run["run_id"]
        ledger, opened = (simulator.ledger(each) for each in (run_id, f"{run_id}-opened"))

    assert ended.exit_code == 0, ended.output
    assert {each["verdict"] for each in ended.run["criteria"]} == {"pass"}
    figures = {name: figures_of(ended, name) for name in SHARES}
    assert all(each["errors"] == {} for each in figures.values())
    accepted = {name: each["accepted"] for name, each in figures.items()}
    assert sum(accepted.values()) == ledger["accepted"] == ended.run["far_side"]["accepted"]
    assert (ledger["duplicates"], ended.run["far_side"]["misdirected"]) == (0, 0)
    for name, share in SHARES.items():
        assert abs(accepted[name] - share * ledger["accepted"]) <= 3, accepted
    # Agents replied where customers had written before load, and every reply was seen.
    in_opened = {id: ledger["by_conversation"][id] for id in opened["by_conversation"]}
    assert sum(in_opened.values()) == accepted["agent_reply"] and len(in_opened) == 20
    timing = figures["agent_reply"]["timings"]["agent_to_customer"]
    assert (timing["matched"], timing["missing"]) == (accepted["agent_reply"], 0)
    assert not any(each["errors"] for each in figures["agent_reply"]["steps"].values())
