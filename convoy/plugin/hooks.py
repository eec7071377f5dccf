"""How Convoy hooks into Locust: `install` adds every listener, and nothing else does."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from traceback import format_exc
from typing import Any

import gevent
from locust import argument_parser, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC
from locust.web import WebUI

from convoy import terminal
from convoy.errors import ConvoyError, ExitCode, RefusedError
from convoy.plugin import webui
from convoy.plugin.channel import REPORT_KEY, LocustChannel
from convoy.plugin.dealing import EvenUsersDispatcher
from convoy.plugin.github_step import GitHubStep
from convoy.plugin.live_view import LiveView, view_on_terminal
from convoy.plugin.options import (
    add_options,
    check_ports,
    given,
    judge_options,
    who_can_reach,
)
from convoy.plugin.rows import Rows
from convoy.plugin.runs import RunController
from convoy.plugin.sockets import hear_custom_messages, open_channel
from convoy.plugin.users import attach, known_scenarios, user_classes
from convoy.plugin.web_form import Form
from convoy.plugin.web_login import Access, read_access
from convoy.plugin.workers import LOCAL_WORKER, end_where_workers_are_missing
from convoy.prepare.preflight import PreparedRun
from convoy.prepare.setup import Setup
from convoy.results.record import check_folder
from convoy.secrets import RedactingFilter
from convoy.settings.sources import environment_defaults, names_of
from convoy.swarm.run_inputs import code_hash
from convoy.swarm.worker import Worker

logger = logging.getLogger(__name__)

_HIGHEST_UNREMARKED_SPAWN_RATE = 100.0
_RUNS = Path("runs")


def install(environ: Mapping[str, str]) -> None:
    """Hook Convoy into the Locust process that is starting; call it once, in the locustfile."""
    terminal.take_over()  # again where our own locustfile has done so before its imports
    hooks = _Hooks(environ)
    events.init_command_line_parser.add_listener(hooks.add_options)
    events.init.add_listener(hooks.begin)


class _Hooks:
    """What the hooks of one process share from its start to its end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._setup = Setup(environ, known_scenarios, _tell)
        self._step = GitHubStep(environ, self._setup.redactor.redact)
        self._is_checked = False
        self._asked: dict[str, object] = {}
        self._spawn_rate: float | None = None
        self._processes = 1
        self._first: PreparedRun | None = None
        self._starts_by_itself = False
        self._view: LiveView | None = None
        self._access = Access()

    def add_options(self, parser: LocustArgumentParser, **_: object) -> None:
        add_options(
            parser,
            targets=names_of("target", self._environ),
            profiles=names_of("load_profile", self._environ),
            defaults=environment_defaults(self._environ),
        )
        if not self._is_checked:
            self._check_what_is_parsed(parser)

    def begin(
        self, environment: Environment, runner: Runner, web_ui: WebUI | None, **_: object
    ) -> None:
        """Make the run controller on a master, the worker on a worker, or both in a local run."""
        _end_on_interrupt()
        for handler in logging.getLogger().handlers:
            handler.addFilter(RedactingFilter(self._setup.redactor))
            terminal.print_anything(getattr(handler, "stream", None))
        if self._view is not None:
            is_worker = isinstance(runner, WorkerRunner)
            self._view.share_terminal(is_worker, environment.events.quitting)
        for sentence in who_can_reach(environment.parsed_options):
            logger.warning("%s", sentence)
        hear_custom_messages(runner)
        channel = LocustChannel(runner)
        if isinstance(runner, WorkerRunner):
            self._begin_worker(environment, runner, channel)
            return
        controller = self._begin_controller(environment, runner, web_ui, channel)
        if not isinstance(runner, MasterRunner):
            self._begin_local(environment, runner, channel, controller)
        if web_ui is not None:
            webui.install(
                web_ui,
                controller,
                self._prepare_from_form,
                lambda: self._setup.waits_for,
                lambda option: names_of(option, self._environ),
                self._access,
            )

    def _check_what_is_parsed(self, parser: LocustArgumentParser) -> None:
        """Check the options as soon as Locust has parsed them.

        Locust has no event between parsing and forking its workers, and a refusal after the fork
        leaves them behind for a minute.
        """
        parse_args = parser.parse_args

        def parse_and_check(*args: Any, **kwargs: Any) -> Namespace:
            options: Namespace = parse_args(*args, **kwargs)
            if not self._is_checked:
                self._is_checked = True
                self._check(options)
            return options

        parser.parse_args = parse_and_check

    def _check(self, options: Namespace) -> None:
        try:
            judge_options(options)
            open_channel(options, self._environ, self._setup.redactor)
        except ConvoyError as error:
            self._exit(error)
        stop_timeout_s, options.stop_timeout = options.stop_timeout, options.stop_timeout or 0
        if options.list_commands or options.show_task_ratio or options.show_task_ratio_json:
            return
        # The master says what runs, and any scenario may be asked for in the web form.
        chosen, options.user_classes = options.user_classes, []
        if options.worker:
            self._setup.own_options = given(options)
            return
        self._step.stop_commands(sys.stderr if options.json else sys.stdout)
        self._view = view_on_terminal(self._environ, options)
        self._asked = {
            "users": options.num_users,
            "run_time_s": options.run_time,
            "stop_timeout_s": stop_timeout_s,
            "host": options.host,
        } | given(options)
        self._setup.own_options = self._asked
        if chosen:
            named = {each.__name__: each.scenario for each in user_classes()}
            self._asked["scenarios"] = ",".join(named.get(name, name) for name in chosen)
        self._spawn_rate = options.spawn_rate
        if options.processes:
            self._processes = options.processes if options.processes > 0 else os.cpu_count() or 1
        elif options.master:
            self._processes = 0
        self._starts_by_itself = (options.headless and not options.headful) or options.autostart
        try:
            self._access = read_access(options, self._environ, self._setup.redactor)
            settings = self._setup.resolve(self._asked)
            check_folder(_RUNS)
            check_ports(options)
            if self._starts_by_itself:
                self._first = self._prepare()
        except ConvoyError as error:
            self._exit(error)
        except Exception:  # Locust would end with exit code 1, which means something else
            self._exit(ConvoyError(format_exc()))
        options.num_users = settings.users
        options.spawn_rate = options.spawn_rate or min(
            float(settings.users), _HIGHEST_UNREMARKED_SPAWN_RATE
        )
        if self._starts_by_itself:
            options.run_time = None
            logging.getLogger("locust.main").addFilter(_is_not_about_run_time)
        for user_class in user_classes():
            user_class.host = settings.target.api_url

    def _exit(self, error: ConvoyError) -> None:
        for line in self._setup.redactor.redact(str(error)).splitlines():
            print(f"convoy: {line}", file=sys.stderr)
        self._step.annotate(error)
        self._setup.simulator.stop()
        sys.exit(error.exit_code)

    def _prepare(self) -> PreparedRun:
        return self._setup.prepare(self._asked, self._spawn_rate, processes=self._processes)

    def _prepare_from_form(self, form: Form) -> PreparedRun:
        """Prepare the run that the web form asks for; only fields that were changed count."""
        check_folder(_RUNS)
        shown = environment_defaults(self._environ) | self._asked
        chosen = {
            name: value
            for name, value in form.options.items()
            if name in environment_defaults(self._environ) and value != shown.get(name, "")
        }
        asked = {**self._asked, **chosen, **form.asked}
        host = form.asked.get("host")
        if host not in (None, self._asked.get("host")):
            # What the form shows is mostly the target's own address, which is no other host.
            of_target = {**asked, "host": None}
            own, typed = (self._setup.resolve(each).target for each in (of_target, asked))
            asked = of_target if own.api_url == typed.api_url else asked
        spawn_rate = form.spawn_rate or self._spawn_rate
        return self._setup.prepare(asked, spawn_rate, processes=self._processes)

    def _begin_controller(
        self, environment: Environment, runner: Runner, web_ui: WebUI | None, channel: LocustChannel
    ) -> RunController:
        controller = RunController(
            environment,
            runner,
            channel,
            code=_code_hash(),
            prepare=self._prepare,
            release=self._setup.lock.release,
            is_attended=web_ui is not None,
            runs=_RUNS,
            view=self._view,
        )
        if self._first is not None:
            controller.line_up(self._first)
        if isinstance(runner, MasterRunner) and environment.parsed_options is not None:
            # With it, a lost worker's users move to the others at once, and not after a minute.
            environment.parsed_options.enable_rebalancing = True
            if self._starts_by_itself:
                self._await_workers(runner, environment.parsed_options)
        is_idle_at_first = web_ui is not None and not self._starts_by_itself
        environment.process_exit_code = ExitCode.PASS if is_idle_at_first else ExitCode.INVALID
        environment.dispatcher_class = functools.partial(  # type: ignore[assignment]
            EvenUsersDispatcher,
            begin=controller.begin,
            shares=controller.shares,
            may_have_users=controller.may_have_users,
        )
        self._listen(environment, controller)
        reason = "the kill switch: SIGUSR1"
        gevent.signal_handler(signal.SIGUSR1, controller.stop_now, reason)
        return controller

    def _await_workers(self, runner: MasterRunner, options: Namespace) -> None:
        """Refuse where not all workers come in time; Locust waits for ever, or ends with 1."""
        main = gevent.getcurrent()

        def refuse(reason: str) -> None:
            logger.error("%s", reason)
            self._step.annotate(RefusedError(reason))
            self._setup.simulator.stop()
            runner.quit()
            gevent.kill(main, SystemExit(ExitCode.REFUSED))

        assert self._first is not None
        timeout_s = options.expect_workers_max_wait or self._first.settings.prepare_timeout_s
        options.expect_workers_max_wait = 0
        gevent.spawn(
            end_where_workers_are_missing, runner, options.expect_workers, timeout_s, refuse
        )

    def _listen(self, environment: Environment, controller: RunController) -> None:
        options = environment.parsed_options
        has_csv = options is not None and bool(options.csv_prefix)
        # With --json, Locust's figures have standard output for themselves.
        has_json = options is not None and options.json

        def end(**_: object) -> None:
            controller.interrupt("the process was told to end")
            if self._view is not None:
                self._view.wait()
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

        events = environment.events
        events.test_start.add_listener(lambda **_: controller.expect_run())
        events.worker_report.add_listener(
            lambda client_id, data, **_: controller.absorb(client_id, data.get(REPORT_KEY))
        )
        events.test_stopping.add_listener(
            lambda **_: controller.interrupt("the test was stopped before its end")
        )
        events.quitting.add_listener(end)
        events.quit.add_listener(close)

    def _begin_local(
        self,
        environment: Environment,
        runner: Runner,
        channel: LocustChannel,
        controller: RunController,
    ) -> None:
        def send_report() -> None:
            controller.absorb(LOCAL_WORKER, worker.report())

        worker = self._make_worker(environment, runner, channel, send_report)
        controller.collect_report = send_report
        worker.say_hello()

    def _begin_worker(
        self, environment: Environment, runner: WorkerRunner, channel: LocustChannel
    ) -> None:
        worker = self._make_worker(environment, runner, channel, runner._send_stats)
        environment.process_exit_code = ExitCode.PASS
        # Locust builds its whole parser once per option for each spawn message: 0.15 s of stall.
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)

        def report(data: dict[str, Any], **_: object) -> None:
            report = worker.report()
            if report is not None:
                data[REPORT_KEY] = report

        environment.events.report_to_master.add_listener(report)
        environment.events.quitting.add_listener(lambda **_: worker.leave())
        worker.say_hello()

    def _make_worker(
        self, environment: Environment, runner: Runner, channel: LocustChannel, send_report: Any
    ) -> Worker:
        def forget(**_: object) -> None:
            worker.forget_run()
            if isinstance(runner, WorkerRunner):
                # Locust waits that long before the worker is ready for the next test.
                environment.stop_timeout = 0.0

        def give_up() -> None:
            environment.process_exit_code = ExitCode.INVALID
            runner.quit()

        worker = Worker(
            channel,
            Rows(environment, {each.scenario: each.request_type for each in user_classes()}),
            code=_code_hash(),
            connect=self._setup.connect_worker,
            send_report=send_report,
            stop_users=lambda: runner.stop_users(runner.user_classes_count),
            give_up=give_up,
            redact=self._setup.redactor.redact,
        )
        channel.listen_as_worker(worker.hear)
        attach(environment, worker, self._setup.redactor.redact)
        environment.events.test_stop.add_listener(forget)
        return worker


def _code_hash() -> str:
    """Return the hash of the code that makes messages, with the files of all scenarios."""
    return code_hash(Path(inspect.getfile(each)) for each in user_classes())


def _tell(line: str) -> None:
    """Log a line, or print it where Locust has not set its log up yet."""
    if logging.getLogger().handlers:
        logger.info("%s", line)
    else:
        print(f"convoy: {line}", file=sys.stderr, flush=True)


def _end_on_interrupt() -> None:
    """Raise the KeyboardInterrupt of Ctrl-C in the main greenlet.

    Otherwise it is raised in whichever greenlet runs, and one of Locust's loops ignores it.
    """
    main = gevent.getcurrent()

    def interrupt() -> None:
        logger.info("Ctrl-C: ending")
        gevent.kill(main, KeyboardInterrupt)

    gevent.signal_handler(signal.SIGINT, interrupt)


def _is_not_about_run_time(record: logging.LogRecord) -> bool:
    """Return False for Locust's line on a missing run time: the plan's is unknown to Locust."""
    return not record.getMessage().startswith("No run time limit set")
