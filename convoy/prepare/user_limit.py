"""The limit of a user: what all tokens of one person may do together, compared with the plan."""

from __future__ import annotations

from collections.abc import Iterable

from convoy.settings import Settings
from convoy.settings.model import Limit

_OF_A_USER = Limit(scope="client", count=3_000, per_s=60)
"""`org.app.user.rate.per.minute`, by transcriptions of the limits page and an employee in
https://community.genesys.com/discussion/rate-limits-for-data-actions-within-the-architect-flows
(read 2026-11-22); an answer of 2025-03 says 300."""


def user_shortfall(
    settings: Settings, scenarios: Iterable[str], *, has_one_token: bool
) -> tuple[str, str] | None:
    """Return what the scenarios that write as a user lack, and a remedy; None where they may.

    All of them write as the same user; where he `has_one_token`, they share that, too.
    """
    names = list(scenarios)
    if not names or not settings.is_scheduled:
        return None
    stages = settings.stages_by_scenario()
    # The shares of a rate are highest together, and a scenario's own rate is constant.
    highest = sum(
        settings.requests_each(name) * max(max(each[:2]) for each in stages[name]) for name in names
    )
    of_token = [each for each in settings.limits if each.scope == "token"]
    lasts_s = settings.warm_up_s + settings.duration_s
    for limit, whose, remedy in (
        (
            _OF_A_USER,
            "all tokens of a user",
            "lower the rate of the scenarios that write as a user",
        ),
        *((each, "CONVOY_USER_TOKEN", "give CONVOY_REFRESH_TOKEN instead") for each in of_token),
    ):
        is_meant = limit is _OF_A_USER or has_one_token
        if is_meant and highest * min(limit.per_s, lasts_s) > limit.count:
            return (
                f"{', '.join(names)} would make {highest:g} requests a second, steps included, and "
                f"{whose} may make {limit.count:,} in {limit.per_s:g} s",
                remedy,
            )
    return None
