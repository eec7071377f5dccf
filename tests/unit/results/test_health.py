"""The generator's health: what a process notes of itself, and when it puts the figures in doubt."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from convoy.results.counts import Counts
from convoy.results.health import (
    PACE_S,
    GeneratorJudgement,
    HealthRecorder,
    WorkerHealth,
    judge_generator,
)
from convoy.results.outcome import Cause
from tests.unit.results import counts_of

LATE_AFTER_S = 0.010
LAG_S = 0.0004
STARTED_S = 1000.0
BORN_CPU_S = 7.0


def noted(
    duration_s: float,
    *,
    stands_still: Iterable[tuple[float, float]] = (),
    cpu_share: float = 0.25,
    lag_s: float = LAG_S,
) -> WorkerHealth:
    """Return the health of a process whose loop is `lag_s` late, and still from and for a time."""
    recorder, health = HealthRecorder(LATE_AFTER_S), WorkerHealth()
    ends_s = STARTED_S + duration_s
    next_s = recorder.begin(STARTED_S, BORN_CPU_S, ends_s)
    stills = [(STARTED_S + from_s, STARTED_S + from_s + for_s) for from_s, for_s in stands_still]
    while next_s < ends_s:
        now_s = next_s + lag_s
        now_s = max([now_s, *(to_s for from_s, to_s in stills if from_s <= now_s < to_s)])
        next_s = recorder.beat(now_s, BORN_CPU_S + cpu_share * (now_s - STARTED_S))
        health.absorb(msgspec.msgpack.decode(msgspec.msgpack.encode(recorder.report())))
    return health


def judged(
    *healths: WorkerHealth, counts: Counts | None = None, is_flat_out: bool = False
) -> GeneratorJudgement:
    return judge_generator(
        {f"worker-{number}": health for number, health in enumerate(healths, 1)},
        [counts or counts_of(accepted=1000)],
        late_after_s=LATE_AFTER_S,
        is_flat_out=is_flat_out,
    )


def test_a_loop_in_time_is_noted_with_its_lag_and_its_share_of_a_core() -> None:
    health = noted(30)

    plain = health.to_plain()
    assert plain["measured_s"] == pytest.approx(30, abs=2 * PACE_S)
    assert plain["cpu_share"] == pytest.approx({"mean": 0.25, "max": 0.25})
    assert plain["loop_lag_ms"] == pytest.approx({"p50": 0.4, "p99": 0.4, "max": 0.4}, rel=0.001)
    assert plain["loop_late_s"] == 0
    assert health.lag.count == pytest.approx(30 / PACE_S, abs=1)


def test_what_stood_still_was_late_for_all_that_time() -> None:
    health = noted(30, stands_still=[(10, 3)])

    assert health.lag.max.ms == pytest.approx(3000, rel=0.01)
    assert health.late_s == pytest.approx(3, abs=2 * PACE_S)
    assert health.lag.percentile(95).ms == pytest.approx(1500, rel=0.02)
    assert health.lag.count == pytest.approx(30 / PACE_S, abs=1)


def test_a_standstill_beyond_the_end_counts_until_the_end() -> None:
    health = noted(10, stands_still=[(9, 60)])

    assert health.late_s == pytest.approx(1, abs=2 * PACE_S)
    assert health.lag.max.ms == pytest.approx(60_000, rel=0.01)


def test_a_standstill_of_hours_is_noted_within_bounds() -> None:
    health = noted(100_000, stands_still=[(1, 99_998)])

    assert health.lag.count < 100_000
    assert health.lag.max.ms == pytest.approx(99_998_000, rel=0.01)


def test_the_busiest_second_is_noted() -> None:
    recorder, health = HealthRecorder(LATE_AFTER_S), WorkerHealth()
    recorder.begin(0.0, 0.0, ends_s=3.0)

    for now_s, cpu_s in ((1.0, 0.1), (2.0, 0.8), (3.0, 0.9)):
        recorder.beat(now_s, cpu_s)

    health.absorb(recorder.report())
    assert health.to_plain()["cpu_share"] == {"mean": 0.3, "max": 0.7}


def test_less_than_a_second_is_as_busy_as_its_mean() -> None:
    plain = noted(0.5, cpu_share=0.6).to_plain()

    assert plain["cpu_share"] == pytest.approx({"mean": 0.6, "max": 0.6})


def test_whoever_was_never_asked_has_noted_nothing() -> None:
    health = WorkerHealth()

    health.absorb(HealthRecorder(LATE_AFTER_S).report())

    assert health.to_plain() == {
        "measured_s": 0,
        "cpu_share": {"mean": 0, "max": 0},
        "loop_lag_ms": {"p50": 0, "p99": 0, "max": 0},
        "loop_late_s": 0,
    }
    assert judged(health) == GeneratorJudgement("not measured", (), ())


@pytest.mark.parametrize(
    ("duration_s", "standstills", "state"),
    [
        pytest.param(30, [], "ok", id="never late"),
        pytest.param(30, [(5, 0.1), (15, 0.1)], "ok", id="two pauses of a tenth of a second"),
        pytest.param(30, [(1, 0.4)], "strained", id="more than a hundredth of half a minute"),
        pytest.param(60, [(1, 0.4)], "ok", id="less than a hundredth of a minute"),
        pytest.param(20, [(1, 0.48), (9, 0.48)], "strained", id="less than a twentieth"),
        pytest.param(20, [(n, 0.48) for n in (1, 5, 9)], "too slow", id="more than a twentieth"),
        pytest.param(3, [(1, 0.2)], "ok", id="one pause in a short run"),
        pytest.param(3, [(1, 0.4)], "too slow", id="a long pause in a short run"),
        pytest.param(600, [(100, 5)], "strained", id="five seconds of ten minutes"),
        pytest.param(60, [(10, 5)], "too slow", id="five seconds of a minute"),
    ],
)
def test_a_loop_that_is_late_for_more_than_a_twentieth_puts_the_figures_in_doubt(
    duration_s: float, standstills: list[tuple[float, float]], state: str
) -> None:
    judgement = judged(noted(duration_s, stands_still=standstills))

    assert judgement.state == state
    assert bool(judgement.doubts) is (state == "too slow")
    assert bool(judgement.warnings) or state != "strained"


def test_a_doubt_names_the_worker_the_figures_the_limit_and_what_to_do() -> None:
    judgement = judged(noted(30), noted(30, lag_s=0.035))

    [doubt] = judgement.doubts
    for said in ("worker worker-2", "10 ms late", "for 100.0% of", "5% is tolerated", "p99 35 ms"):
        assert said in doubt
    assert "more workers or a lower rate" in doubt


def test_a_standstill_is_stated_even_where_it_is_tolerated() -> None:
    judgement = judged(noted(3600, stands_still=[(100, 2.5)]))

    assert judgement.doubts == ()
    assert "worker-1 stood still for 2.5 s" in judgement.warnings[0]


@pytest.mark.parametrize(("cpu_share", "state"), [(0.89, "ok"), (0.95, "strained")])
def test_a_busy_core_alone_is_a_warning(cpu_share: float, state: str) -> None:
    judgement = judged(noted(30, cpu_share=cpu_share))

    assert (judgement.state, judgement.doubts) == (state, ())
    assert [f"{cpu_share:.0%} of a core" in warning for warning in judgement.warnings] == (
        [True] if state == "strained" else []
    )


def test_messages_late_by_the_generator_make_it_too_slow_though_its_loop_was_in_time() -> None:
    late = counts_of(accepted=1000, late={Cause.GENERATOR: 50})

    judgement = judged(noted(30), counts=late)

    assert (judgement.state, judgement.doubts) == ("too slow", ())


def test_flat_out_a_busy_and_late_loop_is_by_design() -> None:
    judgement = judged(noted(30, lag_s=0.05, cpu_share=1.0), is_flat_out=True)

    assert judgement == GeneratorJudgement("flat out", (), ())
