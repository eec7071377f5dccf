"""The ledger: what was accepted and rejected, by run, and over a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.model.marker import Marker, find_marker
from tests.simulator.api import (
    MESSAGES,
    bearer,
    call,
    canonical_body,
    open_conversations,
)
from tests.simulator_process import SimulatorProcess


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


def say(simulator: SimulatorProcess, conversation: str, *texts: str) -> list[int]:
    token = bearer(simulator)
    return [
        call(simulator, "POST", MESSAGES, canonical_body(conversation, text), token).status
        for text in texts
    ]


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("[convoy:r1:chat:0]", Marker("r1", "chat", 0)),
        ("hello [convoy:r1-warmup:chat:17], there", Marker("r1-warmup", "chat", 17)),
        ("[convoy:broken] [convoy:r1:chat:3]", Marker("r1", "chat", 3)),
        ("[convoy:[convoy:r1:chat:3]", Marker("r1", "chat", 3)),
        ("[convoy:r1:chat:]", None),
        ("[convoy:r1:chat:-1]", None),
        ("[convoy::chat:1]", None),
        ("[convoy:r1:chat:1", None),
        ("no marker", None),
    ],
)
def test_a_marker_is_found_or_not(text: str, marker: Marker | None) -> None:
    assert find_marker(text) == marker


def test_accepted_messages_and_duplicates_are_counted_by_run(simulator: SimulatorProcess) -> None:
    conversation, other = (each["id"] for each in open_conversations(simulator)[:2])

    say(simulator, conversation, "a [convoy:twice:chat:1]", "a [convoy:twice:chat:1]")
    say(simulator, other, "a [convoy:twice:chat:2]", "a [convoy:twice:other:1]")

    assert counts(simulator, "twice") == {
        "accepted": 4,
        "duplicates": 1,
        "by_conversation": {conversation: 2, other: 2},
        "rejected": {},
        "after_acceptance": [],
    }


def test_rejected_messages_are_counted_by_code_and_run(simulator: SimulatorProcess) -> None:
    token = bearer(simulator)
    text = "a [convoy:rejects:chat:1]"
    unknown = canonical_body("00000000-0000-4000-8000-000000000000", text)

    call(simulator, "POST", MESSAGES, unknown, token)
    call(simulator, "POST", MESSAGES, unknown)
    call(simulator, "POST", MESSAGES, b'{"text": "[convoy:rejects:chat:2]', token)

    assert simulator.ledger("rejects")["accepted"] == 0
    assert simulator.ledger("rejects")["rejected"] == {
        "conversation.error.conversation.not.found": 1,
        "authentication.required": 1,
        "invalid_payload": 1,
    }


def test_it_says_since_when_it_counts(simulator: SimulatorProcess) -> None:
    first, of_a_run = simulator.ledger()["since"], simulator.ledger("a-run")["since"]

    call(simulator, "DELETE", "/simulator/ledger")

    assert of_a_run == first < simulator.ledger()["since"]


def test_an_unknown_run_has_an_empty_account(simulator: SimulatorProcess) -> None:
    assert counts(simulator, "never") == {
        "accepted": 0,
        "duplicates": 0,
        "by_conversation": {},
        "rejected": {},
        "after_acceptance": [],
    }


def test_the_whole_holds_messages_without_marker_and_names_the_runs() -> None:
    with SimulatorProcess() as simulator:
        conversation = open_conversations(simulator)[0]["id"]

        say(simulator, conversation, "no marker", "one [convoy:first:chat:1]")

        assert counts(simulator) == {
            "accepted": 2,
            "duplicates": 0,
            "by_conversation": {conversation: 2},
            "rejected": {},
            "after_acceptance": [],
            "runs": ["first"],
        }
        assert call(simulator, "DELETE", "/simulator/ledger").status == 204
        assert simulator.ledger()["accepted"] == 0


def test_a_killed_simulator_knows_after_its_restart_what_it_accepted(tmp_path: Path) -> None:
    options = ("--ledger-file", str(tmp_path / "ledger.jsonl"))
    with SimulatorProcess(*options) as first:
        conversation = open_conversations(first)[0]["id"]
        say(first, conversation, "no marker", "a [convoy:r:chat:1]", "b [convoy:r:chat:2]")
        before = counts(first)
        first.kill()

    with SimulatorProcess(*options) as second:
        after_restart = counts(second)
        say(second, conversation, "a [convoy:r:chat:1]")

        assert after_restart == before
        assert second.ledger("r")["duplicates"] == 1


def test_a_last_line_cut_short_is_dropped_and_any_other_broken_line_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.jsonl"
    line = json.dumps({"conversation_id": "c", "run_id": "r", "scenario": "chat", "k": 1})
    file.write_text(f'{line}\n{{"conversation_id": "c", "ru', "utf-8")

    with SimulatorProcess("--ledger-file", str(file)) as simulator:
        accepted = simulator.ledger("r")["accepted"]
        say(simulator, open_conversations(simulator)[0]["id"], "b [convoy:r:chat:2]")

    assert accepted == 1
    assert len(file.read_text("utf-8").splitlines()) == 2

    file.write_text(f"nonsense\n{line}\n", "utf-8")

    with pytest.raises(AssertionError, match=r"line 1 of .* is no ledger entry"):
        SimulatorProcess("--ledger-file", str(file))


def test_emptying_the_ledger_empties_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    with SimulatorProcess("--ledger-file", str(file)) as simulator:
        say(simulator, open_conversations(simulator)[0]["id"], "b [convoy:r:chat:2]")

        call(simulator, "DELETE", "/simulator/ledger")

    assert file.read_bytes() == b""


def counts(simulator: SimulatorProcess, run_id: str | None = None) -> dict[str, Any]:
    """Everything that a ledger says but since when."""
    ledger = simulator.ledger(run_id)
    del ledger["since"]
    return ledger
