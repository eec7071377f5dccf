"""Healthy runs and their verdicts: nothing is wrong with any of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.processes import Cores
from bench.short_runs import EndedRun, ShortLoad, Start, run_to_its_end
from bench.simulators import simulating

_MOST_INVALID = 1
_PASS, _INVALID = "pass", "invalid"
_LOADS = (ShortLoad(run_time_s=3), ShortLoad(run_time_s=3, workers=2))


def healthy_run(number: int, cores: Cores) -> EndedRun:
    """Run in one process and with two workers in turns, by the number; raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, simulator_folder = Path(name) / "run", Path(name) / "simulator"
        for each in (folder, simulator_folder):
            each.mkdir()
        with simulating(simulator_folder, cores.server) as simulator:
            load = _LOADS[number % len(_LOADS)]
            return run_to_its_end(Start(folder, cores.generator, load, simulator.url))


def figures_of(runs: Sequence[EndedRun]) -> dict[str, Any]:
    """Return how many runs there were by verdict, and the first reason of each not passed."""
    verdicts = Counter(run.verdict for run in runs)
    others = [run for run in runs if not _is_passed(run)]
    return {
        "runs": len(runs),
        "verdicts": dict(verdicts.most_common()),
        "not_passed": [
            {"verdict": run.verdict, "exit_code": run.exit_code, "reason": run.reason}
            for run in others
        ],
    }


def is_as_it_should_be(figures: Mapping[str, Any]) -> bool:
    """Return whether all runs passed, but for as many invalid ones as are tolerated."""
    verdicts = [each["verdict"] for each in figures["not_passed"]]
    return len(verdicts) <= _MOST_INVALID and all(each == _INVALID for each in verdicts)


def lines_of(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures as a sentence, and a line for each run that did not pass."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in figures["verdicts"].items())
    yield f"{figures['runs']} healthy runs: {counts}"
    for each in figures["not_passed"]:
        yield f"{each['verdict']} (exit code {each['exit_code']}): {each['reason']}"


def _is_passed(run: EndedRun) -> bool:
    return run.verdict == _PASS and run.exit_code == 0
