"""Two dispatchers that pass lanes to each other, whatever moves and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve, Stage
from tests.unit.engine import Bench, Clock

MOVES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.floats(0, 1),
        st.floats(0, 1),
        st.sets(st.integers(0, LANES - 1), max_size=LANES),
        st.booleans(),
    ),
    max_size=12,
)
"""Moves of lanes: after how many messages' time, which part of what is due the two dispatchers
take before, which lanes move, and whether to the second."""


class Pair:
    """Two dispatchers that pass lanes to each other, and what each still has to hand out."""

    def __init__(self, curve: RateCurve) -> None:
        self.curve = curve
        self.clock = Clock()
        self.benches = (Bench(self.clock, 1e9), Bench(self.clock, 1e9))
        self.owners = dict.fromkeys(range(LANES), 0)
        self.handed: list[int] = []
        self.benches[0].grant_all(curve)

    def take(self, which: int, part: float) -> None:
        """Take a part of what is due from one of them; never more, so that it never waits."""
        due_until = self.curve.count_until(self.clock.elapsed_s)
        missing = set(range(due_until)) - set(self.handed)
        due = sum(self.owners[k % LANES] == which for k in missing)
        for _ in range(int(due * part)):
            self.handed.append(self.benches[which].dispatcher.take().k)

    def move(self, lanes: set[int], to: int) -> None:
        moving = [lane for lane in lanes if self.owners[lane] != to]
        self.owners |= dict.fromkeys(moving, to)
        cursors = self.benches[1 - to].dispatcher.queue.release(moving)
        arrivals = EvenArrivals(self.curve)
        self.benches[to].dispatcher.grant(
            {
                lane: arrivals.lane(lane, cursor)
                for lane, cursor in cursors.items()
                if cursor is not None
            }
        )


@given(moves=MOVES)
def test_whatever_lanes_move_every_message_is_handed_out_once(
    moves: list[tuple[int, float, float, set[int], bool]],
) -> None:
    pair = Pair(RateCurve([Stage(10, 100, 10)]))

    for messages, first_part, second_part, lanes, to_second in moves:
        now_k = pair.curve.count_until(pair.clock.elapsed_s) + messages
        pair.clock.elapsed_s = pair.curve.due_s(now_k)
        pair.take(0, first_part)
        pair.take(1, second_part)
        pair.move(lanes, to=int(to_second))
    pair.clock.elapsed_s = 1e6
    pair.take(0, 1)
    pair.take(1, 1)

    assert sorted(pair.handed) == list(range(pair.curve.count))
    assert all(bench.dispatcher.is_exhausted for bench in pair.benches)
    scheduled = sum(bench.recorder.counts.scheduled for bench in pair.benches)
    assert scheduled == pair.curve.count
