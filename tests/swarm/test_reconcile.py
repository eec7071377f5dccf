"""`reconcile` and `cleanup` on real runs: nothing missed, nothing done twice."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, CompletedProcess
from typing import Any

from tests.fork_server import Program, run
from tests.locust_process import (
    UNHURRIED,
    clean_environment,
    run_locust,
    swarm_ports,
    wait_until,
)
from tests.simulator.api import bearer, call
from tests.simulator_process import SimulatorProcess

OPEN = "scenario.open_messaging"
LOAD = [
    "-t",
    "3s",
    "-u",
    "20",
    *UNHURRIED,
    "--set",
    f"{OPEN}.conversations.count=24",
]
FAULTS = ("lose=0.05", "double=0.05", "delay=2s:0.05", "reorder=0.1", "corrupt=0.05")
KINDS = {
    "lost": "lost",
    "doubled": "doubled",
    "corrupted": "changed",
    "reordered": "out_of_order",
}
ENVIRONMENT = clean_environment() | {"PYTHONUTF8": "1"}


def convoy(folder: Path, *arguments: str, **environment: str) -> CompletedProcess[str]:
    return run("convoy", *arguments, cwd=folder, env=ENVIRONMENT | environment, encoding="utf-8")


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Program]:
    """A command that is going on; it is gone after the block."""
    with Program(
        *("convoy", *arguments), cwd=folder, env=ENVIRONMENT, stdout=PIPE, stderr=STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(path: Path) -> list[Any]:
    content = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in content.splitlines()]


def marker_of(text: str) -> tuple[str, int]:
    _, _, scenario, k = text.strip("[]").split(":")
    return scenario, int(k)


def slow(simulator: SimulatorProcess, latency: str) -> None:
    call(simulator, "POST", "/simulator/faults", {"faults": [f"latency={latency}"]})


def interrupted(folder: Path, progress: Path, *command: str) -> str:
    """Interrupt a command when it has done three steps; return what it said."""
    with started(folder, *command) as process:
        wait_until(lambda: len(lines_of(progress)) >= 3, lambda: f"{command} did nothing")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        said: str = process.stdout.read().decode()
        assert process.wait(30) == 5, said
    return said


def state_of(simulator: SimulatorProcess, conversation_id: str) -> str:
    path = f"/api/v2/conversations/messages/{conversation_id}"
    found = call(simulator, "GET", path, headers=bearer(simulator)).json
    state: str = found["participants"][0]["state"]
    return state


def test_what_became_of_messages_is_found_by_id_no_more_and_no_less(tmp_path: Path) -> None:
    names = "open_messaging,agentless,conversation_messages"
    mixed = ["--scenarios", names, "--rate", "88", "--set", "scenario.agentless.weight=0.2"]
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    record = tmp_path / "runs" / "latest"

    with SimulatorProcess("--analytics-delay-s", "4", *faults) as simulator:
        ended = run_locust(
            tmp_path, "-H", simulator.url, *LOAD, *mixed, "--processes", "2", *swarm_ports()
        )
        assert ended.exit_code == 0, ended.output
        told = convoy(tmp_path, "reconcile", "latest", "--wait", "6s")
        ledger = simulator.ledger(ended.run["run_id"])

    truth = {
        (KINDS[each["what"]], marker_of(each["marker"]), tuple(sorted(each["message_ids"])))
        for each in ledger["after_acceptance"]
        if each["what"] in KINDS
    }
    found = lines_of(record / "discrepancies.jsonl")
    assert told.returncode == 3, told.stderr
    named = {
        (each["kind"], (each["scenario"], each["k"]), tuple(sorted(each["message_ids"])))
        for each in found
    }
    # Messages that are out at the same time have no order: on a busy machine some are.
    assert named <= truth
    assert {kind for kind, *_ in truth - named} <= {"out_of_order"}
    summary = json.loads((record / "summary.json").read_text())
    reconciled = summary["reconciled"]
    counts = {kind: sum(each["kind"] == kind for each in found) for kind in KINDS.values()}
    assert all(counts.values()), counts
    assert {kind: reconciled[kind]["count"] for kind in counts} == counts
    assert reconciled["unexpected"]["count"] == 0
    assert (reconciled["accepted"], reconciled["found"]) == (264, 264 - counts["lost"])
    assert reconciled["not_compared"] == []
    assert summary["verdict"] == "fail"
    assert f"lost {counts['lost']}, doubled {counts['doubled']}" in summary["reasons"][0]
    visible = reconciled["analytics_visible"]
    lost_of_stored = sum(
        each["kind"] == "lost" and "conv" not in each["scenario"] for each in found
    )
    assert (visible["matched"], visible["missing"]) == (144 - lost_of_stored, 0)
    # Nothing is visible sooner than 4 s after it was sent, and of some one has seen it become so.
    assert visible["time_ms"]["p50"] >= 4000
    assert visible["at_first_look"] < visible["matched"]
    assert found[0]["message_ids"][0] in (record / "report.html").read_text("utf-8")
    assert "conversation_messages: by the simulator's ledger" in told.stdout


def test_both_commands_go_on_where_they_were_interrupted(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    only = ["--scenarios", "open_messaging", "--rate", "40", "--set", "cleanup=true"]
    record = tmp_path / "runs" / "latest"
    ended = run_locust(tmp_path, "-H", simulator.url, *LOAD, *only)
    assert ended.exit_code == 0, ended.output
    opened = [each["conversation_id"] for each in lines_of(record / "cleanup.jsonl")]
    # Those of the 24 customers, and of the warm-up's, and that of the canary message.
    assert "closed 49 of the 49 conversations" in ended.output
    assert {state_of(simulator, id) for id in opened} == {"disconnected"}
    (record / "cleanup.jsonl").unlink()
    slow(simulator, "150ms")

    reading = interrupted(tmp_path, record / "reconcile.jsonl", "reconcile", "latest")
    before = len(lines_of(record / "reconcile.jsonl"))
    closing = interrupted(tmp_path, record / "cleanup.jsonl", "cleanup", "latest")
    partly = len(lines_of(record / "cleanup.jsonl"))

    # By then another run may be the latest one.
    assert "what was done is kept" in reading and f"reconcile {ended.run['run_id']}\n" in reading
    assert "what was done is kept" in closing and "Traceback" not in reading + closing
    assert 3 <= before < 40 and 3 <= partly < 49
    assert json.loads((record / "summary.json").read_text())["reconciled"] is None
    call(simulator, "DELETE", "/simulator/faults")
    (tmp_path / "runs" / "STOP").touch()
    for command in ("reconcile", "cleanup"):
        stopped = convoy(tmp_path, command, "latest")
        assert (stopped.returncode, "STOP is there" in stopped.stderr) == (4, True), stopped.stderr
    assert len(lines_of(record / "cleanup.jsonl")) == partly
    (tmp_path / "runs" / "STOP").unlink()
    closed = convoy(tmp_path, "cleanup", "latest")
    assert (closed.returncode, closed.stderr) == (
        0,
        f"convoy: 25 of {49 - partly} conversations are closed\n" * (49 - partly >= 25),
    )
    done = [each["conversation_id"] for each in lines_of(record / "cleanup.jsonl")]
    assert sorted(done) == sorted(opened)
    whole = convoy(tmp_path, "reconcile", "latest")
    assert whole.returncode == 0, whole.stderr
    assert "120 of 120 accepted messages found" in whole.stdout
    assert not (record / "reconcile.jsonl").exists()


def test_a_run_says_why_it_could_not_be_reconciled_or_cleaned_up(tmp_path: Path) -> None:
    only = ["--scenarios", "open_messaging", "--rate", "20", "-t", "1s", "--set", "cleanup=true"]
    permissions = ("--permissions", "demo=conversation:message:receive")
    record = tmp_path / "runs" / "latest"

    with SimulatorProcess(*permissions) as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *LOAD, *only)
        lacking = [convoy(tmp_path, command, "latest") for command in ("reconcile", "cleanup")]
        port = simulator.port
    with SimulatorProcess(port=port):
        restarted = convoy(tmp_path, "reconcile", "latest")
    gone = convoy(tmp_path, "reconcile", "latest")
    (record / "messages.jsonl.gz").unlink()
    without = convoy(tmp_path, "reconcile", "latest")
    unknown = convoy(tmp_path, "cleanup", "nobody")

    assert ended.exit_code == 0, ended.output
    assert "cleanup         failed, which changes nothing of the run" in ended.output
    for told, permission in zip(
        lacking, ("conversation:message:view", "conversation:communication:disconnect"), strict=True
    ):
        assert told.returncode == 4
        assert re.search(f"It lacks .*{permission}", told.stderr)
    assert restarted.returncode == 4 and "it was restarted or emptied" in restarted.stderr
    assert gone.returncode == 4 and "no login" in gone.stderr
    assert without.returncode == 2 and "record_messages=on" in without.stderr
    assert unknown.returncode == 2
    assert unknown.stderr == (
        "convoy: nobody: is no folder of a record, and no run below runs/; "
        "python -m convoy runs lists those there are\n"
    )
