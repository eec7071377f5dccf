"""What leaves a process by its log, its tracebacks and Locust's failures holds no secret."""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.hub import Hub
from locust.env import Environment

from convoy.plugin.redacted_exits import (
    redact_exits,
    redact_records,
    redact_tracebacks,
    redact_usage,
)
from convoy.plugin.rows import MessageFailure
from convoy.secrets import STARS, Redactor

SECRET = "open-sesame"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register(SECRET)
    return redactor


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A stream that a logger of its own writes to, as one that a library set up."""
    stream, logger = io.StringIO(), logging.getLogger("of.a.library")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    loggers = map(logging.getLogger, [None, *logging.root.manager.loggerDict])
    filters = {each: [*each.filters] for logger in loggers for each in logger.handlers}
    make = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(make)
    for handler, before in filters.items():
        handler.filters = before


def test_every_handler_that_is_there_redacts(redactor: Redactor, log: io.StringIO) -> None:
    redact_exits(Environment(), redactor)

    logging.getLogger("of.a.library").error("it was %s", SECRET)

    assert log.getvalue() == f"it was {STARS}\n"


def test_what_is_logged_before_the_handlers_are_known_is_redacted(
    redactor: Redactor, log: io.StringIO
) -> None:
    redact_records(redactor)

    logging.getLogger("of.a.library").error("it was %s", SECRET)

    assert log.getvalue() == f"it was {STARS}\n"
    assert logging.makeLogRecord({"msg": "of another process"}).getMessage() == "of another process"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        pytest.param(f"no {SECRET}", f"no {STARS}", id="a text"),
        pytest.param(ValueError(SECRET), f"ValueError('{STARS}')", id="an exception"),
        pytest.param(MessageFailure("404 not.found"), "404 not.found", id="a message's code"),
    ],
)
def test_failures_are_redacted(redactor: Redactor, error: Exception | str, shown: str) -> None:
    environment = Environment()
    redact_exits(environment, redactor)

    environment.stats.log_error("POST", "a row", error)

    assert [each.to_dict()["error"] for each in environment.stats.errors.values()] == [shown]


def test_exceptions_that_a_scenario_has_locust_show_are_redacted(redactor: Redactor) -> None:
    environment = Environment()
    runner = environment.create_local_runner()
    redact_exits(environment, redactor)

    runner.log_exception("local", f"no {SECRET}", f"in a line\n  {SECRET}\n")

    [shown] = runner.exceptions.values()
    assert (shown["msg"], shown["traceback"]) == (f"no {STARS}", f"in a line\n  {STARS}\n")


def in_a_greenlet() -> None:
    gevent.spawn(int, SECRET).join()


def in_a_greenlet_of_another_thread() -> None:
    gevent.get_hub().threadpool.apply(in_a_greenlet)


def in_a_thread() -> None:
    thread = threading.Thread(target=int, args=(SECRET,))
    thread.start()
    thread.join()


def in_no_greenlet() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)


class Careless:
    def __del__(self) -> None:
        int(SECRET)


@pytest.fixture
def hooks_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in (
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
        (warnings, "showwarning"),
        (Hub, "print_exception"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))


@pytest.mark.parametrize(
    "fail",
    [in_a_greenlet, in_a_greenlet_of_another_thread, in_a_thread, in_no_greenlet, Careless],
    ids=lambda fail: fail.__name__,
)
def test_tracebacks_are_redacted(
    fail: Callable[[], object],
    redactor: Redactor,
    hooks_as_they_were: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    redact_tracebacks(redactor.redact)

    fail()

    told = capsys.readouterr().err
    assert told.count(f"ValueError: invalid literal for int() with base 10: '{STARS}'") == 1
    assert SECRET not in told


def test_an_exception_that_cannot_be_shown_is_told_by_its_type(
    redactor: Redactor, hooks_as_they_were: None, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SyntaxError(f"near {SECRET}")
    error.filename, error.lineno, error.text = "template", 1, 5  # type: ignore[assignment]
    redact_tracebacks(redactor.redact)

    sys.excepthook(SyntaxError, error, None)

    assert capsys.readouterr().err == "SyntaxError, which cannot be shown: AttributeError\n"


def test_warnings_are_redacted(
    redactor: Redactor, hooks_as_they_were: None, capsys: pytest.CaptureFixture[str]
) -> None:
    redact_tracebacks(redactor.redact)

    warnings.showwarning(f"no {SECRET}", UserWarning, "scenario.py", 5)

    assert capsys.readouterr().err == f"scenario.py:5: UserWarning: no {STARS}\n"


def test_what_a_parser_says_of_wrong_options_is_redacted(
    redactor: Redactor, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser()
    redact_usage(parser, redactor.redact)

    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([f"--client-secret={SECRET}"])

    assert f"unrecognized arguments: --client-secret={STARS}" in capsys.readouterr().err
