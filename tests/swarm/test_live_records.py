"""The record of a run that goes on: what it holds by then, also where the process was killed."""

from __future__ import annotations

import gzip
import html
import json
import os
import re
import resource
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from convoy.results.record import read_result
from tests.fork_server import Program, run
from tests.locust_process import (
    ROOT,
    UNHURRIED,
    Ended,
    LocustProcess,
    clean_environment,
    run_locust,
    swarm_ports,
    target_at,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

STRICT = ROOT / "config" / "criteria" / "strict.yaml"


def convoy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(
        *("convoy", *arguments),
        cwd=folder,
        env=clean_environment(),
        encoding="utf-8",
    )


def series_of(record: Path) -> list[dict[str, Any]]:
    path = record / "series.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def messages_of(record: Path) -> list[dict[str, Any]]:
    content = gzip.decompress((record / "messages.jsonl.gz").read_bytes())
    return [json.loads(line) for line in content.splitlines()]


def killed_after(folder: Path, seconds: int, *options: str) -> Path:
    """Kill a run without mercy when so many of its seconds are recorded; return its record."""
    with LocustProcess(folder, "--headless", "-t", "60s", *options) as locust:
        record = folder / "runs" / "latest"
        wait_until(lambda: len(series_of(record)) >= seconds, locust.output)
        os.killpg(locust.process.pid, signal.SIGKILL)
        locust.process.wait(60)
    return record


def test_a_record_can_be_read_after_its_run_was_killed(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    swarm = ["--processes", "2", *swarm_ports()]

    record = killed_after(tmp_path, 3, "-H", simulator.url, *UNHURRIED, *swarm)

    assert not (record / "summary.json").exists()
    listed = convoy(tmp_path, "runs")
    assert record.resolve().name in listed.stdout and " none " in listed.stdout
    reported = convoy(tmp_path, "report", "latest")
    summary = json.loads((record / "summary.json").read_text())
    assert (reported.returncode, summary["verdict"]) == (5, "invalid"), reported.stderr
    assert "the run was interrupted" in summary["reasons"][0]
    judged = convoy(tmp_path, "judge", "latest", "--criteria", str(STRICT))
    assert judged.returncode == 5 and "the run was interrupted" in judged.stdout, judged.stdout
    lines = series_of(record)
    sent = sum(line["scenarios"]["conversation_messages"]["sent"] for line in lines)
    assert 0 < sent <= summary["totals"]["sent"]
    assert summary["duration_s"] >= len(lines) >= 3
    figures = summary["scenarios"]["conversation_messages"]
    assert figures["rate_per_s"]["achieved"] == pytest.approx(20, rel=0.15)
    assert figures["response_time_ms"]["count"] == figures["accepted"]


def test_a_record_holds_each_sent_message_once(tmp_path: Path) -> None:
    swarm = ["--processes", "2", *swarm_ports(), "--set", "criteria=[]"]
    with SimulatorProcess("--fault", "error=503:0.2") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, "-t", "3s", *UNHURRIED, *swarm)
        ledger = simulator.ledger(ended.run["run_id"])

    record = tmp_path / "runs" / "latest"
    messages = messages_of(record)
    assert sorted(each["k"] for each in messages) == list(range(60)), ended.output
    assert Counter(each["fate"] for each in messages)["accepted"] == ended.scenario["accepted"]
    codes = Counter(each["code"] for each in messages if each["code"])
    assert codes == ended.scenario["errors"]
    accepted = [each for each in messages if each["fate"] == "accepted"]
    ids = {each["message_id"] for each in accepted}
    assert len(ids) == len(accepted) and "" not in ids
    there = Counter(each["conversation_id"] for each in accepted)
    assert there == ledger["by_conversation"]
    assert_lines_add_up(record, ended)


def assert_lines_add_up(record: Path, ended: Ended) -> None:
    lines = [each["scenarios"]["conversation_messages"] for each in series_of(record)]
    for name in ("scheduled", "sent", "accepted", "rejected", "failed", "unknown"):
        assert sum(line[name] for line in lines) == ended.scenario[name]
    assert sum(line["due"] for line in lines) == ended.scenario["scheduled"]
    assert max(each.get("users", 0) for each in series_of(record)) == 10
    assert read_result(record).is_over


def test_a_run_says_its_verdict_where_the_disk_is_full(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["--headless", "-H", simulator.url, "-t", "4s", *UNHURRIED]

    with Program(
        *("locust", "-f", str(ROOT / "locustfile.py"), *options),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        # Whatever it writes may be so long and no longer, as on a disk that is full.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8_000, 8_000))
        shown, complaints = process.communicate(timeout=90)

    assert process.returncode == 5, shown + complaints
    assert "INVALID (exit code 5)" in shown
    assert "the record could not be written: " in shown
    assert complaints.count("the record could not be written") == 1
    assert "Traceback" not in complaints


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("nowhere", "is no folder of a record"),
        ("empty", "cannot be read: No such file"),
        ("damaged", "there is no whole entry in it"),
        ("another", "is no result of a run (schema 1)"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_in_a_sentence(
    run: str, said: str, tmp_path: Path
) -> None:
    for name in ("empty", "damaged", "another"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged" / "result.journal").write_bytes(b"\x1f\x8b half")
    (tmp_path / "another" / "result.journal").write_bytes(gzip.compress(b'{"schema": 9}'))

    reported = convoy(tmp_path, "report", run)

    assert reported.returncode == 2
    assert reported.stderr.startswith("convoy: ") and said in reported.stderr
    assert "Traceback" not in reported.stderr


def test_runs_are_listed_with_verdict_length_and_labels_and_messages_recorded_where_asked_for(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    labels = {"CONVOY_LABELS": "build=1234, branch=main"}
    ended = run_locust(
        tmp_path,
        "-H",
        simulator.url,
        "-t",
        "1s",
        *UNHURRIED,
        "--set",
        "labels.team=platform",
        "--set",
        "record_messages=off",
        environment=labels,
    )

    listed = convoy(tmp_path, "runs")

    assert listed.returncode == 0, listed.stderr
    [line] = [each for each in listed.stdout.splitlines() if ended.run["run_id"] in each]
    assert line.split()[1:4] == [ended.run["verdict"], "1.0", "s"]
    assert line.endswith("build=1234, branch=main, team=platform")
    assert not (tmp_path / "runs" / "latest" / "messages.jsonl.gz").exists()


def test_without_runs_there_is_nothing_to_list(tmp_path: Path) -> None:
    assert convoy(tmp_path, "runs").stdout.splitlines()[1:] == []


def test_who_has_only_the_report_can_repeat_the_run(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    """The settings on the page, saved as the profile that it names, send the same messages."""
    load = ["--rate", "30", "-u", "7", "-t", "2s", "--set", "arrivals=poisson", "--seed", "4711"]
    target = str(target_at(tmp_path, simulator.port))
    first = run_locust(tmp_path / "first", "--target", target, *load, *UNHURRIED)
    page = (tmp_path / "first" / "runs" / "latest" / "report.html").read_text("utf-8")

    command = shown(page, "Command with the settings").split()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "repeat.yaml").write_text(shown(page, "Settings"), "utf-8")
    second = run_locust(elsewhere, *command[2:])

    assert command[:2] == [".venv/bin/locust", "--headless"]
    assert second.run["plan_hash"] == first.run["plan_hash"], second.output
    for name in ("scheduled", "sent"):
        assert second.scenario[name] == first.scenario[name] > 0
    assert second.run["criteria"][0]["criterion"] == first.run["criteria"][0]["criterion"]


def shown(page: str, label: str) -> str:
    """Return the text of the page's block with this label."""
    found = re.search(rf'<pre [^>]*aria-label="{label}">(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])
