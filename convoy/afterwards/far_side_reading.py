"""Reads the messages of a run at the far side, and when analytics shows them, step by step."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

import gevent
import msgspec
from msgspec.structs import replace

from convoy.afterwards.progress import StepsDone
from convoy.errors import RemoteError
from convoy.remote.api_client import ApiClient
from convoy.remote.conversations import (
    MOST_ASKED,
    conversation_of,
    count_visible,
    read_conversation,
    read_message,
)
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import ACCEPTED
from convoy.results.reconciled import FoundMessage, Look, Markers, Moment, Side
from convoy.untrusted_text import told

_LOOKS_EVERY_S = 2.0
_REREADS_EVERY_S = 5.0
_PAUSE_S = 0.5
_REQUESTS_EACH = 2
_DIRECTIONS = ("inbound", "outbound")
_OF_THE_BUDGET = 3.0
"""Looks take a quarter of the requests at most: after one comes a pause of so many times it."""
_TOLD_EVERY_S = 10.0


class ReadingStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A conversation that was read, or a look at analytics at `at_s`, in seconds since 1970.

    `messages` is None where there is no such conversation; `counts` holds conversation, direction
    and messages of each side that was looked at. With a `located_id` it says in which conversation
    that message is.
    """

    at_s: Moment
    conversation_id: str = ""
    located_id: str = ""
    began_s: Moment | None = None
    messages: list[FoundMessage] | None = None
    counts: list[tuple[str, str, int]] = []


@dataclass(eq=False, repr=False)
class FarSideReading:
    """Reads conversations, and those again in which something is missing, for as long as it may.

    What was read is kept as `progress`, from which another one goes on. `wait_s` is how long to
    wait, after the first reading, for what is missing or not visible in analytics. `tell` is called
    with how far it is. Raises RemoteError and OSError from `read`.
    """

    client: ApiClient
    markers: Markers
    t0_s: float
    sent: Iterable[LoggedMessage]
    progress: StepsDone[ReadingStep]
    wait_s: float
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = gevent.sleep

    def __post_init__(self) -> None:
        self._accepted: dict[str, list[LoggedMessage]] = {}
        self._not_located: dict[str, LoggedMessage] = {}
        for each in self.sent:
            if not each.conversation_id and each.fate is ACCEPTED and each.message_id:
                self._not_located[each.message_id] = each
            if each.conversation_id:
                own = self._accepted.setdefault(each.conversation_id, [])
                own += [each] * (each.fate is ACCEPTED)
        self._read: dict[str, ReadingStep] = {}
        self._sizes: dict[str, Counter[str]] = {}
        self._lacking: set[str] = set()
        self._told_s = self._look_at_s = self._reread_at_s = -inf
        self.looks: defaultdict[Side, list[Look]] = defaultdict(list)
        self.no_analytics = ""
        """Why analytics could not be asked, "" where it could."""
        for step in self.progress.steps:
            self._take(step)

    @property
    def conversations(self) -> int:
        """How many conversations there are to read."""
        return len(self._accepted)

    @property
    def is_nobody_there(self) -> bool:
        """True where not one of the conversations exists."""
        return bool(self._read) and all(each.messages is None for each in self._read.values())

    @property
    def found(self) -> Iterator[FoundMessage]:
        """The messages that were found, those of others among them."""
        for step in self._read.values():
            yield from step.messages or ()

    def read(self) -> None:
        """Read what has not been read, and wait for what is missing."""
        self._read_all()
        self._wait()
        self._read_by_id()

    def _read_all(self) -> None:
        self._locate()
        unread = [each for each in self._accepted if each not in self._read]
        # All at once the budget would be spent for a minute, and analytics could not be asked.
        self.client.is_even = _REQUESTS_EACH * len(unread) > self.client.most_at_once
        for id in unread:
            self._look_when_due()
            self._read_one(id)
            self._tell_now_and_then(f"{len(self._read):,} of {self.conversations:,} are read")

    def _wait(self) -> None:
        ends_s = self.clock() + self.wait_s
        self._reread_at_s = self.clock() + _REREADS_EVERY_S
        while not self.is_nobody_there and (self._lacking or self._not_located or self._unseen()):
            self._look_when_due()
            self._reread_when_due()
            left_s = ends_s - self.clock()
            if left_s <= 0:
                # What was read since the last look may have been visible for long.
                self._look_at_s = -inf
                self._look_when_due()
                return
            self._tell_now_and_then(
                f"in {len(self._lacking):,} of {self.conversations:,} something is missing, in "
                f"{len(self._unseen()):,} not visible in analytics; waiting up to {left_s:.0f} s"
            )
            self.sleep(min(_PAUSE_S, left_s))

    def _read_by_id(self) -> None:
        """Read what is still missing by its id, because a conversation need not list all it has."""
        for id in sorted(self._lacking):
            asked = [each.message_id for each in self._missing_in(id) if each.message_id]
            read = [read_message(self.client, self.markers, id, each) for each in asked]
            if found := [each for each in read if each is not None]:
                listed = self._read[id].messages or []
                step = replace(self._read[id], at_s=self.clock(), messages=[*listed, *found])
                self.progress.add(step)
                self._take(step)

    def _missing_in(self, id: str) -> list[LoggedMessage]:
        """Return the accepted messages of a conversation that were not found in it."""
        messages = self._read[id].messages or []
        keys = {(each.scenario, each.k) for each in messages}
        ids = {each.id for each in messages}
        return [
            each
            for each in self._accepted[id]
            if (each.scenario, each.k) not in keys and each.message_id not in ids
        ]

    def _locate(self) -> None:
        """Find the conversations of messages whose answers named none."""
        for id in [*self._not_located]:
            if conversation_id := conversation_of(self.client, id):
                step = ReadingStep(self.clock(), conversation_id, id)
                self.progress.add(step)
                self._take(step)
                if conversation_id in self._read:
                    self._read_one(conversation_id)

    def _read_one(self, id: str) -> None:
        found = read_conversation(self.client, self.markers, id)
        step = ReadingStep(
            self.clock(),
            id,
            began_s=None if found is None else found.began_s,
            messages=None if found is None else found.messages,
        )
        self.progress.add(step)
        self._take(step)

    def _reread_when_due(self) -> None:
        began_s = self.clock()
        if began_s >= self._reread_at_s:
            self._locate()
            for id in [each for each in self._accepted if each not in self._read]:
                self._read_one(id)
            for id in sorted(self._lacking):
                self._read_one(id)
            self._reread_at_s = self.clock() + max(_REREADS_EVERY_S, self.clock() - began_s)

    def _look_when_due(self) -> None:
        """Look at analytics for what was not visible; where that is not allowed, never again."""
        began_s = self.clock()
        if began_s < self._look_at_s or not (unseen := self._unseen()):
            return
        known = (each.began_s for each in self._read.values() if each.began_s is not None)
        from_s = min(known, default=self.t0_s)
        try:
            for first in range(0, len(unseen), MOST_ASKED):
                ids = unseen[first : first + MOST_ASKED]
                counts = count_visible(self.client, ids, min(from_s, self.t0_s), self.clock())
                sides = [(id, direction) for id in ids for direction in _DIRECTIONS]
                step = ReadingStep(self.clock(), counts=[(*side, counts[side]) for side in sides])
                self.progress.add(step)
                self._take(step)
        except RemoteError as error:
            if not error.code.startswith("4"):
                raise
            self.no_analytics = told(str(error), self.client.redact)
            self.client.is_even = False
        pause_s = _OF_THE_BUDGET * (self.clock() - began_s)
        self._look_at_s = self.clock() + max(_LOOKS_EVERY_S, pause_s)

    def _unseen(self) -> list[str]:
        """Return the conversations of which analytics did not show every message yet."""
        return [] if self.no_analytics else [id for id in self._accepted if not self._is_seen(id)]

    def _is_seen(self, id: str) -> bool:
        if id not in self._sizes:
            return False
        return all(
            (looks := self.looks.get((id, direction))) is not None and looks[-1].count >= size
            for direction, size in self._sizes[id].items()
        )

    def _take(self, step: ReadingStep) -> None:
        for id, direction, count in step.counts:
            self.looks[id, direction].append(Look(step.at_s, count))
        id = step.conversation_id
        if step.located_id:
            located = self._not_located.pop(step.located_id, None)
            self._accepted.setdefault(id, []).extend([located] if located else [])
        elif id in self._accepted:
            messages = step.messages or []
            self._read[id] = step
            self._sizes[id] = Counter({each.id: each.direction for each in messages}.values())
            (self._lacking.add if self._missing_in(id) else self._lacking.discard)(id)

    def _tell_now_and_then(self, what: str) -> None:
        if self.clock() >= self._told_s + _TOLD_EVERY_S:
            self._told_s = self.clock()
            self.tell(f"conversations of the run: {what}")
