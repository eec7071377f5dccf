"""The command line under Locust: what it asks for is checked before Locust does anything else."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from traceback import format_exc
from typing import Any

from locust.argument_parser import LocustArgumentParser

from convoy.errors import ConvoyError
from convoy.plugin.github_step import GitHubStep
from convoy.plugin.live_view import LiveView, view_on_terminal
from convoy.plugin.options import add_options, check_ports, given, judge_options
from convoy.plugin.redacted_exits import redact_usage
from convoy.plugin.scenario_classes import user_classes
from convoy.plugin.sockets import open_channel
from convoy.plugin.web_form import Form
from convoy.plugin.web_login import Access, read_access
from convoy.prepare.prepared_run import PreparedRun
from convoy.prepare.setup import Setup
from convoy.results.record import RUNS, check_folder
from convoy.settings.sources import environment_defaults, names_of

_HIGHEST_UNREMARKED_SPAWN_RATE = 100.0
"""Users per second; above it Locust 2.47 warns that its dispatch is known to cause problems."""
_SET_BY = {
    "host": tuple(f"target.{name}" for name in ("api_url", "login_url", "messaging_url")),
    "rate": ("rate", "stages"),
}
"""The settings that an option replaces, where they are others than that of its name."""


class CommandLine:
    """What the options of a process ask for; where that cannot be done, the process ends.

    A run that begins by itself (`starts_by_itself`) is prepared already, as `first`. It is shown in
    the `view`, where the terminal can show one; `access` is who may use the web UI.
    """

    def __init__(self, environ: Mapping[str, str], setup: Setup, step: GitHubStep) -> None:
        self.first: PreparedRun | None = None
        self.starts_by_itself = False
        self.view: LiveView | None = None
        self.access = Access()
        self._environ = environ
        self._setup = setup
        self._step = step
        self._is_checked = False
        self._asked: dict[str, object] = {}
        self._address = ""
        self._spawn_rate: float | None = None
        self._processes = 1

    def add_to(self, parser: LocustArgumentParser) -> None:
        """Add Convoy's options to Locust's, and have all checked as soon as they are parsed."""
        add_options(parser, self._environ)
        redact_usage(parser, self._setup.redactor.redact)
        # Once: Locust fires this event anew for each page of its web UI.
        if not self._is_checked:
            self._check_what_is_parsed(parser)

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
            judge_options(options, self._setup.redactor.redact)
            user_classes()  # a worker with one that cannot run would wait for a master
            open_channel(options, self._environ, self._setup.redactor)
        except ConvoyError as error:
            self._exit(error)
        # None says that it was not given (`add_options`), but Locust computes with it.
        stop_timeout_s, options.stop_timeout = options.stop_timeout, options.stop_timeout or 0
        if options.list_commands or options.show_task_ratio or options.show_task_ratio_json:
            return
        # The master says what runs, and any scenario may be asked for in the web form.
        chosen, options.user_classes = options.user_classes, []
        if options.worker:
            self._setup.keyring.own_options = {**given(options), "host": options.host}
            return
        self._step.stop_commands(sys.stderr if options.json else sys.stdout)
        self.view = view_on_terminal(self._environ, options)
        self._note(options, chosen, stop_timeout_s)
        try:
            self.access = read_access(options, self._environ, self._setup.redactor)
            settings = self._setup.resolve(self._asked)
            self._address = settings.target.api_url
            check_folder(RUNS)
            check_ports(options)
            if self.starts_by_itself:
                self.first = self.prepare()
        except ConvoyError as error:
            self._exit(error)
        except SystemExit:  # of a Ctrl-C
            self._step.resume_commands()
            raise
        except Exception:  # Locust would end with exit code 1, which means something else
            self._exit(ConvoyError(format_exc()))
        options.num_users = settings.users
        options.spawn_rate = options.spawn_rate or min(
            float(settings.users), _HIGHEST_UNREMARKED_SPAWN_RATE
        )
        if self.starts_by_itself:
            logging.getLogger("locust.main").addFilter(_is_not_about_run_time)
        # Where all classes have the same host, Locust's form shows it.
        for user_class in user_classes():
            user_class.host = settings.target.api_url

    def _note(
        self, options: Namespace, chosen: Sequence[str], stop_timeout_s: float | None
    ) -> None:
        """Note what was asked for, and by how many processes."""
        self._asked = {
            "users": options.num_users,
            "run_time_s": options.run_time,
            "stop_timeout_s": stop_timeout_s,
            "host": options.host,
        } | given(options)
        self._setup.keyring.note_target(self._asked.get("target"))
        if chosen:
            named = {each.__name__: each.scenario for each in user_classes()}
            self._asked["scenarios"] = ",".join(named.get(name, name) for name in chosen)
            options.scenarios = self._asked["scenarios"]  # as the form is to show it
        self._spawn_rate = options.spawn_rate
        if options.processes:
            self._processes = options.processes if options.processes > 0 else os.cpu_count() or 1
        elif options.master:
            self._processes = 0
        self.starts_by_itself = (options.headless and not options.headful) or options.autostart

    def _exit(self, error: ConvoyError) -> None:
        for line in self._setup.told(str(error)).splitlines():
            print(f"convoy: {line}", file=sys.stderr)
        self._step.annotate(error)
        self._setup.simulator.stop()
        sys.exit(error.exit_code)

    def names_of(self, option: str) -> list[str]:
        """Return the targets or profiles that can be chosen by name."""
        return names_of(option, self._environ)

    def prepare(self) -> PreparedRun:
        """Prepare the run that the options ask for; raises ConvoyError."""
        return self._setup.prepare(self._asked, self._spawn_rate, processes=self._processes)

    def prepare_from_form(self, form: Form) -> PreparedRun:
        """Prepare the run that the web form asks for; only fields that were changed count."""
        check_folder(RUNS)
        defaults = environment_defaults(self._environ)
        shown = defaults | self._asked
        chosen = {
            name: value
            for name, value in form.options.items()
            if name in defaults and value != shown.get(name, "")
        }
        entered = dict(form.asked)
        shown_host = entered.get("host")
        # After a run Locust shows where the embedded simulator was, and a page that stayed open may
        # show where an earlier one was: nobody has typed that either.
        was_started = shown_host in self._setup.simulator.urls
        is_as_it_was = shown_host in (self._address, self._asked.get("host"))
        if was_started or ("target" not in chosen and is_as_it_was):
            entered.pop("host", None)  # `--set` may give its other addresses
        asked = {**self._asked, **chosen, **entered}
        asked["set"] = _without(asked.get("set"), {*chosen, *entered})
        host = entered.get("host")
        if host not in (None, self._asked.get("host")):
            # What the form shows is mostly the target's own address, which is no other host.
            of_target = {**asked, "host": None}
            own, typed = (self._setup.resolve(each).target for each in (of_target, asked))
            asked = of_target if own.api_url == typed.api_url else asked
        spawn_rate = form.spawn_rate or self._spawn_rate
        return self._setup.prepare(asked, spawn_rate, processes=self._processes)


def _without(entries: object, options: Collection[str]) -> list[str]:
    """Return the entries of `--set` without those that set what one of these options does."""
    entries_given = entries if isinstance(entries, list) else []
    replaced = {path for option in options for path in _SET_BY.get(option, (option,))}
    return [each for each in entries_given if each.partition("=")[0].strip() not in replaced]


def _is_not_about_run_time(record: logging.LogRecord) -> bool:
    """Return False for Locust's line on a missing run time: the plan's is unknown to Locust."""
    return not record.getMessage().startswith("No run time limit set")
