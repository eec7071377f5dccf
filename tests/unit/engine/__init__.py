"""A dispatcher on a clock that a test sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gevent

from convoy.clock import clock_s
from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.engine.free_users import ReadyAt
from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve
from convoy.results.account import ScenarioRecorder

T0_S = 1000.0


def ready_from(at_s: float) -> ReadyAt:
    """The limits of a user that may send from a moment on."""
    return lambda now_s: max(now_s, at_s)


def wait_until(is_met: Callable[[], bool], deadline_s: float = 60) -> None:
    ends_s = clock_s() + deadline_s
    while not is_met():
        assert clock_s() < ends_s, "what was waited for did not come"
        gevent.sleep(0.001)


def let_the_loop_run() -> None:
    for _ in range(5):
        gevent.sleep(0.001)


@dataclass(slots=True)
class Clock:
    """A clock that stands still unless it is set; 0 is T0."""

    elapsed_s: float = 0.0

    def __call__(self) -> float:
        return T0_S + self.elapsed_s


class Bench:
    """A dispatcher on a clock of its own."""

    def __init__(self, clock: Clock, max_lateness_s: float = 5) -> None:
        self.clock = clock
        self.recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
        self.dispatcher = Dispatcher(self.recorder, max_lateness_s=max_lateness_s, clock=clock)
        self.dispatcher.start(T0_S)

    def grant_all(self, curve: RateCurve) -> None:
        arrivals = EvenArrivals(curve)
        self.dispatcher.grant({lane: arrivals.lane(lane) for lane in range(LANES)})

    def take_at(self, *elapsed_s: float) -> list[DueMessage]:
        """Take one message at each of these times; each has to be due by then."""
        taken = []
        for moment_s in elapsed_s:
            self.clock.elapsed_s = moment_s
            taken.append(self.dispatcher.take())
        return taken
