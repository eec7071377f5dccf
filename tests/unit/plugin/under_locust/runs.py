"""The run controller without a run: what it refuses, and what Locust is told then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from locust.env import Environment

from convoy.errors import ExitCode, Fault, RefusedError, SettingsError
from convoy.plugin.channel import LocustChannel
from convoy.plugin.live_run import LiveRun
from convoy.plugin.runs import RunController
from convoy.prepare.checklist import Checklist
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.kill_switch import KillSwitch
from convoy.settings import Settings
from convoy.swarm.changes import Changes
from tests.unit.settings.configuration import settings_of


class Desk:
    """A controller of a local runner whose runs are prepared by `prepare`."""

    def __init__(self, runs: Path, prepare: Callable[[], PreparedRun]) -> None:
        self.environment = Environment()
        self.kill_switch = KillSwitch(runs / "STOP")
        self.closed: list[Path] = []
        self.released: list[str] = []
        runner = self.environment.create_local_runner()
        self.controller = RunController(
            self.environment,
            runner,
            LocustChannel(runner),
            code="c0de",
            prepare=prepare,
            release=self.released.append,
            clean_up=self._close,
            kill_switch=self.kill_switch,
            is_attended=False,
            runs=runs,
            redact=str,
        )

    def _close(self, settings: Settings, folder: Path) -> str:
        self.closed.append(folder)
        return "done"


def refuse() -> PreparedRun:
    raise RefusedError("the target does not answer")


def test_a_run_that_is_refused_starts_no_user_and_sets_the_exit_code(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path, refuse)
    desk.environment.events.test_start.fire(environment=desk.environment)

    assert desk.controller.begin(10, 2.0)[0] == 0
    assert desk.environment.process_exit_code == ExitCode.REFUSED
    assert "the target does not answer" in caplog.text
    assert str(desk.controller.refusal) == "the target does not answer"
    assert desk.controller.final is None
    assert not desk.controller.is_running and list(tmp_path.iterdir()) == []


def test_a_run_that_is_prepared_does_not_begin_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)
    desk.controller.line_up(PreparedRun(settings_of(), {}, (), None, Checklist(), "", "a-run"))
    desk.environment.events.test_start.fire(environment=desk.environment)

    desk.kill_switch.throw("SIGUSR1")

    assert desk.controller.begin(10, 2.0)[0] == 0
    assert desk.environment.process_exit_code == ExitCode.INVALID
    assert str(desk.controller.refusal).startswith("the kill switch: SIGUSR1; nothing more")
    assert list(tmp_path.iterdir()) == []


def ended(run_id: str, interruption: str = "", report: str = "") -> LiveRun:
    """A run that is over, and that is to be cleaned up after."""
    prepared = SimpleNamespace(run_id=run_id, settings=SimpleNamespace(cleanup=True))
    run = SimpleNamespace(
        prepared=prepared,
        master=SimpleNamespace(dismiss_workers=lambda: None),
        carry_out=lambda: None,
        refused=None,
        final=None,
        report=report,
        interruption=interruption,
        is_over=True,
    )
    return cast(LiveRun, run)


def test_nothing_is_closed_after_a_run_that_the_kill_switch_has_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)

    desk.controller._carry_out(ended("a-run"))
    # In a worker's folder, or no longer there.
    desk.controller._carry_out(ended("another", "the kill switch: runs/STOP is there"))
    told = desk.controller.closing_report
    desk.kill_switch.throw("SIGUSR1")
    desk.controller._carry_out(ended("a third"))

    assert desk.closed == [tmp_path / "a-run"]
    assert "not done, because the run was interrupted: the kill switch: runs/STOP is there" in told
    assert "the kill switch: SIGUSR1; " in desk.controller.closing_report
    assert desk.released == ["a-run", "another", "a third"]


@pytest.mark.parametrize("refused", [None, RefusedError("no user was ready")])
def test_its_workers_are_dismissed_before_the_approved_rate_is_anybody_elses(
    tmp_path: Path, refused: RefusedError | None
) -> None:
    desk, done = Desk(tmp_path, refuse), list[str]()
    run = ended("a-run")
    run.refused = refused
    run.master.dismiss_workers = lambda: done.append("dismissed")  # type: ignore[method-assign]
    desk.controller.clean_up = lambda settings, folder: done.append("closed") or ""
    desk.controller.release = lambda run_id: done.append("released")

    desk.controller._carry_out(run)

    assert done == ["dismissed", *["closed"] * (refused is None), "released"]


def test_the_reason_for_which_a_worker_ended_a_run_is_said_without_secrets(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)
    desk.controller.redact = lambda text: text.replace("sesame", "***")

    desk.controller._carry_out(ended("a-run", "the target said sesame"))

    assert "was interrupted: the target said ***" in desk.controller.closing_report


def test_the_closing_report_is_printed_without_secrets(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)
    desk.controller.redact = lambda text: text.replace("sesame", "***")

    desk.controller._carry_out(ended("a-run", report="not compared: open sesame\n"))

    assert desk.controller.closing_report.startswith("not compared: open ***\n")


def test_no_run_begins_while_what_the_last_one_opened_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared: list[PreparedRun] = []

    def prepare() -> PreparedRun:
        prepared.append(PreparedRun(settings_of(), {}, (), None, Checklist(), "", "a-run"))
        return prepared[-1]

    desk = Desk(tmp_path, prepare)
    refused: list[int] = []

    def close(settings: Settings, folder: Path) -> str:
        desk.environment.events.test_start.fire(environment=desk.environment)
        refused.append(desk.controller.begin(10, 2.0)[0])
        with pytest.raises(RefusedError, match="what it opened is being closed; start again when"):
            desk.controller.make_way()  # for one that the web form asks for
        return "done"

    desk.controller.clean_up = close
    desk.controller._carry_out(ended("a-run"))

    assert (refused, prepared, desk.released) == ([0], [], ["a-run"])
    assert "start again when that is done" in caplog.text


def test_a_run_that_was_lined_up_makes_way_for_another(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)
    desk.controller.line_up(PreparedRun(settings_of(), {}, (), None, Checklist(), "", "a-run"))

    desk.controller.make_way()
    desk.controller.make_way()

    assert desk.released == ["a-run"]


def test_locust_has_the_users_that_it_asks_for_where_no_run_is_to_begin(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)

    assert desk.controller.begin(10, 2.0) == (10, 2.0)


def test_without_a_run_there_is_nothing_to_change_or_to_show(tmp_path: Path) -> None:
    controller = Desk(tmp_path, refuse).controller

    with pytest.raises(RefusedError, match="no run is going on"):
        controller.change(Changes.pause)
    controller.interrupt("the process was told to end")
    controller.workers.absorb("worker-1", b"a report of an earlier run")

    assert (controller.present_rate, controller.address, controller.progress()) == (None, "", "")
    assert controller.summary() is None


def test_each_fault_of_a_run_that_cannot_be_prepared_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> PreparedRun:
        raise SettingsError([Fault("users", "is 0"), Fault("rate", "is -1")])

    desk = Desk(tmp_path, fail)
    desk.environment.events.test_start.fire(environment=desk.environment)
    desk.controller.begin(1, 1.0)

    assert desk.environment.process_exit_code == ExitCode.USAGE
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        "users: is 0",
        "rate: is -1",
    ]
