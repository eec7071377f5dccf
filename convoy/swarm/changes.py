"""The changes of a run in progress (rate, pause, end of the pause, users): checked, recorded."""

from __future__ import annotations

from collections.abc import Mapping

from convoy.errors import RefusedError
from convoy.plan.rate_curve import LiveCurve, RateCurve
from convoy.plan.scenario import ScenarioPlan
from convoy.prepare.allowance import shortfall
from convoy.prepare.guard import check_rate, check_total
from convoy.prepare.message_counts import requests_planned
from convoy.remote.approved_total import TotalBook
from convoy.results.result import Change
from convoy.settings import Settings
from convoy.settings.rate_shares import sharing_problem
from convoy.settings.values import HIGHEST_RATE


class Changes:
    """The changes of a run's plans since it began; moments are in seconds from T0.

    `made` lists the changes in their order. Every change raises RefusedError when it cannot be
    made, and then nothing has changed. What the plans have is entered into the `total` of the
    approval, with what leaves `beside` them, in the warm-up and before the run.
    """

    def __init__(
        self,
        settings: Settings,
        plans: Mapping[str, ScenarioPlan],
        total: TotalBook,
        beside: int,
    ) -> None:
        self.made: list[Change] = []
        self._plans = plans
        self._settings = settings
        self._beside = beside
        self._total = total
        # Where a total is approved, the guard has refused plans without a number of messages.
        planned = {name: plan.count or 0 for name, plan in plans.items()}
        total.planned = requests_planned(settings, planned) + beside
        self._curves = {name: LiveCurve(plan.curve) for name, plan in plans.items()}
        self._is_paused = False
        self.rate: object = settings.rate
        """The rate that was set last: messages per second, `max`, or None for stages."""
        self._users = settings.users

    @property
    def curves(self) -> dict[str, RateCurve]:
        return {name: live.curve for name, live in self._curves.items()}

    def set_rate(self, at_s: float, rate: float) -> None:
        """Set a constant rate (messages per second) for the rest of the run, shared as before."""
        self._check_moment(at_s)
        shares = _shares(self._settings, rate)
        curves = {name: live.with_rate(at_s, shares[name]) for name, live in self._curves.items()}
        # A pause puts the rest of a plan off. Counted is the most that can be sent, which is where
        # the plan is resumed at once.
        planned = {
            name: self._plans[name].with_curve(live.resumed(at_s).curve).count or 0
            for name, live in curves.items()
        }
        check_total(self._settings, planned, self._beside + self._total.given)
        # A worker follows the plan before until it hears of this one: the total is never lowered.
        booked = requests_planned(self._settings, planned) + self._beside
        self._total.planned = max(self._total.planned, booked)
        self._curves = curves
        self.rate = rate
        self.made.append(Change(round(at_s, 3), "rate", rate))

    def held_back(self, users: int) -> str:
        """Return what the limits will hold back of the present rate with so many users, or ""."""
        changed = {"rate": self.rate, "stages": None, "users": users, "warm_up_s": 0.0}
        short = shortfall(self._settings.model_copy(update=changed))
        return "" if short is None else "; ".join(short)

    @property
    def is_paused(self) -> bool:
        """True while no message falls due, because the run was paused."""
        return self._is_paused

    def pause(self, at_s: float) -> None:
        """Let no message fall due until the run is resumed, or ends."""
        self._check_moment(at_s)
        if self._is_paused:
            raise RefusedError("the run is paused already")
        self._is_paused = True
        self._curves = {name: live.paused(at_s) for name, live in self._curves.items()}
        self.made.append(Change(round(at_s, 3), "pause"))

    def resume(self, at_s: float) -> None:
        """Continue with the part of the curves that the pause put off."""
        self._check_moment(at_s)
        if not self._is_paused:
            raise RefusedError("the run is not paused")
        self._is_paused = False
        self._curves = {name: live.resumed(at_s) for name, live in self._curves.items()}
        self.made.append(Change(round(at_s, 3), "resume"))

    def note_users(self, at_s: float, users: int) -> None:
        """Record that so many users were asked for; they come and go by Locust, not by the plan.

        Before T0 it holds for the whole measured part, and after that for nothing.
        """
        if users == self._users or at_s >= self._ends_s:
            return
        self._users = users
        self.made.append(Change(round(max(at_s, 0.0), 3), "users", users=users))

    @property
    def _ends_s(self) -> float:
        return min(curve.duration_s for curve in self.curves.values())

    def _check_moment(self, at_s: float) -> None:
        if not self._settings.is_scheduled:
            raise RefusedError("nothing is scheduled in this run, so there is no rate to change")
        if at_s <= 0:
            raise RefusedError("the measured part has not begun yet; change the run after that")
        if at_s >= self._ends_s:
            raise RefusedError("the measured part is over; start another run")


def _shares(settings: Settings, rate: float) -> dict[str, float]:
    """Return each scenario's part of another rate of the whole; raises RefusedError."""
    if not 0 < rate <= HIGHEST_RATE:
        raise RefusedError(f"rate is {rate:g}, but should be above 0 and at most {HIGHEST_RATE:,}")
    changed = settings.model_copy(update={"rate": rate, "stages": None})
    problem = sharing_problem(changed.curve, changed.own_rates())
    if problem is not None:
        raise RefusedError(f"rate is {rate:g}, but {problem}")
    check_rate(changed)
    return {name: curve.highest_rate for name, curve in changed.curves().items()}
