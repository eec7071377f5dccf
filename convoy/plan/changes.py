"""Changes of a rate in mid-run: what is due before stays as it is, and the end does not move."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convoy.plan.rates import RateCurve, Stage


@dataclass(frozen=True, slots=True)
class LiveCurve:
    """A curve as it was changed so far; `rest` is what was to come when it was paused.

    Moments are in seconds from the start, rates in messages per second. After a pause the rest goes
    on from where it was, and what then lies beyond the end is left out.
    """

    curve: RateCurve
    rest: RateCurve | None = None

    def with_rate(self, at_s: float, rate: float) -> LiveCurve:
        """Have a constant rate from a moment on, or from the end of the present pause."""
        constant = RateCurve([Stage(rate, rate, self.curve.duration_s - at_s)])
        if self.rest is not None:
            return replace(self, rest=constant)
        return LiveCurve(self._until(at_s, constant))

    def paused(self, at_s: float) -> LiveCurve:
        """Have nothing due from a moment on."""
        ends_s = self.curve.duration_s
        nothing = RateCurve([Stage(0.0, 0.0, ends_s - at_s)])
        rest = RateCurve(self.curve.between(at_s, ends_s))
        return LiveCurve(self._until(at_s, nothing), rest)

    def resumed(self, at_s: float) -> LiveCurve:
        """End the pause; without one nothing changes."""
        return self if self.rest is None else LiveCurve(self._until(at_s, self.rest))

    def _until(self, at_s: float, then: RateCurve) -> RateCurve:
        left_s = self.curve.duration_s - at_s
        return RateCurve([*self.curve.between(0.0, at_s), *then.between(0.0, left_s)])
