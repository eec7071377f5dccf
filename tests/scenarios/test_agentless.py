"""Scenario `agentless` against a real simulator: into conversations that go on, and beside them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import requests
import yaml

from convoy.plan.payloads import PayloadChoice
from tests.locust_process import ROOT, run_locust
from tests.scenarios.test_agent_reply import FEW, UNHURRIED, figures_of, token_of
from tests.simulator.in_process import INACTIVE, inbound, open_message
from tests.simulator_process import SimulatorProcess

PLACE = "scenario.agentless"
NOTIFIES = ["--scenarios", "agentless", "-t", "3s", "-u", "10", "--rate", "40"]
BOTH = {"agentless/text": 1.0, "agentless/active": 1.0}


def test_customers_are_notified_without_a_conversation_going_on(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = [*NOTIFIES, *UNHURRIED, "--set", f"{PLACE}.payloads={json.dumps(BOTH)}"]

    ended = run_locust(tmp_path, "-H", simulator.url, *options)

    ledger = simulator.ledger(ended.run["run_id"])
    assert ended.exit_code == 0, ended.output
    assert figures_of(ended, "agentless")["accepted"] == ledger["accepted"] == 120
    assert ended.run["far_side"]["misdirected"] == ledger["duplicates"] == 0


def test_only_what_says_so_goes_into_a_conversation_that_goes_on(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    headers = {"Authorization": f"Bearer {token_of(simulator, 'public')}"}
    url = f"{simulator.url}{inbound()}?prefetchConversationId=true"
    [joined, _] = [
        requests.post(url, json=open_message(each), headers=headers).json()["conversationId"]
        for each in ("kept-0", "kept-notified-0")
    ]
    drawn = Counter(PayloadChoice(BOTH, 7, "agentless").template_names(range(120)))
    options = [*NOTIFIES, *UNHURRIED, "--seed", "7", "--set", "canary=false"]
    options += ["--set", f"{PLACE}.payloads={json.dumps(BOTH)}"]
    options += ["--set", f"{PLACE}.variables.customers=kept"]
    options += ["--set", f"{PLACE}.conversations.count=1"]

    ended = run_locust(tmp_path, "-H", simulator.url, *options)

    assert ended.exit_code == 3, ended.output
    errors = figures_of(ended, "agentless")["errors"]
    assert errors == {"400 active.conversation": drawn["agentless/text"]}
    by_conversation = simulator.ledger(ended.run["run_id"])["by_conversation"]
    assert by_conversation == {joined: drawn["agentless/active"]}


def test_every_wrong_body_that_goes_out_is_refused_with_exactly_its_code(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    scenarios = ("agent_reply", "agentless")
    options = ["--scenarios", ",".join(scenarios), "-t", "4s", "-u", "20", "--rate", "40"]
    errors = {}
    for name in scenarios:
        folder = ROOT / "payloads" / name / "invalid"
        expected: dict[str, str] = yaml.safe_load((folder / "expected.yaml").read_text("utf-8"))
        assert {each.stem for each in folder.glob("*.json")} == expected.keys()
        weights = {f"{name}/invalid/{each}": 1.0 for each in expected}
        drawn = PayloadChoice(weights, 7, name).template_names(range(80))
        assert set(drawn) == set(weights)
        errors[name] = Counter(expected[each.split("/")[-1]] for each in drawn)
        payloads = json.dumps({f"{name}/text": 0.0, **weights})
        options += ["--set", f"scenario.{name}.payloads={payloads}"]

    ended = run_locust(tmp_path, "-H", simulator.url, *options, *UNHURRIED, *FEW, "--seed", "7")

    assert ended.exit_code == 0, ended.output
    assert {name: figures_of(ended, name)["errors"] for name in scenarios} == errors
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 0


@pytest.mark.parametrize(
    ("options", "client", "told"),
    [
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id=nobody"],
            "demo",
            "integration_id 'nobody' is not there.*write one of this organisation's",
            id="unknown integration",
        ),
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id={INACTIVE}"],
            "demo",
            f"integration_id '{INACTIVE}' .* is there, but not active",
            id="inactive integration",
        ),
        pytest.param(
            [],
            "public-no-permission",
            r"403 missing.permissions.*\[conversation:message:create\]",
            id="no permission",
        ),
        pytest.param([], "user", "400 not.a.client", id="a user's token"),
    ],
)
def test_what_would_fail_every_notification_is_named_before_load(
    tmp_path: Path, simulator: SimulatorProcess, options: list[str], client: str, told: str
) -> None:
    credentials = {"CONVOY_CLIENT_ID": client, "CONVOY_CLIENT_SECRET": client}

    ended = run_locust(tmp_path, "-H", simulator.url, *NOTIFIES, *options, environment=credentials)

    assert ended.exit_code == 4, ended.output
    assert re.search(told, ended.output, re.DOTALL), ended.output
    assert "Traceback" not in ended.output
    assert simulator.ledger()["accepted"] == 0
