"""How Convoy hooks into Locust: `install` adds every listener, and nothing else does."""

from __future__ import annotations

import functools
import inspect
import logging
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from greenlet import greenlet
from locust import argument_parser, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC
from locust.web import WebUI

from convoy import terminal
from convoy.afterwards.cleanup import Cleanup
from convoy.errors import ConvoyError, ExitCode, RefusedError
from convoy.plugin import webui
from convoy.plugin.channel import REPORT_KEY, LocustChannel
from convoy.plugin.command_line import CommandLine
from convoy.plugin.github_step import GitHubStep
from convoy.plugin.locust_workers import LOCAL_WORKER, end_where_workers_are_missing
from convoy.plugin.options import who_can_reach
from convoy.plugin.redacted_exits import redact_exits, redact_records, redact_tracebacks
from convoy.plugin.rows import Rows
from convoy.plugin.runs import RunController
from convoy.plugin.scenario_classes import known_scenarios, request_types, user_classes
from convoy.plugin.sockets import hear_custom_messages, stay_while
from convoy.plugin.users import attach
from convoy.plugin.users_dispatcher import EvenUsersDispatcher
from convoy.prepare.setup import Setup
from convoy.results.record import RUNS
from convoy.settings import Settings
from convoy.settings.environment import SWARM_SECRET, swarm_secret
from convoy.swarm.run_inputs import code_hash
from convoy.swarm.worker import Worker

logger = logging.getLogger(__name__)

_LOOKS_EVERY_S = 0.1


def install(environ: Mapping[str, str]) -> None:
    """Hook Convoy into the Locust process that is starting; call it once, in the locustfile."""
    terminal.take_over()  # again where our own locustfile has done so before its imports
    # An exception will do now: Locust is imported, so that gevent has replaced the locks.
    terminal.say_at_interrupt()
    hooks = _Hooks(environ)
    events.init_command_line_parser.add_listener(hooks.add_options)
    events.init.add_listener(hooks.begin)


class _Hooks:
    """What the hooks of one process share; what is Locust's is there from `begin` on.

    It is long because it is the one place where Locust's events meet Convoy's parts.
    """

    _environment: Environment
    _runner: Runner
    _channel: LocustChannel

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._setup = Setup(environ, known_scenarios, _tell)
        redact_tracebacks(self._setup.redactor.redact)
        redact_records(self._setup.redactor)
        self._step = GitHubStep(environ, self._setup.redactor.redact)
        self._command = CommandLine(environ, self._setup, self._step)
        self._ends_in: greenlet | None = None
        self._is_idle: Callable[[], bool] = lambda: True
        """Whether Locust has started no test yet."""

    def add_options(self, parser: LocustArgumentParser, **_: object) -> None:
        self._command.add_to(parser)

    def begin(
        self, environment: Environment, runner: Runner, web_ui: WebUI | None, **_: object
    ) -> None:
        """Make the run controller on a master, the worker on a worker, or both in a local run."""
        self._environment, self._runner, self._channel = environment, runner, LocustChannel(runner)
        self._end_on_interrupt()
        redact_exits(environment, self._setup.redactor)
        if self._command.view is not None:
            is_worker = isinstance(runner, WorkerRunner)
            self._command.view.share_terminal(is_worker, environment.events.quitting)
        for sentence in who_can_reach(environment.parsed_options):
            logger.warning("%s", sentence)
        hear_custom_messages(runner)
        if isinstance(runner, WorkerRunner):
            self._begin_worker(runner)
            return
        controller = self._begin_controller(web_ui)
        if not isinstance(runner, MasterRunner):
            self._begin_local(controller)
        if web_ui is not None:
            webui.install(web_ui, controller, self._command, self._setup)
            webui.open_browser_without_secrets(self._environ)
        if self._command.starts_by_itself and environment.parsed_options is not None:
            # Locust's own timer would begin before users are ready, and nothing could cancel it.
            environment.parsed_options.run_time = None

    def _begin_controller(self, web_ui: WebUI | None) -> RunController:
        environment, runner = self._environment, self._runner
        controller = RunController(
            environment,
            runner,
            self._channel,
            code=_code_hash(),
            prepare=self._command.prepare,
            release=self._setup.lock.release,
            clean_up=self._clean_up,
            kill_switch=self._setup.kill_switch,
            is_attended=web_ui is not None,
            runs=RUNS,
            redact=self._setup.redactor.redact,
            view=self._command.view,
        )
        self._is_idle = lambda: controller.is_idle
        if self._command.first is not None:
            controller.line_up(self._command.first)
        if isinstance(runner, MasterRunner) and environment.parsed_options is not None:
            # With it, a lost worker's users move to the others at once, and not after a minute.
            environment.parsed_options.enable_rebalancing = True
            if self._command.starts_by_itself:
                self._await_workers(runner, environment.parsed_options)
        # Until a run has set it: a process that ends before a verdict has not passed, and Locust
        # would say 0. One that waits for a person at the web UI may end without any run.
        is_idle_at_first = web_ui is not None and not self._command.starts_by_itself
        environment.process_exit_code = ExitCode.PASS if is_idle_at_first else ExitCode.INVALID
        # Locust declares a class here, and only calls it, with these two arguments by name:
        # worker_nodes, user_classes.
        environment.dispatcher_class = functools.partial(  # type: ignore[assignment]
            EvenUsersDispatcher,
            begin=controller.begin,
            shares=controller.workers.shares,
            may_have_users=controller.workers.may_have_users,
        )
        self._listen(controller)
        self._setup.kill_switch.hear_signal()
        return controller

    def _clean_up(self, settings: Settings, folder: Path) -> str:
        """Close what a run opened, and return what came of it, also where that failed."""
        how = f".venv/bin/python -m convoy cleanup {folder.name}"
        if settings.target.approval is not None and _may_have_strangers(
            self._runner, self._environ
        ):
            return (
                f"not done: without a {SWARM_SECRET} any user of this machine could have taken "
                f"part, and named conversations that are not the run's; {how} does it all the same"
            )
        try:
            cleanup = Cleanup(folder)
            with self._setup.kill_switch.watched():
                cleanup.close(*self._setup.connect_again(settings), _tell)
            return str(cleanup)
        except Exception as error:  # whatever it is, the run has its verdict and is to end
            logger.warning("the cleanup failed: %s", self._setup.told(str(error)))
            return f"failed, which changes nothing of the run; {how} goes on with it"

    def _await_workers(self, runner: MasterRunner, options: Namespace) -> None:
        """Refuse where not all workers come in time; Locust waits for ever, or ends with 1."""
        main = gevent.getcurrent()

        def refuse(reason: str) -> None:
            self._end_without_run(main, RefusedError(reason))

        first = self._command.first
        assert first is not None
        timeout_s = options.expect_workers_max_wait or first.settings.prepare_timeout_s
        # Locust's own limit would end this process with code 1, which means something else.
        options.expect_workers_max_wait = 0
        stay_while(runner, self._is_idle)
        gevent.spawn(
            end_where_workers_are_missing,
            *(runner, options.expect_workers, timeout_s, self._is_idle, refuse),
        )

    def _end_without_run(self, main: greenlet, error: ConvoyError) -> None:
        """End this process and its workers before a run has begun."""
        logger.error("%s", error)
        self._step.annotate(error)
        self._setup.simulator.stop()
        self._runner.quit()
        gevent.kill(main, SystemExit(error.exit_code))

    def _end_on_interrupt(self) -> None:
        """Raise the KeyboardInterrupt of Ctrl-C in the main greenlet.

        Otherwise it is raised in whichever greenlet runs, and one of Locust's loops ignores it.
        """
        runner, options = self._runner, self._environment.parsed_options
        main = gevent.getcurrent()

        def interrupt() -> None:
            logger.info("Ctrl-C: ending")
            is_headless = options is not None and options.headless
            if isinstance(runner, MasterRunner) and is_headless and self._is_idle():
                # Locust waits for workers then, and lets the exception through.
                told = "interrupted while workers were waited for; no load was started"
                self._end_without_run(main, ConvoyError(told))
            else:
                gevent.kill(main, KeyboardInterrupt)

        gevent.signal_handler(signal.SIGINT, interrupt)

    def _listen(self, controller: RunController) -> None:
        options = self._environment.parsed_options
        has_csv = options is not None and bool(options.csv_prefix)
        # With --json, Locust's figures have standard output for themselves.
        has_json = options is not None and options.json

        def end(**_: object) -> None:
            # After a SIGTERM Locust shuts down twice, in the handler and in the main greenlet, and
            # would print all of it twice.
            first = self._ends_in = self._ends_in or gevent.getcurrent()
            while first is not gevent.getcurrent() and not first.dead:
                gevent.sleep(_LOOKS_EVERY_S)
            controller.interrupt("the process was told to end")
            if self._command.view is not None:
                self._command.view.wait()
            if has_csv:  # Locust writes it every second, for the last time before the last figures
                gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.1)

        def close(**_: object) -> None:
            self._step.write_summary(controller.final)
            try:
                stream = sys.stderr if has_json else sys.stdout
                print(controller.closing_report, end="", flush=True, file=stream)
                self._step.annotate(controller.refusal or controller.final)
            except OSError as error:  # such as a full disk, or a reader that has left
                logger.error("the report could not be printed: %s; read it in the record", error)
                terminal.print_no_more()
            self._setup.simulator.stop()

        events = self._environment.events
        events.worker_report.add_listener(
            lambda client_id, data, **_: controller.workers.absorb(client_id, data.get(REPORT_KEY))
        )
        events.test_stopping.add_listener(
            lambda **_: controller.interrupt("the test was stopped before its end")
        )
        # Locust calls the listeners of `quitting` from the last to the first. The master's own, by
        # which it quits, was added before `init`, so that it is called after this one: workers
        # still answer while the run is brought to its end.
        events.quitting.add_listener(end)
        # Locust prints its tables between the two events, and Convoy's report is to stand below.
        events.quit.add_listener(close)

    def _begin_local(self, controller: RunController) -> None:
        def send_report() -> None:
            controller.workers.absorb(LOCAL_WORKER, worker.report())

        worker = self._make_worker(send_report)
        controller.collect_report = send_report
        # A local runner calls the listeners of a message while it is sent: all have to be there.
        worker.say_hello()

    def _begin_worker(self, runner: WorkerRunner) -> None:
        # Ours travels within Locust's report, which otherwise leaves every three seconds only.
        worker, environment = self._make_worker(runner._send_stats), self._environment
        environment.process_exit_code = ExitCode.PASS
        # The master is who hears it; one that was forked from it has inherited its handler.
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        # Locust builds its whole parser once per option for each spawn message: 0.15 s of stall.
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)

        def report(data: dict[str, Any], **_: object) -> None:
            report = worker.report()
            if report is not None:
                data[REPORT_KEY] = report

        environment.events.report_to_master.add_listener(report)
        # Called before Locust's own listener, which tells the master that this worker has gone.
        environment.events.quitting.add_listener(lambda **_: worker.leave())
        worker.say_hello()

    def _make_worker(self, send_report: Any) -> Worker:
        environment, runner = self._environment, self._runner

        def forget(**_: object) -> None:
            worker.forget_run()
            if isinstance(runner, WorkerRunner):
                # Locust waits that long before the worker is ready for the next test.
                environment.stop_timeout = 0.0

        def give_up() -> None:
            environment.process_exit_code = ExitCode.INVALID
            runner.quit()

        worker = Worker(
            self._channel,
            Rows(environment, request_types()),
            code=_code_hash(),
            connect=self._setup.connect_worker,
            send_report=send_report,
            stop_users=lambda: runner.stop_users(runner.user_classes_count),
            give_up=give_up,
            redact=self._setup.redactor.redact,
        )
        self._channel.listen_as_worker(worker.hear)
        attach(environment, worker, self._setup.redactor.redact)
        environment.events.test_stop.add_listener(forget)
        return worker


def _may_have_strangers(runner: Runner, environ: Mapping[str, str]) -> bool:
    """Return whether a worker needs no more than an account on this machine to take part."""
    if not isinstance(runner, MasterRunner) or swarm_secret(environ) is not None:
        return False
    return not getattr(runner.environment.parsed_options, "processes", None)


def _code_hash() -> str:
    """Return the hash of the code that makes messages, with the files of all scenarios."""
    return code_hash(Path(inspect.getfile(each)) for each in user_classes())


def _tell(line: str) -> None:
    """Log a line, or print it where Locust has not set its log up yet."""
    if logging.getLogger().handlers:
        logger.info("%s", line)
    else:
        print(f"convoy: {line}", file=sys.stderr, flush=True)
