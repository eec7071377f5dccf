"""Locust's own options with Convoy, where several parts have to go together."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.fork_server import run
from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    clean_environment,
    free_port,
    run_locust,
)
from tests.simulator_process import SimulatorProcess

OWN_LOCUSTFILE = """
import locust
import os

from convoy.plugin import hooks
from scenarios.guest_messages import GuestMessages

hooks.install(os.environ)
"""


def test_own_locustfile_runs_with_json_on_stdout_and_all_of_it_in_the_csv_files(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    locustfile = tmp_path / "mine" / "load.py"
    locustfile.parent.mkdir()
    locustfile.write_text(OWN_LOCUSTFILE)
    files = ["--csv", "figures/all", "--json"]
    load = ["--rate", "20", "-u", "10", "-t", "3s", *UNHURRIED]
    options = ["-f", str(locustfile), "--headless", "-H", simulator.url, *load, *files]

    ended = run("locust", *options, cwd=tmp_path, env=clean_environment(), text=True, timeout=120)

    assert ended.returncode == 0, ended.stderr
    [row] = json.loads(ended.stdout)
    assert (row["name"], row["num_requests"]) == ("guest_messages", 60)
    with (tmp_path / "figures" / "all_stats.csv").open() as file:
        assert [each["Request Count"] for each in csv.DictReader(file)] == ["60", "60"]
    assert "verdict         PASS" in ended.stderr
    assert ended.stderr.count("Aggregated") == 2, "only the tables of the end are printed"


def test_own_locustfile_may_print_what_the_encoding_does_not_have(tmp_path: Path) -> None:
    locustfile = tmp_path / "load.py"
    locustfile.write_text(f"{OWN_LOCUSTFILE}\nprint('p95 \\u2265 1')\n")
    environment = clean_environment() | {"PYTHONIOENCODING": "ascii"}

    ended = run("locust", "-f", str(locustfile), "--list", cwd=tmp_path, env=environment, text=True)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("p95 >= 1\n")


def test_a_log_in_a_file_takes_what_the_encoding_does_not_have(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    locustfile = tmp_path / "load.py"
    logs = "import logging\nlogging.getLogger('own').info('p95 \\u2265 1')"
    listens = f"locust.events.test_start.add_listener(lambda **_: exec({logs!r}))"
    locustfile.write_text(f"{OWN_LOCUSTFILE}\n{listens}\n")
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    options = ["--headless", "-H", simulator.url, "-t", "1s", *UNHURRIED, "--logfile", "log.txt"]

    ended = run(
        *("locust", "-f", str(locustfile), *options),
        cwd=tmp_path,
        env=clean_environment() | c_locale,
        encoding="cp1252",
    )

    assert ended.returncode == 0, ended.stderr
    assert "Logging error" not in ended.stderr and "Traceback" not in ended.stderr
    assert "own: p95 >= 1\n" in (tmp_path / "log.txt").read_text("ascii")


def test_option_that_convoy_cannot_honour_ends_the_process_before_any_load(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, "--profile", "stress", "--processes", "2")

    assert ended.exit_code == 2
    assert ended.output.startswith("convoy: --profile: would be Locust's label of the run")
    assert len(ended.output.splitlines()) == 1


def test_a_run_that_began_by_itself_ends_the_process_with_its_exit_code(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    web = ["--web-port", str(free_port()), "--web-base-path", "/load"]
    load = ["-H", simulator.url, "-t", "1s", *UNHURRIED, "--set", "criteria=accepted == 0"]

    with LocustProcess(tmp_path, "--autostart", "--autoquit", "1", *web, *load) as locust:
        locust.wait_for(r"Starting web interface at http://127\.0\.0\.1:\d+/load")
        ended = locust.end()

    assert ended.exit_code == 3, ended.output
    assert ended.run["verdict"] == "fail"
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 20
