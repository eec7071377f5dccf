"""The limits of guests: what sessions, connections and deployments allow, beside the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor, inf
from typing import NamedTuple

from convoy.plan.rate_curve import RateCurve
from convoy.prepare.allowance import CONSEQUENCES
from convoy.prepare.checklist import Checklist
from convoy.prepare.scenarios import MESSAGES_PER_GUEST
from convoy.remote.login_turns import apart_s
from convoy.settings import Settings
from convoy.settings.model import Limit
from convoy.settings.rate_shares import split

_AFTER_EACH_MESSAGE = {"typing": 1, "answer": 1}
_OF_EACH_GUEST = {"join": 1, "attachment": 2, "history": 1}
"""Requests of the steps that are chosen, on a guest's connection."""
_CONFIGURE = 1
_ROOM = 1.1
"""For turns that are missed."""


class _Guests(NamedTuple):
    """The guests of a scenario at its highest rate.

    A user writes `each` messages as one guest, inf where it stays the same guest. A message makes
    so many `requests` on the guest's connection; among them is its part of the requests that a
    guest makes once. In a scenario whose messages are drops, `drops` is their rate over time, and a
    user is away for at least `away_s` after each. With its dialogue a message counts as so many
    `messages` by a limit of sessions, and takes at least `lasts_s`.
    """

    scenario: str
    users: int
    rate: float
    each: float
    requests: float
    drops: RateCurve | None = None
    away_s: float = 0.0
    messages: int = 1
    lasts_s: float = 0.0

    @property
    def most_away(self) -> int:
        """How many are away at once, 0 where they do not drop."""
        return self.drops.most_within(self.away_s) if self.drops else 0

    def connections_within(self, window_s: float) -> float:
        """Return how many connections they open at most in such a window, after their first."""
        return self.drops.most_within(window_s) if self.drops else self.rate / self.each * window_s

    def allowed_each(self, limit: Limit) -> float:
        """Return how many messages a second a limit of sessions or connections allows a user.

        The next guest has a connection of its own, so a limit that one does not fill holds nobody.
        """
        each_s = limit.count / limit.per_s
        if limit.scope == "connection" and self.each * self.requests <= limit.count:
            return inf
        return each_s / (self.messages if limit.scope == "session" else self.requests)

    def needed(self, limit: Limit) -> int:
        return ceil(round(self.rate / self.allowed_each(limit), 9))

    @property
    def in_dialogues(self) -> int:
        """How many hold a dialogue at any time, if replies come at once."""
        return ceil(round(self.rate * self.lasts_s, 9))


def check_guests(
    settings: Settings, scenarios: Sequence[str], spawn_rate: float | None, checklist: Checklist
) -> None:
    """Enter what the limits mean for the scenarios whose users are guests, if there are any."""
    if not scenarios:
        return
    for told, fix in _beyond_the_approval(settings, scenarios, spawn_rate):
        checklist.fail("approval", told, fix)
    short = list(guest_shortfalls(settings, scenarios, spawn_rate))
    for told, fix in short:
        checklist.warn("limits of guests", told, fix)
    if not short:
        checklist.ok("limits of guests", guest_line(settings, scenarios))


def guest_line(settings: Settings, scenarios: Sequence[str]) -> str:
    """Return as a line how many guests the rates need, and what those of the run may send."""
    guests = _guests(settings, scenarios)
    lines = [_line(settings, each) for each in guests]
    if settings.target.approval is not None:
        lines.append(
            f"they connect within {_connecting_s(settings, guests):.0f} s, at the approved "
            f"{settings.logins_per_s:g} logins a second"
        )
    return "; ".join(lines)


def _connecting_s(settings: Settings, guests: Iterable[_Guests]) -> float:
    """Return how long all guests take at least to connect, at the approved rate of logins."""
    return sum(each.users for each in guests) * apart_s(settings.logins_per_s)


def _beyond_the_approval(
    settings: Settings, scenarios: Sequence[str], spawn_rate: float | None
) -> Iterator[tuple[str, str]]:
    """Yield what the approved rate of logins has no room for: guests take one each to connect."""
    approval, guests = settings.target.approval, _guests(settings, scenarios)
    if approval is None:
        return
    needed_s, most_s = _connecting_s(settings, guests), 1 / apart_s(settings.logins_per_s)
    allowed = (
        f"and approval {approval.ticket} allows {settings.logins_per_s:g} logins a second, each "
        "second taken a tenth longer"
    )
    has_s = settings.prepare_timeout_s + (settings.users / spawn_rate if spawn_rate else 0.0)
    if needed_s > has_s:
        users = sum(each.users for each in guests)
        told = f"{_count(users)} take {needed_s:.0f} s to connect, {allowed}"
        more = f"--set prepare_timeout_s={ceil(needed_s * _ROOM)}"
        yield told, f"write {more}, or fewer users, or have more approved"
    if not settings.is_scheduled:
        return
    # Whoever dropped has to be back while its message may take, or it fails by our own doing.
    within_s = settings.request_timeout_s
    again = sum(each.connections_within(within_s) for each in guests) / within_s
    if again > most_s:
        busiest = max(guests, key=lambda each: each.connections_within(within_s))
        if busiest.drops:
            told = f"guests come back {again * within_s:.4g} times in {within_s:g} s, {allowed}"
            yield told, "let fewer drop in that time, or have more approved"
            return
        told = f"users begin as another guest {again:.4g} times a second, {allowed}"
        many = f'variables.{MESSAGES_PER_GUEST}="{ceil(busiest.each * again / most_s)}"'
        yield told, f"write --set 'scenario.{busiest.scenario}.{many}', or have more approved"


def guest_shortfalls(
    settings: Settings, scenarios: Sequence[str], spawn_rate: float | None = None
) -> Iterator[tuple[str, str]]:
    """Yield each effect of the limits on guests and a remedy; nothing where they suffice.

    `spawn_rate` is in users per second, None for all at once.
    """
    guests = _guests(settings, scenarios)
    if settings.is_flat_out and _own(settings):
        told = (
            "the limits of guests will hold rate: max back, and a run that waited for them is "
            "invalid"
        )
        yield told, "--set limits=[] takes them away"
    for each in guests if settings.is_scheduled else ():
        if each.drops:
            yield from _too_few_to_drop(settings, each)
            continue
        slowest = min(_own(settings), key=each.allowed_each, default=None)
        if slowest is not None and each.needed(slowest) > each.users:
            yield _too_few(settings, each, slowest)
        elif each.in_dialogues > each.users:
            yield _too_long(settings, each)
    for limit in settings.limits:
        if limit.scope == "deployment":
            yield from _too_many_connections(settings, guests, limit, spawn_rate)


def _guests(settings: Settings, scenarios: Iterable[str]) -> list[_Guests]:
    curves = settings.curves()
    # Closed arrivals need no rate.
    highest = {name: curve.highest_rate or 1.0 for name, curve in curves.items()}
    users, found = split(settings.users, highest), []
    for name in scenarios:
        rule = settings.scenario[name]
        each = float(rule.variables.get(MESSAGES_PER_GUEST, inf))
        once = _CONFIGURE + sum(_OF_EACH_GUEST.get(step, 0) for step in rule.steps)
        requests = 1 + sum(_AFTER_EACH_MESSAGE.get(step, 0) for step in rule.steps) + once / each
        guests = _Guests(name, users[name], highest[name], each, requests)
        if rule.reconnect is not None:
            guests = guests._replace(drops=curves[name], away_s=rule.reconnect.wait_s)
        if (longest := rule.longest_dialogue) is not None:
            guests = guests._replace(
                requests=requests + longest.requests,
                messages=1 + longest.messages,
                lasts_s=longest.lasts_s,
            )
        found.append(guests)
    return found


def _own(settings: Settings) -> list[Limit]:
    return [limit for limit in settings.limits if limit.scope in ("session", "connection")]


def _line(settings: Settings, guests: _Guests) -> str:
    if guests.drops and settings.is_scheduled:
        away = f"at most {_count(guests.most_away)} drop within {guests.away_s:g} s"
        return f"{guests.scenario}: {away}, you have {guests.users:,}"
    own = _own(settings)
    allowed = min(map(guests.allowed_each, own), default=inf)
    may_send = "as much as they can"
    if own and settings.on_limit == "obey":
        may_send = f"{allowed * guests.users:.4g} messages a second"
    needed = "no rate is asked for"
    if settings.is_scheduled:
        count = max((guests.in_dialogues, *(guests.needed(limit) for limit in own)), default=1) or 1
        needed = f"{guests.rate:g} messages/s need {_count(count)}"
    return f"{guests.scenario}: {needed}, you have {guests.users:,}, which may send {may_send}"


def _too_few(settings: Settings, guests: _Guests, limit: Limit) -> tuple[str, str]:
    needed, allowed = guests.needed(limit), guests.allowed_each(limit)
    beside, consequence = "", CONSEQUENCES[settings.on_limit]
    if guests.messages > 1 and settings.on_limit == "obey":
        consequence += " or target"  # who waits in a dialogue is no free user
    if limit.scope == "session" and guests.messages > 1:
        beside = f", at {guests.messages} messages of the longest dialogue"
    if limit.scope == "connection":
        beside = f", at {guests.requests:.3g} requests a message with its steps"
    told = (
        f"{guests.scenario}: {guests.rate:g} messages/s need {_count(needed)}, you have "
        f"{guests.users:,}: the limit of {_said(limit)} allows each {allowed:.3g} a second"
        f"{beside}: {consequence}"
    )
    numbers = [f"-u {ceil(settings.users * needed / max(guests.users, 1))}"]
    if settings.stages is None and settings.own_rates() == {guests.scenario: None}:
        numbers.append(f"--rate {floor(allowed * guests.users * 100) / 100:g}")
    return told, f"write {' or '.join(numbers)}"


def _too_few_to_drop(settings: Settings, guests: _Guests) -> Iterator[tuple[str, str]]:
    needed = guests.most_away
    if needed > guests.users:
        told = (
            f"{guests.scenario}: {_count(needed)} are to drop within {guests.away_s:g} s, before "
            f"which none is back, and you have {guests.users:,}: messages will not be sent"
        )
        users = ceil(settings.users * needed / max(guests.users, 1))
        yield told, f"write -u {users}, or let fewer drop at once"


def _too_long(settings: Settings, guests: _Guests) -> tuple[str, str]:
    told = (
        f"{guests.scenario}: {guests.rate:g} messages/s need {_count(guests.in_dialogues)}, "
        f"you have {guests.users:,}: the longest dialogue takes {guests.lasts_s:.3g} s at least, "
        "replies not counted: messages will be late or not sent by cause target"
    )
    users = ceil(settings.users * guests.in_dialogues / max(guests.users, 1))
    return told, f"write -u {users}, with room for replies, or lower the rate"


def _too_many_connections(
    settings: Settings, guests: Sequence[_Guests], limit: Limit, spawn_rate: float | None
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong where more guests come within the limit's window than it allows.

    Users connect when they begin, and again each time they begin as another guest.
    """
    users = sum(each.users for each in guests)
    begin = users if spawn_rate is None else min(users, ceil(spawn_rate * limit.per_s))
    if begin > limit.count:
        told = (
            f"{begin:,} guests begin within {limit.per_s:g} s, and the limit of {_said(limit)} is "
            "on their connections: the start will take longer, or fail"
        )
        yield told, f"write -r {floor(limit.count / limit.per_s * 100) / 100:g}"
    if not settings.is_scheduled:
        return
    lasts_s = min(limit.per_s, settings.warm_up_s + settings.duration_s)
    again = sum(each.connections_within(lasts_s) for each in guests)
    if again > limit.count:
        busiest = max(guests, key=lambda each: each.connections_within(lasts_s))
        do = "come back" if busiest.drops else "begin as another guest"
        told = (
            f"users {do} {ceil(again):,} times in {lasts_s:g} s, and the limit of {_said(limit)} "
            f"is on their connections: {CONSEQUENCES[settings.on_limit]}"
        )
        if busiest.drops:
            yield told, "let fewer drop in that time"
            return
        name, many = busiest.scenario, ceil(busiest.each * again / limit.count)
        yield told, f"write --set 'scenario.{name}.variables.{MESSAGES_PER_GUEST}=\"{many}\"'"


def _said(limit: Limit) -> str:
    return f"{limit.count:,} per {limit.per_s:g} s by {limit.scope}"


def _count(guests: int) -> str:
    return f"{guests:,} guest{'s' * (guests != 1)}"
