"""Healthy runs and their verdicts: nothing is wrong with any of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.pairs import spread
from bench.processes import Cores
from bench.short_runs import EndedRun, ShortLoad, Start, run_to_its_end
from bench.simulators import simulating
from bench.usage import CoreWatch, cpu_seconds_of_ended

_MOST_INVALID = 1
_PASS, _INVALID = "pass", "invalid"
_LOADS = (ShortLoad(run_time_s=3), ShortLoad(run_time_s=3, workers=2))


@dataclass(frozen=True, slots=True)
class HealthyRun:
    """A run with nothing wrong, and the share of its core that other programs used meanwhile."""

    ended: EndedRun
    others_share: float

    @property
    def is_passed(self) -> bool:
        return self.ended.verdict == _PASS and self.ended.exit_code == 0


def healthy_run(number: int, cores: Cores) -> HealthyRun:
    """Run in one process and with two workers in turns, by the number; raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, simulator_folder = Path(name) / "run", Path(name) / "simulator"
        for each in (folder, simulator_folder):
            each.mkdir()
        with simulating(simulator_folder, cores.server) as simulator:
            load = _LOADS[number % len(_LOADS)]
            core, cpu_before_s = CoreWatch(cores.generator), cpu_seconds_of_ended()
            ended = run_to_its_end(Start(folder, cores.generator, load, simulator.url))
            return HealthyRun(ended, core.others_share(cpu_seconds_of_ended() - cpu_before_s))


def figures_of(runs: Sequence[HealthyRun]) -> dict[str, Any]:
    """Return how many runs there were by verdict, and the first reason of each not passed."""
    verdicts = Counter(run.ended.verdict for run in runs)
    return {
        "runs": len(runs),
        "verdicts": dict(verdicts.most_common()),
        "others_on_the_core": spread([run.others_share for run in runs]).to_json(3),
        "not_passed": [
            {
                "verdict": run.ended.verdict,
                "exit_code": run.ended.exit_code,
                "reason": run.ended.reason,
                "others_on_the_core": round(run.others_share, 3),
            }
            for run in runs
            if not run.is_passed
        ],
    }


def is_as_it_should_be(figures: Mapping[str, Any]) -> bool:
    """Return whether all runs passed, but for as many invalid ones as are tolerated."""
    verdicts = [each["verdict"] for each in figures["not_passed"]]
    return len(verdicts) <= _MOST_INVALID and all(each == _INVALID for each in verdicts)


def lines_of(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures as a sentence, and a line for each run that did not pass."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in figures["verdicts"].items())
    others = figures["others_on_the_core"]["median"]
    yield f"{figures['runs']} healthy runs: {counts}; others used {others:.0%} of the core"
    for each in figures["not_passed"]:
        others = each["others_on_the_core"]
        yield (
            f"{each['verdict']} (exit code {each['exit_code']}) while others used {others:.0%} of "
            f"the core: {each['reason']}"
        )
