"""The options of `python -m bench.guests`, and what a full or a quick bench comes to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.options import RESULTS, whole
from bench.runs import Window

PARTS = ("many", "round_trips", "own_copies", "reconnects", "connects")
GUESTS = RESULTS / "guests.json"
QUICK_RESULTS = RESULTS / "quick-guests.json"


@dataclass(frozen=True, slots=True)
class Scale:
    """How many guests each part has, and how long it takes, in seconds.

    Of the reconnects each guest has one every `reconnect_every_s`; `connects_per_s` are begun by
    `connecting` guests.
    """

    many: int
    many_s: int
    window: Window
    pairs: int
    reconnecting: int
    reconnecting_s: int
    reconnect_every_s: int
    connecting: int
    connects_per_s: int
    connects_s: int


FULL = Scale(10_000, 300, Window(2, 8), 5, 50, 600, 30, 5_000, 500, 20)
QUICK = Scale(300, 6, Window(1, 2), 1, 10, 8, 2, 300, 50, 4)


@dataclass(frozen=True, slots=True)
class Options:
    """Which parts to measure, at which scale, and where the results go."""

    parts: tuple[str, ...]
    scale: Scale
    is_quick: bool
    output: Path


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a wrong one ends the process with exit code 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.guests", description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--only", action="append", choices=PARTS, help="this part only; repeatable")
    add("--quick", action="store_true", help="few guests, short runs: does the bench work at all?")
    add("--pairs", type=whole(1, 100), metavar="N", help="runs next to each other, per pair")
    add("--output", type=Path, metavar="FILE", help="where the results go")
    values = parser.parse_args(arguments)
    scale = QUICK if values.quick else FULL
    if values.pairs is not None:
        scale = replace(scale, pairs=values.pairs)
    output = values.output or (QUICK_RESULTS if values.quick else GUESTS)
    return Options(tuple(values.only or PARTS), scale, values.quick, output)
