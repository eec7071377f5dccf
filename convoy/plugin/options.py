"""Convoy's options beside Locust's own, and what those mean here."""

from __future__ import annotations

import errno
import os
import socket
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from locust.argument_parser import LocustArgumentParser

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.plugin.web_server import tls_context
from convoy.settings.environment import secret_faults
from convoy.settings.options import OPTIONS, VARIABLE_BY_OPTION
from convoy.settings.origin import is_certainly_loopback
from convoy.settings.sources import FOLDERS, environment_defaults, names_of

_HERE = "127.0.0.1"


class Names(list[str]):
    """Choices that a form offers; any other value is allowed, because it may be a path."""

    def __contains__(self, name: object) -> bool:
        return True


class Offered(str):
    """A default, told apart from the same value given on the command line."""


def add_options(parser: LocustArgumentParser, environ: Mapping[str, str]) -> None:
    """Add the options, with what the environment says by default; an empty one is the profile's."""
    group = parser.add_argument_group("Convoy")
    for name, default in environment_defaults(environ).items():
        option = OPTIONS[name]
        action = group.add_argument(
            option.written,
            metavar=option.metavar,
            default=Offered(default),
            choices=Names(names_of(name, environ)) if name in FOLDERS else None,
            help=option.help,
        )
        vars(action).update(_IN_WEB_FORM)
    several = OPTIONS["set"]
    group.add_argument(
        several.written, action="append", default=[], metavar=several.metavar, help=several.help
    )
    # Locust's defaults look like values that were given.
    parser.set_defaults(exit_code_on_error=None, stop_timeout=None)
    # Locust's are all addresses of the machine, so that anybody who reaches it could start load.
    parser.set_defaults(web_host=_HERE, master_bind_host=_HERE)


def judge_options(options: Namespace, redact: Callable[[str], str]) -> None:
    """Make Locust's own options mean what they say; raises SettingsError for those that cannot.

    It does not matter whether they stood on the command line, in `LOCUST_` variables or in
    `locust.conf`. The table in `docs/locust-options.md` has all of them.
    """
    checks = (_without_meaning, _beside_each_other, _out_of_range, _unusable_paths)
    # First, because a fault would name the path.
    SettingsError.raise_for(secret_faults(_files(options), redact))
    SettingsError.raise_for(chain.from_iterable(check(options) for check in checks))
    options.only_summary = options.only_summary or not options.print_stats
    # Users are ready before anything is measured, so that there is nothing to reset. Locust would
    # do it again after each change of the number of users.
    options.reset_stats = False
    if options.json_file:  # Locust appends that
        options.json_file = options.json_file.removesuffix(".json")


def _without_meaning(options: Namespace) -> Iterator[Fault]:
    for name, instead in _REFUSED.items():
        value = getattr(options, name)
        if value is not None and value is not False:
            yield Fault(f"--{name.replace('_', '-')}", instead.format(value=value))


def _beside_each_other(options: Namespace) -> Iterator[Fault]:
    if options.master and options.worker:
        yield Fault("--master", "stands beside --worker; a process is one of them, leave one out")
    if options.master and options.processes:
        problem = "stands beside --processes, which makes this process the master; leave it out"
        yield Fault("--master", problem)
    if options.expect_workers > 1 and not (options.master or options.worker):
        if not options.processes:
            problem = f"is {options.expect_workers}, but without --master no worker can come"
            yield Fault("--expect-workers", f"{problem}; give --master, too, or --processes")
        elif options.processes not in (options.expect_workers, _ALL_CORES):
            problem = f"is {options.expect_workers}, but --processes starts {options.processes}"
            yield Fault("--expect-workers", f"{problem} and waits for those; leave it out")
    if options.user_classes and options.scenarios and not isinstance(options.scenarios, Offered):
        classes = " ".join(options.user_classes)
        yield Fault("--scenarios", f"stands beside the user classes {classes}; give one of them")
    if options.autoquit != _NEVER and not options.autostart:
        problem = "ends the process after a run that began by itself; give --autostart, too"
        yield Fault("--autoquit", problem)
    if options.json and options.json_file:
        problem = "stands beside --json, and Locust's figures can be written once; give one of them"
        yield Fault("--json-file", problem)
    if bool(options.tls_cert) != bool(options.tls_key):
        missing, given = ("key", "cert") if options.tls_cert else ("cert", "key")
        problem = f"is missing; --tls-{given} needs it, or the web UI would not use TLS"
        yield Fault(f"--tls-{missing}", problem)


def _out_of_range(options: Namespace) -> Iterator[Fault]:
    if options.autostart and options.autoquit < _NEVER:
        yield Fault("--autoquit", f"is {options.autoquit}, but should be 0 or more seconds")
    if options.expect_workers_max_wait < 0:
        problem = f"is {options.expect_workers_max_wait}, but should be 0 or more seconds"
        yield Fault("--expect-workers-max-wait", problem)
    if options.processes is not None and options.processes < _ALL_CORES:
        problem = f"is {options.processes}, but should be a number of workers, or -1 for all cores"
        yield Fault("--processes", problem)
    for name in ("web_port", "master_bind_port", "master_port"):
        port = getattr(options, name)
        if not 0 <= port <= _HIGHEST_PORT:  # a worker would wait for minutes, without a word
            problem = f"is {port}, but should be a port from 0 to {_HIGHEST_PORT}"
            yield Fault(f"--{name.replace('_', '-')}", problem)
    path = options.web_base_path
    if path and not path.startswith("/"):
        problem = f"is {path!r}, but should begin with a slash, as in {f'/{path}'!r}"
        yield Fault("--web-base-path", problem)


def _files(options: Namespace) -> dict[str, str]:
    """Return what Locust is to write, by the option that says so."""
    named = {
        "--csv": options.csv_prefix,
        "--html": options.html_file,
        "--json-file": options.json_file,
        "--logfile": options.logfile,
    }
    return {option: path for option, path in named.items() if path}


def _unusable_paths(options: Namespace) -> Iterator[Fault]:
    """Yield a fault for what Locust would notice late: its files are written after the run."""
    for name in ("tls_cert", "tls_key"):
        path = getattr(options, name)
        if path and not Path(path).is_file():
            problem = f"is {path!r}, where there is no file; correct the path"
            yield Fault(f"--{name.replace('_', '-')}", problem)
    pair = options.tls_cert, options.tls_key
    if all(path and Path(path).is_file() for path in pair):
        try:
            tls_context(*pair)
        except OSError as error:
            problem = f"{pair[0]!r} is no certificate that goes with --tls-key: {error}"
            yield Fault("--tls-cert", problem)
    for option, path in _files(options).items():
        there = next(each for each in Path(path).absolute().parents if each.exists())
        if not there.is_dir():
            yield Fault(option, f"{path!r} cannot be written, because {str(there)!r} is no folder")
        elif not os.access(there, os.W_OK):
            problem = f"{path!r} cannot be written, because {str(there)!r} takes no files"
            yield Fault(option, problem)
        elif option != "--csv" and Path(path).is_dir():
            yield Fault(option, f"{path!r} is a folder; give the name of a file")


def given(options: Namespace) -> dict[str, object]:
    """Return the options that stood on the command line."""
    values = {name: getattr(options, name) for name in VARIABLE_BY_OPTION}
    return {name: value for name, value in values.items() if not isinstance(value, Offered)}


_NEVER = -1
_ALL_CORES = -1
_HIGHEST_PORT = 65535
_CHOSEN = "chooses among a scenario's tasks, of which each has one; choose with --scenarios"
_REFUSED = {
    "tags": _CHOSEN,
    "exclude_tags": _CHOSEN,
    "config_users": "changes user classes; use --users, --target and scenario.<name>.weight",
    "class_picker": "is not needed: the form has the field Scenarios; leave it out",
    "equal_weights": "has no effect; the settings scenario.<name>.weight are equal unless set",
    "profile": "would be Locust's label of the run; its shape is --load-profile {value}",
    "exit_code_on_error": (
        "would be {value} after failures, but the exit code says what the verdict is; "
        "what makes a run fail is set by criteria"
    ),
    "otel": "has no effect, because Convoy's connections are its own; leave it out",
}
"""Options of Locust that Convoy cannot honour, each with what to do instead."""
_IN_WEB_FORM = dict.fromkeys(("is_secret", "is_required", "is_multiple"), False) | {
    "include_in_web_ui": True
}


def has_web_ui(options: Namespace) -> bool:
    """Tell whether a process with these options has a web UI."""
    return not options.worker and (not options.headless or options.headful)


def who_can_reach(options: Namespace | None) -> Iterator[str]:
    """Yield a sentence for each port of a process that others than this machine can reach."""
    if options is None or options.worker:
        return
    if has_web_ui(options) and not is_here(options.web_host):
        place = f"the web UI listens at {options.web_host or '*'}:{options.web_port}"
        here = "--web-host 127.0.0.1 is for this machine alone"
        if not options.web_login:
            yield (
                f"{place} without a login: whoever reaches that can start load with the "
                f"credentials of this process, and read what it says; --web-login asks for a "
                f"password, {here}"
            )
        elif not options.tls_cert:
            yield (
                f"{place} without TLS: whoever is on the way there can read the password, and what "
                f"the web UI says; give --tls-cert and --tls-key, {here}"
            )


def is_here(host: str) -> bool:
    """Tell whether a host that an option names is this machine, by its name or address alone."""
    return is_certainly_loopback(host)


def check_ports(options: Namespace) -> None:
    """Refuse what cannot be listened at, because Locust notices it late and leaves workers running.

    Raises RefusedError for a port that is not to be had, SettingsError for a host that is not this
    machine.
    """
    if options.processes or options.master:
        host, port = options.master_bind_host, options.master_bind_port
        _check_port("--master-bind", host, port, "--master-bind-port and --master-port")
    if has_web_ui(options):
        _check_port("--web", options.web_host, options.web_port, "--web-port")


def _check_port(options: str, host: str, port: int, instead: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the servers of gevent and of ZMQ do: without it, connections of the last run that are
        # in TIME_WAIT would make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Locust and ZMQ call all addresses "*", the socket module calls them "".
            probe.bind((host.replace("*", ""), port))
        except OSError as error:
            reason = error.strerror or error
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                problem = f"is {host!r}, where this machine cannot listen ({reason})"
                way_out = "give one of its own addresses, or 127.0.0.1 for this machine alone"
                raise SettingsError([Fault(f"{options}-host", f"{problem}; {way_out}")]) from error
            raise RefusedError(
                f"port {port} cannot be listened on ({reason}); is another Locust running? "
                f"Choose another one with {instead}"
            ) from error
