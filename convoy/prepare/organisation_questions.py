"""The questions to an organisation after the login: whose token, which limits, what ids stand for.

They are asked where a scenario's route is of the published definition, which has these operations
as well; a dialect has none of them. What the token may not ask is a warning and no refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from convoy.errors import RefusedError, RemoteError
from convoy.prepare.checklist import Checklist, Status
from convoy.remote.api_client import ApiClient
from convoy.remote.organisation import Organisation, Shown
from convoy.routes.catalogue import ROUTES, Route
from convoy.settings import Settings
from convoy.settings.model import Limit

NAMESPACES = ("platform.api", "messaging", "web.messaging", "conversation")
"""Whose limits concern messages: https://github.com/api-evangelist/genesys, read 2026-11-22."""
_RATES: Mapping[str, tuple[Literal["token", "client"], str]] = {
    "client.credentials.token.rate.per.minute": ("token", "client credentials"),
    "token.rate.per.minute": ("token", "user"),
    "org.app.user.rate.per.minute": ("client", ""),
}
"""The keys of limits on requests, with the scope of each and the kind of token that it is for, ""
for any: transcriptions of the vendor's limits page, read 2026-11-22. The last one is of a client
and a user; the tokens of a client by itself have it together."""
_MINUTE_S = 60.0
_MOST_LISTED = 5
_HIGHEST = 10**9
"""A limit above that, or of nothing, is none that a plan could be compared with."""
_DEPLOYMENT_ID = "deployment_id"
_NO_LIMITS = "400 invalid.value"
_IS_NOT_THERE = ("404 not.found", "400 bad.request", "400 invalid.value")
_NOT_FOUND, _FORBIDDEN = "4xx other", "403 "
_SHOWN_BY = {route.shows: route for route in ROUTES.values() if route.shows}


def most_questions(settings: Settings, routes: Mapping[str, Route]) -> int:
    """Return how many requests of a token's budget `ask` and the guard make at most."""
    published = _published(settings, routes)
    of_token = int(bool(published) or settings.target.approval is not None)
    return of_token + bool(published) * (len(NAMESPACES) + len(_named(settings, published)))


def ask(
    settings: Settings,
    routes: Mapping[str, Route],
    organisation: Organisation,
    checklist: Checklist,
) -> tuple[Limit, ...]:
    """Enter the answers into the checklist, and return the organisation's limits on requests.

    What is asked follows from the scenarios' routes and variables. Whose the token is has been
    asked already where the target has an approval.
    """
    published = _published(settings, routes)
    if not published:
        return ()
    if settings.target.approval is None:
        try:
            checklist.ok("organisation", f"the token is of {organisation.own_token()}")
        except RemoteError as error:
            if not _is_no_operation(error):
                fix = "with a token of a user grant its client the scope user-basic-info"
                checklist.warn("organisation", str(error), fix)
    in_force = _ask_limits(organisation, checklist)
    for (variable, value), scenarios in _named(settings, published).items():
        _ask_named(variable, value, scenarios, organisation, checklist)
    return limits_of(in_force, frozenset(routes[name].token for name in published))


def _published(settings: Settings, routes: Mapping[str, Route]) -> list[str]:
    return [name for name in settings.scenarios if routes[name].is_published]


def _named(settings: Settings, scenarios: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Return the things of the organisation that variables name, each with those scenarios."""
    named: dict[tuple[str, str], list[str]] = {}
    for name in scenarios:
        for variable, value in settings.scenario[name].variables.items():
            if variable in _SHOWN_BY:
                named.setdefault((variable, value), []).append(name)
    return named


def check_deployments(settings: Settings, client: ApiClient) -> str:
    """Raise RefusedError unless guests write to deployments of the token's organisation.

    One host takes the guests of all organisations, and what they send names the deployment alone.
    Where there is no approval nobody asks. Returns what was found, "" for nothing.
    """
    approval, found = settings.target.approval, []
    if approval is None:
        return ""
    of = Organisation(client)
    variables = (settings.scenario[name].variables for name in settings.scenarios)
    named = (each[_DEPLOYMENT_ID] for each in variables if _DEPLOYMENT_ID in each)
    for id in dict.fromkeys(named):
        problem = "another one is shown in its place"
        try:
            shown = of.show(ROUTES["deployment"], {_DEPLOYMENT_ID: id})
            is_its_own = shown.id.casefold() == id.casefold()
        except RemoteError as error:
            problem, is_its_own = str(error), False
        if not is_its_own:
            raise RefusedError(
                f"guests would write to deployment {id!r}, which the token does not see in "
                f"organisation {approval.organisation_id!r} of approval {approval.ticket}: "
                f"{problem}; write one of that organisation into {_DEPLOYMENT_ID} of the "
                f"scenario's variables, or give the client {ROUTES['deployment'].permission}"
            )
        found.append(f"deployment {id}" + f" ({shown.name})" * bool(shown.name))
    return " and ".join(found)


def limits_of(in_force: Mapping[str, int], kinds: frozenset[str]) -> tuple[Limit, ...]:
    """Return the limits on requests among those in force, for tokens of these kinds."""
    return tuple(
        Limit(scope=scope, count=in_force[key], per_s=_MINUTE_S)
        for key, (scope, kind) in _RATES.items()
        if 0 < in_force.get(key, 0) <= _HIGHEST and (not kind or kind in kinds)
    )


def state_of(shown: Shown) -> tuple[Status, str]:
    """Return what the state of a thing means for messages, and that in words.

    The definition has no words for its `status`; the help pages say active and inactive.
    """
    status = shown.status.casefold()
    if shown.made == "Error":
        return Status.FAILURE, "is there, but could not be made (createStatus Error)"
    if status.startswith("inactive"):
        return Status.FAILURE, f"is there, but not active ({shown.status})"
    if shown.made == "Initiated":
        return Status.WARNING, "is there, but still being made (Initiated)"
    if status in ("", "active"):
        return Status.OK, "is there" + " and active" * bool(status)
    return Status.WARNING, f"is there, and its status is {shown.status!r}, whatever that means"


def _ask_limits(organisation: Organisation, checklist: Checklist) -> dict[str, int]:
    found: dict[str, int] = {}
    told, unreadable = [], 0
    for namespace in NAMESPACES:
        try:
            limits, left_out = organisation.limits(namespace)
        except RemoteError as error:
            if error.code == _NO_LIMITS:
                continue  # the namespace has none that the token may see
            if not _is_no_operation(error):
                fix = "with a token of a user grant its client the scope organization:readonly"
                checklist.warn("limits in force", str(error), fix)
            break
        found |= limits
        unreadable += left_out
        if limits:
            each = ", ".join(f"{key} {value:,}" for key, value in sorted(limits.items()))
            told.append(f"{namespace}: {each}")
    if unreadable:
        fix = "compare the settings' limits with those that the organisation has by hand"
        problem = f"{unreadable} of the limits have another form than `key` and `value`"
        checklist.warn("limits in force", problem, fix)
    if told:
        checklist.ok("limits in force", "\n".join(told))
    return found


def _ask_named(
    variable: str,
    value: str,
    scenarios: Iterable[str],
    organisation: Organisation,
    checklist: Checklist,
) -> None:
    what, route = f"{variable} {value!r}", _SHOWN_BY[variable]
    where = ", ".join(f"scenario.{name}.variables" for name in scenarios)
    try:
        shown = organisation.show(route, {variable: value})
    except RemoteError as error:
        if error.code in _IS_NOT_THERE:
            fix = f"write one of this organisation's into {where}"
            fix += _there_are(route, organisation)
            checklist.fail(variable, f"{what} is not there: {error}", fix)
        elif error.code.startswith(_FORBIDDEN):
            fix = f"{route.permission} in a role of the client lets this be checked"
            checklist.warn(variable, f"{what} could not be looked at: {error}", fix)
        elif _is_no_operation(error):
            checklist.ok(variable, f"{what} is not looked at: the target cannot show it")
        else:
            fix = "a canary message shows whether it can be used"
            checklist.warn(variable, f"{what} could not be looked at: {error}", fix)
        return
    status, told = state_of(shown)
    name = f" ({shown.name})" * bool(shown.name)
    if status is Status.OK:
        checklist.ok(variable, f"{what}{name} {told}")
        return
    enter = checklist.fail if status is Status.FAILURE else checklist.warn
    enter(variable, f"{what}{name} {told}", f"activate it, or name another one in {where}")


def _there_are(route: Route, organisation: Organisation) -> str:
    try:
        listed = organisation.listed(route)
    except RemoteError:
        return ""
    more = ", …" * (len(listed) > _MOST_LISTED)
    return f"; there are: {', '.join(listed[:_MOST_LISTED])}{more}" * bool(listed)


def _is_no_operation(error: RemoteError) -> bool:
    """Return whether an address knows no such operation, as a gateway for messages alone."""
    return error.code == _NOT_FOUND
