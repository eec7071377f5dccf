"""What has left and may not have arrived: who is asked when, and what is discarded."""

from __future__ import annotations

import gevent
import pytest

from convoy.remote.in_transit import InTransit
from tests.unit.remote.exchanges import LONG_S
from tests.unit.remote.held import Held


class Watched:
    """What is in transit on a clock of the test, looked for 20 times a second of that."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.arrived: list[tuple[float, int]] = []
        self.transit = InTransit(lambda: self.now_s, self._arrive)

    def _arrive(self, number: int) -> None:
        self.arrived.append((round(self.now_s, 3), number))

    def add(self, *connections: Held) -> None:
        for each in connections:
            self.transit.add(each, 1)

    def look_until(self, moment_s: float) -> None:
        while self.now_s < moment_s:
            self.now_s = min(moment_s, self.now_s + 0.05)
            self.transit.look()


@pytest.mark.parametrize(
    ("keeps_for_s", "looks_s", "held", "arrived"),
    [
        pytest.param(9.0, [0.45], [0], [], id="it has just left"),
        pytest.param(9.0, [0.55], [1], [], id="half a second is long"),
        pytest.param(9.0, [0.55, 0.56, 3.0], [1, 1, 1], [], id="as long as it is held"),
        pytest.param(2.0, [1.0, 2.0, 3.0], [1, 0, 0], [(2.0, 1)], id="it arrives at last"),
        pytest.param(
            1.01, [1.0, 1.01, 1.05], [1, 1, 0], [(1.05, 1)], id="not asked for twice in 20 ms"
        ),
        pytest.param(0.4, [0.5, 9.0], [0, 0], [], id="it arrived in time"),
    ],
)
def test_what_is_not_received_in_half_a_second_is_held_until_it_is(
    keeps_for_s: float, looks_s: list[float], held: list[int], arrived: list[tuple[float, int]]
) -> None:
    class Keeping(Held):
        def holds(self, end: int) -> bool:
            return watched.now_s < keeps_for_s

    watched, seen = Watched(), []
    watched.add(Keeping())

    for moment_s in looks_s:
        watched.look_until(moment_s)
        seen.append(watched.transit.held)

    assert (seen, watched.arrived) == (held, arrived)


def test_what_arrives_after_it_was_held_is_told_once_with_what_left_since() -> None:
    watched, old, newer, newest, later = Watched(), Held(), Held(), Held(), Held()
    watched.add(old)
    watched.look_until(1.9)
    watched.add(newer, newest)
    old.keeps = newer.keeps = False

    watched.look_until(2.1)
    newest.keeps = False
    watched.add(later)
    watched.look_until(3.0)

    assert watched.arrived == [(1.95, 2), (2.15, 1)]
    assert watched.transit.held == 1


@pytest.mark.parametrize("apart_s", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("way_s", [0.1, 0.3])
def test_on_a_long_way_an_outage_is_over_some_time_after_it(apart_s: float, way_s: float) -> None:
    class Slow(Held):
        """Received so long after it left, or after the outage."""

        arrives_s = 0.0

        def holds(self, end: int) -> bool:
            return watched.now_s < self.arrives_s

    watched = Watched()
    for left_s in (apart_s * number for number in range(int(6 / apart_s))):
        watched.look_until(left_s)
        message = Slow()
        message.arrives_s = max(left_s + way_s, 2.0 * (1.0 <= left_s < 2.0))
        watched.add(message)

    # Those of the second, and of one way more, are told; none that left later.
    assert 2.0 <= watched.arrived[0][0] <= watched.arrived[-1][0] < 2.5 + way_s
    told = sum(number for _, number in watched.arrived)
    assert 1.0 / apart_s - 2 <= told <= (1.2 + way_s) / apart_s + 2


def test_what_left_after_all_that_was_held_was_reset_arrives_when_the_outage_is_over() -> None:
    watched, held, refilled, later = Watched(), Held(), Held(), Held()
    watched.add(held)
    watched.look_until(1.0)
    held.reset()
    watched.look_until(1.2)
    watched.add(refilled)
    watched.look_until(1.4)
    refilled.keeps = False
    watched.look_until(1.5)
    watched.add(later)
    later.keeps = False
    watched.look_until(3.0)

    # The reset one counts as arrived, since nobody knows; the last one was in no outage.
    assert watched.arrived == [(1.05, 1), (1.45, 1)]


@pytest.mark.parametrize("held_before", [False, True])
def test_what_arrived_while_nobody_could_look_has_just_arrived(held_before: bool) -> None:
    watched, connection, healthy = Watched(), Held(), Held()
    healthy.keeps = False
    watched.add(connection)
    watched.look_until(1.0 if held_before else 0.1)
    watched.add(healthy)
    connection.keeps = False

    watched.now_s += 0.31
    watched.transit.look()

    assert watched.arrived == [(1.31 if held_before else 0.41, 2)]


def test_one_looks_by_itself_as_long_as_there_is_anything() -> None:
    watched, first, second = Watched(), Held(), Held()
    watched.add(first)
    watched.now_s = 0.2
    with gevent.Timeout(LONG_S):
        while watched.transit._looked_s < 0.2:
            gevent.sleep(0.001)
        first.keeps = False
        while not watched.transit._looking.dead:
            watched.now_s += 0.1
            gevent.sleep(0.02)
        watched.now_s += 60.0
        watched.add(second)
        while not watched.transit.held:
            watched.now_s += 0.1
            gevent.sleep(0.02)

    # The minute in which there was nothing is no time in which nobody could look.
    assert watched.arrived == []


def test_what_has_left_by_a_moment_has_arrived_or_has_not() -> None:
    watched, old, new = Watched(), Held(), Held()
    watched.add(old)
    watched.look_until(1.0)
    watched.add(new)

    seen = [watched.transit.has_arrived(left_by_s) for left_by_s in (-0.1, 0.5, 1.0)]
    old.keeps = False
    seen += [watched.transit.has_arrived(left_by_s) for left_by_s in (0.5, 1.0)]
    new.keeps = False

    assert [*seen, watched.transit.has_arrived(1.0)] == [True, False, False, True, False, True]


def test_only_what_has_not_arrived_is_discarded() -> None:
    watched = Watched()
    connections = [Held() for _ in range(4)]
    held, arrived, just_left, just_arrived = connections
    watched.add(held, arrived)
    watched.look_until(1.0)
    watched.add(just_left, just_arrived)
    arrived.keeps = just_arrived.keeps = False

    watched.transit.discard()

    assert [each.is_reset for each in connections] == [True, False, True, False]
