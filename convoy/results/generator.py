"""The judgement on the generator: whether what was measured is the target's doing or its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from convoy.results.counts import Counts
from convoy.results.health import WorkerHealth
from convoy.results.outcome import Cause
from convoy.results.verdict import is_too_often

DOUBTFUL_SHARE = 0.05
"""Late for more of the time than this, a loop distorts even the 95th percentile."""
NOTABLE_SHARE = 0.01
TOLERATED_S = 0.25
"""So long may it be whatever the length of the run: a short one would be judged by one pause."""
BUSY_SHARE = 0.9
"""From this share of a core on a worker is close to what one process can do."""
STANDSTILL_S = 0.5


@dataclass(frozen=True, slots=True)
class GeneratorJudgement:
    """What the workers' health says of a run.

    `state` is `ok`, `strained`, `too slow`, `flat out`, or `not measured`; `doubts` are reasons why
    the figures are not the target's, `warnings` what is worth knowing.
    """

    state: str
    doubts: tuple[str, ...]
    warnings: tuple[str, ...]


def judge_generator(
    healths: Mapping[str, WorkerHealth],
    counts: Iterable[Counts],
    *,
    late_after_s: float,
    is_flat_out: bool,
) -> GeneratorJudgement:
    """Judge the workers by their health and each scenario's counts.

    In a run that sends as fast as it can, a busy loop is what was asked for and raises no doubt.
    """
    measured = {name: health for name, health in healths.items() if health.measured_s}
    warnings = [
        warning
        for name, health in measured.items()
        for warning in _warnings(name, health, late_after_s, is_flat_out)
    ]
    doubts = [
        _doubt(name, health, late_after_s)
        for name, health in measured.items()
        if _is_late_for(health, DOUBTFUL_SHARE) and not is_flat_out
    ]
    if not measured:
        state = "not measured"
    elif is_flat_out:
        state = "flat out"
    elif doubts or any(is_too_often(each, Cause.GENERATOR) for each in counts):
        state = "too slow"
    else:
        state = "strained" if warnings else "ok"
    return GeneratorJudgement(state, tuple(doubts), tuple(warnings))


def _warnings(
    name: str, health: WorkerHealth, late_after_s: float, is_flat_out: bool
) -> Iterator[str]:
    if _is_starved(health):
        yield _starved(name, health)
    if health.longest_s >= STANDSTILL_S:
        yield _stood_still(name, health)
    if is_flat_out:
        return
    if _is_late_for(health, NOTABLE_SHARE) and not _is_late_for(health, DOUBTFUL_SHARE):
        yield _late(name, health, late_after_s)
    if health.cpu_share >= BUSY_SHARE:
        yield _busy(name, health)


def _is_late_for(health: WorkerHealth, share: float) -> bool:
    return health.late_s > max(TOLERATED_S, share * health.measured_s)


def _is_starved(health: WorkerHealth) -> bool:
    return health.waited_s > max(TOLERATED_S, NOTABLE_SHARE * health.measured_s)


def _doubt(name: str, health: WorkerHealth, late_after_s: float) -> str:
    return (
        f"the latencies are the generator's own: {_late(name, health, late_after_s)} "
        f"({DOUBTFUL_SHARE:.0%} is tolerated); use more workers or a lower rate, and let nothing "
        "block in users and listeners"
    )


def _late(name: str, health: WorkerHealth, late_after_s: float) -> str:
    p99_ms, longest_ms = health.lag.percentile(99).ms, health.lag.max.ms
    return (
        f"the event loop of worker {name} was more than {late_after_s * 1000:g} ms late for "
        f"{health.late_s / health.measured_s:.1%} of the time, p99 {p99_ms:,.0f} ms, longest "
        f"{longest_ms:,.0f} ms"
    )


def _busy(name: str, health: WorkerHealth) -> str:
    return (
        f"worker {name} used {health.cpu_share:.0%} of a core, and no process can use more than "
        "one; use more workers or a lower rate"
    )


def _starved(name: str, health: WorkerHealth) -> str:
    return (
        f"worker {name} waited {health.waited_s:.1f} of {health.measured_s:.1f} s for a processor "
        "that other programs used; give the generator cores of its own"
    )


def _stood_still(name: str, health: WorkerHealth) -> str:
    return (
        f"worker {name} stood still for {health.longest_s:.1f} s: it was stopped, got no "
        "processor, or something in it blocked"
    )
