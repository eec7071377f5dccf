"""The command line `python -m convoy`: what can be asked of Convoy without starting a test."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from importlib import import_module

from convoy.errors import ConvoyError, ExitCode
from convoy.safety.outlook import outlook
from convoy.safety.setup import Setup
from convoy.swarm.users import known_scenarios


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command and return its exit code; a fault is said in sentences, never a traceback."""
    options = _parser().parse_args(arguments)
    import_module("locustfile")
    setup = Setup(environ, known_scenarios)
    try:
        return _plan(setup, options)
    except ConvoyError as error:
        for line in setup.redactor.redact(str(error)).splitlines():
            print(f"convoy: {line}", file=sys.stderr)
        return error.exit_code
    finally:
        setup.simulator.stop()


def _plan(setup: Setup, options: Namespace) -> int:
    prepared = setup.prepare({name: getattr(options, name) for name in _ASKED})
    print(outlook(prepared, messages=options.messages))
    return ExitCode.PASS


_ASKED = {
    "target": "where the load would go: a name in config/targets or a path",
    "load_profile": "the load's shape: a name in config/profiles or a path",
    "scenarios": "what would run, as a,b",
    "rate": "messages per second for the whole run",
    "seed": "the same seed plans the same messages",
    "host": "the address of API and login, instead of the target's",
    "users": "actors; each has a token of its own",
    "run_time_s": "the length of the measured part in seconds",
    "set": "dotted.path=YAML: any setting by its name; may be given several times",
}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m convoy", description="Ask Convoy without a test.")
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser(
        "plan",
        help="say what a run would send; it logs in and reads conversations, and sends no message",
    )
    for name, text in _ASKED.items():
        option = "--" + name.replace("_", "-").removesuffix("-s")
        plan.add_argument(option, dest=name, help=text, action=_ACTIONS.get(name, "store"))
    plan.add_argument(
        "--messages", type=int, default=5, help="how many messages to show for each scenario"
    )
    return parser


_ACTIONS = {"set": "append"}
