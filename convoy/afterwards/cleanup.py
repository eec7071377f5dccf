"""`python -m convoy cleanup`: the conversations that a run opened are closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from convoy.afterwards.progress import StepsDone, client_of
from convoy.afterwards.recorded_run import messages_of, opened_before, settings_of
from convoy.plan.rendering import CUSTOMERS
from convoy.remote.connections import Connections
from convoy.remote.conversations import disconnect
from convoy.results.outcome import ACCEPTED
from convoy.results.record import MESSAGES
from convoy.settings import Settings

PROGRESS = "cleanup.jsonl"
_TOLD_EVERY = 25


class _Step(msgspec.Struct, frozen=True):
    """A conversation that was closed, or was over or gone before."""

    conversation_id: str
    was: Literal["closed", "over"]


class Cleanup:
    """The conversations that a run opened, in the order in which it did; and what became of them.

    Raises SettingsError for a record that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.settings = settings = settings_of(folder)
        self._progress = StepsDone(folder / PROGRESS, _Step)
        self._not_named = 0
        self._ids = dict.fromkeys(opened_before(folder))
        self._has_log = (folder / MESSAGES).exists()
        kept: dict[str, None] = {}
        for each in messages_of(folder) if self._has_log else ():
            rule = settings.scenario.get(each.scenario)
            if rule is None or rule.conversations.source != "none":  # those are not of the run
                continue
            if not each.conversation_id:
                self._not_named += each.fate is ACCEPTED
                continue
            # Customers who are kept from run to run may have opened it in an earlier one.
            (kept if CUSTOMERS in rule.variables else self._ids)[each.conversation_id] = None
        self._kept = len(kept)
        # Without the log nothing else says that those were of the run.
        self._ids |= dict.fromkeys(self._done)

    @property
    def left(self) -> list[str]:
        """The ids that remain to be closed."""
        done = self._done
        return [id for id in self._ids if id not in done]

    @property
    def _done(self) -> dict[str, Literal["closed", "over"]]:
        return {each.conversation_id: each.was for each in reversed(self._progress.steps)}

    def close(
        self, settings: Settings, connections: Connections, tell: Callable[[str], None]
    ) -> None:
        """Close what is left, one after the other; after any error the next call goes on.

        Raises RemoteError and OSError.
        """
        left = self.left
        with client_of(settings, connections, tell) as client:
            for number, id in enumerate(left, start=1):
                self._progress.add(_Step(id, disconnect(client, id)))
                if number % _TOLD_EVERY == 0:
                    tell(f"{number:,} of {len(left):,} conversations are closed")

    def __str__(self) -> str:
        counts = Counter(self._done.values())
        told = (
            f"closed {counts['closed']:,} of the {len(self._ids):,} conversations that the run "
            f"opened; {counts['over']:,} were over or gone before"
        )
        if left := len(self.left):
            told += f", {left:,} are left"
        if self._kept:
            told += f"; {self._kept:,} of customers who are kept from run to run stay open"
        if self._not_named:
            told += f"; the answers to {self._not_named:,} messages named no conversation"
        if not self._has_log:
            told += f"; without {MESSAGES} no others than these are known"
        return told
