"""Scenario `invalid_messages` against a real simulator: each wrong body and exactly its code."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import yaml

from convoy.plan.payloads import PayloadChoice
from tests.locust_process import ROOT, Ended, run_locust
from tests.simulator_process import SimulatorProcess

SEED = 7
WRONG = ["--scenarios", "invalid_messages", "-t", "4s", "-u", "20", "--rate", "60"]
UNHURRIED = ["--set", "late_after_ms=4000", "--set", "warm_up_s=0", "--seed", str(SEED)]
EXPECTED: dict[str, str] = yaml.safe_load(
    (ROOT / "payloads" / "conversation" / "invalid" / "expected.yaml").read_text("utf-8")
)


def test_every_wrong_body_is_refused_with_exactly_its_code(tmp_path: Path) -> None:
    weights = {f"invalid/{name}": 1.0 for name in EXPECTED}
    choice = PayloadChoice(weights, SEED, "invalid_messages")
    drawn = [choice.template_names((k,))[0].removeprefix("invalid/") for k in range(240)]

    # With one conversation alone, a refusal that retired it would leave the rest unsent.
    with SimulatorProcess("--conversations", "1") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *WRONG, *UNHURRIED)
        ledger = simulator.ledger()

    figures = ended.run["scenarios"]["invalid_messages"]
    assert ended.exit_code == 0, ended.output
    assert ended.run["verdict"] == "pass"
    assert set(drawn) == set(EXPECTED)
    assert figures["sent"] == figures["rejected"] == 240
    assert figures["errors"] == Counter(EXPECTED[name] for name in drawn)
    assert ledger["accepted"] == 0


def test_an_acceptance_that_nobody_expected_is_a_failure_of_its_own(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    right = (ROOT / "payloads" / "conversation" / "text.json").read_text("utf-8")

    ended = run_with_one_template(tmp_path, simulator, right, "400 invalid_payload")

    figures = ended.run["scenarios"]["invalid_messages"]
    assert ended.exit_code == 3, ended.output
    assert figures["accepted"] == figures["sent"] == 240
    assert figures["errors"] == {}
    assert figures["unexpected"] == 240
    assert failures(ended) == {"200 unexpected": 240}
    assert "The target accepted a message that it should have refused" in ended.output
    assert len(ended.run["error_samples"]["200 unexpected"]["samples"]) == 3


def test_another_code_than_the_expected_one_is_a_failure_with_its_code(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    wrong = (ROOT / "payloads" / "conversation" / "invalid" / "to_missing.json").read_text("utf-8")

    ended = run_with_one_template(tmp_path, simulator, wrong, "404 not.found")

    figures = ended.run["scenarios"]["invalid_messages"]
    assert ended.exit_code == 3, ended.output
    assert figures["errors"] == {"400 invalid_payload": 240}
    assert failures(ended) == {"400 invalid_payload": 240}


def test_a_wrong_template_without_an_expectation_is_refused(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    shutil.copytree(ROOT / "payloads", tmp_path / "payloads")
    invalid = tmp_path / "payloads" / "conversation" / "invalid"
    (invalid / "mine.json").write_text("{}", "utf-8")
    drawn = ["--set", "scenario.invalid_messages.payloads.conversation/invalid/mine=1"]
    payloads = {"CONVOY_PAYLOADS_DIR": str(tmp_path / "payloads")}

    ended = run_locust(tmp_path, "-H", simulator.url, *WRONG, *drawn, environment=payloads)

    assert ended.exit_code == 2, ended.output
    assert "expected.yaml, mine: is missing" in ended.output
    assert simulator.ledger()["rejected"] == {}


def run_with_one_template(
    folder: Path, simulator: SimulatorProcess, source: str, expected_code: str
) -> Ended:
    """Run the scenario with `mine.json` alone, expecting this code."""
    invalid = folder / "payloads" / "conversation" / "invalid"
    invalid.mkdir(parents=True)
    (invalid / "mine.json").write_text(source, "utf-8")
    (invalid / "expected.yaml").write_text(f"mine: {expected_code}\n", "utf-8")
    place = "conversation/invalid"
    weights = {f"{place}/{name}": 0.0 for name in EXPECTED} | {f"{place}/mine": 1.0}
    drawn = ["--set", f"scenario.invalid_messages.payloads={json.dumps(weights)}"]
    payloads = {"CONVOY_PAYLOADS_DIR": str(folder / "payloads")}
    return run_locust(folder, "-H", simulator.url, *WRONG, *UNHURRIED, *drawn, environment=payloads)


def failures(ended: Ended) -> dict[str, int]:
    """What Locust's own closing table of failures holds, by code."""
    rows = re.findall(r"^(\d+) +POST invalid_messages: (.+?) *$", ended.output, re.MULTILINE)
    return {code: int(occurrences) for occurrences, code in rows}
