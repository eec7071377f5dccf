"""The options of `python -m convoy`, command by command."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from typing import Any

from locust.util.timespan import parse_timespan

_RUN_OPTIONS = {
    "target": "where the load would go: a name in config/targets or a path",
    "load_profile": "the load's shape: a name in config/profiles or a path",
    "scenarios": "what would run, as a,b",
    "rate": "messages per second for the whole run, or max for flat out",
    "seed": "the same seed plans the same messages",
    "host": "the address of API and login, instead of the target's",
    "users": "users; each has a token of its own",
    "run_time_s": "the length of the measured part: 30, 30s, 2m, 1h20m",
    "set": "dotted.path=YAML: any setting by its name; may be given several times",
}
_SHORT = {"users": ("-u",), "run_time_s": ("-t",), "host": ("-H",)}
_OF_ONE_MESSAGE = ("target", "load_profile", "scenarios", "host", "set")


def parse(arguments: Sequence[str]) -> Namespace:
    """Return the options, the command among them; a wrong one ends the process with exit code 2."""
    return _parser().parse_args(arguments)


def asked(options: Namespace) -> dict[str, object]:
    """Return those options that settings are made of, None where one was not given."""
    return {name: getattr(options, name, None) for name in _RUN_OPTIONS}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m convoy", description="Ask Convoy without a test.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_plan(commands)
    _add_preflight(commands)
    _add_send(commands)
    _add_explain(commands)
    commands.add_parser("scenarios", help="list what can run")
    return parser


def _add_plan(commands: Any) -> None:
    plan = commands.add_parser(
        "plan",
        help="say what a run would send; it logs in and reads conversations, and sends no message",
    )
    _add_run_options(plan, _RUN_OPTIONS)
    plan.add_argument(
        "--messages", type=int, default=5, help="how many messages to show for each scenario"
    )


def _add_preflight(commands: Any) -> None:
    preflight = commands.add_parser(
        "preflight",
        help="check everything that a run needs, and send one message of each template",
    )
    _add_run_options(preflight, _RUN_OPTIONS)


def _add_send(commands: Any) -> None:
    send = commands.add_parser(
        "send", help="send one message; print request, answer, explanation and a curl command"
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


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain", help="say which field an answer that says no means, and what to change"
    )
    explain.add_argument("answer", metavar="ANSWER.json", help="the answer's body; - reads stdin")
    explain.add_argument(
        "--payload", metavar="P.json", help="the body that was sent: shows which field is wrong"
    )


def _add_run_options(parser: ArgumentParser, names: Iterable[str]) -> None:
    for name in names:
        option = "--" + name.replace("_", "-").removesuffix("-s")
        parser.add_argument(
            *_SHORT.get(name, ()),
            option,
            dest=name,
            help=_RUN_OPTIONS[name],
            action="append" if name == "set" else "store",
            type=_run_time_s if name == "run_time_s" else str,
        )


def _run_time_s(text: str) -> int:
    try:
        return int(parse_timespan(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no length of time such as 30s or 2m") from error
