"""The allowance: how much the limits let a run's tokens send, compared with its plan."""

from __future__ import annotations

from math import ceil

from convoy.settings import Settings
from convoy.settings.model import Limit

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
    if settings.limits and settings.on_limit == "obey":
        allowed = min(_allowed(limit, tokens or 1) / limit.per_s for limit in settings.limits)
        may_send = f"{allowed:g} a second"
    there_are = "each worker has one token" if tokens is None else f"there are {tokens} tokens"
    return f"{needed}; {there_are}, which may send {may_send}"


def shortfall(settings: Settings) -> tuple[str, str] | None:
    """Return the effect of the limits on the run and a remedy; None where they suffice.

    A short run may exceed the rate of a limit without filling its window.
    """
    tokens = _tokens_there(settings)
    if settings.is_flat_out and settings.limits:
        return "the limits will hold rate: max back", "--set limits=[] takes them away"
    if tokens is None or not settings.is_scheduled:
        return None
    rate, stages = settings.highest_rate, settings.global_stages()
    messages = sum((first + last) / 2 * for_s for first, last, for_s in stages)
    for limit in settings.limits:
        allowed = _allowed(limit, tokens)
        if min(messages, rate * limit.per_s) > allowed:
            return (
                f"the limits ({limit.count:,} per {limit.per_s:g} s by {limit.scope}) allow "
                f"{allowed / limit.per_s:g} messages a second with {tokens} tokens, and the plan "
                f"wants {rate:g}: {_CONSEQUENCES[settings.on_limit]}",
                f"{_tokens_needed(settings)} tokens (users) would do"
                if limit.scope == "token"
                else "lower the rate",
            )
    return None


def _tokens_there(settings: Settings) -> int | None:
    """Return how many tokens the run will have, None when that depends on its workers."""
    tokens = settings.oauth.tokens
    if tokens == "per_user":
        return settings.users
    return None if tokens == "per_worker" else int(tokens)


def _tokens_needed(settings: Settings) -> int:
    """Return how many tokens the highest rate needs so that none goes over its own limits."""
    own = (limit for limit in settings.limits if limit.scope == "token")
    return max((ceil(settings.highest_rate * each.per_s / each.count) for each in own), default=1)


def _allowed(limit: Limit, tokens: int) -> int:
    """Return how many messages a limit lets so many tokens send in its window."""
    return limit.count * (tokens if limit.scope == "token" else 1)
