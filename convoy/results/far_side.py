"""What the far side holds of a run, compared with what we counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from convoy.results.counts import Counts


class Happening(msgspec.Struct, frozen=True):
    """What became of an accepted message at a simulator: lost, doubled, corrupted, reordered …"""

    what: str
    marker: str | None
    conversation_id: str
    message_ids: tuple[str, ...]


class Ledger(msgspec.Struct, frozen=True):
    """A simulator's account of one run; it has counted since `since`, a text that never recurs."""

    accepted: int
    duplicates: int
    by_conversation: dict[str, int]
    since: str
    after_acceptance: tuple[Happening, ...] = ()


class FarSide(msgspec.Struct, frozen=True):
    """The far side's counts of a run, or why they were `not_compared`.

    `misdirected` counts the messages in a conversation beyond those that were to go there, None
    where that was not counted.
    """

    not_compared: str = ""
    accepted: int = 0
    duplicates: int = 0
    misdirected: int | None = None

    @property
    def shown(self) -> str:
        """The counts, or why there are none, as a person reads it."""
        if self.not_compared:
            return f"not compared: {self.not_compared}"
        return f"{self.accepted:,} messages, {self.duplicates:,} of them twice"


def far_side(ledger: Ledger, since: str, planned: Mapping[str, int] | None) -> FarSide:
    """Return what a ledger says of a run that began when the ledger's `since` was this one.

    `planned` holds the messages of the plan by conversation id, as many as could be sent; those of
    the id "" make conversations of their own, which the plan does not name.
    """
    if ledger.since != since:
        return FarSide(not_compared="the simulator was restarted or emptied meanwhile")
    misdirected = None
    if planned is not None:
        found = Counter[str]()
        for id, count in ledger.by_conversation.items():
            found[id if id in planned else ""] += count
        # Counters subtract to nothing below 0: where fewer came than planned, none is misdirected.
        misdirected = (found - Counter(planned)).total()
    return FarSide("", ledger.accepted, ledger.duplicates, misdirected)


def mismatches(found: FarSide, counts: Counts, redirected: int) -> Iterator[str]:
    """Yield a sentence for everything that the far side and our `counts` disagree on.

    `redirected` messages went to another conversation than planned.
    """
    if found.not_compared:
        return
    least, most = counts.accepted, counts.accepted + counts.unknown
    if not least <= found.accepted <= most:
        allowed = f"{least}" if least == most else f"{least} to {most}"
        yield f"the far side has {found.accepted} messages of this run, and we count {allowed}"
    if found.duplicates:
        yield f"the far side has {found.duplicates} messages of this run twice"
    if found.misdirected is not None and found.misdirected > redirected:
        yield (
            f"the far side has {found.misdirected} messages in conversations that the plan did not "
            f"send them to, and {redirected} were redirected"
        )
