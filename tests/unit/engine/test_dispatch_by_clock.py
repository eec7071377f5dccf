"""The dispatcher by a clock that stands still: what is given up, released, warm-up or leased."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import Greenlet

from convoy.engine.dispatch import EARLY_S, Dispatcher, DueMessage
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.results.histograms import Histogram
from convoy.results.outcome import Cause, Phase
from tests.unit.engine import T0_S, Bench, Clock, let_the_loop_run, ready_from

ONE_A_SECOND = RateCurve([Stage(1, 1, 20)])
"""Message k is due at k + ½ seconds."""
Wait = Callable[..., "Greenlet[..., DueMessage]"]


@pytest.fixture
def bench() -> Bench:
    return Bench(Clock())


@pytest.fixture
def wait_in() -> Iterator[Wait]:
    """Have a user wait in `take`: `wait_in(bench, ready_at_s)`; it is waiting on return."""
    users: list[Greenlet[..., DueMessage]] = []

    def wait(bench: Bench, ready_at_s: float = 0.0) -> Greenlet[..., DueMessage]:
        users.append(gevent.spawn(bench.dispatcher.take, ready_from(ready_at_s)))
        gevent.sleep(0)
        return users[-1]

    yield wait
    gevent.killall(users, timeout=60)


def test_a_message_may_start_a_little_early_and_no_earlier(bench: Bench, wait_in: Wait) -> None:
    bench.grant_all(ONE_A_SECOND)

    [taken] = bench.take_at(0.5 - 0.9 * EARLY_S)
    bench.clock.elapsed_s = 1.5 - 2 * EARLY_S
    waiting = wait_in(bench)

    handed_s = T0_S + 0.5 - 0.9 * EARLY_S
    assert taken == DueMessage(0, T0_S + 0.5, Phase.MEASURE, Cause.TARGET, handed_s)
    assert not waiting.ready()


@pytest.mark.parametrize(
    ("rate", "elapsed_s", "together"),
    [pytest.param(10_000, 0.0003, 5, id="0.4 ms"), pytest.param(20_000, 0.0005, 20, id="1 ms")],
)
def test_messages_go_out_together_for_longer_where_there_are_many(
    bench: Bench, wait_in: Wait, rate: float, elapsed_s: float, together: int
) -> None:
    bench.clock.elapsed_s = elapsed_s
    waiting = [wait_in(bench) for _ in range(40)]

    bench.grant_all(RateCurve([Stage(rate, rate, 1)]))
    let_the_loop_run()

    assert [user.value.k for user in waiting if user.value] == list(range(together))


def test_nothing_goes_out_before_t0_is_known(wait_in: Wait) -> None:
    clock = Clock(elapsed_s=10)
    bench = Bench(clock)
    bench.dispatcher = Dispatcher(bench.recorder, max_lateness_s=60, clock=clock)
    bench.grant_all(ONE_A_SECOND)

    waiting = wait_in(bench)
    let_the_loop_run()
    is_early = waiting.ready()
    bench.dispatcher.start(T0_S)

    assert not is_early
    assert waiting.get(timeout=60).k == 0


def test_who_already_waits_goes_before_a_user_that_comes_as_a_message_is_due(
    bench: Bench, wait_in: Wait
) -> None:
    waiting = wait_in(bench)

    bench.clock.elapsed_s = 1.0
    bench.dispatcher.grant({0: iter([(0.5, 0), (0.6, 256)])})
    taken = bench.dispatcher.take()

    assert (waiting.get(timeout=60).k, taken.k) == (0, 256)


def test_a_resting_user_gets_nothing_a_moment_before_it_is_ready(
    bench: Bench, wait_in: Wait
) -> None:
    resting, idle = wait_in(bench, T0_S + 3), wait_in(bench)

    bench.clock.elapsed_s = 2.99
    bench.dispatcher.grant({0: iter([(1.0, 0), (2.0, 256)])})
    let_the_loop_run()

    assert idle.get(timeout=60).k == 0
    assert not resting.ready()


def test_messages_that_expired_while_all_users_were_busy_are_the_targets_fault(
    bench: Bench,
) -> None:
    bench.grant_all(ONE_A_SECOND)
    bench.take_at(0.5)

    bench.clock.elapsed_s = 8.0
    bench.dispatcher.expire()

    assert bench.recorder.counts.not_sent == {"target": 2}
    assert bench.recorder.counts.scheduled == 3
    assert [due.k for due in bench.take_at(8.0)] == [3]


def test_a_user_that_comes_back_too_late_gets_the_first_message_still_in_time(
    bench: Bench,
) -> None:
    bench.grant_all(ONE_A_SECOND)
    bench.take_at(0.5)

    [taken] = bench.take_at(8.0)

    assert (taken.k, taken.late_cause) == (3, Cause.TARGET)
    assert bench.recorder.counts.not_sent == {"target": 2}


def test_messages_that_expired_while_users_rested_are_by_the_limits(
    bench: Bench, wait_in: Wait
) -> None:
    bench.grant_all(ONE_A_SECOND)
    wait_in(bench, T0_S + 100)

    bench.clock.elapsed_s = 8.0
    bench.dispatcher.expire()

    assert bench.recorder.counts.not_sent == {"limits": 3}


def test_messages_that_expired_though_a_user_was_idle_are_the_generators_fault(
    bench: Bench, wait_in: Wait
) -> None:
    bench.grant_all(RateCurve([Stage(1, 1, 3)]))
    waiting = wait_in(bench)

    bench.clock.elapsed_s = 9.0
    bench.dispatcher.expire()

    assert not waiting.ready()
    assert bench.recorder.counts.not_sent == {"generator": 3}
    assert bench.dispatcher.is_exhausted


def test_a_message_lasted_as_long_as_it_could_be_late_when_it_expires(bench: Bench) -> None:
    bench.grant_all(ONE_A_SECOND)

    bench.clock.elapsed_s = 100.0
    bench.dispatcher.expire()

    lasted = Histogram()
    lasted.add(bench.recorder.report().durations.censored)
    assert lasted.percentile(1).ms == lasted.max.ms == pytest.approx(5000, rel=0.001)
    assert lasted.count == 20


def test_stopping_gives_up_what_is_due_and_nothing_else(bench: Bench, wait_in: Wait) -> None:
    bench.grant_all(ONE_A_SECOND)
    bench.take_at(0.5, 1.5, 2.5)

    bench.clock.elapsed_s = 6.0
    bench.dispatcher.stop()
    waiting = wait_in(bench)
    bench.clock.elapsed_s = 12.0
    let_the_loop_run()

    assert not waiting.ready()
    assert bench.recorder.counts.not_sent == {"stopped": 3}
    assert bench.recorder.counts.scheduled == 6


def test_warm_up_messages_are_never_counted_and_dropped_at_t0() -> None:
    bench = Bench(Clock(elapsed_s=-3))
    warm_up = iter([(-2.5, 0), (-1.5, 1), (-0.5, 2)])
    bench.dispatcher.grant({0: warm_up}, phase=Phase.WARM_UP)
    bench.grant_all(ONE_A_SECOND)

    taken = bench.take_at(-2.5, -1.0, 1.0)

    assert [(due.phase, due.k) for due in taken] == [
        (Phase.WARM_UP, 0),
        (Phase.WARM_UP, 1),
        (Phase.MEASURE, 0),
    ]
    assert bench.recorder.counts.scheduled == 1
    assert bench.recorder.counts.not_sent == {}


def test_nothing_is_handed_out_after_the_lease_until_it_is_renewed(
    bench: Bench, wait_in: Wait
) -> None:
    bench.grant_all(ONE_A_SECOND)
    bench.dispatcher.hold_lease_until(T0_S + 2)
    bench.take_at(0.5, 1.5)

    bench.clock.elapsed_s = 3.0
    waiting = wait_in(bench)
    let_the_loop_run()
    is_early = waiting.ready()
    bench.dispatcher.hold_lease_until(T0_S + 10)

    assert not is_early
    assert waiting.get(timeout=60).k == 2


def test_a_user_that_waits_as_the_lease_ends_gets_nothing_until_it_is_renewed(
    bench: Bench, wait_in: Wait
) -> None:
    bench.dispatcher.hold_lease_until(T0_S + 2)
    waiting = wait_in(bench)

    bench.clock.elapsed_s = 3.0
    bench.grant_all(ONE_A_SECOND)
    let_the_loop_run()
    is_early = waiting.ready()
    bench.dispatcher.hold_lease_until(T0_S + 10)

    assert not is_early
    assert waiting.get(timeout=60).k == 0


def test_released_lanes_come_back_with_the_first_number_not_handed_out(bench: Bench) -> None:
    bench.dispatcher.grant({0: iter([(0.5, 0), (1.5, 256), (2.5, 512)])})
    bench.dispatcher.grant({1: iter([(1.0, 1)])})
    bench.dispatcher.grant({2: iter([(9.0, 2)])})
    bench.take_at(0.5, 1.0)

    cursors = bench.dispatcher.queue.release([0, 1])

    assert cursors == {0: 256, 1: None}
    assert not bench.dispatcher.is_exhausted
    assert [due.k for due in bench.take_at(9.0)] == [2]
    assert bench.dispatcher.is_exhausted


def test_lanes_that_were_never_granted_or_have_left_already_are_not_spoken_of(
    bench: Bench,
) -> None:
    bench.dispatcher.grant({0: iter([(0.5, 0)])})
    bench.dispatcher.grant({1: iter([])})

    first, second = (
        bench.dispatcher.queue.release([0, 1, 2]),
        bench.dispatcher.queue.release([0, 1, 2]),
    )

    assert first == {0: 0, 1: None}
    assert second == {}


def test_a_lane_released_in_its_warm_up_comes_back_from_its_first_measured_number() -> None:
    bench = Bench(Clock(elapsed_s=-2))
    bench.dispatcher.grant({0: iter([(-1.5, 0), (-0.5, 256)])}, phase=Phase.WARM_UP)
    bench.dispatcher.grant({1: iter([(-1.0, 1)])}, phase=Phase.WARM_UP)
    bench.dispatcher.grant({0: iter([(0.5, 0), (1.5, 256)])})
    bench.take_at(-1.5)

    cursors = bench.dispatcher.queue.release(range(LANES))

    assert cursors == {0: 0, 1: None}
    assert bench.dispatcher.is_exhausted
