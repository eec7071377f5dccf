"""The command line `python -m convoy`: what can be asked of Convoy without starting a test."""

from __future__ import annotations

import locust  # isort: skip  # first: it patches sockets

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib import import_module
from math import inf
from pathlib import Path
from traceback import extract_tb, format_exc
from typing import Any

import convoy
from convoy import terminal
from convoy.cli import exchange
from convoy.cli.afterwards import AFTERWARDS, add_commands, seconds
from convoy.cli.explained import explained
from convoy.cli.outlook import outlook
from convoy.cli.preflight import check_readiness
from convoy.cli.records import add_run, judge_record, report_record, run_lines
from convoy.cli.send import as_report, send_one
from convoy.errors import ConvoyError, ExitCode, Fault, SettingsError
from convoy.plugin.github_step import GitHubStep
from convoy.plugin.redacted_exits import redact_records, redact_tracebacks, redact_usage
from convoy.plugin.scenario_classes import known_scenarios, user_classes
from convoy.prepare.setup import Setup
from convoy.results.record import RUNS
from convoy.results.reports import REPORTS
from convoy.results.reports.text import text_report
from convoy.results.summary import Summary
from convoy.routes.explain import as_text
from convoy.settings.options import OPTIONS
from convoy.untrusted_text import printable_lines

_LOCUSTFILE = "locustfile"

Command = Callable[[Setup, Namespace], ExitCode | Summary]
"""Carries out a command with its options; returns the summary of a run that it judged, else how it
ended. Raises ConvoyError."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit code; a fault is said in sentences.

    Only what nobody has foreseen shows a traceback, and ends as a run that crashed does.
    """
    setup = Setup(environ, known_scenarios)
    options = parse(arguments, setup.redactor.redact)
    setup.keyring.note_target(getattr(options, "target", None))
    step = GitHubStep(environ, setup.redactor.redact)
    has_json = getattr(options, "json", False)  # a program reads standard output then
    step.stop_commands(sys.stderr if has_json else sys.stdout)
    try:
        _import_scenarios()
        # Again, because the hooks of the locustfile know no secrets but those of the environment.
        redact_tracebacks(setup.redactor.redact)
        redact_records(setup.redactor)
        exit_code = _told(_COMMANDS[options.command](setup, options), step)
        sys.stdout.flush()
        return exit_code
    except ConvoyError as error:
        for line in setup.told(str(error)).splitlines():
            print(f"convoy: {line}", file=sys.stderr)
        step.annotate(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output closed it early, as `head` does.
        terminal.print_no_more()
        return ExitCode.PASS
    except OSError as error:  # such as a full disk behind standard output
        print(f"convoy: {setup.told(str(error))}", file=sys.stderr)
        terminal.print_no_more()
        return ExitCode.INVALID
    except Exception:
        print(setup.told(format_exc()), end="", file=sys.stderr)
        return ExitCode.INVALID
    finally:
        step.resume_commands()
        setup.lock.release()
        setup.simulator.stop()


def _told(found: ExitCode | Summary, step: GitHubStep) -> ExitCode:
    """Return the exit code of a command; that of a run that was judged is shown in the workflow."""
    if not isinstance(found, Summary):
        return found
    step.write_summary(found)
    step.annotate(found)
    return found.exit_code


def _import_scenarios() -> None:
    """Import the locustfile of the current folder; raises SettingsError where that fails."""
    try:
        import_module(_LOCUSTFILE)
    except ConvoyError:
        raise
    except Exception as error:  # it is a program of the operator's, as its scenarios are
        *_, last = extract_tb(error.__traceback__)
        where = "" if isinstance(error, SyntaxError) else f" ({last.filename}, line {last.lineno})"
        problem = f"cannot be imported: {type(error).__name__}: {error}{where}"
        if isinstance(error, ModuleNotFoundError) and error.name == _LOCUSTFILE:
            problem = f"there is none in {Path.cwd()}; start from the folder of Convoy"
        raise SettingsError([Fault(f"{_LOCUSTFILE}.py", problem)]) from error


def _say(setup: Setup, text: str) -> None:
    """Print lines without secrets, and without anything that steers a terminal."""
    print(printable_lines(setup.redactor.redact(text)))


def _plan(setup: Setup, options: Namespace) -> ExitCode:
    prepared = setup.prepare(asked(options), options.spawn_rate, sends=False, processes=0)
    _say(setup, outlook(prepared, options.messages, setup.redactor.redact))
    return ExitCode.PASS


def _preflight(setup: Setup, options: Namespace) -> ExitCode:
    found = check_readiness(setup, asked(options), options.spawn_rate)
    if options.json:
        print(found.as_json(setup.redactor.redact_all))
    else:
        _say(setup, found.checklist.as_text())
    return found.exit_code


def _send(setup: Setup, options: Namespace) -> ExitCode:
    what = {"conversation_id": options.conversation, "payload": options.payload}
    if options.frames:
        found = exchange.exchange_one(setup, asked(options), **what)
        _say(setup, exchange.as_report(found, setup.redactor.redact))
        return found.exit_code
    sent = send_one(setup, asked(options), **what)
    _say(setup, as_report(sent, setup.redactor.redact))
    return ExitCode.PASS if sent.is_accepted else ExitCode.NOT_ACCEPTED


def _explain(setup: Setup, options: Namespace) -> ExitCode:
    explanation = explained(setup, options.answer, options.payload, options.status)
    if options.json:
        print(json.dumps(asdict(explanation), indent=2))
    else:
        _say(setup, as_text(explanation))
    return ExitCode.PASS


def _judge(setup: Setup, options: Namespace) -> Summary:
    asked = options.run, options.criteria, options.on_not_judged
    summary = judge_record(*asked, RUNS, setup.redactor.redact)
    _say(setup, text_report(summary))
    return summary


def _report(setup: Setup, options: Namespace) -> Summary:
    summary, folder = report_record(options.run, RUNS)
    _say(setup, text_report(summary))
    _say(setup, f"\nreports in {folder}: {', '.join(sorted(REPORTS))}")
    return summary


def _afterwards(setup: Setup, options: Namespace) -> ExitCode | Summary:
    found, told = AFTERWARDS[options.command](setup, options, RUNS)
    _say(setup, told)
    return found


def _runs(setup: Setup, _: Namespace) -> ExitCode:
    _say(setup, "\n".join(run_lines(RUNS)))
    return ExitCode.PASS


def _scenarios(_: Setup, __: Namespace) -> ExitCode:
    for user_class in sorted(user_classes(), key=lambda each: each.scenario):
        print(f"{user_class.scenario:<24} {(user_class.__doc__ or '').strip().splitlines()[0]}")
    return ExitCode.PASS


_COMMANDS: Mapping[str, Command] = {
    "plan": _plan,
    "preflight": _preflight,
    "send": _send,
    "explain": _explain,
    "judge": _judge,
    "report": _report,
    **dict.fromkeys(AFTERWARDS, _afterwards),
    "runs": _runs,
    "scenarios": _scenarios,
}


_PROGRAM = "python -m convoy"
_MOST_DIGITS = 9
_RUN_OPTIONS = tuple(key for key, each in OPTIONS.items() if each.help)
_SHORT = {"users": ("-u",), "run_time_s": ("-t",), "host": ("-H",)}
_OF_ONE_MESSAGE = ("target", "load_profile", "scenarios", "host", "set")


def parse(arguments: Sequence[str], redact: Callable[[str], str] = str) -> Namespace:
    """Return the options, the command among them; a wrong one ends the process with exit code 2.

    `redact` hides secrets in what is said of it.
    """
    return _parser(redact).parse_args(arguments)


def asked(options: Namespace) -> dict[str, object]:
    """Return those options that settings are made of, None where one was not given."""
    return {name: getattr(options, name, None) for name in _RUN_OPTIONS}


def _parser(redact: Callable[[str], str]) -> ArgumentParser:
    parser = ArgumentParser(
        prog=_PROGRAM,
        description="Plan and check a run, send one message, read records; `locust` sends load.",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"convoy {convoy.VERSION}, locust {locust.__version__}",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_plan(commands)
    _add_preflight(commands)
    _add_send(commands)
    _add_explain(commands)
    _add_judge(commands)
    report = _add(
        commands,
        "report",
        "make the reports of a run from its record, also of one that was cut short",
        "latest",
    )
    add_run(report)
    add_commands(partial(_add, commands))
    _add(commands, "runs", "list the records with verdict, length and labels", "")
    _add(commands, "scenarios", "list what can run", "")
    for each in (parser, *commands.choices.values()):
        redact_usage(each, redact)
    return parser


def _add(commands: Any, name: str, does: str, example: str) -> ArgumentParser:
    """Add a command whose help ends with an example: the command with these options."""
    shown = f"example: .venv/bin/{_PROGRAM} {name} {example}".rstrip()
    command: ArgumentParser = commands.add_parser(
        name, help=does, epilog=shown, formatter_class=RawDescriptionHelpFormatter
    )
    return command


def _add_plan(commands: Any) -> None:
    plan = _add(
        commands,
        "plan",
        "say what a run would send; it logs in and reads conversations, and sends no message",
        "--load-profile spike --rate 500",
    )
    _add_run_options(plan, _RUN_OPTIONS)
    _add_spawn_rate(plan)
    plan.add_argument(
        "--messages",
        type=_number,
        default=5,
        metavar="N",
        help="how many messages to show for each scenario",
    )


def _add_preflight(commands: Any) -> None:
    preflight = _add(
        commands,
        "preflight",
        "check everything that a run needs, and send one message of each template",
        "--load-profile load",
    )
    _add_run_options(preflight, _RUN_OPTIONS)
    _add_spawn_rate(preflight)
    preflight.add_argument("--json", action="store_true", help="print what was found as JSON")


def _add_send(commands: Any) -> None:
    send = _add(
        commands,
        "send",
        "send one message; print request, answer, explanation and a curl command",
        "--payload conversation/text",
    )
    _add_run_options(send, _OF_ONE_MESSAGE)
    send.add_argument(
        "--conversation",
        default="",
        metavar="ID",
        help="where it goes; without it the first open conversation that is found",
    )
    send.add_argument(
        "--payload",
        default="",
        metavar="NAME-or-path",
        help="the message's template: a name in payloads or a path; else the profile's first",
    )

    send.add_argument(
        "--frames",
        action="store_true",
        help="show what a guest (--scenarios guest_chat) sends and receives, frame by frame",
    )


def _add_explain(commands: Any) -> None:
    explain = _add(
        commands,
        "explain",
        "say which field an answer that says no means, and what to change",
        "tests/golden/answer.json",
    )
    explain.add_argument(
        "answer",
        metavar="ANSWER",
        help="a file with the answer: its body, what `curl -i` or an SDK's exception says of it, "
        "or a gateway's page; - reads stdin",
    )
    explain.add_argument(
        "--payload", metavar="P.json", help="the body that was sent: shows which field is wrong"
    )
    explain.add_argument(
        "--status", type=int, choices=range(100, 600), metavar="N", help="the answer's status"
    )
    explain.add_argument("--json", action="store_true", help="print the explanation as JSON")


def _add_judge(commands: Any) -> None:
    judge = _add(
        commands,
        "judge",
        "judge a finished run anew, by other criteria",
        "latest --criteria config/criteria/strict.yaml",
    )
    add_run(judge)
    judge.add_argument(
        "--criteria", required=True, metavar="FILE.yaml", help="a list of criteria, one a line"
    )
    judge.add_argument(
        "--on-not-judged",
        choices=("fail", "pass"),
        default="fail",
        help="what a criterion without samples makes of the run",
    )


def _add_run_options(parser: ArgumentParser, names: Iterable[str]) -> None:
    for name in names:
        option = OPTIONS[name]
        parser.add_argument(
            *_SHORT.get(name, ()),
            option.written,
            dest=name,
            metavar=option.metavar,
            help=option.help,
            action="append" if name == "set" else "store",
            type=seconds if name == "run_time_s" else str,
        )


def _add_spawn_rate(parser: ArgumentParser) -> None:
    told = "users that begin in a second; without it all begin at once"
    parser.add_argument("-r", "--spawn-rate", type=_users_per_s, metavar="RATE", help=told)


def _number(text: str) -> int:
    """Return a whole number that is not negative; raises what argparse shows."""
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no whole number from 0 to 999,999,999")


def _users_per_s(text: str) -> float:
    """Return a spawn rate that Locust takes; raises what argparse shows."""
    with suppress(ValueError):
        if 0 < (rate := float(text)) < inf:
            return rate
    raise ArgumentTypeError(f"{text!r} is no number of users per second above 0")
