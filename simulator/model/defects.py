"""Defects of the platform: what becomes of a share of the messages after they were accepted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from simulator.model.marker import Marker

LOSE, DOUBLE, DELAY, REORDER, CORRUPT = "lose", "double", "delay", "reorder", "corrupt"
DAMAGE = "\N{REPLACEMENT CHARACTER}"


class Defect(NamedTuple):
    """One kind of defect, the share of the messages that has it, and for `DELAY` how long."""

    kind: str
    share: float
    delay_s: float = 0.0


class Fate(NamedTuple):
    """What becomes of one message; of a lost one nothing else is true."""

    is_lost: bool = False
    copies: int = 1
    delay_s: float = 0.0
    is_corrupted: bool = False
    is_overtaken: bool = False


SOUND = Fate()


class Defects:
    """The defects in force.

    Which messages have them is decided by seed, scenario and number, so that neither the order of
    arrival nor the run changes it; one without a marker is decided by how many such came before.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._defects: tuple[Defect, ...] = ()
        self._unmarked = 0

    def set(self, defects: Iterable[Defect]) -> None:
        self._defects = tuple(defects)

    def fate(self, marker: Marker | None) -> Fate:
        if not self._defects:
            return SOUND
        if marker is None:
            self._unmarked += 1
        key = f"{marker.scenario}:{marker.k}" if marker else f"unmarked:{self._unmarked}"
        struck = [each for each in self._defects if self._draw(each.kind, key) < each.share]
        kinds = {each.kind for each in struck}
        if LOSE in kinds:
            return Fate(is_lost=True, copies=0)
        return Fate(
            copies=2 if DOUBLE in kinds else 1,
            delay_s=sum(each.delay_s for each in struck),
            is_corrupted=CORRUPT in kinds,
            is_overtaken=REORDER in kinds,
        )

    def _draw(self, kind: str, key: str) -> float:
        digest = blake2b(f"{self._seed}:{kind}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def damaged(text: str) -> str:
    """The text with one character changed, outside of its marker if it has any other."""
    outside = re.sub(r"\[convoy:[^\]]*\]", lambda match: "\0" * len(match[0]), text)
    for place, character in enumerate(outside):
        if character != "\0":
            return text[:place] + DAMAGE + text[place + 1 :]
    return text + DAMAGE
