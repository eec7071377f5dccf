"""A live run: how it ends when all goes well, when something fails, and when it is interrupted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from msgspec.structs import replace

from convoy.errors import ExitCode, RefusedError
from convoy.plugin import live_run
from convoy.plugin.live_run import LiveRun
from convoy.prepare.checklist import Checklist
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.kill_switch import KillSwitch
from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.grammar import Known, parse
from convoy.results.record import begin_record, read_result
from convoy.results.result import RunResult
from convoy.swarm.run_account import Problems
from convoy.swarm.run_lanes import RunLanes
from tests.unit.results import counts_of, result_of, run_of
from tests.unit.settings.configuration import settings_of

HEALTHY = result_of(conversation_messages=counts_of(accepted=1))


class Master:
    """A master whose run ends as `end` does it; it knows who takes part."""

    def __init__(self, end: Callable[[], None] = lambda: None) -> None:
        self.run = end
        self.problems = Problems()
        self.lanes = RunLanes({}, 30)
        self.is_stopped = False
        self.is_abandoned = False
        self.is_local, self.report_every_s = True, 3
        self.since_t0_s = 0.0
        self.taking_part: set[str] = set()
        self.state = ""
        self.progress: Callable[[], str] = str
        self.redact: Callable[[str], str] = str

    def snapshot(self, *, with_times: bool = True) -> RunResult:
        return replace(HEALTHY, problems=tuple(self.problems))

    def stop(self) -> None:
        self.is_stopped = True
        self.run = lambda: None

    def abandon(self) -> None:
        self.is_abandoned = True

    def may_have_users(self, worker: str) -> bool:
        return worker in self.taking_part


def live_run_of(master: Master, runs: Path, has_links: bool = False) -> LiveRun:
    anything: Any = master
    prepared = PreparedRun(settings_of(), {}, (), None, Checklist(), "", run_id="run-1")
    record = begin_record(runs, "run-1", "")
    return LiveRun(
        anything,
        prepared,
        collect_report=lambda: None,
        rows=lambda: {},
        record=record,
        has_links=has_links,
    )


def workers_of(*names: str) -> Any:
    return SimpleNamespace(workers=lambda: set(names), deal_anew_where_needed=lambda: None)


def fail(error: BaseException) -> Callable[[], None]:
    def end() -> None:
        raise error

    return end


def test_a_run_that_ends_by_itself_has_a_summary_a_record_and_a_report(tmp_path: Path) -> None:
    run = live_run_of(Master(), tmp_path)

    run.carry_out()

    assert run.is_over and run.final is not None
    assert run.final.exit_code == ExitCode.PASS
    assert (tmp_path / "run-1" / "summary.json").exists()
    assert f"record          {tmp_path / 'run-1'}" in run.report


@pytest.mark.parametrize("has_links", [False, True], ids=["a path", "a link"])
def test_the_end_names_the_report_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    monkeypatch.setattr(live_run.Record, "close", lambda *_: None)
    run, other = (live_run_of(Master(), tmp_path / name, has_links) for name in ("one", "other"))
    page = tmp_path / "one" / "run-1" / "report.html"
    page.write_text("")

    run.carry_out()
    other.carry_out()

    shown = f"\x1b]8;;{page.as_uri()}\x1b\\{page}\x1b]8;;\x1b\\" if has_links else str(page)
    assert run.report.endswith(f"\n  report          {shown}\n")
    assert "  report  " not in other.report


def test_the_log_says_how_far_the_run_is_every_ten_seconds_and_at_once_in_a_new_phase(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    master, now_s = Master(), 100.0
    run = live_run_of(master, tmp_path)

    def sleep(for_s: float) -> None:
        nonlocal now_s
        now_s += for_s
        master.state = "warming up" if now_s < 104 else "measuring"
        run.is_over = now_s > 140

    master.state = "preparing"
    master.progress = lambda: f"{master.state} at {now_s:.0f}"
    run.tell_progress(lambda: now_s, sleep)

    assert [each.message for each in caplog.records] == [
        "preparing at 100",
        "warming up at 100",
        *(f"measuring at {at_s}" for at_s in (104, 114, 124, 134)),
    ]


def test_a_run_that_is_refused_has_none_of_them(tmp_path: Path) -> None:
    run = live_run_of(Master(fail(RefusedError("no worker can take part"))), tmp_path)

    run.carry_out()

    assert run.is_over and str(run.refused) == "no worker can take part"
    assert (run.final, run.report) == (None, "")
    assert not (tmp_path / "run-1" / "summary.json").exists()


def test_an_error_of_ours_stops_the_load_and_what_was_counted_is_judged_invalid(
    tmp_path: Path,
) -> None:
    master = Master(fail(ZeroDivisionError("one of ours")))
    run = live_run_of(master, tmp_path)

    run.carry_out()

    assert master.is_stopped and run.final is not None
    assert run.final.exit_code == ExitCode.INVALID
    assert any("one of ours" in each for each in run.final.reasons)


def test_a_record_that_cannot_be_written_makes_the_run_invalid(tmp_path: Path) -> None:
    run = live_run_of(Master(), tmp_path)
    rmtree(tmp_path / "run-1")
    (tmp_path / "run-1").write_text("a file in the folder's place")

    run.carry_out()

    assert run.final is not None
    assert run.final.exit_code == ExitCode.INVALID
    assert "not whole" in run.report


def test_a_run_is_over_also_where_it_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "judge", lambda *_: 1 / 0)
    run = live_run_of(Master(), tmp_path)

    run.carry_out()

    assert run.is_over and run.final is None


def test_the_first_interruption_ends_the_run_and_gives_the_reason(tmp_path: Path) -> None:
    master = Master()
    run = live_run_of(master, tmp_path)

    run.interrupt("the test was stopped before its end")
    run.interrupt("the process was told to end")

    assert master.is_stopped
    assert master.problems == ["interrupted: the test was stopped before its end"]


def test_a_second_ctrl_c_gives_up_what_is_in_flight(tmp_path: Path) -> None:
    master = Master()
    run = live_run_of(master, tmp_path)
    waiting = gevent.spawn(run.wait)
    gevent.sleep(0)

    waiting.kill(KeyboardInterrupt, block=False)
    gevent.sleep(0)
    run.is_over = True
    waiting.join(timeout=10)

    assert master.is_abandoned
    assert master.problems == ["interrupted a second time: what was in flight is not known"]


def test_the_run_waits_for_the_workers_that_are_connected_to_take_part(tmp_path: Path) -> None:
    master = Master()
    run = live_run_of(master, tmp_path)
    waiting = gevent.spawn(run.await_workers, workers_of("one", "another"))
    gevent.sleep(0)

    master.taking_part |= {"one"}
    waiting.join(timeout=0.1)
    is_waiting = not waiting.ready()
    master.taking_part |= {"another"}
    waiting.join(timeout=10)

    assert is_waiting and waiting.successful()


def test_a_run_that_nobody_watches_is_invalid(tmp_path: Path) -> None:
    master = Master()
    master.snapshot = lambda **_: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    master.since_t0_s = 0.999
    run = live_run_of(master, tmp_path)

    run.watch()

    [problem] = master.problems
    assert "an error of Convoy itself: ZeroDivisionError" in problem


def test_a_record_is_written_while_the_run_goes_on(tmp_path: Path) -> None:
    master = Master()
    master.report_every_s, master.since_t0_s = 1, 0.999
    run = live_run_of(master, tmp_path)
    collected: list[int] = []
    run.collect_report = lambda: collected.append(1) or (len(collected) > 1 and master.stop())

    run.watch()

    assert master.problems == []
    assert len(read_result(tmp_path / "run-1").scenarios) == 1


@pytest.mark.parametrize(
    ("ends_s", "why", "reason"),
    [
        (inf, "SIGUSR1", "the kill switch: SIGUSR1"),
        (0.0, "", "the window of the approval is over"),
    ],
    ids=["kill switch", "end of the window"],
)
def test_a_run_is_ended_from_outside(tmp_path: Path, ends_s: float, why: str, reason: str) -> None:
    master = Master()
    run = live_run_of(master, tmp_path)
    switch = KillSwitch(tmp_path / "STOP")
    switch.keep_to_window(0.0, ends_s)
    switch.throw(why)

    watching = gevent.spawn(run.watch_kill_switch, switch)
    with gevent.Timeout(10):
        while not master.is_stopped:
            gevent.sleep(0.01)
    run.carry_out()
    watching.join(10)

    assert run.final is not None and run.final.exit_code == ExitCode.INVALID
    assert reason in run.final.reasons[0]


LASTS_S = 60


class Watched(Master):
    """A run of a minute in which each second is like the ones before; time is what was slept."""

    def __init__(self, runs: Path, second: Counts, *lines: str, report_every_s: int = 1) -> None:
        super().__init__()
        self.report_every_s = report_every_s
        self.aborted: CriterionResult | None = None
        self.said: list[str] = []
        self.entered: list[RunResult] = []
        self._second = second
        self._now_s = 0
        run = live_run_of(self, runs)
        criteria = parse(lines, Known({"messages"}, duration_s=LASTS_S))
        run.prepared = dataclasses.replace(run.prepared, criteria=criteria)
        run.record = SimpleNamespace(enter=lambda result: self.entered.append(result) or ())  # type: ignore[assignment, func-returns-value]
        run.collect_report = lambda: self.said.append(f"report at {self._now_s}")
        run.watch(self._sleep)
        self.ended_s = self._now_s

    def snapshot(self, *, with_times: bool = True) -> RunResult:
        self.said.append(f"look at {self._now_s}")
        over = float(self._now_s)
        return run_of(*[self._second] * self._now_s, until_s=over, duration_s=float(LASTS_S))

    def _sleep(self, for_s: float) -> None:
        self._now_s += round(for_s)
        self.is_stopped = self.is_stopped or self._now_s >= LASTS_S


def test_each_result_that_it_looks_at_is_entered(tmp_path: Path) -> None:
    run = Watched(tmp_path, counts_of(rejected=10), "share(failures) < 1%")

    assert [each.totals.sent for each in run.entered] == [10 * s for s in range(1, LASTS_S)]
    assert (run.ended_s, run.aborted) == (LASTS_S, None)


@pytest.mark.parametrize(
    ("report_every_s", "said"),
    [
        (1, ["report at 1", "look at 1", "report at 2", "look at 2"]),
        # A large report is merged in the second that follows, and is looked at then.
        (3, ["look at 1", "report at 3", "look at 4", "report at 6"]),
    ],
)
def test_it_collects_reports_and_looks_once_a_second(
    tmp_path: Path, report_every_s: int, said: list[str]
) -> None:
    accepted = counts_of(accepted=10)

    run = Watched(tmp_path, accepted, "share(failures) < 1%, abort", report_every_s=report_every_s)

    assert run.said[:4] == said
    assert (run.ended_s, run.aborted) == (LASTS_S, None)


@pytest.mark.parametrize(
    ("line", "ended_s"),
    [("share(failures) < 1%, abort", 5), ("share(failures) < 1% for 20s, abort", 20)],
)
def test_a_broken_criterion_aborts_once_and_ends_the_watch(
    tmp_path: Path, line: str, ended_s: int
) -> None:
    second = counts_of(accepted=5, rejected=5)

    run = Watched(tmp_path, second, "unknown == 0, abort", line)

    assert run.ended_s == ended_s and run.is_stopped
    assert run.aborted is not None and run.aborted.criterion == line


def test_the_loop_polls_between_two_parts_of_a_record(tmp_path: Path) -> None:
    polls: list[int] = []

    def enter(_: RunResult) -> Iterator[None]:
        for _ in range(3):
            polls.append(gevent.get_hub().loop.iteration)
            yield

    run = live_run_of(Master(), tmp_path)
    run.record = SimpleNamespace(enter=enter)  # type: ignore[assignment]

    gevent.spawn(run._enter, HEALTHY).join()

    assert len(set(polls)) == 3


@pytest.mark.parametrize("faults", [1, 2, 1_000])
@pytest.mark.parametrize("also_in_stop", [False, True])
def test_a_run_in_which_convoy_itself_fails_again_has_a_verdict_and_a_record(
    tmp_path: Path, faults: int, also_in_stop: bool
) -> None:
    class Failing(Master):
        def stop(self) -> None:
            self.is_stopped = True
            if also_in_stop:
                self.run()

    left = [faults]

    def end() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OverflowError("a report")

    master = Failing(end)
    run = live_run_of(master, tmp_path)

    run.carry_out()

    assert run.final is not None and run.final.exit_code == ExitCode.INVALID
    assert (tmp_path / "run-1" / "summary.json").exists()
    assert master.is_stopped and master.is_abandoned == (faults == 1_000)
