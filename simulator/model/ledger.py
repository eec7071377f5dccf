"""What was accepted and what was rejected, in the whole and for each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from simulator.model.marker import Marker


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One accepted message; without a marker it belongs to no run."""

    conversation_id: str
    run_id: str | None = None
    scenario: str | None = None
    k: int | None = None


class Happening(msgspec.Struct, frozen=True, gc=False):
    """What became of an accepted message that did not just stay as it was.

    `what` is `lost`, `doubled`, `delayed`, `reordered` or `corrupted`; `marker` is null where the
    message had none; a doubled message is stored under each of its ids.
    """

    what: str
    marker: str | None
    conversation_id: str
    message_ids: list[str]


@dataclass(slots=True)
class Account:
    """Counts of one run, or of everything, and what became of messages after acceptance."""

    accepted: int = 0
    duplicates: int = 0
    by_conversation: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    after_acceptance: list[Happening] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "by_conversation": self.by_conversation,
            "rejected": self.rejected,
            "after_acceptance": self.after_acceptance,
        }


class Ledger:
    """Accounts that only grow until `clear`; `keep` stores each accepted entry before it counts.

    `since` is when they began to, by this process, as ISO 8601 in UTC to the microsecond.
    A duplicate is an accepted message whose run id, scenario and k were accepted before; it counts
    among the accepted ones too.
    """

    def __init__(self, keep: Callable[[Entry], None] | None = None) -> None:
        self._keep = keep
        self._whole = Account()
        self._runs: dict[str, Account] = {}
        self._seen: dict[tuple[str, str], set[int]] = {}
        self.since = _now()

    def accept(self, marker: Marker | None, conversation_id: str) -> None:
        """Count one accepted message; raises OSError, uncounted, if it could not be kept."""
        entry = Entry(conversation_id, *marker) if marker else Entry(conversation_id)
        if self._keep is not None:
            self._keep(entry)
        self._count(entry)

    def load(self, entries: Iterable[Entry]) -> None:
        """Count entries that were kept earlier."""
        for entry in entries:
            self._count(entry)

    def reject(self, marker: Marker | None, code: str) -> None:
        self._whole.rejected[code] += 1
        if marker is not None:
            self._run(marker.run_id).rejected[code] += 1

    def note(
        self, what: str, marker: Marker | None, conversation_id: str, message_ids: list[str]
    ) -> None:
        """Record a `Happening`."""
        text = marker.text if marker else None
        happening = Happening(what, text, conversation_id, message_ids)
        self._whole.after_acceptance.append(happening)
        if marker is not None:
            self._run(marker.run_id).after_acceptance.append(happening)

    def account(self, run_id: str) -> Account:
        return self._runs.get(run_id) or Account()

    @property
    def whole(self) -> Account:
        return self._whole

    @property
    def runs(self) -> list[str]:
        return list(self._runs)

    def clear(self) -> None:
        self._whole = Account()
        self._runs.clear()
        self._seen.clear()
        self.since = _now()

    def _count(self, entry: Entry) -> None:
        whole = self._whole
        whole.accepted += 1
        whole.by_conversation[entry.conversation_id] += 1
        if entry.run_id is None or entry.scenario is None or entry.k is None:
            return
        run = self._run(entry.run_id)
        run.accepted += 1
        run.by_conversation[entry.conversation_id] += 1
        seen = self._seen.setdefault((entry.run_id, entry.scenario), set())
        if entry.k in seen:
            whole.duplicates += 1
            run.duplicates += 1
        seen.add(entry.k)

    def _run(self, run_id: str) -> Account:
        account = self._runs.get(run_id)
        if account is None:
            account = self._runs[run_id] = Account()
        return account


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
