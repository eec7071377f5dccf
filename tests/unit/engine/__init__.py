"""A dispatcher on a clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass

from convoy.engine.dispatch import Dispatcher, DueMessage
from convoy.plan.lanes import LANES, even_arrivals
from convoy.plan.rates import RateCurve
from convoy.results.account import ScenarioRecorder

T0_S = 1000.0


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
        for lane in range(LANES):
            self.dispatcher.grant(lane, even_arrivals(curve, lane), epoch=1)

    def take_at(self, *elapsed_s: float) -> list[DueMessage]:
        """Take one message at each of these times; each has to be due by then."""
        taken = []
        for moment_s in elapsed_s:
            self.clock.elapsed_s = moment_s
            taken.append(self.dispatcher.take())
        return taken
