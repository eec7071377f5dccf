"""The allowance: how much the limits let a run's tokens send, compared with its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, sqrt

from convoy.plan.rate_curve import RateCurve
from convoy.prepare.checklist import Checklist
from convoy.routes.catalogue import USER, Route
from convoy.settings import Settings
from convoy.settings.model import Limit

_OF_TOKENS = ("token", "client", "org")
"""Scopes of limits on requests with a token; those of guests are in `guest_limit`."""
_WINDOW_LASTS_ON_S = 1.0
"""A window counts from its first answer on, and what is left of it comes in whole seconds."""
_DEVIATIONS = 4
"""So many standard deviations above its mean Poisson's number hardly ever lies."""
_OF_A_USER = Limit(scope="client", count=3_000, per_s=60)
"""`org.app.user.rate.per.minute`, by transcriptions of the limits page and an employee in
https://community.genesys.com/discussion/rate-limits-for-data-actions-within-the-architect-flows
(read 2026-11-22); an answer of 2025-03 says 300."""
CONSEQUENCES = {
    "obey": "messages will be late or not sent by cause limits",
    "count": "messages will be refused with 429",
    "stop": "the run will end at the first 429",
}
"""What comes of a limit that is reached, by `on_limit`."""


def check_allowance(
    settings: Settings, in_force: Sequence[Limit], requests_before: int, checklist: Checklist
) -> None:
    """Enter what the limits, and those that the organisation has in force, mean for the run."""
    short = shortfall(settings, requests_before)
    warnings = [*filter(None, [short]), *beyond(settings, in_force, requests_before)]
    for told, fix in warnings:
        checklist.warn("limits", told, fix)
    if not warnings:
        checklist.ok("limits", allowance_line(settings))


def allowance_line(settings: Settings) -> str:
    """Return as a line how many tokens the highest rate needs, and what those of the run allow."""
    tokens = tokens_there(settings)
    may_send = "as much as they can"
    limits = _of_tokens(settings)
    if limits and settings.on_limit == "obey":
        allowed = min(_allowed(limit, tokens or 1) / limit.per_s for limit in limits)
        may_send = f"{allowed:g} a second"
    if tokens is None:
        there_are = "each worker has one token"
    else:
        there_are = (
            f"you have {tokens:,}" if settings.is_scheduled else f"you have {_count(tokens)}"
        )
    needed = "no rate is asked for"
    if settings.is_scheduled:
        needed = f"{_rate(settings)} need {_count(tokens_needed(settings))}"
    return f"{needed}, {there_are}, which may send {may_send}"


def shortfall(settings: Settings, requests_before: int = 0) -> tuple[str, str] | None:
    """Return the effect of the limits on the run and a remedy; None where they suffice.

    A short run may exceed the rate of a limit without filling its window. In that of the first
    messages are those of the warm-up too, and `requests_before`: the preflight's own.
    """
    tokens = tokens_there(settings)
    if settings.is_flat_out and _of_tokens(settings):
        told = "the limits will hold rate: max back, and a run that waited for them is invalid"
        return told, "--set limits=[] takes them away"
    if tokens is None or not settings.is_scheduled:
        return None
    for limit in _of_tokens(settings):
        allowed = _allowed(limit, tokens)
        wanted = ceil(_most_within(settings, limit.per_s + _WINDOW_LASTS_ON_S, requests_before))
        if wanted > allowed:
            told = (
                f"{_in_words(settings, limit, tokens)}: the limit of {limit.count:,} per "
                f"{limit.per_s:g} s by {limit.scope} allows {allowed:,} requests in that time, and "
                f"the plan with its warm-up wants up to {wanted:,}: "
                f"{CONSEQUENCES[settings.on_limit]}"
            )
            return told, _remedy(settings, limit, wanted, allowed - requests_before)
    return None


def check_user(
    settings: Settings, routes: Mapping[str, Route], checklist: Checklist, *, has_one_token: bool
) -> None:
    """Enter what a user's tokens cannot do of what the scenarios with such `routes` would do.

    All of them write as the same user; where he `has_one_token`, they share that, too.
    """
    names = [name for name, each in routes.items() if each.token == USER]
    if not names or not settings.is_scheduled:
        return
    curves = settings.curves()
    # The shares of a rate are highest together, and a scenario's own rate is constant.
    highest = sum(settings.requests_each(name) * curves[name].highest_rate for name in names)
    lasts_s = settings.warm_up_s + settings.duration_s
    of_token = [each for each in settings.limits if each.scope == "token" and has_one_token]
    for limit in (_OF_A_USER, *of_token):
        if highest * min(limit.per_s, lasts_s) > limit.count:
            whose, fix = "CONVOY_USER_TOKEN", "give CONVOY_REFRESH_TOKEN instead"
            if limit is _OF_A_USER:
                whose, fix = "all tokens of a user", "lower the rate of these scenarios"
            told = (
                f"{', '.join(names)} would make {highest:g} requests a second, steps included, and "
                f"{whose} may make {limit.count:,} in {limit.per_s:g} s"
            )
            checklist.warn("limits of a user", told, fix)
            return


def _of_tokens(settings: Settings) -> list[Limit]:
    return [limit for limit in settings.limits if limit.scope in _OF_TOKENS]


def beyond(
    settings: Settings, in_force: Iterable[Limit], requests_before: int = 0
) -> list[tuple[str, str]]:
    """Return effects and remedies where the organisation's own limits are below the settings'.

    One that no setting has a counterpart for matters only where the plan goes beyond it.
    """
    found = []
    for limit in in_force:
        set_here = [each for each in settings.limits if each.scope == limit.scope]
        lowest = min(set_here, key=_per_second, default=None)
        if lowest is not None and _per_second(lowest) <= _per_second(limit):
            continue
        if lowest is not None:
            kept = [each for each in settings.limits if each is not lowest]
            told = (
                f"the settings' limit of {lowest.count:,} per {lowest.per_s:g} s by {limit.scope} "
                f"is above the organisation's own of {limit.count:,} per {limit.per_s:g} s: what "
                "goes beyond that is refused with 429"
            )
            found.append(
                (told, f"write --set 'limits=[{', '.join(map(_written, [*kept, limit]))}]'")
            )
        own = settings.model_copy(update={"limits": (limit,), "on_limit": "count"})
        if settings.is_scheduled and (short := shortfall(own, requests_before)):
            found.append(short)
    return found


def tokens_there(settings: Settings) -> int | None:
    """Return how many tokens the run will have, None when that depends on its workers."""
    tokens = settings.oauth.tokens
    if tokens == "per_user":
        return settings.users
    return None if tokens == "per_worker" else int(tokens)


def tokens_needed(settings: Settings) -> int:
    """Return how many tokens the highest rate needs so that none goes over its own limits."""
    own = (limit for limit in settings.limits if limit.scope == "token")
    rate = settings.highest_request_rate
    return max((ceil(rate / _per_second(each)) for each in own), default=1)


def _in_words(settings: Settings, limit: Limit, tokens: int) -> str:
    rate = _rate(settings)
    if limit.scope != "token":
        return f"{rate} by all tokens together"
    needed = tokens_needed(settings)
    if needed > tokens:
        return f"{rate} need {_count(needed)}, you have {tokens:,}"
    return f"{rate} are too close to what {_count(tokens)} may send"


def _remedy(settings: Settings, limit: Limit, wanted: int, left: int) -> str:
    """Return the numbers to write so that the limit has room; `left` is what the plan may use."""
    numbers = []
    if limit.scope == "token":
        needed = max(ceil(wanted / limit.count), tokens_needed(settings))
        is_by_user = settings.oauth.tokens == "per_user"
        numbers.append(f"-u {needed}" if is_by_user else f"--set oauth.tokens={needed}")
    rate = _rate_within(settings, limit.per_s + _WINDOW_LASTS_ON_S, left)
    if rate > 0:
        numbers.append(f"--rate {rate:g}")
    return f"write {' or '.join(numbers)}" if numbers else "lower the rate, or shorten warm_up_s"


def _rate_within(settings: Settings, window_s: float, requests: float) -> float:
    """Return a rate of messages by which no more requests fall into such a window.

    0 where there is none, or where a single number does not say what the plan is.
    """
    if settings.stages is not None or any(settings.own_rates().values()) or requests <= 0:
        return 0.0
    messages = requests / settings.requests_per_message
    if settings.arrivals == "poisson":
        # The larger root of messages + deviations * sqrt(messages) = what is allowed.
        messages = ((sqrt(_DEVIATIONS**2 + 4 * messages) - _DEVIATIONS) / 2) ** 2
    return floor(messages / window_s * 100) / 100


def _most_within(settings: Settings, window_s: float, requests_before: int) -> float:
    """Return how many requests fall into the fullest window of such a length, warm-up included."""
    stages = settings.request_curve.stages
    first = stages[0].rate_from
    curve = RateCurve([(first, first, settings.warm_up_s), *stages])
    at_first = sum(each.messages for each in curve.between(0.0, min(window_s, curve.duration_s)))
    fullest = min(curve.messages, settings.highest_request_rate * window_s)
    if settings.arrivals == "poisson":
        # It is the messages whose number varies; each has as many requests.
        each = settings.requests_per_message
        at_first, fullest = (n + _DEVIATIONS * sqrt(n * each) for n in (at_first, fullest))
    return max(fullest, at_first + requests_before)


def _rate(settings: Settings) -> str:
    steps = settings.highest_request_rate > settings.highest_rate
    messages = f" ({settings.highest_rate:g} messages with their steps)" * steps
    return f"{settings.highest_request_rate:g} requests/s{messages}"


def _count(tokens: int) -> str:
    return f"{tokens:,} token{'s' * (tokens != 1)}"


def _written(limit: Limit) -> str:
    return f"{{scope: {limit.scope}, count: {limit.count}, per_s: {limit.per_s:g}}}"


def _per_second(limit: Limit) -> float:
    return limit.count / limit.per_s


def _allowed(limit: Limit, tokens: int) -> int:
    """Return how many requests a limit lets so many tokens make in its window."""
    return limit.count * (tokens if limit.scope == "token" else 1)
