"""Guests hold dialogues with the simulator's bot: good ones, failing ones, and too long ones."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from convoy.plan.payloads import PayloadChoice
from convoy.prepare.dialogues import FOLDER
from tests.locust_process import run_locust
from tests.simulator_process import SimulatorProcess

MESSAGES, SEED = 30, 7
BOT = """
- when: Where
  say: [One moment, {text: "Which one?", quick_replies: [Red, Blue]}]
- when: ^Blue$
  say: ["{text}, then"]
- say: [I see]
"""
DIALOGUES = {
    "good": """
- say: Where is it? {{ marker }}
- expect: {contains: Which, offers: [Red, Blue]}
  within: 20s
- expect: {equals: One moment}
  within: 20s
- wait: 50ms
- choose: Blue
- expect: {matches: "^Blue"}
  within: 20s
  step: colour
- typing: {characters_per_s: 200, spread: 0.5}
- say: Number {{ number(10, 99) }}
- attach: bill.txt
- expect: any
  within: 20s
- close
""",
    "wrong": """
- say: Hello {{ marker }}
- expect: {equals: Hello}
  within: 400ms
- say: Hello?
- expect: any
  within: 20s
""",
    "long": """
- say: Hello {{ marker }}
- expect: any
  within: 20s
- wait: 60s
- say: Hello?
- close
""",
}
SETTINGS = {
    "scenarios": "[guest_chat]",
    "scenario.guest_chat.dialogues": f"{{{', '.join(f'{name}: 1' for name in DIALOGUES)}}}",
    "seed": str(SEED),
    "warm_up_s": "0.5",
    "request_timeout_s": "5",
    "late_after_ms": "4000",
}


def test_dialogues_are_held_and_what_fails_in_them_is_counted(
    tmp_path: Path, repository: Path
) -> None:
    payloads = tmp_path / "payloads"
    shutil.copytree(repository / "payloads", payloads)
    for name, text in DIALOGUES.items():
        (payloads / FOLDER / f"{name}.yaml").write_text(text, "utf-8")
    (payloads / FOLDER / "bill.txt").write_text("Bill", "utf-8")
    (tmp_path / "bot.yaml").write_text(BOT, "utf-8")
    given = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    shape = ["-t", "3s", "-u", "60", "--rate", "10"]

    with SimulatorProcess("--bot", str(tmp_path / "bot.yaml"), "--bot-delay", "5ms") as simulator:
        environment = {"CONVOY_PAYLOADS_DIR": str(payloads)}
        ended = run_locust(tmp_path, "-H", simulator.url, *shape, *given, environment=environment)
        ledger = simulator.ledger(ended.run["run_id"])

    weights = {f"{FOLDER}/{name}": 1.0 for name in DIALOGUES}
    chosen = PayloadChoice(weights, SEED, "guest_chat").template_names(range(MESSAGES))
    good, wrong, long = (Counter(chosen)[name] for name in weights)
    assert min(good, wrong, long) > 3

    assert (ended.exit_code, ended.run["verdict"]) == (3, "fail"), ended.output
    [broken] = [each for each in ended.run["criteria"] if each["verdict"] == "fail"]
    assert broken["criterion"] == "share(failures[*], guest_chat/dialogue) < 1%"
    figures: dict[str, Any] = ended.run["scenarios"]["guest_chat"]
    fates = ("scheduled", "sent", "accepted", "rejected", "failed", "unknown")
    assert [figures[name] for name in fates] == [MESSAGES, MESSAGES, MESSAGES, 0, 0, 0]
    assert (ledger["accepted"], ledger["duplicates"]) == (MESSAGES, 0)
    assert figures["timings"]["first_reply"]["matched"] == MESSAGES

    steps = figures["steps"]
    assert {name: (each["count"], each["errors"]) for name, each in steps.items()} == {
        "connect": (good + wrong, {}),
        "configure": (good + wrong, {}),
        "reconnect": (0, {}),
        "disturbance": (0, {}),
        "dialogue": (MESSAGES, {"expect.other_text": wrong, "stopped": long}),
        "expect": (3 * good + wrong + long, {"expect.other_text": wrong}),
        "choose": (good, {}),
        "colour": (good, {}),
        "typing": (good, {}),
        "say": (good, {}),
        "attach": (good, {}),
        "close": (good, {}),
    }
    left_out = {name: each["not_sent"] for name, each in steps.items() if each["not_sent"]}
    assert left_out == {
        "say": {"target": wrong, "stopped": long},
        "expect": {"target": wrong},
        "close": {"stopped": long},
    }
    assert 0 < steps["colour"]["time_ms"]["p50"] < 5_000
    assert steps["dialogue"]["time_ms"]["p50"] > 50

    assert f"{wrong}  " in ended.output
    for row in ("STEP guest_chat/expect: expect.other_text", "STEP     guest_chat/colour"):
        assert row in ended.output
    assert "STEP guest_chat/disturbance:" not in ended.output
    record = tmp_path / "runs" / "latest"
    kept = yaml.safe_load((record / "settings.yaml").read_text("utf-8"))
    longest = kept["scenario"]["guest_chat"]["longest_dialogue"]
    assert (longest["messages"], longest["lasts_s"]) == (4, 60)
    assert f"step dialogue   {MESSAGES}, failed: " in ended.output
