"""The run controller: begins runs, ends them with a verdict, and passes on worker messages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, Runner

from convoy.errors import ConvoyError, ExitCode, RefusedError
from convoy.plugin.channel import LocustChannel
from convoy.plugin.conclusion import conclude, judged
from convoy.plugin.dealing import Shares
from convoy.plugin.rows import rows_of
from convoy.plugin.workers import LocustWorkers
from convoy.prepare.guard import check_plan
from convoy.prepare.preflight import PreparedRun
from convoy.results.criteria import CriterionResult
from convoy.results.record import begin_record
from convoy.results.result import RunResult
from convoy.results.summary import Summary
from convoy.settings import Settings
from convoy.swarm.changes import Changes
from convoy.swarm.master import Master
from convoy.swarm.messages import Hello, read_hello
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.watch import watch_run

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_HELLO_S = 3.0
"""How long a connected worker may take to say that it runs Convoy: it does so when it connects."""
_PAGE_ASKS_EVERY_S = 2.2
"""Locust's page does so every two seconds."""


class RunController:
    """Runs one run at a time for a local or master runner.

    `prepare` resolves and checks a run that was not lined up before it begins. With `is_attended` a
    person at the web UI decides when the process ends. `code` is the hash of the code that makes
    messages. `collect_report` takes in the report of a worker in this process; Locust collects
    those of other processes.
    """

    def __init__(
        self,
        environment: Environment,
        runner: Runner,
        channel: LocustChannel,
        *,
        code: str,
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
        self.workers = LocustWorkers(environment, runner)
        self._code = code
        self._prepare = prepare
        self._is_attended = is_attended
        self._runs = runs
        self._next: PreparedRun | None = None
        self._is_expected = False
        self._prepared: PreparedRun | None = None
        self._master: Master | None = None
        self._hellos: dict[str, Hello] = {}
        self._is_interrupted = False
        self._is_reset = False
        self._last: Summary | None = None
        environment.events.reset_stats.add_listener(self._on_reset)
        channel.listen_as_master(self._on_hello, self._hear)

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
        self._is_expected = self._is_reset = self._is_interrupted = False
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
        master = self._master = Master(
            inputs,
            self._channel,
            self.workers,
            code=self._code,
            spawning_s=wanted / rate,
            is_local=self.workers.are_local,
            end_early=self._interrupt,
        )
        gevent.spawn(self._carry_out, master)
        gevent.spawn(self._watch, master, prepared)
        self._await_workers(master)
        if self._master is not master:
            return 0, 1.0
        gevent.spawn(self.workers.keep_users_dealt, lambda: self._master is master)
        return wanted, rate

    def _await_workers(self, master: Master) -> None:
        """Wait until all connected workers take part, or the run is over before it began."""
        said_by_s = perf_counter() + _HELLO_S
        for worker in self.workers.workers() & self._hellos.keys():
            master.greet(worker, self._hellos[worker])
        while self._master is master:
            waiting = [each for each in self.workers.workers() if not master.may_have_users(each)]
            if not waiting:
                return
            if perf_counter() > said_by_s:
                for worker in set(waiting) - self._hellos.keys():
                    master.exclude(worker, "it said no hello; does it run this locustfile?")
            gevent.sleep(_POLL_S)

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
        by_scenario = self.workers.user_classes()
        if self._prepared is None:
            return dict.fromkeys(by_scenario.values(), 1.0)
        return {
            by_scenario[name]: sum(stage.messages for stage in inputs.curve.stages) or 1.0
            for name, inputs in self._prepared.inputs.items()
        }

    def may_have_users(self, worker: str) -> bool:
        """Return whether a worker takes part in the present run."""
        return self._master is not None and self._master.may_have_users(worker)

    def absorb(self, worker: str, report: bytes | None) -> None:
        """Take in a worker's report, if there is one and the worker belongs to the present run."""
        if report is not None and self._master is not None:
            self._master.on_report(worker, report)

    def snapshot(self) -> RunResult | None:
        """Return the result of the present run up to now; None without a run."""
        master = self._master
        if master is None:
            return None
        self.collect_report()
        return master.snapshot()

    def summary(self) -> Summary | None:
        """Return the summary of the present run up to now, or of the last one; None without any."""
        result = self.snapshot()
        if result is None or self._prepared is None:
            return self._last
        return judged(result, self._prepared)

    def interrupt(self, reason: str) -> None:
        """End the present run early, and wait until it has ended; the reason is noted.

        A process that ended before would lose the record.
        """
        master = self._master
        if master is None:
            return
        self._is_interrupted = True
        self._interrupt(reason)
        while self._master is master:
            try:
                gevent.sleep(_POLL_S)
            except KeyboardInterrupt:
                problem = "interrupted a second time: what was in flight is not known"
                master.problems.append(problem)
                master.abandon()

    def _interrupt(self, reason: str) -> None:
        if self._master is not None and not self._master.is_stopped:
            self._master.problems.append(f"interrupted: {reason}")
            self._master.stop()

    def _watch(self, master: Master, prepared: PreparedRun) -> None:
        """Collect reports while the run goes on, and end it for a criterion that asks for that."""

        def abort(broken: CriterionResult) -> None:
            logger.error(
                "the run is ended early, because of %s: observed %s", broken.criterion, broken.shown
            )
            master.aborted = broken
            master.stop()

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
            master.run()
            self._master = None
            self._refuse(error)
            return
        except Exception as error:  # the edge of this greenlet: the run would never end otherwise
            logger.exception("the run cannot go on")
            master.problems.append(f"an error of Convoy itself: {error!r}")
            master.stop()
            master.run()
        self._finish(master)
        if not (self._is_interrupted and self._is_attended):
            self._end_test()

    def _finish(self, master: Master) -> None:
        """Conclude the run; it is over also where that fails, and then the exit code is invalid."""
        assert self._prepared is not None
        try:
            rows = {} if self._is_reset else rows_of(self._environment, master.lanes.plans)
            summary, report = conclude(master, self._prepared, rows, self._runs)
        except Exception:  # nothing else would end the run: whoever stops it waits for this
            logger.exception("the run cannot be judged")
        else:
            self._environment.process_exit_code, self._last = summary.exit_code, summary
            if self._is_attended:
                logger.info("%s", report)
            else:
                self.closing_report = report
        self._master = None

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

    def _on_hello(self, worker: str, data: object) -> None:
        hello = self._hellos[worker] = read_hello(data)
        if self._master is not None:
            self._master.greet(worker, hello)

    def _hear(self, worker: str, data: bytes) -> None:
        if self._master is not None:
            self._master.hear(worker, data)
