"""The guard: load goes to this machine, to a Convoy simulator, or where its vendor has approved it.

The vendor asks for prior approval of every automated test
(https://jp-help.mypurecloud.com/faqs/can-customers-perform-automated-testing-such-as-load-or-stress-testing-of-genesys-cloud,
read 2026-11-22), so any other target whose file has none is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil, floor, inf
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from convoy.errors import Fault, RefusedError, SettingsError, did_you_mean
from convoy.plan.lanes import LANES, numbers_between
from convoy.prepare.checklist import Checklist
from convoy.prepare.machine import check_machine, files_per_user
from convoy.prepare.message_counts import requests_planned
from convoy.remote.addresses import Admission
from convoy.remote.api_client import ApiClient
from convoy.remote.organisation import Organisation, OwnToken
from convoy.remote.proxies import proxy_to
from convoy.remote.simulator import is_convoy_simulator
from convoy.routes.regions import REGIONS, region_of
from convoy.secrets import Secret
from convoy.settings import Origin, Settings
from convoy.settings.environment import SIMULATOR_KEY
from convoy.settings.model import Target, Window
from convoy.settings.origin import is_certainly_loopback, is_loopback
from convoy.settings.values import LONGEST_S, MOST_USERS

_POISSON = 0.8
"""A Poisson plan keeps so far below the highest rate."""
_ROUNDING = 1e-12
"""Sums of rates may be this part too high."""

Resolve = Callable[[str], Sequence[str]]
"""Takes a host name, returns its addresses; raises OSError."""


class IsSimulator(Protocol):
    """Tells whether a simulator with a key answers at an address."""

    def __call__(self, url: str, key: Secret, *, admission: Admission) -> bool: ...


def addresses_of(host: str) -> list[str]:
    """Return the addresses a host name stands for; raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None)]


def check_target(
    settings: Settings,
    admission: Admission,
    key: Secret | None = None,
    *,
    resolve: Resolve = addresses_of,
    is_simulator: IsSimulator = is_convoy_simulator,
) -> str:
    """Raise RefusedError unless load may go to all addresses of the target.

    With an approval they only have to be encrypted and to fit its region, and what they say of that
    is returned, "" otherwise. A simulator on another machine has to prove that it was started with
    `key`, at each address that its name stands for, and these get the `admission`. A target behind
    a proxy does not count as this machine, because the proxy resolves its name.
    """
    if settings.target.approval is not None:
        _check_encrypted(settings.target)
        return check_region(settings)
    for url in settings.target.urls:
        origin = Origin.parse(url)
        proxy = proxy_to(origin)
        found = _resolved(origin if proxy is None else proxy.origin, resolve)
        if proxy is None and found and all(map(is_loopback, found)):
            continue
        if key is not None and found:
            # One of them says nothing of the others: a name stands for whatever its owner writes.
            each_of = (Admission(only=address) for address in dict.fromkeys(found))
            if all(is_simulator(url, key, admission=only) for only in each_of):
                admission.admit(found)
                continue
        raise RefusedError(
            f"target {settings.target.name!r} ({url}) is neither this machine nor, at each of its "
            f"addresses, a simulator that has the key of {SIMULATOR_KEY}; to load it, its target "
            "file needs an approval with ticket, organisation_id and highest_rate"
        )
    return ""


_HOSTS = {"api_url": "api", "login_url": "login", "messaging_url": "webmessaging"}
"""What the host of each address begins with in every region."""


def _check_encrypted(target: Target) -> None:
    """Raise RefusedError where credentials would leave this machine in clear."""
    for setting, url in zip(_HOSTS, target.addresses, strict=True):
        if (origin := Origin.parse(url)).is_https or is_certainly_loopback(origin.host):
            continue
        raise RefusedError(
            f"{setting} of target {target.name!r} is {url}, by which credentials and messages "
            "would leave this machine in clear; write https://"
        )


def check_region(settings: Settings) -> str:
    """Return what the addresses say of the approved region, "" where none is named.

    Raises RefusedError for an address that is a host of Genesys Cloud, but not the one of that
    region, and for a region that is not known. Other names, a gateway's or this machine's, are not
    compared.
    """
    target = settings.target
    if target.approval is None or target.approval.region is None:
        return ""
    region, foreign = target.approval.region, []
    for setting, first in _HOSTS.items():
        url = getattr(target, setting)
        if url is None:
            continue
        host = Origin.parse(url).host.rstrip(".")  # a name with the root's dot is the same one
        found = region_of(host)
        if not found:
            foreign.append(host)
        elif region not in REGIONS or host != f"{first}.{REGIONS[region]}":
            there = f", whose host is {first}.{REGIONS[region]}" if region in REGIONS else ""
            raise RefusedError(
                f"{setting} is {url}, of region {found}, but approval {target.approval.ticket} of "
                f"target {target.name} is for region {region}{there}; correct the one that is "
                "wrong in the target's file"
            )
    if region not in REGIONS:
        raise RefusedError(
            f"approval {target.approval.ticket} of target {target.name} is for region {region!r}, "
            f"which is none of Genesys Cloud that is known{did_you_mean(region, REGIONS)}; correct "
            "it in the target's file, or leave `region` out where it is newer than that"
        )
    if foreign:
        hosts = " and ".join(dict.fromkeys(foreign))
        return f"{region} is approved; {hosts} is no host of a region, and is not compared"
    return f"the hosts are of {region}, as was approved"


def check_own_targets(settings: Settings, own: Iterable[Settings]) -> None:
    """Raise RefusedError unless what a master sent stands in settings of our own, too.

    That is target, approval, whom to trust there (`ca_file`), and headers whose values are kept on
    this machine: credentials and secrets of this process go nowhere else.
    """

    def compared(target: Target) -> tuple[object, ...]:
        return (*target.addresses, target.approval, target.ca_file)

    asked = settings.target
    kept = {each for each in settings.headers.items() if not isinstance(each[1], str)}
    for each in own:
        if compared(each.target) == compared(asked) and kept <= {*each.headers.items()}:
            return
    headers = f" and the headers {', '.join(name for name, _ in kept)}" * bool(kept)
    raise RefusedError(
        f"no target file of this worker has target {asked.name!r} at {asked.api_url} with login "
        f"host {asked.login_url}, guests at {asked.addresses[2]}, the same approval and "
        f"ca_file{headers}, so that its credentials do not go there; put the master's target file "
        "into its config/targets, or name it with --target or -H"
    )


def check_plan(settings: Settings) -> None:
    """Raise RefusedError, with the number to write, unless the plan keeps to the target's approval.

    A schedule keeps its rate; without one only the pauses of the users can keep the approved one.
    What the chosen steps send counts as messages do, because the pace holds it back as well.
    """
    approval, users, pause_s = settings.target.approval, settings.users, settings.think_time_s
    if approval is None:
        return
    if approval.highest_users is not None and users > approval.highest_users:
        allowed = f"{approval.highest_users} users at most"
        raise _beyond(settings, f"{users} users", allowed, f"write -u {approval.highest_users}")
    logins, approved = settings.oauth.logins_per_s, approval.most_logins_per_s
    if logins is not None and logins > approved:
        change = f"write {approved:.10g} or less"
        allowed = f"{approved:.10g} logins per second at most"
        raise _beyond(settings, f"oauth.logins_per_s is {logins:.10g}", allowed, change)
    if settings.is_flat_out:
        change = f"write --rate {_most(settings, approval.highest_rate)}"
        raise _too_fast(settings, "rate is max", approval.highest_rate, change)
    if settings.is_scheduled:
        check_rate(settings)
    elif (least_s := users * settings.requests_per_message / approval.highest_rate) > pause_s:
        # Rounded up, because a pause rounded down would be refused again.
        needed_s = ceil(least_s * 1000) / 1000
        change = f"write --set think_time_s={needed_s:.10g}, or fewer users"
        wanted = f"{users} users{_with_steps(settings)} pause for {pause_s:.10g} s"
        raise _too_fast(settings, wanted, approval.highest_rate, change)


def check_processes(settings: Settings, processes: int) -> None:
    """Raise RefusedError unless so many processes can each send their part of the plan.

    Each may send its part of what the approval allows in a second, in whole messages.
    """
    approval = settings.target.approval
    if approval is None or processes < 2:
        return
    most, highest = approval.most_per_s, approval.highest_rate
    parts = []
    for first in range(processes):
        lanes = range(first, LANES, processes)
        permits = sum(numbers_between(lane, 0, most) for lane in lanes)
        parts.append(permits)
        highest = min(highest, permits * LANES / len(lanes))
    # Without a schedule each sends what it may, and the rest later.
    rate = settings.highest_request_rate if settings.is_scheduled else 0.0
    if _is_above(rate, highest) or not highest:
        most_rate = floor(highest / settings.requests_per_message * 100) / 100
        slower = f"write --rate {most_rate:.10g} or less, or use fewer workers"
        change = slower if highest else f"use {most} workers at most"
        wanted = (
            f"{processes} workers share {most} messages per second as {max(parts)} to {min(parts)}"
            f", too few for their parts of {rate:.10g}"
        )
        raise _too_fast(settings, wanted, approval.highest_rate, change)


def check_spawn_rate(users: int, spawn_rate: float | None) -> None:
    """Raise SettingsError for a rate, in users per second, by which they begin for weeks."""
    if spawn_rate and users > spawn_rate * LONGEST_S:
        problem = (
            f"is {spawn_rate:g} users a second, by which {users} users would take more than "
            f"{LONGEST_S // 3600} hours to begin; write a higher one"
        )
        raise SettingsError([Fault("--spawn-rate", problem)])


def check_users(
    settings: Settings, users: int, processes: int, guests: Collection[str] = ()
) -> None:
    """Raise RefusedError unless a run may go on with so many users, as it might have begun.

    The users of the scenarios in `guests` are guests of web messaging.
    """
    if users > MOST_USERS:
        raise RefusedError(f"users are {users:,}, but should be at most {MOST_USERS:,}")
    checklist = Checklist()
    check_machine(users, processes, checklist, files_per_user(settings, guests))
    checklist.refuse_if_failed()
    check_plan(settings.model_copy(update={"users": users}))


def check_rate(settings: Settings) -> None:
    """Raise RefusedError unless the target's approval allows so many requests per second."""
    approval = settings.target.approval
    if approval is None:
        return
    rate, requests = settings.highest_rate, settings.highest_request_rate
    highest, wanted = approval.highest_rate, f"rate is {rate:.10g}"
    if settings.arrivals == "poisson":
        # Of a Poisson process some seconds have far more than the mean.
        highest, wanted = _POISSON * highest, f"{wanted} on average, and arrivals are poisson"
    if _is_above(requests, highest):
        if steps := _with_steps(settings):
            wanted += f", which{steps} makes {requests:.10g} requests per second"
        raise _too_fast(settings, wanted, highest, f"write {_most(settings, highest)} or less")


def check_total(settings: Settings, planned: Mapping[str, int] | None, beside: int = 0) -> None:
    """Raise RefusedError unless the approval allows so many messages, and what their steps send.

    `planned` counts the messages of each scenario, None where nobody knows; `beside` is how many
    leave besides.
    """
    approval = settings.target.approval
    if approval is None or approval.highest_total is None:
        return
    most = approval.highest_total
    allowed = f"{most} messages at most in a run"
    if planned is None:
        change = "give their number with --set messages=N, for each scenario"
        raise _beyond(settings, "nothing is scheduled, so the run has no end", allowed, change)
    requests = requests_planned(settings, planned)
    if requests + beside <= most:
        return
    change = "lower the rate, or -t"
    lasts_s = floor(settings.duration_s * max(0, most - beside) / (requests or 1))
    if settings.is_scheduled and settings.stages is None and lasts_s:
        change = f"lower the rate, or write -t {lasts_s}s"
    wanted = f"{requests + beside} messages{_with_steps(settings)}"
    raise _beyond(settings, wanted, allowed, change)


def check_window(settings: Settings, now_s: float, lasts_s: float) -> None:
    """Raise RefusedError unless so much time of load fits into the window of the approval.

    `now_s` is in seconds since 1970.
    """
    approval = settings.target.approval
    if approval is None or approval.window is None:
        return
    window = approval.window
    from_s, to_s = window_of(settings)
    allowed = f"load from {window['from']} to {window['to']} ({window['zone']})"
    if to_s <= from_s:
        raise _beyond(settings, "the window ends before it begins", allowed, "mend its dates")
    if now_s < from_s:
        raise _beyond(settings, "the window has not begun", allowed, "start the run then")
    if now_s >= to_s:
        raise _beyond(settings, "the window is over", allowed, "agree on another one")
    if now_s + lasts_s > to_s:
        left_s = floor(to_s - now_s - settings.warm_up_s)
        wanted = f"the run takes {lasts_s:.10g} s, and the window is over in {to_s - now_s:.0f} s"
        raise _beyond(settings, wanted, allowed, f"write -t {max(1, left_s)}s, or start earlier")


def window_of(settings: Settings) -> tuple[float, float]:
    """Return from when to when the approval lets load be sent, in seconds since 1970."""
    approval = settings.target.approval
    if approval is None or approval.window is None:
        return -inf, inf
    return _epoch_s(approval.window, "from"), _epoch_s(approval.window, "to")


def check_organisation(settings: Settings, organisation_id: str) -> None:
    """Raise RefusedError unless a token is of the organisation that the approval is for."""
    approval = settings.target.approval
    if approval is not None and organisation_id != approval.organisation_id:
        raise RefusedError(
            f"the token is of organisation {organisation_id!r}, but approval {approval.ticket} of "
            f"target {settings.target.name} is for {approval.organisation_id!r}; use the "
            "credentials of that organisation, or the target file of this one"
        )


def check_token(settings: Settings, client: ApiClient) -> OwnToken:
    """Ask whose a token is, and return that; raises as `check_organisation`.

    Raises RemoteError where there is no answer.
    """
    found = Organisation(client).own_token()
    check_organisation(settings, found.organisation_id)
    return found


def _epoch_s(window: Window, end: Literal["from", "to"]) -> float:
    local = datetime.fromisoformat(window[end]).replace(tzinfo=ZoneInfo(window["zone"]))
    # In the night in which clocks are changed a moment may come twice, or not at all: the window is
    # what it is by both readings.
    readings = (local.replace(fold=fold).timestamp() for fold in (0, 1))
    return max(readings) if end == "from" else min(readings)


def _with_steps(settings: Settings) -> str:
    """Return the steps of the run as a part of a sentence, "" where there are none."""
    steps = [
        f"{name}/{step}" for name in settings.scenarios for step in settings.scenario[name].steps
    ]
    dialogues = any(settings.scenario[name].longest_dialogue for name in settings.scenarios)
    told = ["the dialogues"] * dialogues + [f"the steps {', '.join(steps)}"] * bool(steps)
    return f" with what {' and '.join(told)} send" if told else ""


def _is_above(rate: float, highest: float) -> bool:
    return rate > highest * (1 + _ROUNDING)


def _most(settings: Settings, highest: float) -> str:
    """Return the highest rate of messages that keeps to one of requests, as it is to be written."""
    most = highest / settings.requests_per_message
    written = f"{most:.10g}"
    if most == highest and float(written) <= highest:
        return written
    # Rounded down, because a rate rounded up would be refused again.
    return f"{floor(most * 100) / 100 or most * 0.99:.10g}"


def _too_fast(settings: Settings, wanted: str, highest: float, change: str) -> RefusedError:
    return _beyond(settings, wanted, f"{highest:.10g} messages per second at most", change)


def _beyond(settings: Settings, wanted: str, allowed: str, change: str) -> RefusedError:
    approval = settings.target.approval
    assert approval is not None
    return RefusedError(
        f"{wanted}, but approval {approval.ticket} of target {settings.target.name} allows "
        f"{allowed}; {change}, or have more approved"
    )


def _resolved(origin: Origin, resolve: Resolve) -> Sequence[str]:
    try:
        return resolve(origin.host)
    except OSError as error:
        raise RefusedError(
            f"the name {origin.host!r} of {origin.url} cannot be resolved ({error}); check the "
            "target's address"
        ) from error
