"""From acceptance on: a message enters the ledger, and then has the fate that defects give it."""

from __future__ import annotations

from typing import NamedTuple

from simulator.ids import new_id
from simulator.model.defects import SOUND, Defects, Fate
from simulator.model.ledger import Ledger
from simulator.model.marker import Marker


class Delivery(NamedTuple):
    """How a message is to be stored: under these ids, and before the one that it overtakes.

    `ids` is empty for a lost message; `overtaken_id` is "" for a message that overtakes none.
    """

    ids: tuple[str, ...]
    fate: Fate = SOUND
    overtaken_id: str = ""


class _Held(NamedTuple):
    """A message that the next one of its conversation and direction will overtake."""

    marker: Marker | None
    message_ids: list[str]


class Deliveries:
    """Accepts messages and notes in the ledger what truly becomes of each."""

    def __init__(self, ledger: Ledger, defects: Defects) -> None:
        self._ledger = ledger
        self._defects = defects
        self._held: dict[tuple[str, str], _Held] = {}

    def accept(
        self, marker: Marker | None, conversation_id: str, direction: str, message_id: str
    ) -> Delivery:
        """Count a message as accepted; raises OSError, uncounted, if that could not be kept."""
        self._ledger.accept(marker, conversation_id)
        fate = self._defects.fate(marker)
        if fate is SOUND and not self._held:
            return Delivery((message_id,))
        ids = (message_id, *(new_id() for _ in range(fate.copies - 1))) if fate.copies else ()
        for what, is_so in (
            ("lost", fate.is_lost),
            ("doubled", fate.copies > 1),
            ("delayed", fate.delay_s > 0),
            ("corrupted", fate.is_corrupted),
        ):
            if is_so:
                self._ledger.note(what, marker, conversation_id, list(ids or (message_id,)))
        if fate.is_lost:
            return Delivery((), fate)
        return Delivery(ids, fate, self._overtake(marker, conversation_id, direction, ids, fate))

    def forget(self) -> None:
        """Let no later message overtake one that was accepted before now."""
        self._held.clear()

    def _overtake(
        self,
        marker: Marker | None,
        conversation_id: str,
        direction: str,
        ids: tuple[str, ...],
        fate: Fate,
    ) -> str:
        key = conversation_id, direction
        held = self._held.pop(key, None)
        if held is not None:
            # Only now, with a message that is before it, has the held one changed its place.
            self._ledger.note("reordered", held.marker, conversation_id, held.message_ids)
            return held.message_ids[0]
        if fate.is_overtaken:
            self._held[key] = _Held(marker, list(ids))
        return ""
