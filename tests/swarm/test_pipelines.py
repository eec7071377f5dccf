"""What pipelines get of real runs: test cases, metrics, and what GitHub's workflows show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from convoy.results.reports.github import MOST_ANNOTATIONS
from tests.convoy_command import convoy, convoy_process
from tests.fork_server import Program, run
from tests.locust_process import (
    ROOT,
    UNHURRIED,
    LocustProcess,
    clean_environment,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

SHORT = ["-t", "1s", *UNHURRIED, "--set", "warm_up_s=0"]
BROKEN = ["--set", "criteria=p50(response_time) < 0.001ms"]


def of_github(folder: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}


def commands(output: str) -> list[str]:
    """Return the lines that GitHub's runner takes for commands, as it does."""
    kept, token = [], ""
    for line in output.splitlines():
        is_command = re.match(r"\s*::[\w-]+( [^:]*)?::", line) or "##[" in line
        if token:
            token = "" if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif is_command:
            kept.append(line)
    assert not token
    return kept


def test_a_run_is_shown_once_by_the_process_that_judges_it(tmp_path: Path) -> None:
    with SimulatorProcess() as simulator:
        swarm = ["--processes", "2", *swarm_ports()]
        options = ["-H", simulator.url, *SHORT, *BROKEN, *swarm]
        ended = run_locust(tmp_path, *options, environment=of_github(tmp_path))

    assert ended.exit_code == 3, ended.output
    told = commands(ended.output)
    errors = [line for line in told if line.startswith("::error ")]
    assert [line.rpartition("::")[2] for line in errors] == ended.run["reasons"]
    assert ended.output.splitlines()[-len(told) :] == told
    assert len(told) <= MOST_ANNOTATIONS
    assert ended.output.count("::stop-commands::") == 1
    shown = (tmp_path / "summary.md").read_text("utf-8")
    assert shown.startswith("### Convoy: FAIL (exit code 3)\n") and shown.count("###") == 1


def test_outside_of_github_nothing_of_it_is_printed(tmp_path: Path) -> None:
    with SimulatorProcess() as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, *BROKEN)

    assert ended.exit_code == 3, ended.output
    assert not re.search(r"^::", ended.output, re.MULTILINE)


def test_figures_as_json_have_standard_output_for_themselves(tmp_path: Path) -> None:
    with SimulatorProcess() as simulator:
        ended = run(
            *("locust", "-f", str(ROOT / "locustfile.py"), "--headless"),
            *("--json", "-H", simulator.url, *SHORT, *BROKEN),
            cwd=tmp_path,
            env=clean_environment() | of_github(tmp_path),
            text=True,
        )

    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)
    assert any(line.startswith("::error ") for line in commands(ended.stderr))


def test_a_summary_that_cannot_be_written_changes_no_exit_code(tmp_path: Path) -> None:
    nowhere = {"GITHUB_STEP_SUMMARY": str(tmp_path / "nowhere" / "summary.md")}

    with SimulatorProcess() as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *SHORT, environment=nowhere)

    assert ended.exit_code == 0, ended.output
    assert re.search("WARNING.*the summary of the step cannot be written", ended.output)


def test_a_run_without_its_workers_says_why(tmp_path: Path) -> None:
    waits = ["--master", "--expect-workers", "1", "--expect-workers-max-wait", "1", *swarm_ports()]

    with SimulatorProcess() as simulator:
        environment = of_github(tmp_path)
        ended = run_locust(tmp_path, "-H", simulator.url, *waits, environment=environment)

    assert ended.exit_code == 4, ended.output
    [told] = commands(ended.output)
    assert re.match("::error title=Convoy%3A exit code 4::.*worker", told)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The record of a run that passed."""
    folder = tmp_path_factory.mktemp("run")
    with SimulatorProcess() as simulator:
        ended = run_locust(folder, "-H", simulator.url, *SHORT)
    assert ended.exit_code == 0, ended.output
    return str(folder / "runs" / ended.run["run_id"])


def test_another_gate_is_shown_as_a_run_is(record: str, tmp_path: Path) -> None:
    criteria = tmp_path / "criteria.yaml"
    criteria.write_text("- p50(response_time) < 0.001ms\n")

    judged = convoy("judge", record, "--criteria", str(criteria), **of_github(tmp_path))

    assert judged.returncode == 3, judged.stderr
    assert any("p50(response_time)" in line for line in commands(judged.stdout))
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("### Convoy: FAIL (exit code 3)")


def test_reports_that_are_made_anew_are_shown_too(record: str, tmp_path: Path) -> None:
    made = convoy("report", record, **of_github(tmp_path))

    assert made.returncode == 0, made.stderr
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("### Convoy: PASS (exit code 0)")


def test_a_command_that_is_refused_says_why(tmp_path: Path) -> None:
    refused = convoy("judge", "nowhere", "--criteria", "nowhere.yaml", **of_github(tmp_path))

    assert refused.returncode == 2
    [told] = commands(refused.stdout)
    assert told.startswith("::error title=Convoy%3A exit code 2::nowhere")
    assert not (tmp_path / "summary.md").exists()


def test_a_command_that_is_interrupted_has_commands_taken_for_such_again() -> None:
    with SimulatorProcess("--fault", "latency=3s") as simulator:
        asked = ("plan", "-H", simulator.url)
        with convoy_process(*asked, GITHUB_ACTIONS="true") as process:
            assert process.stdout is not None
            said = ""
            while "Waiting for " not in said:
                said += process.stdout.readline() or pytest.fail(said)
            process.send_signal(signal.SIGINT)
            said += process.stdout.read()

    assert process.wait() == 5, said
    assert "convoy: interrupted; this process has begun no run" in said
    assert "Traceback" not in said
    assert said.count("::stop-commands::") == 1 and commands(said) == []


def test_a_run_that_is_interrupted_before_it_begins_has_them_taken_for_such_again(
    tmp_path: Path,
) -> None:
    with SimulatorProcess("--fault", "latency=3s") as simulator:
        asked, github = ("--headless", "-H", simulator.url), of_github(tmp_path)
        with LocustProcess(tmp_path, *asked, environment=github) as locust:
            locust.wait_for("Waiting for ")
            os.kill(locust.process.pid, signal.SIGINT)
            ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert "convoy: interrupted; this process has begun no run" in ended.output
    assert "Traceback" not in ended.output
    assert ended.output.count("::stop-commands::") == 1 and commands(ended.output) == []


def test_an_answer_of_the_api_is_no_command(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    evil = "no\n::add-mask::a\n   ::error::b\n##[add-mask]c"
    answer.write_text(json.dumps({"status": 400, "code": "bad.request", "message": evil}))

    bare = convoy("explain", str(answer))
    explained = convoy("explain", str(answer), **of_github(tmp_path))
    as_json = convoy("explain", str(answer), "--json", **of_github(tmp_path))

    assert commands(bare.stdout), "the answer is printed as it is"
    assert explained.returncode == 0, explained.stderr
    assert commands(explained.stdout) == []
    assert bare.stdout in explained.stdout
    # A program reads that; GitHub reads the commands of both streams.
    assert json.loads(as_json.stdout) and as_json.stderr.startswith("::stop-commands::")


def test_output_that_cannot_be_written_changes_no_exit_code(tmp_path: Path) -> None:
    with (
        open("/dev/full", "w") as full,
        Program(
            *("convoy", "explain", "nowhere.json"),
            cwd=ROOT,
            env=clean_environment() | of_github(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        _, said = process.communicate(timeout=120)

    assert process.returncode == 2, said
    assert "Traceback" not in said
