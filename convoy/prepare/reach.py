"""The way to the target: name, connection, certificate and clock of its addresses, and guests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from convoy.errors import RemoteError, WireError
from convoy.prepare.checklist import Checklist
from convoy.remote.connection import Connection
from convoy.remote.connections import Connections
from convoy.remote.guest_session import GuestSession
from convoy.remote.guests import Guests
from convoy.remote.http import OF_ALL, Answer, request_of
from convoy.remote.limits import http_date_s
from convoy.remote.proxies import Proxy, proxy_to
from convoy.remote.transport import Sends
from convoy.routes.codes import UPGRADE_REFUSED, advice
from convoy.settings import Origin

_LONGEST_S = 10.0
_CLOCK_TOLERANCE_S = 5.0
_CERTIFICATE_WARNING_DAYS = 14
_DAY_S = 86_400.0
_STAGE_BY_CODE = {"dns": "DNS", "proxy": "proxy", "connection refused": "TCP", "tls": "TLS"}
_NO_GUESTS = {UPGRADE_REFUSED, "guest 400", "guest 401", "guest 403", "guest 404", "4xx other"}
"""With these every guest is refused; anything else may be another at the next attempt."""


def check_way(
    url: str,
    connections: Connections,
    timeout_s: float,
    checklist: Checklist,
    *,
    wall_clock: Callable[[], float] = time.time,
) -> None:
    """Request `/` below an address, without a token, and enter which stages it passed.

    The connection is made like those of messages. Any HTTP answer is sufficient, because login and
    canary messages check the API itself.
    """
    origin = Origin.parse(url)
    way = _way(origin, proxy_to(origin))
    transport = connections.open_transport(origin, Sends.QUESTIONS)
    asked_s = wall_clock()
    failure: WireError | None = None
    try:
        deadline_s = connections.clock() + min(timeout_s, _LONGEST_S)
        answer = transport.exchange(request_of("GET", origin, "/", OF_ALL), deadline_s)
    except WireError as error:
        failure = error
    finally:
        transport.close()
    failed = "" if failure is None else _failed_stage(way, failure)
    for stage, told in way.items():
        if failure is not None and stage == failed:
            meant = advice(failure.code)
            # A missing answer may be temporary; a connection that cannot be made is a failure.
            enter = checklist.warn if stage == "HTTP" else checklist.fail
            enter(stage, f"{origin.url}: {failure}. {meant.cause}", meant.change)
            return
        checklist.ok(stage, told)
    connection = cast(Connection, transport.connection)  # that of the answer
    _check_certificate(origin, connection.certificate_ends_s, wall_clock(), checklist)
    _check_clock(origin, answer, (asked_s + wall_clock()) / 2, checklist)


def check_way_of_guests(guests: Guests, checklist: Checklist) -> None:
    """Begin one guest's session and leave it, without a message; enter whether it was let in."""
    session, check = GuestSession(guests, lambda event, received_s: None), "guests"
    where = f"deployment {guests.deployment.id} at {guests.deployment.host.url}"
    try:
        with checklist.waiting(where, guests.timeout_s):
            session.open()
    except RemoteError as error:
        meant = advice(error.code)
        enter = checklist.fail if error.code in _NO_GUESTS else checklist.warn
        enter(check, f"{where}: {error}. {meant.cause}", meant.change)
    else:
        checklist.ok(check, f"{where} takes guests")
    finally:
        session.close()


def _way(origin: Origin, proxy: Proxy | None) -> dict[str, str]:
    """Return the stages of a request, and what an answer shows of each.

    Behind a proxy DNS and TCP are the proxy's own.
    """
    if proxy is not None:
        way = {"proxy": f"{proxy.origin.url} is on the way to {origin.authority}"}
    else:
        way = {
            "DNS": f"{origin.host} has an address",
            "TCP": f"{origin.host}:{origin.port} takes connections",
        }
    if origin.is_https:
        way["TLS"] = f"the certificate is trusted and is {origin.host}'s"
    return way | {"HTTP": f"{origin.url} answers"}


def _failed_stage(way: dict[str, str], failure: WireError) -> str:
    first = "TCP" if "TCP" in way else list(way)[-2]
    return _STAGE_BY_CODE.get(failure.code, first if failure.sent_s is None else "HTTP")


def _check_certificate(
    origin: Origin, ends_s: float | None, now_s: float, checklist: Checklist
) -> None:
    if ends_s is not None and ends_s - now_s < _CERTIFICATE_WARNING_DAYS * _DAY_S:
        ends = datetime.fromtimestamp(ends_s, UTC)
        told = f"the certificate of {origin.host} ends on {ends:%Y-%m-%d %H:%M} UTC"
        checklist.warn("TLS", told, "have it renewed before a long run")


def _check_clock(origin: Origin, answer: Answer, now_s: float, checklist: Checklist) -> None:
    its_s = http_date_s(answer.headers.get(b"date", b""))
    if its_s is None:
        checklist.ok("clock", f"{origin.url} does not tell its time")
        return
    ahead_s = now_s - its_s
    if abs(ahead_s) <= _CLOCK_TOLERANCE_S:
        checklist.ok("clock", f"this machine and {origin.host} agree")
        return
    word = "ahead of" if ahead_s > 0 else "behind"
    checklist.warn(
        "clock",
        f"this machine is {abs(ahead_s):.0f} s {word} {origin.host}; figures cannot be compared "
        "with the target's logs by their time",
        "set the clock by NTP",
    )
