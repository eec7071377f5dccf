"""The judgement on the generator: whether the latencies are the target's or its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from convoy.results.health import WorkerHealth, loop_late_after_s
from convoy.results.outcome import Cause
from convoy.results.result import RunResult, WorkerResult

DOUBTFUL_SHARE = 0.05
"""A loop that is late for more than this share of the time distorts even the 95th percentile."""
NOTABLE_SHARE = 0.01
"""From here on the state is `strained`: the report says it, and nobody judges by it."""
TOLERATED_S = 0.25
"""So much is tolerated in any run, because one pause would decide on a short one."""
BUSY_SHARE = 0.9
"""A worker that uses this share of a core is close to the limit of one process."""
STANDSTILL_S = 0.5


GeneratorState = Literal["ok", "strained", "too slow", "flat out", "not measured"]


class GeneratorJudgement(msgspec.Struct, frozen=True):
    """What the workers' health says of a run.

    `doubts` are reasons why the figures are not the target's, `warnings` what is worth knowing.
    """

    state: GeneratorState
    doubts: tuple[str, ...]
    warnings: tuple[str, ...]


def judge_generator(result: RunResult) -> GeneratorJudgement:
    """Judge the workers by their health and each scenario's counts.

    In a run with `rate: max` a busy loop is intended and raises no doubt.
    """
    late_after_s = loop_late_after_s(result.late_after_s)
    measured = [each for each in result.workers if each.health.measured_s]
    doubts: list[str] = []
    warnings: list[str] = []
    for worker in measured:
        health, late = worker.health, _late(worker, late_after_s)
        warnings += _standstills(worker)
        if result.is_flat_out:
            continue
        if _is_late_for(health, DOUBTFUL_SHARE):
            doubts.append(
                f"the latencies are the generator's own: {late} ({DOUBTFUL_SHARE:.0%} is "
                "tolerated); use more workers or a lower rate, and let nothing block in users and "
                "listeners"
            )
        elif _is_late_for(health, NOTABLE_SHARE):
            warnings.append(late)
        if health.cpu_share.mean >= BUSY_SHARE:
            warnings.append(
                f"worker {worker.id} used {health.cpu_share.mean:.0%} of a core, and no process "
                "can use more than one; use more workers or a lower rate"
            )
    scenarios = [each.counts for each in result.scenarios.values()]
    state: GeneratorState
    if not measured:
        state = "not measured"
    elif result.is_flat_out:
        state = "flat out"
    elif doubts or any(each.is_too_often(Cause.GENERATOR, Cause.SCENARIO) for each in scenarios):
        state = "too slow"
    else:
        state = "strained" if warnings else "ok"
    return GeneratorJudgement(state, tuple(doubts), tuple(warnings))


def _standstills(worker: WorkerResult) -> Iterator[str]:
    health, measured_s = worker.health, worker.health.measured_s
    if health.cpu_waited_s > max(TOLERATED_S, NOTABLE_SHARE * measured_s):
        yield (
            f"worker {worker.id} waited {health.cpu_waited_s:.1f} of {measured_s:.1f} s for a "
            "processor that other programs used; give the generator cores of its own"
        )
    if health.loop_lag_ms.max >= STANDSTILL_S * 1000:
        yield (
            f"worker {worker.id} stood still for {health.loop_lag_ms.max / 1000:.1f} s: it was "
            "stopped, got no processor, or something in it blocked"
        )


def _is_late_for(health: WorkerHealth, share: float) -> bool:
    return health.loop_late_s > max(TOLERATED_S, share * health.measured_s)


def _late(worker: WorkerResult, late_after_s: float) -> str:
    health = worker.health
    return (
        f"the event loop of worker {worker.id} was more than {late_after_s * 1000:g} ms late for "
        f"{health.loop_late_s / health.measured_s:.1%} of the time, p99 "
        f"{health.loop_lag_ms.p99:,.0f} ms, longest {health.loop_lag_ms.max:,.0f} ms"
    )
