"""The pace of an approval: in no second do more messages leave than it allows."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from random import Random

import gevent
import pytest
from greenlet import getcurrent
from hypothesis import given
from hypothesis import strategies as st

from convoy.clock import clock_s
from convoy.remote import pace as pace_module
from convoy.remote.approved_total import Total
from convoy.remote.kill_switch import RunSwitch
from convoy.remote.pace import Departures, Pace
from convoy.remote.wire_faults import TotalUsedUpError
from tests.unit.remote.held import Held

AT_THE_APPROVED_RATE = inf
"""A plan that leaves no room."""


class Clock:
    """A clock that only its own sleep moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s


def most_in_a_second(moments: list[float], second_s: float = 1.0) -> int:
    """The most that lie in one second, which begins with one of them."""
    return max(sum(first <= each < first + second_s for each in moments) for first in moments)


PAUSES_S = st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 0.999, 1.0, 2.5])


@given(
    most=st.integers(1, 7),
    planned=st.sampled_from([0.0, 0.9, AT_THE_APPROVED_RATE]),
    gathered=st.lists(st.tuples(PAUSES_S, st.lists(PAUSES_S, max_size=7)), max_size=30),
)
def test_never_do_more_leave_in_a_second_than_are_allowed(
    most: int, planned: float, gathered: list[tuple[float, list[float]]]
) -> None:
    clock = Clock()
    pace, left = Pace(most, clock), [clock.now_s - 10]
    pace.allow(most, planned)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace_module.gevent, "sleep", clock.sleep)
        for pause_s, rendering_s in gathered:
            clock.now_s += pause_s
            # As many as may be gathered while others are rendered; they leave together.
            together = rendering_s[:most]
            for each_s in together:
                pace.wait(inf)
                clock.now_s += each_s
            for _ in together:
                pace.has_left()
                left.append(clock.now_s)

    # Half a millionth for the rounding of what is slept.
    if planned == AT_THE_APPROVED_RATE:
        assert most_in_a_second(left, 0.98 - 5e-7) <= most
        assert most_in_a_second(left, 1.0 - 5e-7) <= most + 1
    else:
        assert most_in_a_second(left, 1.02 - 5e-7) <= most


@pytest.mark.parametrize("most", [1, 10, 100])
def test_a_plan_at_the_approved_rate_is_not_later_in_each_second(most: int) -> None:
    clock, chance = Clock(), Random(1)
    pace, left, late_s = Pace(most, clock), list[float](), list[float]()
    pace.allow(most, float(most))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace_module.gevent, "sleep", clock.sleep)
        for k in range(20 * most):
            due_s = 100 + k / most
            clock.now_s = max(clock.now_s, due_s)
            pace.wait(inf)
            clock.now_s += chance.uniform(0, 0.5 / most if most > 50 else 0.005)
            pace.has_left()
            left.append(clock.now_s)
            late_s.append(clock.now_s - due_s)

    assert max(late_s) < 0.02
    assert most_in_a_second(left, 0.98) <= most


@pytest.mark.parametrize(
    ("before", "most"),
    [
        pytest.param(lambda pace: pace.wait(inf), 1, id="a message that leaves"),
        pytest.param(lambda pace: (pace.wait(inf), pace.has_left()), 1, id="one that has left"),
        pytest.param(lambda pace: pace.promise(gevent.Greenlet(), 1), 1, id="one handed out"),
        pytest.param(lambda pace: setattr(pace, "ends_s", -inf), 0, id="the end of the lease"),
    ],
)
def test_what_need_not_leave_does_so_only_where_there_is_room(
    before: Callable[[Pace], object], most: int
) -> None:
    clock = Clock()
    total = Total(2, clock=clock)
    pace = Pace(2, clock, total)
    before(pace)

    left = [pace.leaves_now() for _ in range(3)]

    assert sum(left) == most
    if most:
        assert pace.ready_at(clock.now_s) > clock.now_s
        clock.now_s += 1.5
        assert pace.ready_at(clock.now_s) == clock.now_s
        pace.wait(inf)  # of the total no more was taken than by messages


@pytest.mark.parametrize(
    "rendering_s",
    [pytest.param([0.015] * 20, id="alike"), pytest.param([0.015] * 19 + [0.0], id="last at once")],
)
def test_what_leaves_in_bursts_at_the_approved_rate_has_a_whole_second_between(
    rendering_s: list[float],
) -> None:
    clock = Clock()
    pace, left = Pace(5, clock), list[float]()
    pace.allow(5, 5.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace_module.gevent, "sleep", clock.sleep)
        for each_s in rendering_s:
            for _ in range(5):
                pace.wait(inf)
            clock.now_s += each_s
            for _ in range(5):
                pace.has_left()
                left.append(clock.now_s)

    assert most_in_a_second(left, 1.0 - 5e-7) <= 5 + 1


def test_who_was_handed_a_message_has_what_is_planned_for_it_and_no_more() -> None:
    pace = Pace(5, Clock(), Total(0))
    pace.promise(getcurrent(), 2)

    pace.wait(inf)
    pace.wait(inf)

    with pytest.raises(TotalUsedUpError):
        pace.wait(inf)


def test_no_room_is_kept_for_a_user_whose_message_has_ended() -> None:
    clock, user = Clock(), gevent.Greenlet()
    pace = Pace(1, clock)
    pace.promise(user, 1)
    kept_s = pace.ready_at(clock.now_s)

    pace.forget(user)

    assert (kept_s > clock.now_s, pace.ready_at(clock.now_s)) == (True, clock.now_s)


def test_what_will_not_leave_makes_room_again() -> None:
    pace = Pace(1, Clock())
    pace.wait(100.0)
    assert pace.ready_at(100.0) > 101.0

    pace.keep()

    assert pace.ready_at(100.0) == 100.0


@pytest.mark.parametrize(
    ("planned", "second_s"),
    [
        pytest.param(0.0, 1.02, id="no plan"),
        pytest.param(8.0, 1.02, id="room for all"),
        pytest.param(9.8, 1 + (10 / 9.8 - 1) / 2, id="half of what room there is"),
        pytest.param(10.0, 1.0, id="at the approved rate"),
        pytest.param(10.1, 1.0, id="what steps add is in no plan"),
    ],
)
def test_a_second_is_longer_where_the_plan_leaves_room_for_it(
    planned: float, second_s: float
) -> None:
    pace = Pace(10, Clock())
    pace.allow(10, planned)
    for _ in range(10):
        pace.wait(100.0)
        pace.has_left()

    assert pace.ready_at(100.0) == pytest.approx(100 + second_s, abs=1e-9)


@pytest.mark.parametrize(
    ("left_s", "asked_s", "ready_s"),
    [
        pytest.param([], 0.0, 0.0, id="nothing left yet"),
        pytest.param([0.0], 0.5, 0.5, id="room for another"),
        pytest.param([0.0, 0.25], 0.5, 1.0, id="full until the first is a second old"),
        pytest.param([0.0, 0.25], 1.0, 1.0, id="the first is a second old"),
        pytest.param([0.0, 0.25], 2.0, 2.0, id="both are older"),
    ],
)
def test_another_may_leave_a_second_after_the_one_so_many_before(
    left_s: list[float], asked_s: float, ready_s: float
) -> None:
    clock = Clock()
    pace = Pace(2, clock)
    pace.allow(2, AT_THE_APPROVED_RATE)
    for each_s in left_s:
        clock.now_s = 100 + each_s
        pace.wait(clock.now_s)
        pace.has_left()

    assert pace.ready_at(100 + asked_s) == 100 + ready_s


def test_what_has_no_room_by_its_deadline_does_not_leave() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    pace.wait(100.0)
    pace.has_left()

    with pytest.raises(TimeoutError, match="approved rate"):
        pace.wait(100.9)

    assert pace.ready_at(101.02) == 101.02


def test_what_comes_before_any_lanes_waits_for_them() -> None:
    pace = Pace(0)
    before_s = clock_s()
    leaving = gevent.spawn(pace.wait, before_s + 30)
    gevent.sleep(0.05)
    was_waiting = not leaving.ready()

    pace.allow(1, 0.0)
    leaving.join(timeout=10)

    assert was_waiting and leaving.successful()
    with pytest.raises(TimeoutError, match="approved rate"):
        Pace(0).wait(clock_s() + 0.5)


@pytest.mark.parametrize(
    ("before", "after", "ready_s"),
    [
        pytest.param(0, 2, 101.02, id="lanes of one who may have sent just now"),
        pytest.param(1, 2, 100.0, id="one more, beside its own that is free"),
        pytest.param(2, 0, inf, id="no lanes are left"),
    ],
)
def test_lanes_bring_and_take_what_may_leave(before: int, after: int, ready_s: float) -> None:
    pace = Pace(before, Clock())

    pace.allow(after, 0.0)

    assert pace.ready_at(100.0) == ready_s


def test_those_that_wait_to_be_written_go_before_what_is_handed_out() -> None:
    pace = Pace(3)
    left: list[float] = []

    def leave() -> None:
        pace.wait(clock_s() + 30)
        pace.has_left()
        left.append(clock_s())

    leaving = [gevent.spawn(leave) for _ in range(8)]
    gevent.sleep(0)
    ready_s = pace.ready_at(clock_s())
    gevent.joinall(leaving, timeout=30, raise_error=True)

    assert ready_s > left[0] + 0.9
    assert len(left) == 8
    assert most_in_a_second(left, 0.9) <= 3


@pytest.mark.parametrize("ends_s", [100.0, 99.0, -inf])
def test_nothing_leaves_after_the_lease_or_the_run(ends_s: float) -> None:
    pace = Pace(5, Clock())
    pace.ends_s = ends_s

    with pytest.raises(TimeoutError):
        pace.wait(200.0)

    assert pace.ready_at(100.0) == inf


def pass_time(pace: Pace, clock: Clock, for_s: float) -> None:
    """Let time pass in which one can look for what has arrived."""
    ends_s = clock.now_s + for_s
    while clock.now_s < ends_s:
        clock.now_s = min(ends_s, clock.now_s + 0.1)
        pace.ready_at(clock.now_s)


def sent_by(pace: Pace, clock: Clock, *connections: Held) -> None:
    """Have one message leave on each connection now."""
    for each in connections:
        pace.wait(clock.now_s)
        pace.has_left(each)


@pytest.mark.parametrize(
    ("held", "after_s", "has_room"),
    [
        pytest.param(2, 1.1, False, id="both"),
        pytest.param(2, 60.0, False, id="both, for a minute"),
        pytest.param(1, 1.1, True, id="one of two"),
        pytest.param(0, 1.1, True, id="none"),
        pytest.param(0, 0.9, False, id="none, and a second is not over"),
    ],
)
def test_what_is_kept_from_arriving_takes_its_room(
    held: int, after_s: float, has_room: bool
) -> None:
    clock, connections = Clock(), [Held(), Held()]
    pace = Pace(2, clock)
    sent_by(pace, clock, *connections)
    for each in connections[held:]:
        each.keeps = False

    pass_time(pace, clock, after_s)

    assert (pace.ready_at(clock.now_s) <= clock.now_s) == has_room


def test_what_arrives_after_it_was_held_counts_for_a_second_from_then_on() -> None:
    clock, held = Clock(), Held()
    pace = Pace(1, clock)
    sent_by(pace, clock, held)
    pass_time(pace, clock, 8.0)
    assert pace.ready_at(clock.now_s) > clock.now_s

    held.keeps = False
    pass_time(pace, clock, 0.1)

    assert pace.ready_at(clock.now_s) == pytest.approx(clock.now_s + 1.02)
    pass_time(pace, clock, 1.03)
    assert pace.ready_at(clock.now_s) == clock.now_s


def test_what_left_while_another_was_held_counts_from_when_that_arrives() -> None:
    clock, held, newer, newest = Clock(), Held(), Held(), Held()
    pace = Pace(3, clock)
    sent_by(pace, clock, held)
    pass_time(pace, clock, 2.0)
    sent_by(pace, clock, newer, newest)
    pass_time(pace, clock, 0.4)
    pace.ready_at(clock.now_s)

    held.keeps = newer.keeps = False
    pass_time(pace, clock, 0.1)
    pace.ready_at(clock.now_s)
    newest.keeps = False
    pass_time(pace, clock, 0.1)
    pace.ready_at(clock.now_s)
    pass_time(pace, clock, 0.9)

    assert pace.ready_at(clock.now_s) == pytest.approx(102.5 + 1.02)


def test_what_takes_less_than_half_a_second_to_arrive_counts_from_when_it_left() -> None:
    clock, slow = Clock(), Held()
    pace = Pace(1, clock)
    sent_by(pace, clock, slow)
    pass_time(pace, clock, 0.45)
    pace.ready_at(clock.now_s)

    slow.keeps = False
    pass_time(pace, clock, 0.58)

    assert pace.ready_at(clock.now_s) == clock.now_s


def test_a_ping_that_is_kept_from_arriving_takes_its_room_and_is_discarded() -> None:
    clock, held = Clock(), Held()
    pace = Pace(1, clock)
    assert pace.leaves_now(held)

    pass_time(pace, clock, 3.0)
    has_room = pace.ready_at(clock.now_s) <= clock.now_s
    pace.discard()

    assert (has_room, held.is_reset) == (False, True)


def test_of_what_one_sender_sends_each_is_counted_once_by_what_became_of_it() -> None:
    now_s, delivered = 100.0, Held()
    pace = Pace(2, lambda: now_s, Total(3))
    departures = Departures(pace, RunSwitch())
    departures.wait(inf)
    departures.let_leave(bytes)  # it was waited for
    departures.wait(inf)
    departures.take_back()
    departures.let_leave(bytes)  # by who does not know of the pace
    departures.announce_login()
    departures.let_leave(bytes)

    assert pace.ready_at(now_s) > now_s
    delivered.keeps = False
    departures.has_left(delivered)
    departures.keep()  # nothing is left of them
    assert pace._leaving == 0

    now_s += 5.0
    pace.ready_at(now_s)  # it looks whether they have arrived
    now_s += 5.0
    assert pace.ready_at(now_s) == now_s
    departures.wait(inf)
    with pytest.raises(TotalUsedUpError):
        departures.wait(inf)
