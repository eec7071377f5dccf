"""The options of `python -m bench.healthy`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.options import RESULTS, whole

HEALTHY = RESULTS / "healthy.json"
_RUNS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """How many runs, and where the results go."""

    runs: int
    output: Path


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a wrong one ends the process with exit code 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.healthy", description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "--runs",
        type=whole(1, 10_000),
        default=_RUNS,
        metavar="N",
        help=f"how many, {_RUNS} if not given",
    )
    add("--output", type=Path, default=HEALTHY, metavar="FILE", help="where the results go")
    values = parser.parse_args(arguments)
    return Options(values.runs, values.output)
