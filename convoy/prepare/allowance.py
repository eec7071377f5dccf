"""The allowance: how much the limits let a run's tokens send, compared with its plan."""

from __future__ import annotations

from math import ceil, sqrt

from convoy.plan.rates import RateCurve, Stage
from convoy.settings import Settings
from convoy.settings.model import Limit

_OF_TOKENS = ("token", "client", "org")
"""Scopes of limits on requests with a token; guests of web messaging have none."""
_WINDOW_LASTS_ON_S = 1.0
"""A window counts from its first answer on, and what is left of it comes in whole seconds."""
_DEVIATIONS = 4
"""So many standard deviations above its mean Poisson's number hardly ever lies."""
_CONSEQUENCES = {
    "obey": "messages will be late or not sent by cause limits",
    "count": "messages will be refused with 429",
    "stop": "the run will end at the first 429",
}


def allowance_line(settings: Settings) -> str:
    """Return as a line how many tokens the highest rate needs, and what those of the run allow."""
    tokens = _tokens_there(settings)
    needed = "no rate is asked for"
    may_send = "as much as they can"
    if settings.is_scheduled:
        needed = (
            f"{_tokens_needed(settings)} tokens needed for {settings.highest_rate:g} per second"
        )
    limits = _limits(settings)
    if limits and settings.on_limit == "obey":
        allowed = min(_allowed(limit, tokens or 1) / limit.per_s for limit in limits)
        may_send = f"{allowed:g} a second"
    there_are = "each worker has one token" if tokens is None else f"there are {tokens} tokens"
    return f"{needed}; {there_are}, which may send {may_send}"


def shortfall(settings: Settings, requests_before: int = 0) -> tuple[str, str] | None:
    """Return the effect of the limits on the run and a remedy; None where they suffice.

    A short run may exceed the rate of a limit without filling its window. In that of the first
    messages are those of the warm-up too, and `requests_before`: the listing's and the canaries.
    """
    tokens = _tokens_there(settings)
    if settings.is_flat_out and _limits(settings):
        return "the limits will hold rate: max back", "--set limits=[] takes them away"
    if tokens is None or not settings.is_scheduled:
        return None
    for limit in _limits(settings):
        allowed = _allowed(limit, tokens)
        wanted = ceil(_most_within(settings, limit.per_s + _WINDOW_LASTS_ON_S, requests_before))
        if wanted > allowed:
            needed = max(ceil(wanted / limit.count), _tokens_needed(settings))
            return (
                f"the limits ({limit.count:,} per {limit.per_s:g} s by {limit.scope}) allow "
                f"{allowed:,} requests in that time with {tokens} tokens, and the plan with its "
                f"warm-up wants up to {wanted:,}: {_CONSEQUENCES[settings.on_limit]}",
                f"{needed} tokens (users) would do"
                if limit.scope == "token"
                else "lower the rate, or shorten warm_up_s",
            )
    return None


def _limits(settings: Settings) -> list[Limit]:
    return [limit for limit in settings.limits if limit.scope in _OF_TOKENS]


def _most_within(settings: Settings, window_s: float, requests_before: int) -> float:
    """Return how many requests fall into the fullest window of such a length, warm-up included."""
    stages = [Stage(*each) for each in settings.global_stages()]
    first = stages[0].rate_from
    curve = RateCurve([Stage(first, first, settings.warm_up_s), *stages])
    at_first = sum(each.messages for each in curve.between(0.0, min(window_s, curve.duration_s)))
    fullest = min(curve.messages, settings.highest_rate * window_s)
    if settings.arrivals == "poisson":
        at_first, fullest = (each + _DEVIATIONS * sqrt(each) for each in (at_first, fullest))
    each = _requests_each(settings)
    return max(fullest * each, at_first * each + requests_before)


def _tokens_there(settings: Settings) -> int | None:
    """Return how many tokens the run will have, None when that depends on its workers."""
    tokens = settings.oauth.tokens
    if tokens == "per_user":
        return settings.users
    return None if tokens == "per_worker" else int(tokens)


def _tokens_needed(settings: Settings) -> int:
    """Return how many tokens the highest rate needs so that none goes over its own limits."""
    own = (limit for limit in settings.limits if limit.scope == "token")
    rate = settings.highest_rate * _requests_each(settings)
    return max((ceil(rate * each.per_s / each.count) for each in own), default=1)


def _requests_each(settings: Settings) -> float:
    """Return how many requests a message makes on average with the steps that settings choose."""
    messages = {
        name: RateCurve([Stage(*each) for each in stages]).messages
        for name, stages in settings.stages_by_scenario().items()
    }
    requests = sum(
        count * (1 + len(settings.scenario[name].steps)) for name, count in messages.items()
    )
    return requests / (sum(messages.values()) or 1)


def _allowed(limit: Limit, tokens: int) -> int:
    """Return how many messages a limit lets so many tokens send in its window."""
    return limit.count * (tokens if limit.scope == "token" else 1)
