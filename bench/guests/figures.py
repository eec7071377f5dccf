"""What a run of guests comes to: memory, lost and doubled messages, lateness, leftovers."""

from __future__ import annotations

from typing import Any

from bench.guests.runs import SCENARIO, GuestRun


def of_many(run: GuestRun, guests: int) -> dict[str, Any]:
    """Return what guests took: memory in KiB each, with and without what the process has alone."""
    peak_mib = run.left["peak_mib"]
    return {
        "guests": guests,
        "kib_per_guest": round((peak_mib - run.left["mib_before"]) * 1024 / guests, 1),
        "kib_per_guest_with_all": round(peak_mib * 1024 / guests, 1),
        **_of_messages(run),
        **_of_the_far_side(run),
    }


def of_reconnects(run: GuestRun, guests: int) -> dict[str, Any]:
    """Return what became of the messages over so many reconnects, and what the process left."""
    steps = run.summary["scenarios"][SCENARIO]["steps"]
    return {
        "guests": guests,
        "reconnects": steps["configure"]["count"],
        "disturbances": dict(steps["disturbance"]["errors"]),
        **_of_messages(run),
        **_of_the_far_side(run),
        "greenlets_left": run.left["greenlets"],
        "sockets_left": run.left["sockets"],
    }


def of_connects(run: GuestRun, guests: int) -> dict[str, Any]:
    """Return how many connections were set up a second, and the messages that were late by it."""
    scenarios = run.summary["scenarios"]
    connects = scenarios[SCENARIO]["steps"]["connect"]
    return {
        "guests": guests,
        "connects": connects["count"],
        "failed": sum(connects["errors"].values()),
        "per_s": round(connects["count"] / run.summary["duration_s"], 1),
        "connect_ms": connects["time_ms"],
        "late": {name: sum(each["late"].values()) for name, each in scenarios.items()},
        "late_elsewhere": sum(
            sum(each["late"].values()) for name, each in scenarios.items() if name != SCENARIO
        ),
        **_of_messages(run),
    }


def _of_messages(run: GuestRun) -> dict[str, Any]:
    """Return what became of the guests' messages, and how the generator fared.

    Where `not_matched_once` is 0, each was sent, and its own copy came once.
    """
    figures = run.summary["scenarios"][SCENARIO]
    own_copy = figures["timings"]["own_copy"]
    odd = sum(own_copy[name] for name in ("missing", "duplicate", "unexpected"))
    return {
        "scheduled": figures["scheduled"],
        "accepted": figures["accepted"],
        "matched": own_copy["matched"],
        "not_matched_once": figures["scheduled"] - own_copy["matched"] + odd,
        "send_error_ms": figures["send_error_ms"],
        "verdict": run.summary["verdict"],
        "reasons": list(run.summary["reasons"]),
        "generator": run.summary["generator"]["state"],
        "others_on_the_core": {name: round(run.others_share, 3) for name in ("median", "max")},
    }


def _of_the_far_side(run: GuestRun) -> dict[str, Any]:
    return {
        "accepted_by_the_far_side": run.ledger["accepted"],
        "doubled_at_the_far_side": run.ledger["duplicates"],
    }
