"""`python -m convoy plan` says what would be sent, sends no message, and is right."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.convoy_command import convoy
from tests.simulator_process import SimulatorProcess


def plan(*options: str) -> subprocess.CompletedProcess[str]:
    return convoy("plan", *options)


def test_plan_shows_messages_tokens_and_rate_and_sends_nothing(
    simulator: SimulatorProcess,
) -> None:
    said = plan("--host", simulator.url, "--rate", "12", "--messages", "3")

    assert said.returncode == 0, said.stderr
    assert "360 messages in 30 s" in said.stdout
    assert "12 requests/s need 3 tokens, you have 10, which may send 50 a second" in said.stdout
    assert "criterion share(failures[*]) < 1%\ncriterion p95(response_time)" in said.stdout
    assert len(re.findall(r"^  k \d at", said.stdout, re.MULTILINE)) == 3
    assert said.stdout.count("[convoy:<run id>:conversation_messages:") == 3
    assert simulator.ledger()["accepted"] == 0


def test_plan_of_a_flat_out_run_names_no_rate(simulator: SimulatorProcess) -> None:
    said = plan("--host", simulator.url, "--rate", "max", "--messages", "1")

    assert said.returncode == 0, said.stderr
    assert "messages at the users' own pace in 30 s by 10 users" in said.stdout
    assert "no rate is asked for, you have 10 tokens, which may send 50 a second" in said.stdout
    assert "rate          each user sends again 0 s after its answer" in said.stdout
    assert len(re.findall(r"^  k 0 when its turn comes", said.stdout, re.MULTILINE)) == 1


def test_same_seed_plans_the_same_and_another_seed_does_not(simulator: SimulatorProcess) -> None:
    options = ["--host", simulator.url]

    first, again, other = (plan(*options, "--seed", seed).stdout for seed in ("1", "1", "2"))

    assert first == again
    assert first.split("  plan")[1] != other.split("  plan")[1]


def test_the_spawn_rate_that_plan_advises_can_be_given_to_it(simulator: SimulatorProcess) -> None:
    few = "limits=[{scope: deployment, count: 30, per_s: 60}]"
    guests = ["--host", simulator.url, "--scenarios", "guest_chat", "-u", "40", "--set", few]

    at_once, advised = plan(*guests), plan(*guests, "-r", "0.5")

    assert "40 guests begin within 60 s" in at_once.stdout and "write -r 0.5" in at_once.stdout
    assert (advised.returncode, "guests begin within" in advised.stdout) == (0, False)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"PYTHONIOENCODING": "cp1252"}, id="cp1252"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ASCII"),
        pytest.param(
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="the C locale"
        ),
    ],
)
def test_plan_is_printed_whatever_the_encoding(
    simulator: SimulatorProcess, environment: dict[str, str]
) -> None:
    emoji = "scenario.conversation_messages.payloads={conversation/emoji: 1, conversation/text: 0}"

    said = convoy(
        *("plan", "--host", simulator.url, "--set", emoji),
        encoding="cp1252",
        **environment,
    )

    assert (said.returncode, said.stderr) == (0, "")
    assert r"\U0001f" in said.stdout


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [
        (["--rate", "-1"], 2),
        (["-r", "nan"], 2),
        (["--messages", "-1"], 2),
        (["--messages", "1" + "0" * 30], 2),
        (["--host", "http://127.0.0.1:9"], 4),
    ],
    ids=["wrong setting", "wrong spawn rate", "fewer than none", "too many", "nothing listens"],
)
def test_plan_that_cannot_be_made_says_why(options: list[str], exit_code: int) -> None:
    said = plan(*options)

    assert said.returncode == exit_code
    assert said.stderr.startswith(("convoy: ", "usage: "))
    assert "Traceback" not in said.stderr
