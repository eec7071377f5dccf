"""The phases of a run: its users log in, [T0, T1) is measured, messages in flight end."""

from __future__ import annotations

from enum import StrEnum
from math import inf

from convoy.remote.pace import SECOND_S, SPARE_S
from convoy.settings import Settings

LEAD_S = 0.3
"""How long before its moment a grant or a change is sent, so that all workers have received it."""
_GRACE_S = 10.0
"""How long the last report of a worker may take after the timeouts of its messages have passed."""


def latest_end_s(settings: Settings, planned_s: float) -> float:
    """Return when a run that lasts for `planned_s` by its plan is over, at the latest, after T0.

    Until then its last messages may take, and then those of a stop in the midst of that.
    """
    return planned_s + _slack_s(settings) + settings.stop_timeout_s + _GRACE_S


def _slack_s(settings: Settings) -> float:
    return settings.max_lateness_s + settings.request_timeout_s + _GRACE_S


class RunState(StrEnum):
    """The phase in which a run is."""

    PREPARING = "preparing"
    WARMING_UP = "warming up"
    MEASURING = "measuring"
    DRAINING = "draining"
    STOPPING = "stopping"
    ENDED = "ended"

    @property
    def has_load(self) -> bool:
        """True from T0 minus the warm-up on, until the run is stopped or over."""
        return self in (RunState.WARMING_UP, RunState.MEASURING, RunState.DRAINING)

    @property
    def is_last(self) -> bool:
        return self in (RunState.STOPPING, RunState.ENDED)


class Phases:
    """The phases as time passes, in seconds of the master's clock; T0 is None before it is known.

    The first one lasts for `timeout_s` from `now_s` on at most, or the run is refused. A worker
    that hears nothing may go on for `lease_s`.
    """

    def __init__(
        self, settings: Settings, now_s: float, timeout_s: float, lease_s: float = 0.0
    ) -> None:
        self.state = RunState.PREPARING
        self.t0_s: float | None = None
        self._deals_from_s = inf
        self._lease_s = lease_s
        self._settings = settings
        self._ended_s = inf
        self._made_s = now_s
        self._ends_by_s = now_s + timeout_s

    def since_t0_s(self, now_s: float) -> float:
        """Return the time since T0, 0 while that is not known."""
        return 0.0 if self.t0_s is None else now_s - self.t0_s

    def measured_s(self, planned_s: float) -> float:
        """Return how long the measured phase lasts by the plan, or lasted until the run ended."""
        if self.t0_s is None:
            return 0.0
        return max(0.0, min(planned_s, self._ended_s - self.t0_s))

    def told(self, now_s: float, planned_s: float) -> str:
        """Return what goes on since when and until when, as a part of a sentence."""
        since_s, left_s = self.since_t0_s(now_s), max(0.0, self._ends_by_s - now_s)
        match self.state:
            case RunState.PREPARING:
                return f"preparing for {now_s - self._made_s:.0f} s, at most {left_s:.0f} s more"
            case RunState.WARMING_UP:
                return f"warming up, {max(0.0, -since_s):.1f} s left"
            case RunState.MEASURING:
                left_s = max(0.0, planned_s - since_s)
                return f"measuring, {since_s:.0f} of {planned_s:.0f} s, {left_s:.0f} s left"
            case RunState.ENDED:
                return "over"
            case _:
                return f"{self.state}, what is in flight may take {left_s:.0f} s more"

    def is_early(self, now_s: float) -> bool:
        """Return whether the load has begun, and no lanes may be dealt yet."""
        return self.state.has_load and now_s < self._deals_from_s

    def is_overdue(self, now_s: float) -> bool:
        """Return whether the present phase lasts longer than it may."""
        return now_s > self._ends_by_s

    def begin(self, now_s: float) -> None:
        """Begin the load."""
        warm_up_s = self._settings.warm_up_s if self._settings.is_scheduled else 0.0
        self._deals_from_s, wait_s = now_s, 0.0
        if self._settings.target.approval:
            # Users may send from when they start on, each worker its part of the approved rate.
            # Nobody gets another part while one may do so that has not heard of the load; and who
            # is granted what another one may have used waits for a second.
            self._deals_from_s += self._lease_s
            wait_s = SECOND_S + SPARE_S
        self.t0_s = self._deals_from_s + LEAD_S + wait_s + warm_up_s
        self.state = RunState.WARMING_UP

    def advance(self, now_s: float, planned_s: float) -> None:
        """Take a run with load on; it lasts for `planned_s` by its plan, which may have changed."""
        since_s = self.since_t0_s(now_s)
        if self.state is RunState.WARMING_UP and since_s >= 0:
            self.state = RunState.MEASURING
        if self.state is RunState.MEASURING and since_s >= planned_s:
            self.state = RunState.DRAINING
        self._ends_by_s = now_s - since_s + planned_s + _slack_s(self._settings)

    def stop(self, now_s: float) -> None:
        """Send nothing more."""
        self.state, self._ended_s = RunState.STOPPING, now_s
        self._ends_by_s = now_s + self._settings.stop_timeout_s + _GRACE_S

    def end(self, now_s: float) -> None:
        """The run is over; one without a schedule was measured until now."""
        self.state = RunState.ENDED
        if not self._settings.is_scheduled:
            self._ended_s = min(self._ended_s, now_s)
