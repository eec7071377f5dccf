"""The command line `python -m convoy`: what can be asked of Convoy without starting a test."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from convoy.cli.command_line import asked, parse
from convoy.cli.outlook import outlook
from convoy.cli.send import as_report, send_one
from convoy.errors import ConvoyError, ExitCode, Fault, SettingsError
from convoy.plugin.users import known_scenarios, user_classes
from convoy.prepare.checklist import Checklist
from convoy.prepare.setup import Setup
from convoy.routes.explain import as_text, explain

_STDIN = "-"
_LONGEST_BYTES = 10 * 2**20

Command = Callable[[Setup, Namespace], ExitCode]
"""Does what the options ask for; what went wrong leaves it as a ConvoyError."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit code; a fault is said in sentences, never a traceback."""
    options = parse(arguments)
    import_module("locustfile")
    setup = Setup(environ, known_scenarios)
    try:
        return _COMMANDS[options.command](setup, options)
    except ConvoyError as error:
        for line in setup.redactor.redact(str(error)).splitlines():
            print(f"convoy: {line}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PASS
    finally:
        setup.simulator.stop()


def _plan(setup: Setup, options: Namespace) -> ExitCode:
    prepared = setup.prepare(asked(options), sends_canaries=False)
    print(outlook(prepared, messages=options.messages))
    return ExitCode.PASS


def _preflight(setup: Setup, options: Namespace) -> ExitCode:
    checklist = Checklist()
    try:
        setup.prepare(asked(options), checklist=checklist)
    except ConvoyError as error:
        exit_code = error.exit_code
    else:
        exit_code = ExitCode.PASS
    print(setup.redactor.redact(checklist.as_text()))
    return exit_code


def _send(setup: Setup, options: Namespace) -> ExitCode:
    sent = send_one(
        setup,
        asked(options),
        conversation_id=options.conversation,
        payload=options.payload,
    )
    print(setup.redactor.redact(as_report(sent)))
    return ExitCode.PASS if sent.is_accepted else ExitCode.NOT_ACCEPTED


def _explain(_: Setup, options: Namespace) -> ExitCode:
    if options.answer == options.payload == _STDIN:
        raise SettingsError([Fault("--payload", "answer and payload cannot both be `-`")])
    answer = _read_json_object(options.answer, sys.stdin.buffer)
    payload = None
    if options.payload is not None:
        payload = _read_json_object(options.payload, sys.stdin.buffer)
    explanation = explain(answer, payload)
    if not explanation.code:
        problem = "holds no error: no `code`, no `error`, no `status` of 300 or more"
        raise SettingsError([Fault(options.answer, problem)])
    print(as_text(explanation))
    return ExitCode.PASS


def _read_json_object(name: str, stdin: BinaryIO) -> dict[str, Any]:
    """Return the JSON object in a file, or in `stdin` for the name `-`.

    Raises SettingsError with the place of the fault when there is none.
    """
    where = "standard input" if name == _STDIN else name
    try:
        value = json.loads(_start_of(name, stdin))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        problem = f"is not JSON: {error.msg} ({place}); sent like this, it is refused for that"
        raise SettingsError([Fault(where, problem)]) from error
    except RecursionError as error:
        raise SettingsError([Fault(where, "is nested too deeply")]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SettingsError([Fault(where, f"cannot be read: {reason}")]) from error
    if not isinstance(value, dict):
        raise SettingsError([Fault(where, "holds JSON, but no object")])
    return value


def _start_of(name: str, stdin: BinaryIO) -> bytes:
    if name == _STDIN:
        return stdin.read(_LONGEST_BYTES)
    with Path(name).open("rb") as file:
        return file.read(_LONGEST_BYTES)


def _scenarios(_: Setup, __: Namespace) -> ExitCode:
    for user_class in sorted(user_classes(), key=lambda each: each.scenario):
        print(f"{user_class.scenario:<24} {(user_class.__doc__ or '').strip().splitlines()[0]}")
    return ExitCode.PASS


_COMMANDS: Mapping[str, Command] = {
    "plan": _plan,
    "preflight": _preflight,
    "send": _send,
    "explain": _explain,
    "scenarios": _scenarios,
}
