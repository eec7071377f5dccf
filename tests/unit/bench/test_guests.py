"""What the guests' bench makes of a run, and what it does where Node is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.guests.clients import LOCUST_USER, node_client
from bench.guests.figures import of_connects, of_many, of_reconnects
from bench.guests.options import FULL, GUESTS, PARTS, QUICK, QUICK_RESULTS, parse_options
from bench.guests.parts import MEASURE
from bench.guests.round_trips import turn_of
from bench.guests.runs import GuestLoad, GuestRun

MATCHED = {"matched": 600, "missing": 0, "duplicate": 0, "unexpected": 0}
LEFT = {"mib_before": 70.0, "peak_mib": 370.0, "greenlets": 0, "sockets": 0}


def run_with(own_copy: dict[str, int], **more: Any) -> GuestRun:
    steps = {
        "connect": {"count": 100, "errors": {"timeout": 1}, "time_ms": {"p99": 3.0}},
        "configure": {"count": 99, "errors": {}},
        "disturbance": {"count": 2, "errors": {"connection reset": 2}},
    }
    guests = {
        "scheduled": 600,
        "accepted": 600,
        "send_error_ms": {"p99": 1.0},
        "late": {"generator": 2},
        "steps": steps,
        "timings": {"own_copy": MATCHED | own_copy},
    }
    summary = {
        "scenarios": {"guest_chat": guests, "conversation_messages": {"late": {"target": 3}}},
        "duration_s": 20.0,
        "verdict": "pass",
        "reasons": [],
        "generator": {"state": "ok"},
    }
    return GuestRun(summary, {"accepted": 600, "duplicates": 0}, LEFT | more, 0.0)


@pytest.mark.parametrize(
    ("own_copy", "odd"),
    [
        ({}, 0),
        ({"duplicate": 2}, 2),
        ({"unexpected": 1}, 1),
        ({"matched": 597, "missing": 3}, 6),
        ({"matched": 598}, 2),
    ],
    ids=["once each", "twice", "of nothing", "lost", "not sent"],
)
def test_a_message_is_matched_once_or_counts(own_copy: dict[str, int], odd: int) -> None:
    assert of_many(run_with(own_copy), 10_000)["not_matched_once"] == odd


def test_memory_of_a_guest_is_told_without_and_with_what_the_process_has_alone() -> None:
    found = of_many(run_with({}), 10_240)

    assert (found["kib_per_guest"], found["kib_per_guest_with_all"]) == (30.0, 37.0)


def test_what_is_left_after_reconnects_is_told() -> None:
    found = of_reconnects(run_with({}, greenlets=1, sockets=3), 50)

    assert (found["greenlets_left"], found["sockets_left"]) == (1, 3)
    assert (found["reconnects"], found["disturbances"]) == (99, {"connection reset": 2})


def test_connections_are_told_by_the_second_and_late_messages_by_scenario() -> None:
    found = of_connects(run_with({}), 50)

    assert (found["connects"], found["failed"], found["per_s"]) == (100, 1, 5.0)
    assert found["late"] == {"guest_chat": 2, "conversation_messages": 3}
    assert found["late_elsewhere"] == 3


def test_convoy_runs_next_to_each_of_the_others() -> None:
    assert [each.name for each in turn_of([LOCUST_USER])] == ["locust_user", "convoy"]
    assert [each.name for each in turn_of([LOCUST_USER, LOCUST_USER])][1] == "convoy"


@pytest.mark.parametrize(("programs", "said"), [((), "node or npm"), (("node",), "node or npm")])
def test_a_missing_node_is_a_sentence(
    programs: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in programs:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert str(node_client(tmp_path)).startswith(said)


def test_what_npm_cannot_install_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, does in (("node", "exit 0"), ("npm", "echo no such package >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert node_client(tmp_path) == "npm cannot install ws@8: no such package"


def test_a_run_of_guests_is_one_command(tmp_path: Path) -> None:
    command = GuestLoad(300, 5.0, 6, 30).command("http://127.0.0.1:1", tmp_path)

    assert command[command.index("-u") + 1] == "300"
    assert "scenario.guest_chat.variables.messages_per_guest='30'" in command
    assert "http://127.0.0.1:1" in (tmp_path / "target.yaml").read_text()


def test_every_part_can_be_measured_and_a_quick_bench_leaves_the_results_alone() -> None:
    quick = parse_options(["--quick", "--only", "many", "--pairs", "3"])

    assert tuple(MEASURE) == PARTS == parse_options([]).parts
    assert (parse_options([]).scale, parse_options([]).output) == (FULL, GUESTS)
    assert (quick.parts, quick.output) == (("many",), QUICK_RESULTS)
    assert (quick.scale.many, quick.scale.pairs) == (QUICK.many, 3)
