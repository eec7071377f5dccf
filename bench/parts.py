"""The parts of the bench by name: what each measures, on which far side, at which scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.fidelity import measure_fidelity
from bench.freeze import measure_freeze
from bench.memory import measure_memory
from bench.options import Scale
from bench.percentiles import measure_percentiles
from bench.runs import Range
from bench.simulator_alone import is_possible, measure_simulator
from bench.throughput import PLAIN, TLS, compare

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a part needs: where to measure, at which scale, and whom to tell how it goes."""

    place: Range
    scale: Scale
    say: Say


def _throughput(bench: Bench) -> dict[str, Any]:
    return compare(PLAIN, bench.place, bench.scale.rounds, bench.say)


def _tls(bench: Bench) -> dict[str, Any]:
    return compare(TLS, bench.place, bench.scale.rounds, bench.say, is_tls=True)


def _fidelity(bench: Bench) -> dict[str, Any]:
    scale = bench.scale
    return measure_fidelity(bench.place, scale.run_time_s, scale.trial_s, scale.halvings, bench.say)


def _freeze(bench: Bench) -> dict[str, Any]:
    return measure_freeze(bench.place, bench.scale.freeze)


def _simulator(bench: Bench) -> dict[str, Any] | None:
    if not is_possible():
        bench.say("left out: wrk is not installed; on Debian: apt-get install wrk")
        return None
    seconds = int(bench.place.window.measured_s)
    return measure_simulator(bench.place.cores, seconds, bench.scale.rounds)


def _percentiles(bench: Bench) -> dict[str, Any]:
    return measure_percentiles(bench.scale.samples)


def _memory(bench: Bench) -> dict[str, Any]:
    return measure_memory(bench.place, bench.scale.memory_from_s, bench.scale.memory_to_s)


MEASURE: Mapping[str, Callable[[Bench], dict[str, Any] | None]] = {
    "throughput": _throughput,
    "tls": _tls,
    "fidelity": _fidelity,
    "freeze": _freeze,
    "simulator": _simulator,
    "percentiles": _percentiles,
    "memory": _memory,
}
