"""The exits of a Locust process: logs, tracebacks and Locust's failures, all of them redacted."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from traceback import format_exception
from types import TracebackType
from typing import TextIO, cast

import gevent
from locust.env import Environment
from locust.stats import StatsError

from convoy import terminal
from convoy.foreign import printable_lines
from convoy.plugin.rows import MessageFailure
from convoy.secrets import RedactingFilter, Redactor


def redact_exits(environment: Environment, redactor: Redactor) -> None:
    """Redact what this process logs, what it says of exceptions that nobody handles, and failures.

    Call it when Locust has set its log up.
    """
    loggers = map(logging.getLogger, [None, *logging.root.manager.loggerDict])
    for handler in {each for logger in loggers for each in logger.handlers}:
        handler.addFilter(RedactingFilter(redactor))
        terminal.print_anything(getattr(handler, "stream", None))
    _redact_failures(environment, redactor.redact)


def redact_tracebacks(redact: Callable[[str], str]) -> None:
    """Redact what Python and gevent print of exceptions that nobody handles."""

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(format_exception(kind, error, trace))
        print(printable_lines(redact(text)), end="", file=sys.stderr)

    sys.excepthook = tell
    gevent.get_hub().exception_stream = cast(TextIO, _Redacted(redact))


class _Redacted:
    """Standard error, for gevent, which writes a traceback line by line."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def write(self, text: str) -> None:
        sys.stderr.write(printable_lines(self._redact(text)))

    def flush(self) -> None:
        sys.stderr.flush()


def _redact_failures(environment: Environment, redact: Callable[[str], str]) -> None:
    """Redact failures that a scenario has shown itself; those of messages are codes."""
    stats = environment.stats
    log_error = stats.log_error

    def log_redacted(method: str, name: str, error: Exception | str | None) -> None:
        if not isinstance(error, MessageFailure):
            error = printable_lines(redact(StatsError.parse_error(error)))
        log_error(method, name, error)

    stats.log_error = log_redacted  # type: ignore[method-assign]
