"""The allowance: what the limits let a run's tokens send, compared with what it wants to send."""

from __future__ import annotations

from math import ceil, inf

from convoy.prepare.guard import highest_rate
from convoy.settings import Settings

_CONSEQUENCES = {
    "obey": "messages will be late or not sent by cause limits",
    "count": "messages will be refused with 429",
    "stop": "the run will end at the first 429",
}


def tokens_needed(settings: Settings) -> int:
    """Return how many tokens the highest rate needs so that none goes over its own limits."""
    rate = highest_rate(settings)
    own = (limit for limit in settings.limits if limit.scope == "token")
    return max((ceil(rate * limit.per_s / limit.count) for limit in own), default=1)


def tokens_there(settings: Settings) -> int | None:
    """Return how many tokens the run will have, None when that depends on its workers."""
    tokens = settings.oauth.tokens
    if tokens == "per_user":
        return settings.users
    return None if tokens == "per_worker" else int(tokens)


def rate_allowed(settings: Settings, tokens: int) -> float:
    """Return the highest rate that the limits allow so many tokens; infinite without limits."""
    rates = (
        limit.count / limit.per_s * (tokens if limit.scope == "token" else 1)
        for limit in settings.limits
    )
    return min(rates, default=inf)


def allowance_line(settings: Settings) -> str:
    """Return how many tokens the highest rate needs, and what those there are may send."""
    needed = "no rate is asked for"
    if settings.is_scheduled:
        rate = highest_rate(settings)
        needed = f"{tokens_needed(settings)} tokens needed for {rate:g} per second"
    tokens = tokens_there(settings)
    there_are = "each worker has one token" if tokens is None else f"there are {tokens} tokens"
    return f"{needed}; {there_are}, which may send {_allowed(settings, tokens or 1)}"


def _allowed(settings: Settings, tokens: int) -> str:
    if not settings.limits or settings.on_limit != "obey":
        return "as much as they can"
    return f"{rate_allowed(settings, tokens):g} a second"


def shortfall(settings: Settings) -> tuple[str, str] | None:
    """Return what the limits will do to the run and what would help, or None.

    A short run may go over a rate without ever filling a window.
    """
    tokens = tokens_there(settings)
    if settings.is_flat_out and settings.limits:
        return "the limits will hold rate: max back", "--set limits=[] takes them away"
    if tokens is None or not settings.is_scheduled:
        return None
    rate, wanted = highest_rate(settings), _messages(settings)
    for limit in settings.limits:
        allowed = limit.count * (tokens if limit.scope == "token" else 1)
        if min(wanted, rate * limit.per_s) > allowed:
            return (
                f"the limits ({limit.count:,} per {limit.per_s:g} s by {limit.scope}) allow "
                f"{allowed / limit.per_s:g} messages a second with {tokens} tokens, and the plan "
                f"wants {rate:g}: {_CONSEQUENCES[settings.on_limit]}",
                f"{tokens_needed(settings)} tokens (users) would do"
                if limit.scope == "token"
                else "lower the rate",
            )
    return None


def _messages(settings: Settings) -> float:
    return sum((first + last) / 2 * for_s for first, last, for_s in settings.global_stages())
