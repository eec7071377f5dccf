"""The hooks of a process: what is checked when Locust has parsed its options, and when not."""

from __future__ import annotations

import csv
import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import gevent
import pytest
from locust import stats
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments
from locust.env import Environment
from locust.runners import MasterRunner, Runner

from convoy.errors import ExitCode
from convoy.plugin import hooks
from convoy.plugin.hooks import _Hooks
from convoy.plugin.runs import RunController
from convoy.settings.model import Approval
from tests.unit.settings.configuration import settings_of

SECRET = {"CONVOY_SWARM_SECRET": "a secret of a test"}


@pytest.fixture(autouse=True)
def records_of_the_log_as_they_were() -> Iterator[None]:
    make = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(make)


def parsed(*options: str, environ: Mapping[str, str] | None = None) -> Namespace:
    """Parse options as Locust does, with Convoy's hook in it."""
    parser = get_empty_argument_parser()
    setup_parser_arguments(parser)
    _Hooks(environ or {}).add_options(parser)
    found: Namespace = parser.parse_args(list(options))
    return found


@pytest.mark.parametrize(
    ("options", "environ", "words"),
    [
        (["--set", "raet=5"], {}, ["raet (--set 1)", "did you mean rate?"]),
        (["--set", "headers={Host: other}"], {}, ["is set by Convoy itself"]),
        (["--rate", "-3"], {}, ["rate (--rate)", "-3", "greater than 0"]),
        (["--rate", "maximum"], {}, ["rate (--rate)", "'maximum'", "a number, or max"]),
        (["-u", "0"], {}, ["users (--users)", "0", "greater than 0"]),
        (["-H", "http://foo$bar"], {}, ["foo$bar"]),
        (["-H", f"http://{'a' * 70}.example"], {}, ["a" * 50]),
        (["--target", "simulatr"], {}, ["--target", "'simulatr'", "did you mean simulator?"]),
        (["--tags", "slow"], {}, ["--tags: "]),
        (["NoSuchUser"], {}, ["scenarios"]),
        ([], {"CONVOY_RAET": "5"}, ["CONVOY_RAET", "did you mean CONVOY_RATE?"]),
        ([], {"CONVOY_RATE": "fast"}, ["rate (CONVOY_RATE)", "fast"]),
        (["--rate", "-3", "--set", "raet=5"], {}, ["rate (--rate)", "raet (--set 1)"]),
    ],
)
def test_what_cannot_run_ends_the_process_in_sentences_before_anything_starts(
    options: list[str],
    environ: Mapping[str, str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--web-port", "0", *options, environ=environ)

    complaint = capsys.readouterr().err
    assert ended.value.code == ExitCode.USAGE
    assert all(line.startswith("convoy: ") for line in complaint.splitlines())
    assert [word for word in words if word not in complaint] == []


@pytest.mark.parametrize("option", ["--list", "--show-task-ratio"])
def test_where_nothing_runs_nothing_is_prepared(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    parsed(option, "--target", "nowhere")

    assert list(tmp_path.iterdir()) == []


def test_a_worker_leaves_the_checks_to_its_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parsed("--worker", "--target", "nowhere").worker
    assert list(tmp_path.iterdir()) == []


def test_what_came_when_the_run_was_ended_is_in_the_csv_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hooks, stats):
        monkeypatch.setattr(module, "CSV_STATS_INTERVAL_SEC", 0.2)
    options = Namespace(csv_prefix=str(tmp_path / "all"), json=False)
    environment = Environment(parsed_options=options)
    environment.create_local_runner()
    writer = stats.StatsCSVFileWriter(environment, [0.5], options.csv_prefix)
    writing = gevent.spawn(writer.stats_writer)
    gevent.sleep(0)  # it has just written, so that it does so again as late as can be

    def interrupt(reason: str) -> None:
        environment.stats.log_request("POST", "of the last second", 5, 0)

    controller = cast(RunController, SimpleNamespace(interrupt=interrupt))
    hooked = _Hooks({})
    hooked._environment = environment
    hooked._listen(controller)

    environment.events.quitting.fire(environment=environment, reverse=True)

    writing.kill()
    writer.close_files()
    with (tmp_path / "all_stats.csv").open() as file:
        assert [each["Request Count"] for each in csv.DictReader(file)] == ["1", "1"]


def test_a_kill_switch_ends_what_closes_the_conversations_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = _Hooks({})
    ended: list[bool] = []

    class Closes:
        def __init__(self, folder: Path) -> None: ...

        def close(self, *_: object) -> None:
            gevent.spawn(made._setup.kill_switch.throw, "SIGUSR1")
            try:
                gevent.sleep(30)
            finally:
                ended.append(True)

    monkeypatch.setattr(hooks, "Cleanup", Closes)
    monkeypatch.setattr(made._setup, "connect_again", lambda settings: (settings, None))
    # Else its handler would be there for the rest of this process.
    monkeypatch.setattr(made._setup.kill_switch, "hear_signal", lambda: None)

    with gevent.Timeout(10):
        told = made._clean_up(settings_of(), tmp_path / "a-run")

    assert (ended, told.startswith("failed, ")) == ([True], True)
    assert "the kill switch: SIGUSR1" in caplog.text


@pytest.mark.parametrize(
    ("options", "environ", "is_approved", "is_done"),
    [
        pytest.param("", {}, True, True, id="alone"),
        pytest.param("--master", {}, True, False, id="anybody may take part"),
        pytest.param("--master", {}, False, True, id="what is closed is a simulator's"),
        pytest.param("--master", SECRET, True, True, id="a secret"),
        pytest.param("--processes", {}, True, True, id="its own processes"),
    ],
)
def test_no_conversation_is_closed_that_a_stranger_may_have_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    environ: Mapping[str, str],
    is_approved: bool,
    is_done: bool,
) -> None:
    made, settings = _Hooks(environ), settings_of()
    if is_approved:
        approval = Approval(ticket="1", organisation_id="o", highest_rate=5)
        target = settings.target.model_copy(update={"approval": approval})
        settings = settings.model_copy(update={"target": target})
    parsed_options = Namespace(processes=2 if options == "--processes" else None)
    made._runner = MasterRunner.__new__(MasterRunner) if options else cast(Runner, None)
    if options:
        made._runner.environment = Environment(parsed_options=parsed_options)
    monkeypatch.setattr(
        hooks, "Cleanup", lambda folder: SimpleNamespace(close=lambda *_: None, __str__=str)
    )
    monkeypatch.setattr(made._setup, "connect_again", lambda settings: (settings, None))
    monkeypatch.setattr(made._setup.kill_switch, "hear_signal", lambda: None)

    told = made._clean_up(settings, tmp_path / "a-run")

    assert told.startswith("not done: without a CONVOY_SWARM_SECRET ") == (not is_done)
