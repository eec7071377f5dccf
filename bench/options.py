"""The options of `python -m bench`, and what a full or a quick bench comes to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.freeze import Freeze
from bench.processes import ROOT
from bench.runs import Window

PARTS = ("throughput", "tls", "fidelity", "freeze", "simulator", "percentiles", "memory")
SLOW_PARTS = ("memory",)
"""Left out unless they are asked for: they alone take as long as all others."""
RESULTS = ROOT / "bench" / "results"
LATEST = RESULTS / "latest.json"
QUICK_RESULTS = RESULTS / "quick.json"
"""Of a quick bench, whose figures are worth nothing: not the committed results."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long everything takes, in seconds where not said otherwise.

    The capacity on schedule is searched for in so many `halvings`, with runs of `trial_s`.
    """

    window: Window
    rounds: int
    run_time_s: int
    trial_s: int
    halvings: int
    freeze: Freeze
    samples: int
    memory_from_s: float
    memory_to_s: float


FULL = Scale(Window(2, 6), 5, 60, 6, 6, Freeze(60, 10, 5), 1_000_000, 60, 600)
QUICK = Scale(Window(1, 2), 2, 10, 3, 3, Freeze(20, 4, 3), 100_000, 5, 20)


@dataclass(frozen=True, slots=True)
class Options:
    """Which parts to measure, at which scale, and where the results go."""

    parts: tuple[str, ...]
    scale: Scale
    is_quick: bool
    output: Path


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a wrong one ends the process with exit code 2 and a sentence."""
    values = _parser().parse_args(arguments)
    scale = QUICK if values.quick else FULL
    if values.pairs is not None:
        scale = replace(scale, rounds=values.pairs)
    if values.seconds is not None:
        scale = replace(scale, window=replace(scale.window, measured_s=values.seconds))
    if values.memory_minutes is not None:
        scale = replace(scale, memory_to_s=60 * values.memory_minutes)
    parts = tuple(values.only or (part for part in PARTS if part not in SLOW_PARTS))
    output = values.output or (QUICK_RESULTS if values.quick else LATEST)
    return Options(parts, scale, values.quick, output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--only", action="append", choices=PARTS, help="this part only; repeatable")
    add("--quick", action="store_true", help="short and few runs: does the bench work at all?")
    add("--pairs", type=whole(1, 100), metavar="N", help="runs next to each other, per pair")
    add("--seconds", type=whole(1, 600), metavar="S", help="what is counted of each run")
    add("--memory-minutes", type=whole(2, 1440), metavar="M", help="length of the memory run")
    add("--output", type=Path, metavar="FILE", help="where the results go")
    return parser


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return what reads a whole number of this range from an option; it raises argparse's error."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:9]) <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse
