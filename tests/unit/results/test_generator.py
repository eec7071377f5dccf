"""The judgement on the generator: what puts the figures in doubt, and what is only stated."""

from __future__ import annotations

import re
from textwrap import wrap

import pytest
from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.generator import GeneratorJudgement, judge_generator
from convoy.results.health import HealthAccount, WorkerHealth
from convoy.results.outcome import Cause
from convoy.results.result import WorkerResult
from tests.unit.results import counts_of, health_after, result_of


def judged(
    *healths: WorkerHealth, counts: Counts | None = None, is_flat_out: bool = False
) -> GeneratorJudgement:
    result = result_of(messages=counts or counts_of(accepted=1000))
    workers = tuple(
        WorkerResult(f"worker-{number}", "reported", 1000, health)
        for number, health in enumerate(healths, 1)
    )
    return judge_generator(replace(result, workers=workers, is_flat_out=is_flat_out))


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
    judgement = judged(health_after(duration_s, stands_still=standstills))

    assert judgement.state == state
    assert bool(judgement.doubts) is (state == "too slow")
    assert bool(judgement.warnings) or state != "strained"


def test_a_doubt_names_the_worker_the_figures_the_limit_and_what_to_do() -> None:
    judgement = judged(health_after(30), health_after(30, lag_s=0.035))

    [doubt] = judgement.doubts
    for said in ("worker worker-2", "10 ms late", "for 100.0% of", "5% is tolerated", "p99 35 ms"):
        assert said in doubt
    assert "more workers or a lower rate" in doubt


@pytest.mark.parametrize("for_s", [0.6, 2.5])
def test_a_standstill_is_stated_even_where_it_is_tolerated(for_s: float) -> None:
    judgement = judged(health_after(600, stands_still=[(100, for_s)]))

    assert judgement.doubts == ()
    assert f"worker-1 stood still for {for_s} s" in judgement.warnings[0]
    assert judged(health_after(600, stands_still=[(100, 0.4)])).warnings == ()


@pytest.mark.parametrize(("cpu_share", "state"), [(0.89, "ok"), (0.95, "strained")])
def test_a_busy_core_alone_is_a_warning(cpu_share: float, state: str) -> None:
    judgement = judged(health_after(30, cpu_share=cpu_share))

    assert (judgement.state, judgement.doubts) == (state, ())
    assert [f"{cpu_share:.0%} of a core" in warning for warning in judgement.warnings] == (
        [True] if state == "strained" else []
    )


def test_a_process_that_had_to_wait_for_a_core_says_so() -> None:
    judgement = judged(health_after(30, waited_share=0.1))

    assert (judgement.state, judgement.doubts) == ("strained", ())
    assert judgement.warnings == (
        "worker worker-1 waited 3.0 of 30.0 s for a processor that other programs used; give the "
        "generator cores of its own",
    )
    for duration_s in (30, 600):
        assert judged(health_after(duration_s, waited_share=0.005)).warnings == ()


@pytest.mark.parametrize("waited_share", [0.0, 0.2])
@pytest.mark.parametrize("lag_s", [0.0004, 0.035])
def test_a_test_is_done_again_where_a_run_was_late_for_want_of_a_processor(
    pytestconfig: pytest.Config, lag_s: float, waited_share: float
) -> None:
    [again] = pytestconfig.getoption("only_rerun")

    judgement = judged(health_after(30, lag_s=lag_s, waited_share=waited_share))

    said = "\n  ".join(wrap(" ".join((*judgement.doubts, *judgement.warnings)), 40))
    assert bool(re.search(again, said)) is (lag_s > 0.01 and waited_share > 0)


def test_messages_late_by_the_generator_make_it_too_slow_though_its_loop_was_in_time() -> None:
    late = counts_of(accepted=1000, late={Cause.GENERATOR: 50})

    judgement = judged(health_after(30), counts=late)

    assert (judgement.state, judgement.doubts) == ("too slow", ())


def test_flat_out_a_busy_and_late_loop_is_by_design() -> None:
    judgement = judged(health_after(30, lag_s=0.05, cpu_share=1.0), is_flat_out=True)

    assert judgement == GeneratorJudgement("flat out", (), ())


def test_what_never_measured_anything_is_not_judged() -> None:
    assert judged(HealthAccount().result()) == GeneratorJudgement("not measured", (), ())
