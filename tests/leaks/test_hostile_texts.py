"""What others say reaches terminals and logs bounded, on its line, and steers nothing."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.convoy_command import convoy
from tests.leaks.hostile_server import FORGED, STEERING, HostileServer, hostile_server
from tests.locust_process import run_locust, swarm_ports

MOST_PRINTED = 200_000
SETTINGS = [
    "--set=late_after_ms=4000",
    "--set=warm_up_s=0",
    "--set=limits=[]",
    "--set=prepare_timeout_s=10",
    "--set=record_messages=on",
]


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as started:
        yield started


def assert_clean(text: str) -> None:
    """Nothing steers a terminal, no line is forged, and there is an end to it."""
    steering = {
        f"U+{ord(each):04X} {unicodedata.name(each, '')}"
        for each in text
        if not (each.isprintable() or each in "\n\t")
    }
    assert steering == set()
    assert [line for line in text.splitlines() if line.startswith(("FORGED", FORGED[:20]))] == []
    assert "x" * 5_000 not in text


@pytest.mark.parametrize("command", ["preflight", "plan", "send"])
@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "taken"])
def test_a_hostile_server_steers_no_terminal(
    command: str, refuses: bool, server: HostileServer
) -> None:
    server.refuses_canaries = refuses

    said = convoy(command, "-H", server.url, *SETTINGS)

    assert "conversation" in said.stdout
    assert_clean(said.stdout)
    assert_clean(said.stderr)


@pytest.mark.parametrize("options", [[], ["--processes", "2"]], ids=["alone", "two workers"])
def test_a_run_against_a_hostile_server_logs_nothing_that_steers(
    options: list[str], tmp_path: Path, server: HostileServer
) -> None:
    server.refuses_canaries = False
    ports = swarm_ports() if options else []
    shape = ["-u", "4", "-t", "3s", "--rate", "10"]

    ended = run_locust(tmp_path, "-H", server.url, *shape, *SETTINGS, *options, *ports)

    assert ended.scenario["accepted"] == 10 and ended.scenario["rejected"] == 20
    assert_clean(ended.output)
    assert len(ended.output) < MOST_PRINTED
    for name in ("summary.json", "report.html", "junit.xml", "metrics.txt", "settings.yaml"):
        assert_clean((tmp_path / "runs" / "latest" / name).read_text("utf-8"))


LONG = STEERING + "x" * 2**16
HOSTILE_ANSWER = {
    "code": "invalid_payload",
    "message": LONG,
    "contextId": LONG,
    "status": 400,
    "details": [{"fieldName": STEERING}],
    "errors": [{"message": LONG, "details": [{"fieldName": LONG}]}],
    LONG: LONG,
}


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(HOSTILE_ANSWER),
        f"HTTP/1.1 400 {STEERING[:30]}\r\nININ-Correlation-Id: {STEERING[:20]}\r\n\r\n"
        + json.dumps({**HOSTILE_ANSWER, "code": STEERING}),
        f"<html><title>502 {LONG}</title></html>",
        f'{{"error": {json.dumps(STEERING)}, "status": 400}}',
    ],
    ids=["an answer", "with headers", "a page", "of a login"],
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "JSON"])
def test_explain_steers_no_terminal(answer: str, more: list[str], tmp_path: Path) -> None:
    saved, payload = tmp_path / "answer", tmp_path / "payload.json"
    saved.write_text(answer, "utf-8", newline="")
    payload.write_text(json.dumps({STEERING: LONG, "to": {"type": STEERING}, "text": LONG}))

    said = convoy("explain", str(saved), "--payload", str(payload), *more)

    assert_clean(said.stdout)
    assert_clean(said.stderr)


def test_keys_names_and_values_of_an_operators_files_steer_no_terminal(tmp_path: Path) -> None:
    name = "na\x1b[2J\u202eme\n" + FORGED[:40]
    payloads = tmp_path / "payloads" / "conversation"
    payloads.mkdir(parents=True)
    (payloads / f"{name.replace('/', '')}.json").write_text("{}")
    profile = tmp_path / f"{name.replace('/', '')}.yaml"
    wrong = {f"{number}{STEERING}": STEERING for number in range(900)}
    profile.write_text(json.dumps({**wrong, "labels": {STEERING: STEERING}, "rate": STEERING}))

    for options in (
        ["preflight", "--load-profile", str(profile)],
        ["preflight", "--load-profile", f"none{STEERING[:20].replace(chr(0), '')}"],
        ["preflight", "--target", "none\x1b[2J\n" + FORGED],
        ["preflight", "--set", f"users={STEERING.replace(chr(0), '')}"],
        ["preflight", "--set", "ke\x1b[2J\n" + FORGED + "=5"],
        ["preflight", "--scenarios", "ke\x1b[2J\u202e"],
        ["send", "--payload", "no\x1b[2J\n" + FORGED],
        ["explain", "no\x1b[2J\n" + FORGED],
        ["report", "no\x1b[2J\n" + FORGED],
        ["judge", "no\x1b[2J\n" + FORGED, "--criteria", "no\x1b[2J"],
    ):
        said = convoy(*options, CONVOY_PAYLOADS_DIR=str(tmp_path / "payloads"))

        assert said.returncode in (2, 4), said.stderr
        assert_clean(said.stdout + said.stderr)
