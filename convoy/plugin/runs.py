"""The run controller: begins runs when Locust starts a test, and ends the test when one is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import gevent
from locust.env import Environment
from locust.runners import Runner

from convoy.errors import ConvoyError, RefusedError
from convoy.plugin.channel import LocustChannel
from convoy.plugin.lifecycle import Lifecycle, TestState
from convoy.plugin.live_run import LiveRun
from convoy.plugin.live_view import LiveView
from convoy.plugin.locust_workers import LocustWorkers
from convoy.prepare.guard import check_processes, check_users
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.kill_switch import KillSwitch
from convoy.results.record import Record, begin_record, clear_records
from convoy.results.summary import Summary
from convoy.settings import Settings
from convoy.swarm.changes import Changes
from convoy.swarm.master import Master
from convoy.swarm.run_inputs import RunInputs, pack_for_record

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class RunController:
    """Runs one run at a time for a local or master runner.

    Where Locust starts a test and no run was lined up, `prepare` returns the run to begin: it has
    resolved the settings and made all checks. After a run `clean_up` closes the conversations that
    the run opened, and returns a sentence on that; then `release`, given the run's id, lets others
    load the organisation. `code` is the hash of the code that makes messages. Each run is shown in
    the `view`; without a view it tells its progress in the log. `collect_report` takes in the
    report of a worker in this process; Locust collects the reports of other processes. The
    `kill_switch` ends a run. `redact` hides secrets. It is long because it answers to Locust, the
    web UI and the end of the process alike.
    """

    environment: Environment
    runner: Runner
    channel: LocustChannel
    _: KW_ONLY
    code: str
    prepare: Callable[[], PreparedRun]
    release: Callable[[str], None]
    clean_up: Callable[[Settings, Path], str]
    kill_switch: KillSwitch
    is_attended: bool
    runs: Path
    redact: Callable[[str], str]
    view: LiveView | None = None

    def __post_init__(self) -> None:
        self.closing_report = ""
        self.refusal: ConvoyError | None = None
        """Why the last run was refused, None where it was not."""
        self.collect_report: Callable[[], None] = lambda: None
        self.workers = LocustWorkers(self.environment, self.runner)
        self._test = Lifecycle(self.environment, self.runner, is_attended=self.is_attended)
        self._next: PreparedRun | None = None
        self._run: LiveRun | None = None
        """The present run, or the last one."""
        self._is_interrupted = self._is_closing = False
        self._last: Summary | None = None
        self.channel.listen_as_master(self.workers.greet, self.workers.hear)

    @property
    def _live(self) -> LiveRun | None:
        return None if self._run is None or self._run.is_over else self._run

    @property
    def is_idle(self) -> bool:
        """True where Locust has started no test yet, or the last one has ended."""
        return self._test.state is TestState.IDLE

    @property
    def is_running(self) -> bool:
        return self._live is not None

    @property
    def present_rate(self) -> object:
        """The rate last set for the present run, as in the settings; None without a run."""
        return None if self._live is None else self._live.master.changes.rate

    @property
    def address(self) -> str:
        """Where the present run goes, "" without one."""
        return "" if self._live is None else self._live.prepared.settings.target.api_url

    def progress(self) -> str:
        """Return how far the present run is, as one line; "" without one."""
        return "" if self._live is None else str(self._live.master.progress())

    def check_users(self, users: int) -> None:
        """Raise RefusedError where this machine or the approval does not allow so many users."""
        if self._run is not None:
            prepared = self._run.prepared
            check_users(prepared.settings, users, prepared.processes, prepared.guests)

    def change(self, make: Callable[[Changes, float], None]) -> None:
        """Change the rest of the run as `Master.change`; raises RefusedError."""
        if self._live is None:
            raise RefusedError("no run is going on")
        self._live.master.change(make)

    def make_way(self) -> None:
        """Drop the run that is lined up, if any, for another; raises RefusedError if none may be.

        After a run that is as long as the cleanup takes, which is held to the approval as well.
        """
        if self._test.state is TestState.ENDING:
            raise RefusedError("the last run is just ending; start again in a moment")
        if self._is_closing:
            told = "the last run is over, and what it opened is being closed"
            raise RefusedError(f"{told}; start again when that is done")
        dropped, self._next = self._next, None
        if dropped is not None:
            self.release(dropped.run_id)

    def line_up(self, prepared: PreparedRun) -> None:
        """Keep a prepared run; it begins when Locust starts the test."""
        self._next = prepared

    def begin(self, users: int, spawn_rate: float) -> tuple[int, float]:
        """Begin the run that is lined up, if none is running; return users and users per second.

        During a run Locust adds or takes away users as it was asked to, within the approval.
        """
        if self.is_running or self._test.state is not TestState.EXPECTED:
            return self._changed(users), spawn_rate
        self._test.begin()
        self._is_interrupted, self.refusal = False, None
        prepared, self._next = self._next, None
        try:
            if prepared is None:
                self.make_way()
                prepared = self.prepare()
            self.kill_switch.check()
            check_processes(prepared.settings, len(self.workers.workers()))
            inputs = RunInputs(prepared.run_id, prepared.settings, prepared.inputs)
            packed = pack_for_record(inputs, self.code, self.redact)
            record = begin_record(self.runs, prepared.run_id, prepared.facts.settings, packed)
        except ConvoyError as error:
            self._test.state = TestState.GOING_ON
            self._refuse(error, prepared)
            return 0, 1.0  # no users; Locust takes no rate of 0
        self._test.configure(prepared.settings, prepared.users_per_s)
        _tell(prepared)
        # After the new record is there, which is one of those that are kept.
        clear_records(self.runs, prepared.settings.runs_kept, time.time())
        run = self._run = self._live_run(prepared, inputs, record)
        self.workers.master = run.master
        gevent.spawn(self._carry_out, run)
        gevent.spawn(run.watch)
        gevent.spawn(run.watch_kill_switch, self.kill_switch)
        if self.view is not None:
            gevent.spawn(self.view.show, run)
        options = self.environment.parsed_options
        if self.view is None or (options is not None and options.logfile):
            gevent.spawn(run.tell_progress)
        run.await_workers(self.workers)
        self._test.state = TestState.GOING_ON
        if run.is_over:
            return 0, 1.0
        gevent.spawn(run.keep_workers, self.workers)
        return prepared.settings.users, prepared.users_per_s

    def _changed(self, users: int) -> int:
        """Return how many users the run has from now on: as many as asked for, or as before."""
        self._test.cancel_timer()
        try:
            self.check_users(users)
            users = self._test.take_users(users)
        except RefusedError as error:  # the web form checks before, Locust's keys do not
            logger.error("%s", error)
            users = self._test.keep_users()
        if self._live is not None:
            self._live.master.note_users(users)
        return users

    def _live_run(self, prepared: PreparedRun, inputs: RunInputs, record: Record) -> LiveRun:
        master = Master(
            inputs,
            self.channel,
            self.workers,
            code=self.code,
            facts=prepared.facts,
            redact=self.redact,
            enter_messages=lambda packed: run.enter_messages(packed),
            spawning_s=prepared.settings.users / prepared.users_per_s,
            is_local=self.workers.are_local,
            sent_before=prepared.sent,
            end_early=lambda reason: run.interrupt(reason),
        )
        run = LiveRun(
            master,
            prepared,
            collect_report=self.collect_report,
            rows=lambda: self._test.rows(prepared.inputs),
            record=record,
            has_links=self.view is not None and not self.is_attended,
        )
        return run

    def summary(self) -> Summary | None:
        """Return the summary of the present run up to now, or of the last one; None without any."""
        return self._last if self._live is None else self._live.summary()

    @property
    def final(self) -> Summary | None:
        """The summary of the last run, once it is over and judged; None where it was refused."""
        return None if self._run is None or self.refusal else self._run.final

    @property
    def record_folder(self) -> Path | None:
        """The folder with the record of the last run that is over; None before."""
        return None if self._last is None else self.runs / self._last.run_id

    def interrupt(self, reason: str) -> None:
        """End the present run early, and wait until it has ended; the reason is noted."""
        if self._live is not None:
            self._is_interrupted = True
            self._live.interrupt(reason)
            self._live.wait()

    def _carry_out(self, run: LiveRun) -> None:
        run.carry_out()
        # Before another run, or what closes what this one opened, has the approved rate.
        run.master.dismiss_workers()
        self.workers.master = None
        if run.refused is not None:
            self._refuse(run.refused, run.prepared)
            return
        if run.final is not None:
            self.environment.process_exit_code, self._last = run.final.exit_code, run.final
        self._say(run.report)
        self._is_closing = True
        try:
            if run.prepared.settings.cleanup:
                self._close_what_was_opened(run)
            self.release(run.prepared.run_id)
        finally:
            self._is_closing = False
        self._test.end(is_stopped=self._is_interrupted)

    def _close_what_was_opened(self, run: LiveRun) -> None:
        run_id, stopped = run.prepared.run_id, run.interruption or self.kill_switch.reason
        if stopped:  # the process may be about to end
            later = f".venv/bin/python -m convoy cleanup {run_id}"
            told = f"not done, because the run was interrupted: {stopped}; {later} does it"
        else:
            logger.info("closing the conversations that the run opened")
            told = self.clean_up(run.prepared.settings, self.runs / run_id)
        self._say(f"  {'cleanup':<15} {told}\n")

    def _say(self, text: str) -> None:
        """Say something of the run that is over: in the log, or at the end of the process."""
        if self.is_attended:
            logger.info("%s", text)
        else:  # it is printed, and does not pass the handlers of the log, which redact
            self.closing_report += self.redact(text)

    def _refuse(self, error: ConvoyError, prepared: PreparedRun | None) -> None:
        """Log why no load is started, and end the test that Locust has begun."""
        if prepared is not None:
            self.release(prepared.run_id)
        for line in str(error).splitlines():
            logger.error("%s", line)
        self.environment.process_exit_code, self.refusal = error.exit_code, error
        # In a greenlet of its own: to stop a test, Locust's local runner kills the greenlet that
        # starts the users, in which `begin` is called.
        gevent.spawn(self._test.end)


def _tell(prepared: PreparedRun) -> None:
    """Log which run begins, and what its preflight found."""
    logger.info("run %s is prepared: %s", prepared.run_id, prepared.description)
    logger.info("preflight: %s", prepared.checklist.total)
    for warning in prepared.checklist.warnings:
        logger.warning("%s", warning)
