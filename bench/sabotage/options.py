"""The options of `python -m bench.sabotage`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.options import RESULTS
from bench.sabotage.sabotages import Sabotage
from bench.sabotage.table import SABOTAGES


@dataclass(frozen=True, slots=True)
class Options:
    """Which sabotages to carry out, where the results go, or only to show what is known."""

    sabotages: tuple[Sabotage, ...]
    output: Path
    only_list: bool
    only_markdown: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a wrong one ends the process with exit code 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.sabotage",
        description="Spoil runs on purpose, and see that no verdict is deceived.",
        allow_abbrev=False,
    )
    names = {each.name: each for each in SABOTAGES}
    add = parser.add_argument
    add(
        "--only",
        action="append",
        choices=names,
        metavar="NAME",
        help="this sabotage only; repeatable",
    )
    add("--list", action="store_true", help="list the sabotages and run none")
    add("--markdown", action="store_true", help="print the latest results as a table, run none")
    add("--output", type=Path, default=RESULTS / "sabotage.json", metavar="FILE", help="results")
    values = parser.parse_args(arguments)
    chosen = tuple(names[name] for name in values.only or names)
    return Options(chosen, values.output, values.list, values.markdown)
