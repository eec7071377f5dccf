"""How one global rate becomes stages of each scenario: own rates first, the rest by weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from convoy.plan.rate_curve import RateCurve, Stage

_ROUNDING = 1e-9
"""Rates of 0.1 and 0.2 add up to more than 0.3 in floating point."""


def expand_stages(
    stages: Iterable[tuple[float | None, float | None, float]],
) -> Iterator[Stage]:
    """Yield stages written as `(rate, to, for_s)` with both ends known.

    A stage without `to` is constant; one without `rate` starts where the one before it ended, the
    first one at 0.
    """
    rate_before = 0.0
    for rate, to, for_s in stages:
        rate_from = rate_before if rate is None else rate
        rate_before = rate_from if to is None else to
        yield Stage(rate_from, rate_before, for_s)


def share(
    whole: RateCurve, own_rates: Mapping[str, float | None], weights: Mapping[str, float]
) -> dict[str, RateCurve]:
    """Return the curve of every scenario in `own_rates` (None: it has no rate of its own).

    Own rates are constant for the whole run and come off the global rate at every moment; the
    scenarios without one share what is left by weight.
    """
    owned = total_own_rate(own_rates)
    total = sum(weights[name] for name, own in own_rates.items() if own is None)
    shares: dict[str, RateCurve] = {}
    for name, own in own_rates.items():
        if own is not None:
            shares[name] = RateCurve([(own, own, whole.duration_s)])
            continue
        part = weights[name] / total
        shares[name] = RateCurve(
            (max(0.0, rate_from - owned) * part, max(0.0, rate_to - owned) * part, for_s)
            for rate_from, rate_to, for_s in whole.stages
        )
    return shares


def sharing_problem(whole: RateCurve, own_rates: Mapping[str, float | None]) -> str | None:
    """Return why own rates and the global rate do not go together, or None when they do."""
    owned = total_own_rate(own_rates)
    lowest = min(min(rate_from, rate_to) for rate_from, rate_to, _ in whole.stages)
    highest = whole.highest_rate
    slack = highest * _ROUNDING
    sharing = [name for name, own in own_rates.items() if own is None]
    if owned > lowest + slack:
        return f"own rates add up to {owned:g}, above the global rate of {lowest:g} per second"
    if not sharing and highest > owned + slack:
        return (
            f"own rates add up to {owned:g}, below the global rate of {highest:g} per second, and "
            "no scenario is left for the rest; leave out one scenario's rate"
        )
    if owned and sharing and highest <= owned + slack:
        return f"own rates take all of the global rate, nothing is left for {', '.join(sharing)}"
    return None


def split(number: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Split a number by weight, the largest remainders first; ties go by name."""
    total = sum(weights.values())
    exact = {name: number * weight / total for name, weight in weights.items()}
    shares = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in by_remainder[: number - sum(shares.values())]:
        shares[name] += 1
    return shares


def total_own_rate(own_rates: Mapping[str, float | None]) -> float:
    """Return the sum of the rates that scenarios have of their own, in messages per second."""
    return sum(own for own in own_rates.values() if own is not None)
