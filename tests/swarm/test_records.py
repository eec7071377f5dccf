"""The record of a run has the names that other programs rely on, and no secret."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import yaml

from tests.fork_server import Program
from tests.locust_process import (
    ROOT,
    UNHURRIED,
    LocustProcess,
    clean_environment,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

SUMMARY_KEYS = {
    "schema",
    "run_id",
    "verdict",
    "exit_code",
    "reasons",
    "seed",
    "plan_hash",
    "target",
    "profile",
    "started_at",
    "duration_s",
    "scenarios",
    "totals",
    "criteria",
    "workers",
}
SCENARIO_KEYS = {
    "scheduled",
    "sent",
    "accepted",
    "rejected",
    "failed",
    "unknown",
    "resent",
    "late",
    "not_sent",
    "rate_per_s",
    "send_error_ms",
    "response_time_ms",
    "service_time_ms",
    "errors",
}


LOOKED_AT = """
import gevent
from locust import events

from convoy.results.equations import violations
from locustfile import *


@events.test_start.add_listener
def look(environment, **_):
    if environment.parsed_options.worker:
        return
    controller = environment.dispatcher_class.keywords["begin"].__self__

    def wait_for_messages():
        while controller._run is None or controller._run.snapshot().totals.sent == 0:
            gevent.sleep(0.05)
        result = controller._run.snapshot()
        broken = [each.split(" does not hold")[0] for each in violations(result.totals, 100)]
        print(f"{result.run_id}: {result.totals.sent} sent so far, and not yet: {broken}")

    gevent.spawn(wait_for_messages)
"""
"""The usual locustfile, with somebody who looks at the run while it goes on."""


def test_record_keeps_the_contract_and_no_secret(
    tmp_path: Path, simulator: SimulatorProcess, repository: Path
) -> None:
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    (tmp_path / "secret").write_text("demo\n")
    options = ["-H", simulator.url, "-t", "1s", *UNHURRIED, "-L", "DEBUG"]

    ended = run_locust(tmp_path, *options, environment=login)

    record = tmp_path / "runs" / ended.run["run_id"]
    assert ended.exit_code == 0, ended.output
    assert set(ended.run) >= SUMMARY_KEYS
    assert set(ended.scenario) >= SCENARIO_KEYS
    schema = json.loads((repository / "docs" / "summary.schema.json").read_text())
    jsonschema.validate(ended.run, schema)
    assert (tmp_path / "runs" / "latest").resolve() == record
    settings = yaml.safe_load((record / "settings.yaml").read_text())
    assert (settings["users"], settings["rate"], settings["run_time_s"]) == (10, 20, 1)
    assert "secret" not in (record / "settings.yaml").read_text().lower()
    assert "Bearer" not in ended.output


def test_wrong_secret_never_appears_anywhere(tmp_path: Path, simulator: SimulatorProcess) -> None:
    secret = "do-not-show-me-4711"
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": secret}

    ended = run_locust(tmp_path, "-H", simulator.url, "-L", "DEBUG", environment=login)

    assert ended.exit_code == 4
    assert secret not in ended.output


def test_result_can_be_had_while_the_run_goes_on(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    locustfile = tmp_path / "looked_at.py"
    locustfile.write_text(LOOKED_AT)
    options = ["-H", simulator.url, "-t", "5s", "--rate", "20", *UNHURRIED]
    swarm = ["--processes", "2", *swarm_ports()]

    ended = run_locust(tmp_path, "-f", str(locustfile), *options, *swarm)

    assert ended.exit_code == 0, ended.output
    assert ended.run["totals"]["sent"] == 100
    [line] = [each for each in ended.output.splitlines() if "sent so far" in each]
    found = re.search(r"(\S+): (\d+) sent so far, and not yet: (.+)$", line)
    assert found and found[1] == ended.run["run_id"] and 0 < int(found[2]) < 100
    assert set(ast.literal_eval(found[3])) <= {"planned = scheduled", "scheduled = sent + not sent"}


def test_a_record_that_cannot_be_written_at_the_end_makes_the_run_invalid(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["--headless", "-H", simulator.url, "-t", "3s", *UNHURRIED]

    with LocustProcess(tmp_path, *options) as locust:
        locust.wait_for("All users spawned")
        (record,) = (tmp_path / "runs" / "latest").resolve().parent.glob("2*")
        shutil.rmtree(record)
        record.write_text("in the way")
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert "INVALID (exit code 5)" in ended.output
    assert "the record could not be written" in ended.output
    assert "Traceback" not in ended.output


def test_a_report_that_nobody_reads_leaves_the_exit_code_alone(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    options = ["-H", simulator.url, "-t", "1s", *UNHURRIED]

    with (
        open("/dev/full", "w") as full,
        Program(
            *("locust", "-f", str(ROOT / "locustfile.py"), "--headless", *options),
            cwd=tmp_path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        _, said = process.communicate(timeout=120)

    assert process.returncode == 0, said
    assert "the report could not be printed" in said
    assert "closing_report" not in said
