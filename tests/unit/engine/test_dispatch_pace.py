"""A dispatcher under an approval: it holds messages back, and says that limits did."""

from __future__ import annotations

from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.remote.pace import Pace
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause
from tests.unit.engine import T0_S, Clock

FIVE_A_SECOND = EvenArrivals(RateCurve([Stage(5, 5, 20)]))


class PacedBench:
    """A dispatcher whose users send each message as soon as it is handed to them."""

    def __init__(self, most: int, closed_for_s: float | None = None) -> None:
        self.clock = Clock()
        self.pace = Pace(most, self.clock)
        self.pace.allow(most, 0.0 if closed_for_s else 5.0)
        self.recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
        self.dispatcher = Dispatcher(
            self.recorder,
            max_lateness_s=3,
            closed_for_s=closed_for_s,
            pace=self.pace,
            clock=self.clock,
        )
        self.dispatcher.start(T0_S)
        self.dispatcher.grant({n: FIVE_A_SECOND.lane(n) for n in range(LANES)})

    def sent_at(self, elapsed_s: float) -> list[DueMessage]:
        """What can be sent at a moment."""
        self.clock.elapsed_s = elapsed_s
        sent = []
        while (due := self.dispatcher._next(self.clock())) is not None:
            self.pace.wait(self.clock())
            self.pace.has_left()
            sent.append(due)
        return sent


def test_after_a_freeze_no_more_goes_out_than_is_approved_and_limits_are_the_cause() -> None:
    bench = PacedBench(most=5)

    at_once = bench.sent_at(2.05)
    in_that_second = [*bench.sent_at(2.5), *bench.sent_at(3.04)]
    a_second_later = bench.sent_at(3.06)

    assert [due.k for due in at_once] == [0, 1, 2, 3, 4]
    assert {due.late_cause for due in at_once} == {Cause.TARGET}
    assert in_that_second == []
    assert [due.k for due in a_second_later] == [5, 6, 7, 8, 9]
    assert {due.late_cause for due in a_second_later} == {Cause.LIMITS}


def test_what_is_held_back_too_long_is_not_sent_by_cause_limits() -> None:
    bench = PacedBench(most=2)
    for second in range(6):
        bench.sent_at(second + 0.5)

    bench.dispatcher.expire()

    assert set(bench.recorder.counts.not_sent) == {Cause.LIMITS}


def test_closed_arrivals_are_held_back_however_many_ask() -> None:
    bench = PacedBench(most=5, closed_for_s=10)

    sent = [len(bench.sent_at(moment)) for moment in (0.0, 0.5, 1.0, 1.02, 2.0, 2.04)]

    assert sent == [5, 0, 0, 5, 0, 5]


def test_a_plan_at_the_approved_rate_is_sent_when_it_is_due() -> None:
    bench = PacedBench(most=5)

    sent = [due for tenth in range(1, 200, 2) for due in bench.sent_at(tenth / 10 + 0.0001)]

    assert [due.k for due in sent] == list(range(100))
    assert {round(due.handed_s - due.due_s, 4) for due in sent} == {0.0001}
