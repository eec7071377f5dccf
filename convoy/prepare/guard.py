"""The guard: load goes to this machine, to a Convoy simulator, or where its vendor has approved it.

The vendor asks for prior approval of every automated test
(https://jp-help.mypurecloud.com/faqs/can-customers-perform-automated-testing-such-as-load-or-stress-testing-of-genesys-cloud,
read 2026-11-22), so a target file without one is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from math import ceil

from convoy.errors import RefusedError
from convoy.remote.discovery import is_convoy_simulator
from convoy.remote.proxies import proxy_to
from convoy.settings import Origin, Settings
from convoy.settings.model import Approval
from convoy.settings.origin import is_loopback

Resolve = Callable[[str], Sequence[str]]
"""Takes a host name, returns its addresses; raises OSError."""

IsSimulator = Callable[[str], bool]
"""Tells whether a simulator answers at an address."""


def addresses_of(host: str) -> list[str]:
    """Return the addresses a host name stands for; raises OSError."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None)]


def check_target(
    settings: Settings,
    *,
    resolve: Resolve = addresses_of,
    is_simulator: IsSimulator = is_convoy_simulator,
) -> None:
    """Raise RefusedError unless load may go to both addresses of the target.

    A target behind a proxy does not count as this machine, because the proxy resolves its name.
    """
    if settings.target.approval is not None:
        return
    for url in dict.fromkeys((settings.target.api_url, settings.target.login_url)):
        origin = Origin.parse(url)
        is_here = proxy_to(origin) is None and _is_here(origin, resolve)
        if not is_here and not is_simulator(url):
            raise RefusedError(
                f"target {settings.target.name!r} ({url}) is neither this machine nor a Convoy "
                "simulator; to load it, its target file needs an approval with ticket, "
                "organisation_id and highest_rate"
            )


def check_plan(settings: Settings) -> None:
    """Raise RefusedError, with the number to write, unless the plan keeps to the target's approval.

    A schedule keeps its rate; without one only the pauses of the users can keep the approved one.
    """
    approval, users, pause_s = settings.target.approval, settings.users, settings.think_time_s
    if approval is None:
        return
    if settings.is_flat_out:
        raise _beyond(
            settings, approval, "rate is max", f"write --rate {approval.highest_rate:.10g}"
        )
    if settings.is_scheduled:
        check_rate(settings, settings.highest_rate)
    elif users / approval.highest_rate > pause_s:
        # Rounded up, because a pause rounded down would be refused again.
        needed_s = ceil(users / approval.highest_rate * 1000) / 1000
        change = f"write --set think_time_s={needed_s:.10g}, or fewer users"
        raise _beyond(settings, approval, f"{users} users pause for {pause_s:.10g} s", change)


def check_rate(settings: Settings, rate: float) -> None:
    """Raise RefusedError unless the target's approval allows so many messages per second."""
    approval = settings.target.approval
    if approval is not None and rate > approval.highest_rate:
        change = f"write {approval.highest_rate:.10g} or less"
        raise _beyond(settings, approval, f"rate is {rate:.10g}", change)


def _beyond(settings: Settings, approval: Approval, wanted: str, change: str) -> RefusedError:
    return RefusedError(
        f"{wanted}, but approval {approval.ticket} of target {settings.target.name} allows "
        f"{approval.highest_rate:.10g} messages per second at most; {change}, or have more approved"
    )


def _is_here(origin: Origin, resolve: Resolve) -> bool:
    try:
        addresses = resolve(origin.host)
    except OSError as error:
        raise RefusedError(
            f"the name {origin.host!r} of {origin.url} cannot be resolved ({error}); check the "
            "target's address"
        ) from error
    return bool(addresses) and all(map(is_loopback, addresses))
