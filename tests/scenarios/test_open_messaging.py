"""Scenario `open_messaging` against a real simulator, which makes the conversations."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from convoy.plan.payloads import PayloadChoice
from tests.locust_process import ROOT, Ended, run_locust, swarm_ports
from tests.simulator.in_process import ACTIVE, INACTIVE, TEXT_ONLY
from tests.simulator_process import SimulatorProcess

PLACE = "scenario.open_messaging"
OPEN = ["--scenarios", "open_messaging", "-t", "3s", "-u", "20", "--rate", "40"]
UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0"]
CUSTOMERS = 7
FEW = ["--set", f"{PLACE}.conversations.count={CUSTOMERS}"]
KEPT = ["--set", f"{PLACE}.variables.customers=kept"]
EVERY_STEP = ["--set", f"{PLACE}.steps=[typing, notification, receipt, quick_reply]"]
NO_CANARY = ["--set", "canary=false"]
PICTURE = ["--set", f"{PLACE}.payloads={{open_message/text: 0, open_message/attachment: 1}}"]
EXPECTED: dict[str, str] = yaml.safe_load(
    (ROOT / "payloads" / "open_message" / "invalid" / "expected.yaml").read_text("utf-8")
)


def figures_of(ended: Ended) -> dict[str, Any]:
    """The scenario's figures, whose equations hold."""
    figures: dict[str, Any] = ended.run["scenarios"]["open_messaging"]
    fates = [figures[name] for name in ("accepted", "rejected", "failed", "unknown")]
    assert figures["scheduled"] == figures["sent"] + sum(figures["not_sent"].values())
    assert figures["sent"] == sum(fates)
    assert sum(figures["errors"].values()) == sum(fates[1:])
    return figures


def conversations_by_customer(folder: Path) -> dict[int, set[str]]:
    """The conversations in the record, by the number of the customer whose message is there."""
    with gzip.open(folder / "runs" / "latest" / "messages.jsonl.gz", "rt") as lines:
        messages = [json.loads(line) for line in lines]
    found: dict[int, set[str]] = {}
    for each in messages:
        found.setdefault(each["k"] % CUSTOMERS, set()).add(each["conversation_id"])
    return found


def test_it_runs_out_of_the_box_against_the_embedded_simulator(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, *OPEN, *UNHURRIED)

    assert ended.exit_code == 0, ended.output
    assert ended.run["target"] == "simulator"
    assert figures_of(ended)["accepted"] == ended.run["far_side"]["accepted"] == 120


@pytest.mark.parametrize(
    ("customers", "is_same"), [([], False), (KEPT, True)], ids=["fresh", "kept"]
)
def test_each_customer_writes_into_a_conversation_of_its_own_new_in_each_run_or_kept(
    tmp_path: Path, simulator: SimulatorProcess, customers: list[str], is_same: bool
) -> None:
    found = []
    for folder, workers in (("alone", []), ("workers", ["--processes", "2", *swarm_ports()])):
        ended = run_locust(
            tmp_path / folder, "-H", simulator.url, *OPEN, *UNHURRIED, *FEW, *customers, *workers
        )
        ledger = simulator.ledger(ended.run["run_id"])
        found.append(conversations_by_customer(tmp_path / folder))

        assert ended.exit_code == 0, ended.output
        assert figures_of(ended)["accepted"] == ledger["accepted"] == 120
        assert ledger["duplicates"] == ended.run["far_side"]["misdirected"] == 0
        # Each customer has one conversation, which nobody else has, and the ledger has the same.
        assert {len(each) for each in found[-1].values()} == {1}
        assert set().union(*found[-1].values()) == ledger["by_conversation"].keys()
        assert len(ledger["by_conversation"]) == CUSTOMERS

    first, second = (set().union(*each.values()) for each in found)
    assert (found[0] == found[1]) == is_same
    assert bool(first & second) == is_same


def test_every_right_template_is_accepted_beside_the_other_dialect_and_no_step_unasked_for(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    names = [path.stem for path in (ROOT / "payloads" / "open_message").glob("*.json")]
    weights = {f"open_message/{name}": 1.0 for name in names}
    drawn = PayloadChoice(weights, 7, "open_messaging").template_names(range(60))
    both = ["--scenarios", "conversation_messages,open_messaging", "--seed", "7"]
    both += ["--set", f"{PLACE}.payloads={json.dumps(weights)}", "--set", f"{PLACE}.steps=[typing]"]

    ended = run_locust(tmp_path, "-H", simulator.url, *OPEN, *UNHURRIED, *both)

    assert len(weights) >= 3 and set(drawn) == set(weights)
    assert ended.exit_code == 0, ended.output
    accepted = {name: each["accepted"] for name, each in ended.run["scenarios"].items()}
    assert accepted == {"conversation_messages": 60, "open_messaging": 60}
    assert figures_of(ended)["steps"].keys() == {"typing"}
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 120
    assert ended.run["far_side"]["accepted"] == 120
    assert ended.run["far_side"]["misdirected"] == 0


def test_the_time_of_a_step_is_the_targets_and_each_step_has_figures_of_its_own(
    tmp_path: Path,
) -> None:
    # The typing event takes longer than a message may leave late, so that each leaves late.
    with SimulatorProcess("--fault", "latency=60ms") as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, *OPEN, *EVERY_STEP, "--set", "late_after_ms=30"
        )
        steps_sent = simulator.ledger(f"{ended.run['run_id']}-steps")

    figures = figures_of(ended)
    assert figures["accepted"] == 120, ended.output
    assert {name: each["count"] for name, each in figures["steps"].items()} == dict.fromkeys(
        ("typing", "notification", "receipt", "quick_reply"), 120
    )
    assert not any(each["errors"] for each in figures["steps"].values())
    assert figures["steps"]["typing"]["time_ms"]["p50"] >= 60
    assert figures["late"].get("target", 0) >= 100, figures["late"]
    assert re.search(r"STEP +open_messaging/quick_reply +120 ", ended.output)
    # Notifications and quick replies are messages, and those of the warm-up come on top.
    assert steps_sent["accepted"] >= 240


def test_a_refused_step_is_counted_by_its_code_and_ends_nothing_else(tmp_path: Path) -> None:
    permission = "demo=conversation:message:receive"

    with SimulatorProcess("--permissions", permission) as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *OPEN, *UNHURRIED, *EVERY_STEP)

    figures = figures_of(ended)
    assert figures["accepted"] == figures["steps"]["typing"]["count"] == 120
    assert figures["steps"]["notification"]["errors"] == {"403 missing.permissions": 120}
    assert figures["steps"]["receipt"]["count"] == 0


def test_a_message_waits_for_room_for_its_steps_too(tmp_path: Path) -> None:
    limit = ["-u", "1", "--set", "limits=[{scope: token, count: 18, per_s: 60}]"]

    with SimulatorProcess("--token-rate-per-minute", "18") as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, *OPEN, *UNHURRIED, *EVERY_STEP, *limit, *NO_CANARY
        )

    figures = figures_of(ended)
    # The fourth message would have room for itself and two of its four steps.
    assert figures["sent"] == figures["accepted"] == 3, ended.output
    assert not any(each["errors"] for each in figures["steps"].values())
    assert figures["not_sent"]["limits"] == 117


def test_every_wrong_body_is_refused_with_exactly_its_code(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    weights = {f"open_message/invalid/{name}": 1.0 for name in EXPECTED}
    drawn = PayloadChoice(weights, 7, "open_messaging").template_names(range(120))
    payloads = json.dumps({"open_message/text": 0.0, **weights})

    ended = run_locust(
        tmp_path,
        *("-H", simulator.url, *OPEN, *UNHURRIED, *EVERY_STEP, "--seed", "7"),
        *("--set", f"{PLACE}.payloads={payloads}"),
    )

    assert ended.exit_code == 0, ended.output
    assert set(drawn) == set(weights)
    assert figures_of(ended)["errors"] == Counter(EXPECTED[name.split("/")[-1]] for name in drawn)
    assert simulator.ledger()["accepted"] == 0


@pytest.mark.parametrize(
    ("options", "client", "exit_code", "told"),
    [
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id=nobody"],
            "demo",
            4,
            "integration_id 'nobody' is not there.*404 not.found.*write one of this organisation's "
            f"into scenario.open_messaging.variables; there are: Convoy open {ACTIVE}, Convoy in",
            id="unknown integration",
        ),
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id={INACTIVE}"],
            "demo",
            4,
            f"'{INACTIVE}' .Convoy inactive. is there, but not active .Inactive.*activate it",
            id="inactive integration",
        ),
        pytest.param(
            ["--set", f"{PLACE}.variables.integration_id={TEXT_ONLY}", *PICTURE],
            "demo",
            4,
            r"canary open_message/attachment: 400 constraint.validation.*attachment.mediaType",
            id="attachment refused",
        ),
        pytest.param(
            [],
            "public-no-permission",
            4,
            r"403 missing.permissions.*\(add conversation:message:receive to a role of the client",
            id="no permission",
        ),
        pytest.param([], "user", 4, "400 not.a.client", id="a user's token"),
        pytest.param(
            ["--set", f"{PLACE}.conversations={{count: null, pick: random}}"],
            "demo",
            4,
            "no customer_id for 1 of 1 conversations.*give `source: none` a `count`",
            id="no number of customers",
        ),
        pytest.param(
            ["--set", f"{PLACE}.steps=[typin]"],
            "demo",
            2,
            "scenario.open_messaging.steps: has no step 'typin'.*did you mean typing",
            id="unknown step",
        ),
        pytest.param(
            ["--set", f"{PLACE}.steps=[receipt]"],
            "demo",
            2,
            "has receipt, which needs notification; name both, or neither",
            id="step without what it needs",
        ),
    ],
)
def test_what_would_fail_every_message_is_named_before_load(
    tmp_path: Path,
    simulator: SimulatorProcess,
    options: list[str],
    client: str,
    exit_code: int,
    told: str,
) -> None:
    credentials = {"CONVOY_CLIENT_ID": client, "CONVOY_CLIENT_SECRET": client}

    ended = run_locust(tmp_path, "-H", simulator.url, *OPEN, *options, environment=credentials)

    assert ended.exit_code == exit_code, ended.output
    assert re.search(told, ended.output, re.DOTALL), ended.output
    assert "Traceback" not in ended.output
    assert simulator.ledger()["accepted"] == 0


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            '"text": ',
            '"content": [{"attachment": {"mediaType": "File", "url": "ftp://a/b", "mime": "a/b"}}],'
            '"text": ',
            r"attachment\.url` is no address with http:// or https://",
            id="address of an attachment",
        ),
        pytest.param(
            "(marker ~",
            '(("a" | filled(512000, "b")) ~ marker ~',
            "512,000 are taken",
            id="body over its limit",
        ),
    ],
)
def test_a_template_that_would_be_refused_is_named_before_load(
    tmp_path: Path, simulator: SimulatorProcess, before: str, after: str, told: str
) -> None:
    source = (ROOT / "payloads" / "open_message" / "text.json").read_text("utf-8")
    folder = tmp_path / "payloads" / "open_message"
    folder.mkdir(parents=True)
    (folder / "text.json").write_text(source.replace(before, after), "utf-8")
    payloads = {"CONVOY_PAYLOADS_DIR": str(tmp_path / "payloads")}

    ended = run_locust(tmp_path, "-H", simulator.url, *OPEN, environment=payloads)

    assert ended.exit_code == 2, ended.output
    assert re.search(told, ended.output), ended.output
    assert simulator.ledger()["accepted"] == 0
