"""The marker `[convoy:<run id>:<scenario>:<k>]` by which both sides account for a message."""

from __future__ import annotations

from typing import NamedTuple

OPENING = "[convoy:"
LENGTH_MAX = 512
DIGITS_MAX = 18


class Marker(NamedTuple):
    """Which message of which run; `k` counts from 0 within a scenario."""

    run_id: str
    scenario: str
    k: int

    @property
    def text(self) -> str:
        return f"{OPENING}{self.run_id}:{self.scenario}:{self.k}]"


def find_marker(text: str) -> Marker | None:
    """The first well-formed marker in a message text."""
    start = text.find(OPENING)
    while start >= 0:
        begin = start + len(OPENING)
        end = text.find("]", begin, begin + LENGTH_MAX)
        if end >= 0:
            marker = _parsed(text[begin:end])
            if marker is not None:
                return marker
        start = text.find(OPENING, begin)
    return None


def find_marker_in_bytes(body: bytes) -> Marker | None:
    """The first well-formed marker in a raw body of whatever quality."""
    if OPENING.encode() not in body:
        return None
    return find_marker(body.decode("utf-8", "replace"))


def _parsed(inner: str) -> Marker | None:
    parts = inner.split(":")
    if len(parts) != 3:
        return None
    run_id, scenario, k = parts
    is_number = k.isascii() and k.isdigit() and len(k) <= DIGITS_MAX
    return Marker(run_id, scenario, int(k)) if run_id and scenario and is_number else None
