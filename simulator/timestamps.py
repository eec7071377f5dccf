"""Points in time as the API writes and takes them: ISO 8601, in UTC where it is the API's own."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(wall_s: float) -> str:
    """A Unix time as `2026-11-22T10:00:00.000Z`."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_stamp(text: str) -> float | None:
    """The Unix time of a date and time with or without a zone, else UTC's; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if "T" not in text:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
