"""The exits of a process: logs, tracebacks, wrong options, Locust's failures; all are redacted."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from traceback import format_exception
from types import TracebackType
from typing import Any, NoReturn

from gevent.hub import Hub
from locust.env import Environment
from locust.stats import StatsError

from convoy import terminal
from convoy.plugin.rows import MessageFailure
from convoy.secrets import RedactingFilter, Redactor
from convoy.untrusted_text import printable_lines, told


def redact_exits(environment: Environment, redactor: Redactor) -> None:
    """Redact what this process logs, what it says of exceptions that nobody handles, and failures.

    Call it when Locust has set its log up.
    """
    loggers = map(logging.getLogger, [None, *logging.root.manager.loggerDict])
    for handler in {each for logger in loggers for each in logger.handlers}:
        handler.addFilter(RedactingFilter(redactor))
        terminal.print_anything(getattr(handler, "stream", None))
    _redact_failures(environment, redactor.redact)
    _redact_exceptions(environment, redactor.redact)


def redact_records(redactor: Redactor) -> None:
    """Redact each record of the log from now on, as it is made.

    Locust logs parts of its command line between setting its log up and its first event after that.
    """
    make, redacting = logging.getLogRecordFactory(), RedactingFilter(redactor)

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if record.levelno:  # None for one that is filled afterwards, which the handlers redact
            redacting.filter(record)
        return record

    logging.setLogRecordFactory(make_redacted)


def redact_tracebacks(redact: Callable[[str], str]) -> None:
    """Redact what Python and gevent print of exceptions that nobody handles, and of warnings."""

    def say(text: str) -> None:
        print(printable_lines(redact(text)), end="", file=sys.stderr, flush=True)

    def tell(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            text = "".join(format_exception(kind, error, trace))
        except Exception as fault:
            # Python would print both exceptions itself, as they are.
            text = f"{kind.__name__}, which cannot be shown: {type(fault).__name__}\n"
        say(text)

    def tell_of_greenlet(hub: Hub, context: object, *fault: Any) -> None:
        # gevent adds the greenlet with the beginning of its arguments, which no secret is found in.
        tell(*fault)

    def tell_of_thread(ended: threading.ExceptHookArgs) -> None:
        if not issubclass(ended.exc_type, SystemExit):
            tell(ended.exc_type, ended.exc_value, ended.exc_traceback)

    def tell_of_unraisable(ignored: sys.UnraisableHookArgs) -> None:
        tell(ignored.exc_type, ignored.exc_value, ignored.exc_traceback)

    def tell_of_warning(*warning: Any, **_: Any) -> None:
        say(warnings.formatwarning(*warning[:4]))  # without the file that it would be printed to

    sys.excepthook = tell
    sys.unraisablehook = tell_of_unraisable
    threading.excepthook = tell_of_thread
    warnings.showwarning = tell_of_warning
    Hub.print_exception = tell_of_greenlet  # type: ignore[assignment, method-assign]  # all threads'


def redact_usage(parser: ArgumentParser, redact: Callable[[str], str]) -> None:
    """Redact what a parser says of wrong options: a secret may stand there by mistake."""
    say = parser.error

    def say_redacted(message: str) -> NoReturn:
        say(told(message, redact))

    parser.error = say_redacted  # type: ignore[method-assign]


def _redact_failures(environment: Environment, redact: Callable[[str], str]) -> None:
    """Redact failures that a scenario has shown itself; those of messages are codes."""
    stats = environment.stats
    log_error = stats.log_error

    def log_redacted(method: str, name: str, error: Exception | str | None) -> None:
        if not isinstance(error, MessageFailure):
            error = printable_lines(redact(StatsError.parse_error(error)))
        log_error(method, name, error)

    stats.log_error = log_redacted  # type: ignore[method-assign]


def _redact_exceptions(environment: Environment, redact: Callable[[str], str]) -> None:
    """Redact exceptions that a scenario has this process show, and the master those of workers."""
    runner = environment.runner
    if runner is None:
        return
    log_exception = runner.log_exception

    def log_redacted(node_id: str, msg: str, formatted_tb: str) -> None:
        log_exception(
            node_id, *(printable_lines(redact(str(each))) for each in (msg, formatted_tb))
        )

    runner.log_exception = log_redacted  # type: ignore[method-assign]
