"""The queue of lanes: every message once and in order, whatever is granted meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convoy.engine.lane_queue import LaneQueue
from convoy.plan.lanes import LANES
from convoy.results.outcome import Phase

DUE_S = st.floats(0, 100) | st.sampled_from([0.0, 1.0, 2.0])
LENGTHS = st.lists(DUE_S, max_size=40).map(sorted)
STEPS = st.lists(
    st.tuples(st.just("take"), st.integers(1, 200))
    | st.tuples(st.just("release"), st.sets(st.integers(0, LANES - 1), max_size=LANES))
    | st.tuples(st.just("grant"), st.dictionaries(st.integers(0, LANES - 1), LENGTHS)),
    max_size=12,
)


class Model:
    """What the queue should hold, as plain lists."""

    def __init__(self) -> None:
        self.lanes: dict[int, list[tuple[float, int]]] = {}

    def grant(self, lanes: dict[int, list[float]]) -> dict[int, list[tuple[float, int]]]:
        """Take on the lanes that are not granted; return their messages."""
        new = {
            lane: [(due_s, lane + turn * LANES) for turn, due_s in enumerate(dues_s)]
            for lane, dues_s in lanes.items()
            if lane not in self.lanes
        }
        self.lanes.update({lane: list(messages) for lane, messages in new.items()})
        return new

    def take(self) -> tuple[float, int] | None:
        first = min((messages[0] for messages in self.lanes.values() if messages), default=None)
        if first is not None:
            del self.lanes[first[1] % LANES][0]
        return first

    def release(self, lanes: set[int]) -> dict[int, int | None]:
        leaving = {lane: self.lanes.pop(lane) for lane in lanes if lane in self.lanes}
        return {lane: messages[0][1] if messages else None for lane, messages in leaving.items()}


@given(steps=STEPS)
def test_messages_come_once_and_in_order_whatever_is_granted_and_given_up(
    steps: list[tuple[str, object]],
) -> None:
    queue, model = LaneQueue(), Model()

    for name, argument in steps:
        if isinstance(argument, int):
            for _ in range(argument):
                entry = queue.take()
                assert (entry and entry[:2]) == model.take()
        elif isinstance(argument, set):
            assert queue.release(argument) == model.release(argument), name
        elif isinstance(argument, dict):
            granted = model.grant(argument)
            queue.grant({lane: iter(each) for lane, each in granted.items()}, Phase.MEASURE)


@given(lanes=st.dictionaries(st.integers(0, LANES - 1), LENGTHS), most=st.integers(0, 100))
def test_what_is_upcoming_is_what_is_taken_next(lanes: dict[int, list[float]], most: int) -> None:
    queue, model = LaneQueue(), Model()
    granted = model.grant(lanes)
    queue.grant({lane: iter(messages) for lane, messages in granted.items()}, Phase.MEASURE)

    upcoming, first = queue.upcoming(most), queue.first

    taken = [queue.take() for _ in upcoming]
    assert upcoming == [entry[1] for entry in taken if entry is not None]
    assert len(upcoming) <= most
    assert bool(upcoming) == (any(lanes.values()) and most > 0)
    assert not taken or taken[0] == first


def test_warm_up_and_measure_of_a_lane_are_told_apart() -> None:
    queue = LaneQueue()
    queue.grant({0: iter([(-1.0, 0), (-0.5, 256)])}, Phase.WARM_UP)
    queue.grant({0: iter([(0.5, 0)]), 1: iter([(0.2, 1)])}, Phase.MEASURE)

    first = queue.take()

    assert first == (-1.0, 0, 0, Phase.WARM_UP)
    assert queue.upcoming(10) == [1, 0]
    assert queue.release([0, 1, 2]) == {0: 0, 1: 1}
    assert queue.take() is None


def test_nothing_is_taken_before_it_is_due() -> None:
    queue = LaneQueue()
    queue.grant({0: iter([(1.0, 0), (2.0, 256)])}, Phase.MEASURE)

    assert queue.take(0.9) is None
    assert queue.take(1.0) == (1.0, 0, 0, Phase.MEASURE)
    assert queue.take(1.9) is None


def test_those_due_together_are_found_by_the_last_of_them() -> None:
    queue = LaneQueue()
    queue.grant({n: iter([(1.0 + n / 10, n)]) for n in range(5)}, Phase.MEASURE)
    assert queue.first is not None

    assert queue.due_until(1.25) == 1.2
    assert queue.due_until(0.5) < 0
