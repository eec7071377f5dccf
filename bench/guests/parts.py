"""The parts of the guests' bench by name: what each measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.guests.figures import of_connects, of_many, of_reconnects
from bench.guests.options import Scale
from bench.guests.round_trips import compare
from bench.guests.runs import NO_LIMITS, SCENARIO, GuestLoad, run_guests
from bench.processes import Cores

Say = Callable[[str], None]
_MINUTE_S = 60
_OF_GUESTS = "[{scope: session, count: 2, per_s: 1}, {scope: connection, count: 60, per_s: 60}]"
"""The limits by which each guest is held in real runs, too: they take memory."""
_ELSEWHERE = "conversation_messages"
_ELSEWHERE_PER_S = 50


def _many(cores: Cores, scale: Scale, say: Say) -> dict[str, Any]:
    """Each guest writes once a minute, to a bot that types and replies."""
    load = GuestLoad(
        scale.many, scale.many / _MINUTE_S, scale.many_s, settings={"limits": _OF_GUESTS}
    )
    return of_many(run_guests(load, cores), scale.many)


def _round_trips(cores: Cores, scale: Scale, say: Say) -> dict[str, Any]:
    return compare(cores, scale.window, scale.pairs, say, has_bot=True)


def _own_copies(cores: Cores, scale: Scale, say: Say) -> dict[str, Any]:
    return compare(cores, scale.window, scale.pairs, say, has_bot=False)


def _reconnects(cores: Cores, scale: Scale, say: Say) -> dict[str, Any]:
    """Each guest writes once a second, and changes its connection every so many messages."""
    load = GuestLoad(
        scale.reconnecting,
        scale.reconnecting,
        scale.reconnecting_s,
        scale.reconnect_every_s,
        settings={"limits": "[]"},
        locustfile="reconnecting_guests.py",
    )
    return of_reconnects(run_guests(load, cores, *NO_LIMITS), scale.reconnecting)


def _connects(cores: Cores, scale: Scale, say: Say) -> dict[str, Any]:
    """Each guest leaves after its message, and comes back as another, while others post."""
    settings = {
        f"scenario.{SCENARIO}.rate": str(scale.connects_per_s),
        f"scenario.{_ELSEWHERE}.rate": str(_ELSEWHERE_PER_S),
    }
    load = GuestLoad(
        scale.connecting,
        scale.connects_per_s + _ELSEWHERE_PER_S,
        scale.connects_s,
        messages_per_guest=1,
        scenarios=(SCENARIO, _ELSEWHERE),
        settings=settings,
    )
    options = *NO_LIMITS, "--bot-delay", "0ms"
    return of_connects(run_guests(load, cores, *options), scale.connecting)


MEASURE: Mapping[str, Callable[[Cores, Scale, Say], dict[str, Any]]] = {
    "many": _many,
    "round_trips": _round_trips,
    "own_copies": _own_copies,
    "reconnects": _reconnects,
    "connects": _connects,
}
