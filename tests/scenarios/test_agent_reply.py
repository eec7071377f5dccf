"""Scenario `agent_reply` against a real simulator: whose token, and where there is what to say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.locust_process import ROOT, Ended, LocustProcess, run_locust
from tests.simulator.in_process import INACTIVE, WITHOUT_AGENT, inbound, open_message
from tests.simulator_process import SimulatorProcess

PLACE = "scenario.agent_reply"
REPLIES = ["--scenarios", "agent_reply", "-t", "3s", "-u", "6", "--rate", "40"]
UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0"]
FEW = ["--set", f"{PLACE}.conversations.count=5"]


def figures_of(ended: Ended, scenario: str = "agent_reply") -> dict[str, Any]:
    """The scenario's figures, whose equations hold."""
    figures: dict[str, Any] = ended.run["scenarios"][scenario]
    fates = [figures[name] for name in ("accepted", "rejected", "failed", "unknown")]
    assert figures["scheduled"] == figures["sent"] + sum(figures["not_sent"].values())
    assert figures["sent"] == sum(fates)
    assert sum(figures["errors"].values()) == sum(fates[1:])
    return figures


def token_of(simulator: SimulatorProcess, client: str, **form: str) -> str:
    grant = form or {"grant_type": "client_credentials"}
    answer = requests.post(f"{simulator.url}/oauth/token", data=grant, auth=(client, client))
    token: str = answer.json()["access_token"]
    return token


def users_token(simulator: SimulatorProcess) -> str:
    form = {"grant_type": "refresh_token", "refresh_token": "public-user"}
    return token_of(simulator, "public-user", **form)


def opened(simulator: SimulatorProcess, customers: int) -> list[str]:
    """The conversations of so many customers, who have all written once."""
    headers = {"Authorization": f"Bearer {token_of(simulator, 'public')}"}
    return [
        requests.post(
            f"{simulator.url}{inbound()}?prefetchConversationId=true",
            json=open_message(f"vu-{number}"),
            headers=headers,
        ).json()["conversationId"]
        for number in range(customers)
    ]


def test_agents_reply_in_conversations_that_were_opened_for_the_run(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    typing = ["--set", f"{PLACE}.steps=[typing]"]

    ended = run_locust(tmp_path, "-H", simulator.url, *REPLIES, *UNHURRIED, *FEW, *typing)

    run_id = ended.run["run_id"]
    ledger, opening = simulator.ledger(run_id), simulator.ledger(f"{run_id}-opened")
    assert ended.exit_code == 0, ended.output
    figures = figures_of(ended)
    assert figures["accepted"] == ledger["accepted"] == 120
    assert (ledger["duplicates"], ended.run["far_side"]["misdirected"]) == (0, 0)
    assert (figures["steps"]["typing"]["count"], figures["steps"]["typing"]["errors"]) == (120, {})
    # What nobody asked for is not measured.
    assert figures["steps"].keys() == {"typing"} and not figures.get("timings")
    # The conversations are those that five new customers have opened, each with one message.
    assert set(opening["by_conversation"].values()) == {1}
    assert opening["by_conversation"].keys() == ledger["by_conversation"].keys()
    assert len(opening["by_conversation"]) == 5


def test_a_reply_is_timed_until_it_is_shown_and_missing_where_it_never_is(tmp_path: Path) -> None:
    wanted = ["--set", f"{PLACE}.steps=[agent_to_customer]", "--set", "request_timeout_s=2"]
    wanted += ["--set", 'criteria=["p50(timing[agent_to_customer]) >= 300ms"]', *FEW]
    shape = ["--scenarios", "agent_reply", "-t", "3s", "-u", "20", "--rate", "20", *UNHURRIED]
    faults = ("--fault", "delay=300ms:1", "--fault", "lose=0.2")

    with SimulatorProcess(*faults) as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *shape, *wanted)
        fates = simulator.ledger(ended.run["run_id"])["after_acceptance"]

    lost = sum(each["what"] == "lost" for each in fates)
    assert ended.exit_code == 0, ended.output
    figures = figures_of(ended)
    timing, step = (figures[each]["agent_to_customer"] for each in ("timings", "steps"))
    assert figures["accepted"] == 60 and 0 < lost < 30
    assert (timing["matched"], timing["missing"]) == (60 - lost, lost)
    assert (step["count"], step["errors"]) == (60, {"404 not.found": lost})
    assert timing["time_ms"]["p50"] >= 300


@pytest.mark.parametrize("source", ["api", "file"])
def test_agents_reply_in_conversations_that_are_there(
    tmp_path: Path, simulator: SimulatorProcess, source: str
) -> None:
    ids = opened(simulator, 4)
    (tmp_path / "pool.csv").write_text("\n".join(["conversation_id", *ids, "no-such-one"]))
    pool = {
        "api": "{source: api, count: null}",
        "file": "{source: file, path: pool.csv, count: null}",
    }
    token = {"CONVOY_USER_TOKEN": users_token(simulator)}
    options = [*REPLIES, *UNHURRIED, "--set", f"{PLACE}.conversations={pool[source]}"]

    # All share one token, which the preflight and the messages may use 300 times a minute.
    ended = run_locust(tmp_path, "-H", simulator.url, *options, environment=token)

    assert ended.exit_code == 0, ended.output
    assert figures_of(ended)["accepted"] == 120
    assert simulator.ledger(ended.run["run_id"])["by_conversation"].keys() == set(ids)


def test_without_a_refresh_token_every_message_after_the_end_says_so_and_nothing_loops(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    opened(simulator, 4)
    token = {"CONVOY_USER_TOKEN": users_token(simulator)}
    pool = ["--set", f"{PLACE}.conversations={{source: api, count: null}}"]
    options = ["--headless", "-H", simulator.url, *REPLIES, *UNHURRIED, *pool]

    with LocustProcess(tmp_path, *options, environment=token) as process:
        process.wait_for("measuring")
        requests.post(f"{simulator.url}/simulator/tokens/revoke")
        ended = process.end()

    figures = figures_of(ended)
    assert ended.exit_code == 3, ended.output
    assert figures["errors"] == {"401 bad.credentials": 120 - figures["accepted"]}
    assert figures["accepted"] < 120 and figures["resent"] == 0
    assert re.search(r"CONVOY_USER_TOKEN\s+is\s+not\s+renewed", ended.output), ended.output


@pytest.mark.parametrize(
    ("options", "environment", "exit_code", "told"),
    [
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id=nobody"],
            {},
            4,
            "integration_id: integration_id 'nobody' is not there",
            id="unknown integration",
        ),
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id={INACTIVE}"],
            {},
            4,
            f"integration_id '{INACTIVE}' .Convoy inactive. is there, but not active",
            id="inactive integration",
        ),
        pytest.param(
            [],
            {
                "CONVOY_CLIENT_ID": "public-no-permission",
                "CONVOY_CLIENT_SECRET": "public-no-permission",
            },
            4,
            "403 missing.permissions.*It takes the permission conversation:message:receive",
            id="no permission to open conversations",
        ),
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id={WITHOUT_AGENT}"]
            + ["--set", "prepare_timeout_s=1"],
            {},
            4,
            "none of the 5 conversations of scenario agent_reply has a communication to reply by",
            id="nobody answers",
        ),
        pytest.param(
            ["--target", "genesys-cloud"],
            {},
            2,
            "CONVOY_USER_TOKEN: is missing, and a scenario writes as a user .*CONVOY_REFRESH_TOKEN",
            id="no user's token",
        ),
        pytest.param(
            ["--set", 'criteria=["p95(timing[agent_to_customer]) < 1s"]'],
            {},
            2,
            "no scenario declares a timing, so there is no .agent_to_customer.",
            id="a timing that is not asked for",
        ),
        pytest.param(
            [], {"CONVOY_REFRESH_TOKEN": "another"}, 4, "400 invalid_grant", id="refresh token"
        ),
        pytest.param(
            [],
            {"CONVOY_USER_TOKEN": "another"},
            4,
            "agent_reply cannot be read: refused with 401 bad.credentials",
            id="user's token",
        ),
        pytest.param(
            [],
            {"CONVOY_PAYLOADS_DIR": "payloads"},
            2,
            r"`textBody` has 2,001 characters; 2,000 are taken",
            id="a text over its limit",
        ),
    ],
)
def test_what_would_fail_every_message_is_named_before_load(
    tmp_path: Path,
    simulator: SimulatorProcess,
    options: list[str],
    environment: dict[str, str],
    exit_code: int,
    told: str,
) -> None:
    source = (ROOT / "payloads" / "agent_reply" / "invalid" / "text_too_long.json").read_text()
    folder = tmp_path / "payloads" / "agent_reply"
    folder.mkdir(parents=True)
    (folder / "text.json").write_text(source)
    where = [] if "--target" in options else ["-H", simulator.url]

    ended = run_locust(tmp_path, *where, *REPLIES, *FEW, *options, environment=environment)

    assert ended.exit_code == exit_code, ended.output
    assert re.search(told, ended.output, re.DOTALL), ended.output
    assert "Traceback" not in ended.output


def test_a_permission_that_is_missing_is_named_before_load(tmp_path: Path) -> None:
    with SimulatorProcess("--permissions", "public-user=conversation:message:view") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *REPLIES, *FEW)

    assert ended.exit_code == 4, ended.output
    assert re.search(
        r"403 missing.any.permissions.*conversation:message:create", ended.output, re.S
    )
