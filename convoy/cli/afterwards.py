"""`python -m convoy reconcile` and `cleanup`: what is done at its target after a run."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time

from locust.util.timespan import parse_timespan

from convoy import terminal
from convoy.afterwards.cleanup import Cleanup
from convoy.afterwards.reconcile import DISCREPANCIES, reconcile
from convoy.afterwards.recorded_run import check_that_it_ended
from convoy.cli.records import add_run, folder_of, report_record
from convoy.errors import ExitCode
from convoy.plugin.scenario_classes import user_classes
from convoy.prepare.setup import Setup
from convoy.results.reconciled import KINDS, Named
from convoy.results.record import JOURNAL, check_stop, read_result
from convoy.results.reports.text import text_report
from convoy.results.result import RunResult
from convoy.results.summary import Summary
from convoy.swarm.run_inputs import code_hash
from convoy.untrusted_text import on_one_line

_MOST_SHOWN = 10
_WAIT_S = 60


def add_commands(add: Callable[[str, str, str], ArgumentParser]) -> None:
    """Add both commands; `add` takes the name of one, what it does, and options for an example."""
    reconcile = add(
        "reconcile",
        "look for each accepted message of a run at its target: lost, doubled, changed, how late",
        "latest --wait 2m",
    )
    reconcile.add_argument(
        "--wait",
        type=seconds,
        default=_WAIT_S,
        metavar="TIME",
        help="how long to wait for what is missing, or not visible in analytics: 30s, 10m "
        f"(default: {_WAIT_S}s)",
    )
    cleanup = add("cleanup", "close the conversations that a run opened", "latest")
    for each in (reconcile, cleanup):
        add_run(each)
        each.add_argument(
            "--target", help="the target file, where it is not in config/targets: a path"
        )


def seconds(text: str) -> int:
    """Return a length of time in seconds; raises what argparse shows."""
    try:
        return int(parse_timespan(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no length of time such as 30s or 2m") from error


def reconcile_run(setup: Setup, options: Namespace, runs: Path) -> tuple[Summary, str]:
    """Look for the messages of a run; return its new summary, and what to say of it.

    Raises ConvoyError, OSError.
    """
    folder = folder_of(options.run, runs)
    _say_how_to_go_on(setup, "reconcile", options, folder)
    with _stoppable(setup, runs):
        reconcile(
            setup,
            folder,
            _ended(folder) or read_result(folder),
            code=code_hash(Path(inspect.getfile(each)) for each in user_classes()),
            options={"target": options.target},
            wait_s=options.wait,
            tell=_teller(setup),
        )
    summary, _ = report_record(str(folder), runs)
    return summary, "\n".join((text_report(summary), *_named_lines(summary, folder)))


def clean_up_run(setup: Setup, options: Namespace, runs: Path) -> tuple[ExitCode, str]:
    """Close what a run opened; return what to say of it. Raises as `reconcile_run`."""
    folder = folder_of(options.run, runs)
    _ended(folder)
    cleanup = Cleanup(folder)
    _say_how_to_go_on(setup, "cleanup", options, folder)
    if cleanup.left:
        with _stoppable(setup, runs):
            connected = setup.connect_again(cleanup.settings, {"target": options.target})
            cleanup.close(*connected, _teller(setup))
    return ExitCode.PASS, str(cleanup)


@contextmanager
def _stoppable(setup: Setup, runs: Path) -> Iterator[None]:
    """Hold what is done inside to what a run is held to; raises RefusedError, KillSwitchError."""
    check_stop(runs)
    with setup.kill_switch.watched():
        yield


AFTERWARDS: Mapping[
    str, Callable[[Setup, Namespace, Path], tuple[ExitCode, str] | tuple[Summary, str]]
] = {"reconcile": reconcile_run, "cleanup": clean_up_run}


def _named_lines(summary: Summary, folder: Path) -> Iterator[str]:
    """Yield a line for each of the first messages with a discrepancy."""
    for kind in KINDS:
        named: Named = getattr(summary.reconciled, kind)
        if not named.count:
            continue
        yield ""
        yield f"{kind.replace('_', ' ')}: {named.count:,}"
        for each in named.messages[:_MOST_SHOWN]:
            message = each.scenario if each.k is None else f"{each.scenario} {each.k}"
            ids = f", message {' and '.join(each.message_ids)}" * bool(each.message_ids)
            yield on_one_line(f"  {message} in conversation {each.conversation_id}{ids}")
        if named.count > _MOST_SHOWN:
            yield f"  and {named.count - _MOST_SHOWN:,} more in {folder / DISCREPANCIES}"


def _teller(setup: Setup) -> Callable[[str], None]:
    return lambda line: print(f"convoy: {setup.told(line)}", file=sys.stderr, flush=True)


def _ended(folder: Path) -> RunResult | None:
    """Return what came of a run that is over, None where it never began; raises ConvoyError."""
    result = read_result(folder) if (folder / JOURNAL).exists() else None
    check_that_it_ended(folder, result, time())
    return result


def _say_how_to_go_on(setup: Setup, command: str, options: Namespace, folder: Path) -> None:
    # By then another run may be the latest one, however that link was given.
    run = options.run
    if Path(run).name != folder.name:
        run = folder.name if run == "latest" else str(folder)
    target = f" --target {options.target}" * bool(options.target)
    terminal.say_at_interrupt(
        setup.told(
            "interrupted; what was done is kept, and the command goes on from there: "
            f".venv/bin/python -m convoy {command} {run}{target}"
        )
    )
