"""The dispatcher with closed arrivals: whoever asks gets the next message, from T0 to the end."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent import Greenlet
from hypothesis import given, settings
from hypothesis import strategies as st

from convoy.clock import clock_s
from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.plan.arrivals import ClosedArrivals
from convoy.plan.lanes import LANES
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Phase
from tests.unit.engine import T0_S, Clock, let_the_loop_run, ready_from, wait_until

LENGTH_S = 30.0
MOVES = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.sets(st.integers(0, LANES - 1)), st.booleans()),
    max_size=8,
)
"""Moves of lanes: which part of the rest each of two dispatchers hands out before, which lanes
move, and whether to the second."""


class ClosedBench:
    """A dispatcher on a clock that a test sets, and the users that wait at it."""

    def __init__(self, clock: Clock, most: int | None = None) -> None:
        self.clock = clock
        self.arrivals = ClosedArrivals(LENGTH_S, most)
        self.recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
        self.dispatcher = Dispatcher(
            self.recorder, max_lateness_s=5, closed_for_s=LENGTH_S, clock=clock
        )
        self.users: list[Greenlet[..., DueMessage]] = []

    def grant(self, lanes: range = range(LANES)) -> None:
        self.dispatcher.grant({lane: self.arrivals.lane(lane) for lane in lanes})

    def take(self, number: int) -> list[int]:
        return [self.dispatcher.take().k for _ in range(number)]

    def start_user(self, ready_at_s: float = 0.0) -> Greenlet[..., DueMessage]:
        """Have a user take one message; it has it, or waits for it, on return."""
        self.users.append(gevent.spawn(self.dispatcher.take, ready_from(ready_at_s)))
        let_the_loop_run()
        return self.users[-1]


@pytest.fixture
def bench() -> Iterator[ClosedBench]:
    bench = ClosedBench(Clock(), most=1000)
    yield bench
    gevent.killall(bench.users, timeout=60)


def test_every_message_is_handed_out_once_in_the_order_of_the_plan(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)

    taken = bench.take(1000)

    assert taken == list(range(1000))
    assert bench.dispatcher.is_exhausted
    assert bench.recorder.counts.scheduled == 1000


def test_a_message_is_due_at_the_moment_it_is_handed_out(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.clock.elapsed_s = 2.5

    due = bench.dispatcher.take()

    assert (due.k, due.due_s, due.phase) == (0, T0_S + 2.5, Phase.MEASURE)


def test_nothing_is_handed_out_before_t0_is_known_or_has_come(bench: ClosedBench) -> None:
    bench.grant()
    bench.clock.elapsed_s = -0.02
    waiting = bench.start_user()
    was_early = [waiting.ready()]

    bench.dispatcher.start(T0_S)
    let_the_loop_run()
    was_early.append(waiting.ready())
    bench.clock.elapsed_s = 0.0

    assert waiting.get(timeout=60).k == 0
    assert was_early == [False, False]


def test_nothing_is_handed_out_after_the_end(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.clock.elapsed_s = LENGTH_S - 0.001
    bench.take(1)

    bench.clock.elapsed_s = LENGTH_S
    waiting = bench.start_user()

    assert not waiting.ready()
    assert bench.dispatcher.is_exhausted
    assert bench.recorder.counts.scheduled == 1
    assert bench.recorder.counts.not_sent == {}


def test_a_user_gets_nothing_before_it_is_ready(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    resting = bench.start_user(ready_at_s=T0_S + 0.05)
    was_early = resting.ready()

    taken = bench.take(3)
    bench.clock.elapsed_s = 0.05

    assert not was_early
    assert taken == [0, 1, 2]
    assert resting.get(timeout=60).k == 3


def test_a_user_killed_while_it_waits_takes_no_message_with_it(bench: ClosedBench) -> None:
    leaver, stayer = bench.start_user(), bench.start_user()
    bench.grant()

    leaver.kill(timeout=60)
    bench.dispatcher.start(T0_S)

    assert stayer.get(timeout=60).k == 0
    assert bench.recorder.counts.scheduled == 1


def test_users_that_have_nothing_left_are_served_by_lanes_that_come(bench: ClosedBench) -> None:
    bench.dispatcher.start(T0_S)
    waiting = [bench.start_user() for _ in range(2)]
    was_early = any(user.ready() for user in waiting)

    bench.dispatcher.grant({7: bench.arrivals.lane(7, 300)})

    assert not was_early
    assert sorted(user.get(timeout=60).k for user in waiting) == [519, 775]


def test_stopping_ends_the_handing_out_and_gives_nothing_up(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.take(10)

    bench.dispatcher.stop()
    waiting = bench.start_user()

    assert not waiting.ready()
    assert bench.dispatcher.is_exhausted
    assert (bench.recorder.counts.scheduled, bench.recorder.counts.not_sent) == (10, {})


def test_nothing_is_late_or_expires_however_long_it_waits(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.clock.elapsed_s = LENGTH_S - 1

    bench.dispatcher.expire()

    assert bench.take(2) == [0, 1]
    assert (bench.recorder.counts.scheduled, bench.recorder.counts.not_sent) == (2, {})


def test_nothing_is_handed_out_after_the_lease_until_it_is_renewed(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.dispatcher.hold_lease_until(T0_S + 2)
    bench.clock.elapsed_s = 3.0
    waiting = bench.start_user()
    was_handed = waiting.ready()

    bench.dispatcher.hold_lease_until(T0_S + 10)

    assert not was_handed
    assert waiting.get(timeout=60).k == 0


def test_a_warm_up_is_passed_over(bench: ClosedBench) -> None:
    bench.dispatcher.grant({0: iter([(-1.0, 0)])}, Phase.WARM_UP)
    bench.dispatcher.start(T0_S)
    waiting = bench.start_user()

    assert not waiting.ready()
    assert bench.dispatcher.is_exhausted
    assert bench.dispatcher.queue.release([0]) == {0: None}


def test_released_lanes_come_back_with_the_first_number_not_handed_out(bench: ClosedBench) -> None:
    bench.grant(range(2))
    bench.dispatcher.start(T0_S)
    bench.take(7)

    cursors = bench.dispatcher.queue.release([0, 1, 2])

    assert cursors == {0: None, 1: 769}
    assert bench.dispatcher.is_exhausted


def test_what_stays_goes_on_in_the_order_of_the_plan(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.take(300)

    bench.dispatcher.queue.release(range(0, LANES, 3))

    assert bench.take(200) == [k for k in range(300, 1000) if k % LANES % 3][:200]


@settings(max_examples=10)
@given(moves=MOVES)
def test_whatever_lanes_move_every_message_is_handed_out_once(
    moves: list[tuple[float, float, set[int], bool]],
) -> None:
    clock = Clock()
    benches = (ClosedBench(clock, 1000), ClosedBench(clock, 1000))
    benches[0].grant()
    rest = [dict.fromkeys(range(LANES), True), {}]
    handed: list[int] = []

    for *parts, lanes, to_second in [*moves, (1.0, 1.0, set[int](), False)]:
        for bench, owned, part in zip(benches, rest, parts, strict=True):
            bench.dispatcher.start(T0_S)
            left = sum(k % LANES in owned for k in set(range(1000)) - set(handed))
            handed += bench.take(int(left * part))
        old, new = int(not to_second), int(to_second)
        for lane, cursor in benches[old].dispatcher.queue.release(lanes).items():
            del rest[old][lane]
            rest[new][lane] = True
            if cursor is not None:
                messages = benches[new].arrivals.lane(lane, cursor)
                benches[new].dispatcher.grant({lane: messages})

    assert sorted(handed) == list(range(1000))
    assert all(bench.dispatcher.is_exhausted for bench in benches)


def test_users_go_on_at_their_own_pace_until_the_end_comes() -> None:
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
    dispatcher = Dispatcher(recorder, max_lateness_s=5, closed_for_s=0.1)
    taken: list[DueMessage] = []
    for lane in range(LANES):
        dispatcher.grant({lane: ClosedArrivals(0.1).lane(lane)})

    def send_for_ever() -> None:
        while True:
            taken.append(dispatcher.take())
            gevent.sleep(0.001)

    users = [gevent.spawn(send_for_ever) for _ in range(4)]
    t0_s = clock_s() + 0.02
    dispatcher.start(t0_s)
    wait_until(lambda: dispatcher.is_exhausted)

    let_the_loop_run()
    gevent.killall(users, timeout=60)
    assert [due.k for due in taken] == list(range(len(taken)))
    assert all(t0_s <= due.due_s < t0_s + 0.1 for due in taken)
    assert len(taken) == recorder.counts.scheduled > 4


def test_how_long_users_rested_is_counted_from_the_begin_to_the_end(bench: ClosedBench) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    bench.clock.elapsed_s = -1
    bench.start_user(ready_at_s=T0_S + 90)
    bench.clock.elapsed_s = 20
    bench.start_user(ready_at_s=T0_S + 90)
    bench.clock.elapsed_s = LENGTH_S + 9

    bench.dispatcher.expire()

    assert bench.recorder.counts.limited_s == LENGTH_S + (LENGTH_S - 20)


def test_a_user_takes_nothing_in_its_pause_and_is_asked_for_its_limits_after_it(
    bench: ClosedBench,
) -> None:
    bench.grant()
    bench.dispatcher.start(T0_S)
    pausing = gevent.spawn(bench.dispatcher.take, ready_from(T0_S + 0.1), T0_S + 0.05)
    bench.users.append(pausing)
    let_the_loop_run()
    bench.clock.elapsed_s = 0.06
    gevent.sleep(0.06)
    let_the_loop_run()
    is_limited = not pausing.ready()
    bench.clock.elapsed_s = 0.12

    due = pausing.get(timeout=60)
    bench.dispatcher.expire()

    assert is_limited
    assert due.handed_s == T0_S + 0.12
    assert bench.recorder.counts.limited_s == pytest.approx(0.1 - 0.06)
