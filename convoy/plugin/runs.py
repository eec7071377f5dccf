"""The run controller: begins runs, ends them with a verdict, and passes on worker messages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, Runner
from msgspec.structs import replace

from convoy.errors import ConvoyError, ExitCode, RefusedError
from convoy.plugin.dealing import EvenUsersDispatcher, Shares
from convoy.plugin.rows import rows_of
from convoy.plugin.users import ScenarioUser
from convoy.prepare.guard import check_plan
from convoy.prepare.preflight import PreparedRun
from convoy.results.criteria import CriterionResult
from convoy.results.record import begin_record, write_record
from convoy.results.reports.text import error_table, text_report
from convoy.results.result import RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from convoy.settings import Settings
from convoy.swarm.changes import Changes
from convoy.swarm.channel import Channel, ToMaster
from convoy.swarm.comparison import compare
from convoy.swarm.master import Master
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.watch import watch_run
from convoy.swarm.workers import Users

logger = logging.getLogger(__name__)

LOCAL_WORKER = "local"
_POLL_S = 0.05
_PAGE_ASKS_EVERY_S = 2.2
"""Locust's page does so every two seconds."""


class RunController:
    """Runs one run at a time for a local or master runner.

    `prepare` resolves and checks a run that was not lined up before it begins. With `is_attended` a
    person at the web UI decides when the process ends. `collect_report` takes in the report of a
    worker in this process; Locust collects those of other processes.
    """

    def __init__(
        self,
        environment: Environment,
        runner: Runner,
        channel: Channel,
        *,
        prepare: Callable[[], PreparedRun],
        is_attended: bool,
        runs: Path,
    ) -> None:
        self.closing_report = ""
        self.is_ending = False
        self.collect_report: Callable[[], None] = lambda: None
        self._environment = environment
        self._runner = runner
        self._channel = channel
        self._prepare = prepare
        self._is_attended = is_attended
        self._runs = runs
        self._next: PreparedRun | None = None
        self._is_expected = False
        self._prepared: PreparedRun | None = None
        self._master: Master | None = None
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self._connected: set[str] = set()
        self._is_reset = False
        self._last: Summary | None = None
        environment.events.reset_stats.add_listener(self._on_reset)
        channel.listen(ToMaster.HELLO, self._on_hello)
        channel.listen(ToMaster.PROGRESS, self._pass_on(Master.on_progress))
        channel.listen(ToMaster.RELEASED, self._pass_on(Master.on_released))
        channel.listen(ToMaster.DRAINED, self._pass_on(Master.on_drained))
        channel.listen(ToMaster.LATE_CHANGE, self._pass_on(Master.on_late_change))
        channel.listen(ToMaster.ENOUGH, self._on_enough)

    @property
    def is_running(self) -> bool:
        return self._master is not None

    @property
    def present_rate(self) -> object:
        """The rate last set for the present run, as in the settings; None without a run."""
        return None if self._master is None else self._master.changes.rate

    def change_rate(self, rate: float) -> None:
        """Set another rate (messages per second) for the rest of the run; raises RefusedError."""
        self._change(lambda changes, at_s: changes.set_rate(at_s, rate))

    def check_users(self, users: int) -> None:
        """Raise RefusedError where the run with so many users would be beyond the approval."""
        if self._prepared is not None:
            check_plan(self._prepared.settings.model_copy(update={"users": users}))

    def pause(self) -> None:
        """Let no message fall due until `resume` or the end of the run; raises RefusedError."""
        self._change(Changes.pause)

    def resume(self) -> None:
        """Continue where the run was paused; its end does not move. Raises RefusedError."""
        self._change(Changes.resume)

    def _change(self, make: Callable[[Changes, float], None]) -> None:
        if self._master is None:
            raise RefusedError("no run is going on")
        self._master.change(make)

    def line_up(self, prepared: PreparedRun) -> None:
        """Keep a prepared run; it begins when Locust starts the test."""
        self._next = prepared

    def expect_run(self) -> None:
        """Let the next dispatch of users begin a run: Locust starts a test."""
        self._is_expected = True

    def begin(self, users: int, spawn_rate: float) -> tuple[int, float]:
        """Begin the run that is lined up, if none is running; return users and users per second.

        During a run Locust adds or takes away users as it was asked to, within the approval.
        """
        if self._master is not None or not self._is_expected:
            self._cancel_locusts_timer()
            try:
                self.check_users(users)
            except RefusedError as error:  # the web form checks before, Locust's keys do not
                logger.error("%s", error)
                users = self._runner.target_user_count = self._runner.user_count
            return users, spawn_rate
        self._is_expected = self._is_reset = False
        try:
            prepared = self._next or self._prepare()
            begin_record(self._runs, prepared.run_id, prepared.settings.redacted())
        except ConvoyError as error:
            self._refuse(error)
            return 0, 1.0
        self._next, self._prepared = None, prepared
        wanted = prepared.settings.users
        rate = prepared.spawn_rate or float(wanted)
        self._configure_locust(prepared.settings, rate)
        inputs = RunInputs(prepared.run_id, prepared.settings, prepared.inputs)
        logger.info("run %s is prepared: %s", inputs.run_id, prepared.description)
        logger.info("preflight: %s", prepared.checklist.total)
        for warning in prepared.checklist.warnings:
            logger.warning("%s", warning)
        self._master = Master(
            inputs,
            self._channel,
            self,
            workers_at_first=max(1, len(self.workers())),
            spawning_s=wanted / rate,
        )
        for worker in self.workers() & self._connected:
            self._master.prepare(worker)
        self._greenlet = gevent.spawn(self._carry_out, self._master)
        gevent.spawn(self._watch, self._master, prepared)
        return wanted, rate

    def _configure_locust(self, settings: Settings, spawn_rate: float) -> None:
        """Give Locust the settings of the run: it knows only its own options or its form."""
        self._environment.process_exit_code = ExitCode.INVALID
        self._environment.stop_timeout = settings.stop_timeout_s
        self._environment.host = settings.target.api_url
        self._runner.target_user_count = settings.users
        if isinstance(self._runner, MasterRunner):
            self._runner.spawn_rate = spawn_rate
        self._cancel_locusts_timer()

    def _cancel_locusts_timer(self) -> None:
        """Cancel Locust's timer: it starts before users are ready and would cut the run short."""
        if self._environment.web_ui is not None:
            self._environment.web_ui._cancel_run_time_timer()

    def shares(self) -> Shares:
        """Return each user class's share of the users: its scenario's share of the messages."""
        by_scenario = self._user_classes()
        if self._prepared is None:
            return dict.fromkeys(by_scenario.values(), 1.0)
        return {
            by_scenario[name]: sum(stage.messages for stage in inputs.curve.stages) or 1.0
            for name, inputs in self._prepared.inputs.items()
        }

    def workers(self) -> set[str]:
        if not isinstance(self._runner, MasterRunner):
            return {LOCAL_WORKER}
        return {node.id for node in self._runner.clients.all if node.state != STATE_MISSING}

    def assigned_users(self) -> Users:
        dispatcher = self._runner._users_dispatcher
        if not isinstance(dispatcher, EvenUsersDispatcher):
            return {}
        scenarios = {name: scenario for scenario, name in self._user_classes().items()}
        return {
            worker: {scenarios[name]: number for name, number in users.items()}
            for worker, users in dispatcher.assigned().items()
        }

    def absorb(self, worker: str, report: bytes | None) -> None:
        """Take in a worker's report, if there is one and the worker belongs to the present run."""
        master = self._master
        if report is not None and master is not None and worker in master.workers:
            master.on_report(worker, report)

    def snapshot(self) -> RunResult | None:
        """Return the result of the present run up to now; None without a run."""
        master = self._master
        if master is None:
            return None
        self.collect_report()
        return master.snapshot()

    def summary(self) -> Summary | None:
        """Return the summary of the present run up to now, or of the last one; None without any."""
        result, master = self.snapshot(), self._master
        if result is None or master is None:
            return self._last
        return self._judged(result, master.inputs.settings)

    def interrupt(self, reason: str) -> None:
        """End the present run early, after its messages in flight, and note the reason."""
        master = self._master
        if master is None:
            return
        if master.is_stopped:
            # Another greenlet is ending it; a process that ended now would lose the record.
            while self._master is master:
                gevent.sleep(_POLL_S)
            return
        master.problems.append(f"interrupted: {reason}")
        self._stop(master)

    def _stop(self, master: Master) -> None:
        """End a run early, after its messages in flight."""
        if self._greenlet is not None and self._greenlet is not gevent.getcurrent():
            self._greenlet.kill()
        try:
            master.stop()
        except KeyboardInterrupt:
            master.problems.append("interrupted a second time: what was in flight is not known")
        self._finish(master)

    def _watch(self, master: Master, prepared: PreparedRun) -> None:
        """Collect reports while the run goes on, and end it for a criterion that asks for that."""

        def abort(broken: CriterionResult) -> None:
            logger.error(
                "the run is ended early, because of %s: observed %s", broken.criterion, broken.shown
            )
            master.aborted = broken
            self._stop(master)
            self._end_test()

        watch_run(
            prepared.criteria,
            is_under_way=lambda: self._master is master and not master.is_stopped,
            collect_report=self.collect_report,
            snapshot=master.snapshot,
            abort=abort,
        )

    def _carry_out(self, master: Master) -> None:
        try:
            master.run()
        except ConvoyError as error:
            master.stop()
            self._master = None
            self._refuse(error)
            return
        except Exception as error:  # the edge of this greenlet: the run would never end otherwise
            logger.exception("the run cannot go on")
            master.problems.append(f"an error of Convoy itself: {error!r}")
            master.stop()
        self._finish(master)
        self._end_test()

    def _finish(self, master: Master) -> None:
        """Conclude the run; it is over also where that fails, and then the exit code is invalid."""
        try:
            self._conclude(master)
        except Exception:  # nothing else would end the run: whoever stops it waits for this
            logger.exception("the run cannot be judged")
            self._master = None

    def _conclude(self, master: Master) -> None:
        """Judge the run, write its record, and log its report or keep it for the end."""
        folder, settings = self._runs / master.inputs.run_id, master.inputs.settings
        result = self._whole_result(master)
        summary = self._judged(result, settings)
        self._master = None
        try:
            write_record(folder, summary, result)
            where = f"  record          {folder}"
        except OSError as error:
            problem = f"the record could not be written: {error}"
            summary = self._judged(replace(result, problems=(*result.problems, problem)), settings)
            where = "  record          none"
        self._environment.process_exit_code = summary.exit_code
        self._last = summary
        tables = filter(None, (error_table(summary), text_report(summary)))
        report = "\n" + "\n\n".join(tables) + f"\n{where}\n"
        if self._is_attended:
            logger.info("%s", report)
        else:
            self.closing_report = report

    def _judged(self, result: RunResult, settings: Settings) -> Summary:
        criteria = () if self._prepared is None else self._prepared.criteria
        return summarise(result, judge(result, criteria, settings.on_not_judged))

    def _whole_result(self, master: Master) -> RunResult:
        """Return the result of a run that is over, with what others have of it."""
        settings, prepared = master.inputs.settings, self._prepared
        since = prepared.ledger_since if prepared is not None else ""
        plans = master.plans.values()
        found = compare(settings.target.api_url, master.inputs.run_id, since, plans)
        rows = {} if self._is_reset else rows_of(self._environment, master.plans)
        return replace(master.snapshot(), far_side=found, rows=rows, is_over=True)

    def _refuse(self, error: ConvoyError) -> None:
        """Log why no load is started, and end the test that Locust has begun."""
        for line in str(error).splitlines():
            logger.error("%s", line)
        self._environment.process_exit_code = error.exit_code
        gevent.spawn(self._end_test)

    def _end_test(self) -> None:
        """Have Locust stop its users, and end the process unless a person is to end it."""
        if not self._is_attended:
            self._runner.quit()
            return
        # The page asks for figures, the verdict among them, only until the test is stopped.
        self.is_ending = True
        gevent.sleep(_PAGE_ASKS_EVERY_S)
        self._runner.stop()
        self.is_ending = False
        options = self._environment.parsed_options
        if options is not None and options.autostart and options.autoquit >= 0:
            gevent.sleep(options.autoquit)
            self._runner.quit()
            if self._environment.web_ui is not None:
                self._environment.web_ui.stop()

    def _on_reset(self, **_: object) -> None:
        self._is_reset = True

    def _on_hello(self, worker: str, _: dict[str, Any]) -> None:
        self._connected.add(worker)
        if self._master is not None:
            self._master.prepare(worker)

    def _on_enough(self, _: str, data: dict[str, Any]) -> None:
        """End the run because a worker asks for it, by the same steps as at its planned end."""
        master = self._master
        if master is not None and data["run_id"] == master.inputs.run_id:
            gevent.spawn(self._end_early, data["reason"])

    def _end_early(self, reason: str) -> None:
        if self._master is not None:
            self.interrupt(reason)
            self._end_test()

    def _pass_on(
        self, handle: Callable[[Master, str, dict[str, Any]], None]
    ) -> Callable[[str, dict[str, Any]], None]:
        """Return a listener that passes a message to the master of the run that it names."""

        def receive(worker: str, data: dict[str, Any]) -> None:
            master = self._master
            if master is None or data["run_id"] != master.inputs.run_id:
                return
            if worker in master.workers:
                handle(master, worker, data)

        return receive

    def _user_classes(self) -> dict[str, str]:
        """Return `{scenario: class name}` of the user classes that Locust has loaded."""
        return {
            user_class.scenario: user_class.__name__
            for user_class in self._environment.user_classes
            if issubclass(user_class, ScenarioUser)
        }
