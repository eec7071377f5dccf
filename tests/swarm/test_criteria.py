"""Criteria in real runs: what they make of the verdict, what ends a run early, what is refused."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from convoy.results.record import read_result
from tests.convoy_command import convoy
from tests.fork_server import run
from tests.locust_process import (
    UNHURRIED,
    Ended,
    LocustProcess,
    clean_environment,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

QUICK = [*UNHURRIED, "--set", "warm_up_s=0", "--set", "canary=false"]
LISTED = ["--set", "scenario.conversation_messages.conversations={source: inline, ids: [one]}"]
"""A pool that needs no answer of the target's."""
CLEARED = ["--set", "criteria=[]"]
TWO_WORKERS = ["--processes", "2"]
DEFAULT = "share(failures[*]) < 1%"
HOLD = (
    "p95(response_time) < 4s",
    "p50(service_time, conversation_messages) > 80ms over 3s",
    "max(send_error) < 4s for 6s",
    "max(rejected_time) < 4s over 6s",
    "share(errors[503]) > 5%",
    "share(errors[429*]) < 1% over 2s",
    "count(failures[service.unavailable]) < 100",
    "count(errors[4??]) == 0 for 3s",
    "sent >= 10 over 6s",
    "achieved_rate >= 99%",
    "achieved_rate(conversation_messages) >= 2/s over 6s",
    "unknown == 0",
)
BROKEN = (
    "p95(response_time) < 20ms",
    "p50(service_time, conversation_messages) < 80ms for 6s",
    "max(rejected_time) < 20ms over 3s",
    "share(errors[503]) < 5%",
    "share(failures) < 5% over 4s",
    "count(errors[5??]) == 0",
    "failures[503*] < 3 over 5s",
    "accepted >= 140",
    "achieved_rate >= 500/s",
)
UNKNOWN = ("max(unknown_time) < 1s", "share(failures) < 99% over 100s")


def asking(*lines: str) -> list[str]:
    """Return the options that ask for these criteria and no others."""
    return [*CLEARED, "--set", f"criteria={json.dumps(lines)}"]


def verdicts(ended: Ended) -> dict[str, str]:
    return {each["criterion"]: each["verdict"] for each in ended.run["criteria"]}


def test_criteria_of_every_kind_hold_or_are_broken_by_what_was_observed(tmp_path: Path) -> None:
    options = [*QUICK, "-t", "7s", "-u", "20", *asking(*HOLD, *BROKEN), *TWO_WORKERS]

    with SimulatorProcess("--fault", "error=503:0.3", "--fault", "latency=100ms") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *options, *swarm_ports())

    assert ended.exit_code == 3, ended.output
    assert verdicts(ended) == dict.fromkeys(HOLD, "pass") | dict.fromkeys(BROKEN, "fail")
    assert ended.run["verdict"] == "fail"
    for line in BROKEN:
        [reason] = [each for each in ended.run["reasons"] if each.startswith(f"{line}: observed")]
        assert reason in " ".join(ended.output.split())
    observed = {each["criterion"]: each["observed"] for each in ended.run["criteria"]}
    assert observed["count(errors[5??]) == 0"] == ended.scenario["rejected"]
    assert observed[BROKEN[0]] == ended.scenario["response_time_ms"]["p95"]
    assert_series_adds_up(tmp_path, ended)


def test_a_criterion_without_samples_is_passed_over_where_that_is_asked_for(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    judged = [*asking("max(rejected_time) < 1s"), "--set", "on_not_judged=pass"]

    ended = run_locust(tmp_path, "-H", simulator.url, *QUICK, "-t", "1s", *judged)

    assert ended.exit_code == 0, ended.output
    assert (ended.run["verdict"], ended.run["reasons"]) == ("pass", [])


def test_without_criteria_a_run_in_which_nothing_is_accepted_is_not_judged(tmp_path: Path) -> None:
    with SimulatorProcess("--fault", "error=503:1") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *QUICK, *LISTED, "-t", "1s", *CLEARED)

    assert ended.exit_code == 1, ended.output
    assert ended.run["verdict"] == "not judged"
    assert ended.run["reasons"][0].startswith("20 messages were not accepted")
    assert "verdict         NOT JUDGED (exit code 1)" in ended.output


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        pytest.param([], "p95(rejected_time) < 0.001ms for 6s, abort", id="alone"),
        pytest.param(TWO_WORKERS, "share(errors[503*]) < 10% over 2s, abort", id="two workers"),
    ],
)
def test_a_broken_criterion_ends_the_run_early_and_nothing_is_lost(
    tmp_path: Path, workers: list[str], line: str
) -> None:
    options = ["-t", "90s", "--rate", "40", *QUICK, *asking("unknown == 0", line), *workers]

    # By this seed the listing is answered, which is asked for three times at most.
    with SimulatorProcess("--fault", "error=503:0.4", "--seed", "2") as simulator:
        ended = run_locust(tmp_path, "-H", simulator.url, *options, *swarm_ports())
        ledger = simulator.ledger(ended.run["run_id"])

    assert ended.exit_code == 3, ended.output
    assert ended.run["verdict"] == "fail"
    assert 5 <= ended.run["duration_s"] < 60
    held, broken = ended.run["criteria"]
    assert (held["verdict"], broken["verdict"], broken["aborted"]) == ("pass", "fail", True)
    [reason] = ended.run["reasons"]
    assert reason.startswith(f"{line}: observed ") and reason.endswith("ended early for it")
    assert f"the run is ended early, because of {line}: observed" in ended.output
    figures = ended.scenario
    assert figures["scheduled"] == figures["sent"] + sum(figures["not_sent"].values())
    assert figures["accepted"] == ledger["accepted"] > 0
    assert sum(figures["errors"].values()) == figures["rejected"] > 0
    assert_series_adds_up(tmp_path, ended)


def test_a_run_shorter_than_the_delay_comes_to_its_end(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    line = "share(failures) > 99% over 2s, abort"

    ended = run_locust(tmp_path, "-H", simulator.url, *QUICK, "-t", "5s", *asking(line))

    assert ended.exit_code == 3, ended.output
    assert ended.run["duration_s"] == 5.0
    assert ended.scenario["accepted"] == 100


WRONG = {
    "p95(respones_time) < 1s": "did you mean response_time?",
    "unknown(guest_messages) == 0": "there is no scenario 'guest_messages' in this run",
    "errors[429 too.many.request] == 0": "did you mean 429 too.many.requests?",
    "p95(timing[first_reply]) < 3s": "no scenario declares a timing",
    "unknown(conversation_messages/typing) == 0": "conversation_messages declares no steps",
    "unknown == 0 over 60s": "its window of 60 s is longer than the run, 2 s",
    "share(failures) < %": "should have a number as its limit, and has '%'",
}


def test_a_master_with_two_workers_ends_the_run_early_too(tmp_path: Path) -> None:
    ports = swarm_ports()
    worker = ["--worker", "--master-host", "127.0.0.1", *ports[-2:]]
    master = ["--headless", "--master", "--expect-workers", "2", *ports, "-t", "60s", "-u", "10"]
    criteria = asking("share(errors[503]) < 5%, abort")

    with (
        SimulatorProcess("--fault", "error=503:0.3") as simulator,
        LocustProcess(
            tmp_path / "master", "-H", simulator.url, *master, *QUICK, *criteria
        ) as leader,
        LocustProcess(tmp_path / "first", *worker),
        LocustProcess(tmp_path / "second", *worker),
    ):
        ended = leader.end()

    assert (ended.run["verdict"], ended.exit_code) == ("fail", 3), ended.output
    assert [each["state"] for each in ended.run["workers"]] == ["reported", "reported"]
    assert "ended early" in ended.output
    assert ended.run["duration_s"] < 60


def test_lines_that_are_no_criteria_are_refused_together_before_any_load(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-t", "2s", *asking(*WRONG), *TWO_WORKERS, *swarm_ports()]

    ended = run_locust(tmp_path, "-H", simulator.url, *options)

    beginnings = [f"convoy: criteria: {line!r}: " for line in WRONG]
    assert_refused(ended, simulator, *beginnings, *WRONG.values())


@pytest.mark.parametrize(
    ("criteria", "complaint"),
    [
        pytest.param("folder.yaml", "the file 'folder.yaml' is no file", id="a folder"),
        pytest.param("many.yaml", "criteria: are 10,001 lines, but 100 is the most", id="too many"),
    ],
)
def test_criteria_that_cannot_be_read_are_refused_before_any_load(
    tmp_path: Path, simulator: SimulatorProcess, criteria: str, complaint: str
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "many.yaml").write_text("- sent > 5\n- unknown == 0\n" * 5_000 + "- sent > 5\n")
    given = [*CLEARED, "--set", f"criteria={criteria}"]

    ended = run_locust(tmp_path, "-H", simulator.url, "-t", "2s", *given)

    assert_refused(ended, simulator, complaint)


@pytest.mark.parametrize("command", ["plan", "preflight"])
def test_plan_and_preflight_refuse_a_wrong_criterion_too(
    simulator: SimulatorProcess, command: str
) -> None:
    said = convoy(command, "-H", simulator.url, "--set", "criteria=unkown == 0")

    assert said.returncode == 2, said.stdout + said.stderr
    assert "did you mean unknown?" in " ".join((said.stdout + said.stderr).split())
    assert simulator.ledger()["accepted"] == 0


def test_preflight_shows_the_criteria(simulator: SimulatorProcess) -> None:
    said = convoy("preflight", "-H", simulator.url, "--set", "criteria=max(send_error) < 1s")

    assert said.returncode == 0, said.stdout + said.stderr
    [row] = [line for line in said.stdout.splitlines() if " criteria " in line[:20]]
    assert row.startswith("ok ") and DEFAULT in row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record of a run in which three of ten messages were refused."""
    place = tmp_path_factory.mktemp("judged")
    with SimulatorProcess("--fault", "error=503:0.3") as simulator:
        run_locust(place, "-H", simulator.url, *QUICK, "-t", "3s", *CLEARED)
    (place / "empty").mkdir()
    for name, lines in FILES.items():
        (place / name).write_text("".join(f"- {line}\n" for line in lines), "utf-8")
    return place


FILES = {
    "lenient.yaml": ("unknown == 0", "sent >= 5 over 3s"),
    "strict.yaml": ("unknown == 0", "share(errors[503]) < 1%", "failures == 0 over 2s"),
    "wrong.yaml": ("unkown == 0",),
    "numbers.yaml": ("unknown == 0", "5"),
    "long.yaml": ("unknown == 0 over 60s",),
}


def test_a_finished_run_is_judged_anew_by_other_criteria(folder: Path) -> None:
    summary = json.loads((folder / "runs" / "latest" / "summary.json").read_text())

    by_id = judged(folder, summary["run_id"], "lenient.yaml")
    by_folder = judged(folder, str(folder / "runs" / summary["run_id"]), "strict.yaml")

    assert (by_id.returncode, by_folder.returncode) == (0, 3), by_id.stderr + by_folder.stderr
    assert "verdict         PASS (exit code 0)" in by_id.stdout
    assert "share(errors[503]) < 1%: observed" in by_folder.stdout
    for line, verdict in zip(FILES["strict.yaml"], ("pass", "fail", "fail"), strict=True):
        assert re.search(rf"  {verdict} .*   {re.escape(line)}$", by_folder.stdout, re.MULTILINE)
    assert json.loads((folder / "runs" / "latest" / "summary.json").read_text()) == summary


@pytest.mark.parametrize(
    ("record", "criteria", "complaint"),
    [
        (
            "nowhere",
            "strict.yaml",
            "no run below runs/; python -m convoy runs lists those there are",
        ),
        ("empty", "strict.yaml", "empty/result.journal: cannot be read: No such file or directory"),
        ("latest", "nowhere.yaml", "--criteria: the file 'nowhere.yaml' cannot be read: No such"),
        ("latest", "wrong.yaml", "did you mean unknown?"),
        ("latest", "numbers.yaml", "numbers.yaml: has 5, but each entry should be a line of text"),
        ("latest", "long.yaml", "its window of 60 s is longer than the run, 3 s"),
    ],
)
def test_what_cannot_be_judged_is_said_in_a_sentence(
    folder: Path, record: str, criteria: str, complaint: str
) -> None:
    said = judged(folder, record, criteria)

    assert said.returncode == 2, said.stdout + said.stderr
    assert complaint in said.stderr
    assert said.stderr.startswith("convoy: ") and "Traceback" not in said.stderr


def judged(folder: Path, record: str, criteria: str) -> subprocess.CompletedProcess[str]:
    return run(
        *("convoy", "judge", record, "--criteria", criteria),
        cwd=folder,
        env=clean_environment(),
        encoding="utf-8",
    )


def assert_refused(ended: Ended, simulator: SimulatorProcess, *words: str) -> None:
    """It ended with exit code 2, said all these words, sent nothing and showed no traceback."""
    assert ended.exit_code == 2, ended.output
    assert [word for word in words if word not in ended.output] == [], ended.output
    assert "Traceback" not in ended.output
    assert ended.summary is None
    assert simulator.ledger()["accepted"] == 0


def assert_series_adds_up(folder: Path, ended: Ended) -> None:
    """What the record holds second by second is what the summary holds as a whole."""
    result = read_result(folder / "runs" / "latest")
    [series] = result.series.values()

    assert series.total == result.totals
    for name in ("scheduled", "sent", "accepted", "errors", "not_sent"):
        assert getattr(series.total, name) == ended.scenario[name]
